"""How a mixture of styles is written down."""

from collections.abc import Sequence
from math import isfinite

from fast_style.data.style import shipped_styles
from fast_style.files import is_file


def parse_styles(text: str) -> dict[str, float]:
    """Read a style, or a mixture of several: `starry_night`, `starry_night:0.6,a.jpg:0.4`.

    Commas part the styles; a weight is `:NUMBER` at the end of one and nothing else, and is 1 where it is left out. A
    file whose name has commas or colons is taken as it stands, where it exists. A URL may hold commas and colons as
    well: it ends with its weight, or before a comma after which another URL, a file that exists or a shipped style
    comes; to give every URL its weight leaves no doubt.

    Returns:
        Weights by style, in the order of the text.

    Raises:
        ValueError: if a style is missing or comes twice, or a weight is negative or not finite.
    """
    weights: dict[str, float] = {}
    parts = text.split(",")
    while parts:
        count = _length(parts)
        name, weight = weighed(",".join(parts[:count]).strip())
        parts = parts[count:]
        if not name or name in weights:
            raise ValueError(f"style {text!r} must be NAME or NAME:WEIGHT,NAME:WEIGHT with each name once")
        weights[name] = weight_of(name, weight)
    return weights


def weight_of(name: str, text: str) -> float:
    """Read the weight of a style, 1 if the text is empty.

    Raises:
        ValueError: if it is negative or not finite.
    """
    weight = float(text or 1)
    if not isfinite(weight):
        raise ValueError(f"the weight of style {name} must be a finite number, got {text}")
    if weight < 0:
        raise ValueError(f"the weight of style {name} must not be negative, got {text}")
    return weight


def weighed(text: str) -> tuple[str, str]:
    """Part a style from its weight, as texts, empty if there is none; what follows a URL's host is a port."""
    name, colon, weight = text.rpartition(":")
    try:
        float(weight)
    except ValueError:
        return text, ""
    port = _is_url(name) and "/" not in name.partition("://")[2]
    return (text, "") if not colon or port or is_file(text) else (name.strip(), weight.strip())


def _length(parts: Sequence[str]) -> int:
    """Count the parts between commas, from the first on, that are one style."""
    for count in range(len(parts), 1, -1):
        if _is_file(",".join(parts[:count])):
            return count
    if not _is_url(parts[0]):
        return 1
    for count in range(1, len(parts)):
        if weighed(",".join(parts[:count]))[1] or _begins_style(parts[count:]):
            return count
    return len(parts)


def _begins_style(parts: Sequence[str]) -> bool:
    known = _is_url(parts[0]) or weighed(parts[0].strip())[0] in shipped_styles()
    return known or any(_is_file(",".join(parts[:count])) for count in range(1, len(parts) + 1))


def _is_url(text: str) -> bool:
    return text.strip().lower().startswith(("http://", "https://"))


def _is_file(text: str) -> bool:
    return is_file(text.strip()) or is_file(weighed(text.strip())[0])
