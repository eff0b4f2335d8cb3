"""How the commands read their arguments."""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from fast_style import images


class Parser(argparse.ArgumentParser):
    """Tells misuse as everything else is told: in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"error: {message}\n")


def check_picture(path: Path) -> None:
    """Tell before the work what would fail after it.

    Raises:
        ValueError: if the suffix is not one of an image.
        OSError: if the path is a folder, or cannot be written.
    """
    if path.suffix.lower() not in images.SUFFIXES:
        raise ValueError(f"cannot write {path}: its suffix must be one of {', '.join(images.SUFFIXES)}")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PermissionError(f"cannot write {path}: {parent} is no folder that can be written")
