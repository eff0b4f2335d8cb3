"""What there is to stylize, and where the results go."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_style import images


@dataclass(frozen=True)
class Job:
    """One image to stylize: where it is, and where the result goes."""

    source: Path
    target: Path


def plan(inputs: Sequence[str], output: Path | None, style: str, overwrite: bool = False) -> list[Job]:
    """Pair every image that the inputs name with its output.

    Args:
        inputs: files, folders, or globs that the shell left as they are.
        output: a file for a single input file; else a folder, which mirrors a single input folder, and holds files
            and folders by name if there are several inputs; None: beside each input.
        style: appended to the name of an output beside its input.
        overwrite: whether the output of a single input file may exist.

    Raises:
        FileNotFoundError: if an input does not exist.
        FileExistsError: if the output of a single input file exists.
        ValueError: if a folder has no image, an output is the output of two inputs or an input itself, or `output`
            has a suffix that does not suit the inputs.
    """
    paths = [path for text in inputs for path in _expand(text)]
    # A glob counts as several, however many files it matches today.
    alone = len(inputs) == 1 and Path(inputs[0]).exists()
    single = alone and paths[0].is_file()
    if output is not None and _is_file(output, single):
        jobs = [Job(paths[0], output)]
    else:
        jobs = [job for path in paths for job in _jobs(path, output, style, alone)]
    by_target: dict[Path, Job] = {}
    for job in jobs:
        other = by_target.setdefault(job.target.resolve(), job)
        if other.source.resolve() != job.source.resolve():
            raise ValueError(f"{other.source} and {job.source} would both be written to {job.target}: rename one")
    sources = {job.source.resolve() for job in jobs}
    if output is None:
        # What a glob such as *.jpg catches in its second run: the outputs of the first.
        sources -= by_target.keys()
    elif taken := sources & by_target.keys():
        raise ValueError(f"input {min(taken)} would be replaced by an output: choose another --output")
    if single and jobs[0].target.exists() and not overwrite:
        raise FileExistsError(f"output {jobs[0].target} exists: choose another --output, or give --overwrite")
    return [job for job in by_target.values() if job.source.resolve() in sources]


def _expand(text: str) -> list[Path]:
    if text and Path(text).exists():  # Path("") is the current folder
        return [Path(text)]
    if not glob.has_magic(text):
        raise FileNotFoundError(f"input {text!r} does not exist")
    paths = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
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


def _jobs(path: Path, output: Path | None, style: str, alone: bool) -> Iterator[Job]:
    if not path.is_dir():
        suffix = path.suffix if _is_image(path) else ".png"
        target = path.with_name(f"{path.stem}-{style}{suffix}") if output is None else output / f"{path.stem}{suffix}"
        yield Job(path, target)
        return
    named = path.resolve() if path.name in ("", "..") else path
    beside = named.parent / f"{named.name}-{style}"
    folder = beside if output is None else output if alone else output / named.name
    names = [name.relative_to(path) for name in sorted(path.rglob("*")) if _is_image(name) and name.is_file()]
    names = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    root, inside = path.resolve(), (beside if output is None else output).resolve()
    if inside.is_relative_to(root):
        names = [name for name in names if not (root / name).is_relative_to(inside)]
    if not names:
        outside = "" if output is None else f" outside {output}"
        raise ValueError(f"input folder {path} holds no image ({', '.join(images.SUFFIXES)}){outside}")
    yield from (Job(path / name, folder / name) for name in names)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in images.SUFFIXES
