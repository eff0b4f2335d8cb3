"""How the commands read their arguments."""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from fast_style.files import Place, as_path, is_file
from fast_style.remote import is_address


class Parser(argparse.ArgumentParser):
    """Tells misuse as everything else is told: in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message as an error and exit with 2."""
        self.exit(2, f"error: {message}\n")


def path(text: str) -> Path:
    """Read an argument that is a path, as `type=path` of argparse: `~` is a home folder, an empty one is refused."""
    try:
        return as_path(text)
    except (ValueError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def local(text: str) -> Path:
    """Read an argument that is a path of this machine and no address, as `type=local` of argparse."""
    if is_address(text):
        raise argparse.ArgumentTypeError(f"{text} is an address: save the file first, and give its path")
    return path(text)


def place(text: str) -> Path | str:
    """Read an argument that is a path or an address, as `type=place` of argparse; an address stays a text."""
    return text if is_address(text) else path(text)


def filled(text: str) -> str:
    """Read an argument that may be a path, an address or a name, as `type=filled` of argparse: only not empty."""
    path(text)
    return text


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Give a command the option without which it replaces no file."""
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")


def add_engine(group: argparse._ActionsContainer, what: str, works: str) -> None:
    """Give a command the options by which the workers of a cluster do its work.

    Args:
        group: of the command's options.
        what: such work is for, such as `folders and addresses of many`.
        works: what a worker does.
    """
    engine = f"plain (default: this process alone), or ray: workers of a Ray cluster, for {what}"
    group.add_argument("--engine", choices=("plain", "ray"), default="plain", help=engine)
    address = "auto or HOST:PORT: the Ray cluster to join; default: one of this machine alone, for this command"
    group.add_argument("--ray-address", type=filled, metavar="ADDRESS", help=address)
    workers = f"how many workers {works}; default: one a GPU, else one for every 4 cores"
    group.add_argument("--workers", type=int, metavar="N", help=workers)


def check_new(target: Path, overwrite: bool) -> None:
    """Tell before the work what would fail after it: that a file cannot be written, or would replace another.

    Args:
        target: the file.
        overwrite: whether it may exist.

    Raises:
        FileExistsError: if it exists and must not.
        OSError: if it is a folder, or lies in none that can be written.
    """
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {target}: it is a folder")
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PermissionError(f"cannot write {target}: {parent} is no folder that can be written")
    if not overwrite and target.exists():
        raise FileExistsError(f"output {target} exists: choose another, or give --overwrite")


def check_picture(target: Path, overwrite: bool = True) -> None:
    """Tell before the work what would fail after it: that a picture cannot be written, or would replace a file.

    Args:
        target: the file.
        overwrite: whether it may exist.

    Raises:
        ValueError: if the suffix is not one of an image.
        FileExistsError: if it exists and must not.
        OSError: if it is a folder, or lies in none that can be written.
    """
    from fast_style import images  # not for --help

    if target.suffix.lower() not in images.SUFFIXES:
        raise ValueError(f"cannot write {target}: its suffix must be one of {', '.join(images.SUFFIXES)}")
    check_new(target, overwrite)


def check_spared(written: Iterable[Place], read: Iterable[str | Path], option: str = "--output") -> None:
    """Tell before the work that a file would be replaced that the work is done with, even if outputs may be replaced.

    Args:
        written: the files to write.
        read: the files that are read; what is none of this machine, such as the name of a style, is passed over.
        option: what chooses the files to write.

    Raises:
        ValueError: naming the file.
    """
    targets = {path.resolve() for path in written if isinstance(path, Path) and path.is_file()}
    for text in read if targets else ():
        if is_file(text) and as_path(text).resolve() in targets:
            raise ValueError(f"input {text} would be replaced by an output: choose another {option}")


def note_of(text: str) -> str | None:
    """Tell what the weights of a mixture are taken as, if their sum is not 1; None if there is nothing to tell.

    Raises:
        ValueError: as `data.parse_styles`.
    """
    from fast_style.data import parse_styles  # not for --help

    style = parse_styles(text)
    total = sum(style.values())
    if total == 0 or all(weight == 1 for weight in style.values()) or abs(total - 1) < 1e-6:  # 0 is refused elsewhere
        return None
    shares = ", ".join(f"{name} {weight / total:.3g}" for name, weight in style.items())
    return f"the weights of {text} sum to {total:.6g}, taken as {shares}"
