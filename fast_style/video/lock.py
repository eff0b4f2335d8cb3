"""What keeps a second command from a film, or from frames, that another is making."""

import os
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing tells that another command is at it
    fcntl = None  # type: ignore[assignment]


@dataclass
class Lock:
    """A file that one command at a time holds, until it releases it or ends.

    Attributes:
        path: of the file, in a folder that is there once it is held.
        output: what is made meanwhile.
        of_another: whether another command held it when this one asked.
    """

    path: Path
    output: Path
    of_another: bool = False

    def __post_init__(self) -> None:
        self._file: int | None = None  # open, while it is held

    def hold(self) -> None:
        """Hold it, if it is not held already; a file system without locks lets everybody hold it.

        Raises:
            BlockingIOError: if another command holds it.
            OSError: if the file cannot be written.
        """
        if fcntl is None or self._file is not None:
            return
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self.path.exists() or os.fstat(self._file).st_ino != self.path.stat().st_ino:
                self.release()  # another command has removed it since it was opened
                self.hold()
        except BlockingIOError:
            self.release()
            self.of_another = True
            raise BlockingIOError(f"{self.output} is being made by another command: wait until it has ended") from None
        except OSError:  # a file system without locks
            self.release()

    def release(self) -> None:
        """Let other commands hold it, as the end of the process does."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Release it, and remove the file, unless another command holds it."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
        self.release()
