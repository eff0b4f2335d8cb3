"""In which direction a network was learned that a training starts from."""

from pathlib import Path

from fast_style.checkpoint import find_network, read_metadata

DIRECTIONS = ("AtoB", "BtoA")


def learned_direction(start: str | Path | None) -> str | None:
    """Tell the direction of a network by what its file says: `AtoB` or `BtoA`; None if it says nothing of one.

    Args:
        start: `scratch`, `base`, or a network, see `find_network`; None as `scratch`.

    Raises:
        FileNotFoundError, ValueError: as `read_metadata`.
    """
    if start is None or start in ("scratch", "base"):
        return None
    metadata = read_metadata(find_network(start))
    if "back." in metadata.get("used", ""):  # a checkpoint of CycleGAN, which is used as the way back
        return "BtoA"
    found = metadata.get("direction")
    match metadata.get("config"):
        case {"data": {"direction": direction}} if found is None:
            found = direction
    return found if found in DIRECTIONS else None
