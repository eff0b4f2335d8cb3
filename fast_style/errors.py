"""What is said when something goes wrong: by other libraries, and of names that are unknown."""

from collections.abc import Iterable
from difflib import get_close_matches


def first_line(error: BaseException) -> str:
    """Shorten what a library says, often with its whole stack, to what fits in a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines and lines[0].startswith("Exception from") else lines[0] if lines else type(error).__name__


def one_line(error: BaseException) -> str:
    """Return all that an error says, without its line breaks; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """Find the known name that is most like an unknown one; empty if none is."""
    return next(iter(get_close_matches(name, list(known), n=1)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask for the known name that is most like an unknown one: ` (did you mean mosaic?)`, or nothing."""
    near = nearest(name, known)
    return f" (did you mean {near}?)" if near else ""
