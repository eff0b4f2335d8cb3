"""The styles that are offered: those that ship, the user's own, and any painting that was brought."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fast_style.assets import NETWORKS, shipped_networks
from fast_style.checkpoint import describe
from fast_style.web.refusal import RefusedError
from fast_style.web.uploads import Shelf

ANY = NETWORKS / "any.safetensors"
BASES = ("any", "any_johnson")  # networks that take a painting
QUICK = ("_slim", "_video")  # ends the names of the small networks
STEADY = "_video"  # of those that flicker least in films
LIVE = 600_000  # bytes of the largest network that a browser runs picture after picture: twice those that ship
PAINTING = "painting:"  # begins the id of a painting that was brought


@dataclass(frozen=True)
class Style:
    """A style to choose.

    Attributes:
        id: its name in requests.
        name: to be shown.
        kind: `shipped`, `own` or `painting`.
        model: the file of its network.
        key: what the network calls it; None: the network has no other.
        quick: whether its network is a small one.
        steady: whether it flickers little in films.
        live: whether a browser may run it picture after picture.
        aside: whether it is offered for films alone: one that ships in a network of several, which does not flicker
            much, and is there for photos in another.
    """

    id: str
    name: str
    kind: str
    model: Path
    key: str | None = None
    quick: bool = False
    steady: bool = False
    live: bool = False

    @property
    def aside(self) -> bool:  # noqa: D102 - see above
        return self.kind == "shipped" and self.steady and self.key is not None

    def told(self) -> dict[str, Any]:
        """Tell the page of it."""
        return {name: getattr(self, name) for name in ("id", "name", "kind", "quick", "steady", "live", "aside")}


class Styles:
    """All styles there are now.

    Args:
        shelf: where paintings were brought.
        networks: a folder of the user's networks.
        learned: asked for networks that were learned here: id, name to be shown, and file.
    """

    def __init__(self, shelf: Shelf, networks: Path, learned: Callable[[], Iterable[tuple[str, str, Path]]]) -> None:
        self.shelf, self.networks, self.learned = shelf, networks, learned

    def all(self) -> list[Style]:
        """List them: learned here, the user's own, and those that ship, the quick ones last."""
        learned = [
            Style(f"job:{id_}", name, "own", path, live=path.stat().st_size <= LIVE)
            for id_, name, path in self.learned()
            if path.is_file()
        ]
        return learned + of_files(self.networks)

    def get(self, name: object) -> Style:
        """Find a style by its id.

        Raises:
            RefusedError: with 404 if there is none.
        """
        if isinstance(name, str) and name.startswith(PAINTING):
            kept = self.shelf.get(name.removeprefix(PAINTING), "image")
            return Style(name, kept.stem, "painting", ANY, str(self.shelf.path(kept)))
        found = next((style for style in self.all() if style.id == name), None)
        if found is None:
            raise RefusedError(404, "there is no such style: take an id of /api/styles, or painting:ID of an image")
        return found

    def painting(self, style: Style) -> Path | None:
        """Find the picture that a style was learned from; None if it is not here."""
        if style.kind == "painting":
            return Path(style.key or "")
        if style.id.startswith("job:"):
            return style.model.with_name("painting.png")
        return None


def of_files(networks: Path) -> list[Style]:
    """List the styles of the user's own networks in a folder, and those that ship, the quick ones last."""
    files = sorted(networks.glob("*.safetensors")) if networks.is_dir() else []
    own = [style for path in files for style in _of_file(path, f"file:{path.stem}", "own")]
    ships = {name: path for name, path in shipped_networks().items() if name not in BASES}
    listed = [style for name, path in ships.items() for style in _of_file(path, name, "shipped")]
    shipped = [style for style in listed if _own_network(style) not in ships]  # which does it better
    return own + sorted(shipped, key=lambda style: (style.quick, style.steady, style.key is not None))


def _own_network(style: Style) -> str:
    """Name the network that would be for a style of a network of several alone, as one for films if that is."""
    return f"{style.key}{STEADY if style.steady else ''}" if style.key else ""


def mixture(first: Style, second: Style | None, share: float) -> list[tuple[Style, float]]:
    """Weigh two styles; what has no weight is left out."""
    weights = [(first, 1 - share), *([(second, share)] if second is not None else [])]
    kept = [(style, weight) for style, weight in weights if weight > 0]
    return kept or [(first, 1.0)]


def by_network(mixed: list[tuple[Style, float]]) -> list[tuple[Path, Mapping[str, float] | None, float]]:
    """Gather weighed styles by their networks: file, weights of its styles or None, and the weight of all of them."""
    gathered: dict[tuple[Path, bool], dict[str, float]] = {}
    for style, weight in mixed:
        weights = gathered.setdefault((style.model, style.key is not None), {})
        weights[style.key or ""] = weights.get(style.key or "", 0.0) + weight
    return [
        (model, weights if several else None, sum(weights.values())) for (model, several), weights in gathered.items()
    ]


def _of_file(path: Path, name: str, kind: str) -> list[Style]:
    """List the styles of a network; none if the file is damaged, or takes a painting."""
    try:
        status = path.stat()
        keys = _keys(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return []
    kinds = (path.stem.endswith(QUICK), path.stem.endswith(STEADY), status.st_size <= LIVE)
    if keys is None:
        return []
    if not keys:
        return [Style(name, shown(path.stem), kind, path, None, *kinds)]
    return [Style(f"{name}/{key}", shown(key), kind, path, key, *kinds) for key in keys if key != "photo"]


@lru_cache(maxsize=256)
def _keys(path: Path, changed: int, size: int) -> tuple[str, ...] | None:
    """Read the names of a network's styles, none if it has but one; None if it takes a painting."""
    description = describe(path)
    return None if description.takes_images else description.styles


def shown(name: str) -> str:
    """Write the name of a file for people: `starry_night_slim` becomes `Starry night`."""
    for ending in QUICK:
        name = name.removesuffix(ending)
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
