"""What a request is answered that cannot be granted."""

import errno


class RefusedError(Exception):
    """A request that is not granted.

    Args:
        status: of HTTP.
        sentence: says why, and what to do.
        retry: seconds after which it may be granted; None: never as it stands.
    """

    def __init__(self, status: int, sentence: str, retry: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry = status, sentence, retry


def of_disk(error: OSError) -> RefusedError:
    """Tell in words of the page what the disk refused."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return RefusedError(507, "the disk is full: make room on the machine that serves this page")
    return RefusedError(500, f"the server cannot write: {error.strerror or 'an error of its disk'}")
