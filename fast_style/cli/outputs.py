"""Which file a training writes, so that no network replaces another unless told to."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, ListConfig, OmegaConf

from fast_style import images
from fast_style.files import digest_of

log = logging.getLogger(__name__)

NOTE = "network.txt"  # in the folder of a run, which network it wrote, and the SHA-256 of that
INPUTS = ("style.image", "style.dir", "data.root", "data.root_a", "data.root_b", "data.heldout", "data.style_root")


def sheet_of(output: Path) -> Path:
    """Name the file of the pictures that go with a network."""
    return output.with_suffix(".png")


def choose_output(config: DictConfig, given: bool, resume: Path | None, run: Path) -> Path:
    """Tell before the training what would fail after it, and find the file it may write.

    Args:
        config: of the run, with `output` and `overwrite`.
        given: whether the user named the file; one that is there already is then refused, while beside a default name
            `writing` finds another.
        resume: a checkpoint that is continued.
        run: folder of the run. The network that it wrote itself may be replaced when it goes on.

    Raises:
        ValueError, OSError: if it cannot be written, or given and not to be replaced, or its pictures would replace one
            that the training reads.
    """
    output, own = Path(config.output), _own(run) if resume is not None and _is_within(resume, run) else None
    if own is not None and not given:
        output = own
    if output.is_dir():
        raise IsADirectoryError(f"output={output} is a folder: give a file, such as {output}/NAME.safetensors")
    if (suffix := output.suffix.lower()) == ".onnx" or images.is_image(output.name):
        network = output.with_suffix(".safetensors")
        about = "`fast-style export` makes ONNX of it" if suffix == ".onnx" else f"pictures go to {sheet_of(output)}"
        raise ValueError(f"output={output} is the file of a network: give {network}; {about}")
    _make_folder(output)
    if not os.access(output.parent, os.W_OK):
        raise PermissionError(f"output={output} cannot be written: {output.parent} is read-only")
    if own is not None and own.absolute() == output.absolute():
        config.overwrite = True
    # Other processes of this run may start when the first has written it.
    if given and not config.overwrite and first_process():
        if output.exists():
            raise FileExistsError(f"output={output} exists: choose another, or give overwrite=true")
        if (sheet := sheet_of(output)).exists():
            raise FileExistsError(
                f"{sheet}, where the pictures of output={output} go, exists: choose another, or give overwrite=true"
            )
    if config.overwrite and own is None:
        _keep_inputs(config, sheet_of(output))
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
    _make_folder(output)
    chosen = output if overwrite else _first_made(output, lambda path: _claim(files(path)))
    try:
        yield chosen
    except BaseException:
        if not overwrite:
            for path in files(chosen):
                path.unlink(missing_ok=True)
        raise
    try:
        (run / NOTE).write_text(f"{chosen.absolute()}\n{digest_of(chosen)}", encoding="utf-8")
    except OSError as error:  # for lack of space perhaps
        log.warning(
            "cannot write %s: %s; if the run goes on, its network gets another name", run / NOTE, error.strerror
        )


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


def _own(run: Path) -> Path | None:
    """Find the network that a run wrote, unless another lies in its place by now."""
    note = run / NOTE
    if not note.is_file():
        return None
    name, _, digest = note.read_text(encoding="utf-8").partition("\n")
    path = Path(name)
    return path if not path.exists() or (path.is_file() and digest_of(path) == digest) else None


def _is_within(resume: Path, run: Path) -> bool:
    """Tell whether a checkpoint lies where a run keeps its own."""
    return resume.absolute().parent.resolve() == (run / "checkpoints").resolve()


def _make_folder(output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            f"output={output} cannot be written: a part of {output.parent} is a file, not a folder"
        ) from None


def _keep_inputs(config: DictConfig, sheet: Path) -> None:
    """Raise ValueError if the pictures would replace one that the training reads."""
    if not sheet.exists():
        return
    places = {sheet.resolve(), *sheet.resolve().parents}
    for setting in INPUTS:
        value = OmegaConf.select(config, setting)
        for text in value if isinstance(value, ListConfig) else [value]:
            if isinstance(text, str) and Path(text).resolve() in places:
                raise ValueError(f"{sheet}, where the pictures go, is of {setting}={text}: give another output")
