"""Which file a training writes, so that no network replaces another unless told to."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

NOTE = "network.txt"  # in the folder of a run, which network it wrote


def choose_output(config: DictConfig, given: bool, resume: Path | None) -> Path:
    """Tell before the training what would fail after it, and find the file it may write.

    Args:
        config: of the run, with `output` and `overwrite`.
        given: whether the user named the file; one that is there already is then refused, while beside a default name
            `writing` finds another.
        resume: a checkpoint of the run that is continued, whose network may be replaced.

    Raises:
        ValueError, OSError: if it cannot be written, or given and not to be replaced.
    """
    output, own = Path(config.output), _own(resume)
    if own is not None and not given:
        output = own
    if output.is_dir():
        raise IsADirectoryError(f"output={output} is a folder: give a file, such as {output}/NAME.safetensors")
    if output.suffix == ".png":
        raise ValueError(f"output={output} is where the pictures go: give {output.with_suffix('.safetensors')}")
    output.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(output.parent, os.W_OK):
        raise PermissionError(f"output={output} cannot be written: {output.parent} is read-only")
    if own is not None and own.absolute() == output.absolute():
        config.overwrite = True
    # Other processes of this run may start when the first has written it.
    if given and not config.overwrite and output.exists() and first_process():
        raise FileExistsError(f"output={output} exists: choose another, or give overwrite=true")
    return output


def refuse_taken(files: Sequence[Path], refuse: bool) -> None:
    """Raise FileExistsError if one of the files beside a network exists, and is not to be replaced."""
    for path in files if refuse and first_process() else ():
        if path.exists():
            raise FileExistsError(f"{path}, which goes with output, exists: choose another, or give overwrite=true")


@contextmanager
def writing(
    output: Path, overwrite: bool, run: Path, files: Callable[[Path], Sequence[Path]] = lambda path: [path]
) -> Iterator[Path]:
    """Yield the file to write a network to, and note in the folder of its run that it is its own.

    Unless it may be overwritten, the file is NAME_2, NAME_3, … where NAME is taken by the time the network is written;
    it exists, empty, in the body, so that no other run takes it, and is gone again if the body fails.

    Args:
        output: the file that is wanted.
        overwrite: whether it may be replaced.
        run: folder of the run.
        files: names all files that are written for one of the first, itself included.
    """
    chosen = output if overwrite else _first_made(output, lambda path: _claim(files(path)))
    try:
        yield chosen
    except BaseException:
        if not overwrite:
            for path in files(chosen):
                path.unlink(missing_ok=True)
        raise
    (run / NOTE).write_text(str(chosen.absolute()), encoding="utf-8")


def new_folder(path: str) -> str:
    """Make a folder for a run alone: PATH, or PATH_2, PATH_3, … where another has begun in the same second."""
    if not first_process():
        return path
    return str(_first_made(Path(path), lambda folder: folder.mkdir(parents=True)))


def first_process() -> bool:
    """Tell whether this is the process of rank 0, to which the folder of a run and the network belong."""
    return getattr(rank_zero_only, "rank", 0) == 0


def _claim(files: Sequence[Path]) -> None:
    """Make files, empty; none if one of them exists."""
    made: list[Path] = []
    try:
        for path in files:
            path.touch(exist_ok=False)
            made.append(path)
    except FileExistsError:
        for path in made:
            path.unlink()
        raise


def _first_made(path: Path, make: Callable[[Path], None]) -> Path:
    for number in count(1):
        chosen = path if number == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")
        with suppress(FileExistsError):
            make(chosen)
            break
    return chosen


def _own(resume: Path | None) -> Path | None:
    """Find the network that the run of a checkpoint wrote."""
    note = None if resume is None else resume.parent.parent / NOTE
    return Path(note.read_text(encoding="utf-8")) if note is not None and note.is_file() else None
