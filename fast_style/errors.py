"""What other libraries say when something goes wrong."""


def first_line(error: BaseException) -> str:
    """Shorten what a library says, often with its whole stack, to what fits in a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines and lines[0].startswith("Exception from") else lines[0] if lines else type(error).__name__


def one_line(error: BaseException) -> str:
    """Return all that an error says, without its line breaks; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
