"""What there is to stylize, and where the results go."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fast_style import images
from fast_style.files import as_path


@dataclass(frozen=True)
class Job:
    """One image to stylize: where it is, and where the result goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Attributes:
        jobs: the images to stylize.
        left_out: what the input folders held besides, a line for each that names the folder; see `images.list_images`.
    """

    jobs: list[Job]
    left_out: list[str] = field(default_factory=list)


def plan(inputs: Sequence[str], output: Path | None, style: str, overwrite: bool = False) -> Plan:
    """Pair every image that the inputs name with its output.

    Args:
        inputs: files, folders, or globs that the shell left as they are; `~` at the beginning is the home folder.
        output: a file for a single input file; else a folder, which mirrors a single input folder, and holds files
            and folders by name if there are several inputs; None: beside each input.
        style: appended to the name of an output beside its input.
        overwrite: whether the output of a single input file may exist.

    Returns:
        The images in the order of the inputs; those of a folder sorted by their names, as training takes them.

    Raises:
        FileNotFoundError: if an input does not exist.
        FileExistsError: if the output of a single input file exists.
        ValueError: if an input is empty, a folder has no image, an output is the output of two inputs or an input
            itself, or `output` has a suffix that does not suit the inputs.
    """
    paths = [path for text in inputs for path in _expand(text)]
    # A glob counts as several, however many files it matches today.
    alone = len(inputs) == 1 and as_path(inputs[0]).exists()
    single = alone and paths[0].is_file()
    if output is not None and _is_file(output, single):
        plans = [Plan([Job(paths[0], output)])]
    else:
        plans = [_plan_of(path, output, style, alone) for path in paths]
    jobs = _without_clashes([job for each in plans for job in each.jobs], output is None)
    if single and jobs and jobs[0].target.exists() and not overwrite:
        raise FileExistsError(f"output {jobs[0].target} exists: choose another --output, or give --overwrite")
    return Plan(jobs, [line for each in plans for line in each.left_out])


def _without_clashes(jobs: Sequence[Job], beside: bool) -> list[Job]:
    """Leave out what comes twice and, where outputs lie beside their inputs, outputs that were taken for inputs.

    Raises:
        ValueError: if two images have one output, or an output is an input.
    """
    by_target: dict[Path, Job] = {}
    for job in jobs:
        other = by_target.setdefault(job.target.resolve(), job)
        if other.source.resolve() != job.source.resolve():
            raise ValueError(f"{other.source} and {job.source} would both be written to {job.target}: rename one")
    sources = {job.source.resolve() for job in jobs}
    if beside:
        # What a glob such as *.jpg catches in its second run: the outputs of the first.
        sources -= by_target.keys()
    elif taken := sources & by_target.keys():
        raise ValueError(f"input {min(taken)} would be replaced by an output: choose another --output")
    return [job for job in by_target.values() if job.source.resolve() in sources]


def _expand(text: str) -> list[Path]:
    path = as_path(text, "an --input")
    if path.exists():
        return [path]
    if not glob.has_magic(text):
        raise FileNotFoundError(f"input {text!r} does not exist")
    paths = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not paths:
        raise FileNotFoundError(f"input {text!r} matches no file")
    return [Path(path) for path in paths]


def _is_file(output: Path, single: bool) -> bool:
    """Tell whether the output is a file, not a folder; raise ValueError if it is one that cannot be written."""
    if not output.suffix or output.is_dir():
        return False
    if single and not _is_image(output):
        suffixes = ", ".join(images.SUFFIXES)
        raise ValueError(f"cannot write {output}: its suffix must be one of {suffixes}, or name an existing folder")
    if not single and _is_image(output):
        raise ValueError(f"output {output} is named like a file, which only a single input file has: name a folder")
    return single


def _plan_of(path: Path, output: Path | None, style: str, alone: bool) -> Plan:
    """Pair one input with its output, or the images of a folder with theirs."""
    if not path.is_dir():
        suffix = path.suffix if _is_image(path) else ".png"
        target = path.with_name(f"{path.stem}-{style}{suffix}") if output is None else output / f"{path.stem}{suffix}"
        return Plan([Job(path, target)])
    named = path.resolve() if path.name in ("", "..") else path
    beside = named.parent / f"{named.name}-{style}"
    folder = beside if output is None else output if alone else output / named.name
    listing = images.list_images(path)
    root, inside = path.resolve(), (beside if output is None else output).resolve()
    names = listing.names
    if inside.is_relative_to(root):
        names = [name for name in names if not (root / name).is_relative_to(inside)]
    if not names:
        outside = "" if output is None else f" outside {output}"
        note = f"; {listing}" if listing.left_out else ""
        raise ValueError(f"input folder {path} holds no image ({', '.join(images.SUFFIXES)}){outside}{note}")
    left_out = [f"{path}: {listing}"] if listing.left_out else []
    return Plan([Job(path / name, folder / name) for name in names], left_out)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in images.SUFFIXES
