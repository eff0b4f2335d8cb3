"""The stylizing command: files, globs and folders in, stylized images out."""

import argparse
import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from fast_style import images
from fast_style.stylizer import Stylizer

MAX_SIDE = 65_500  # of a JPEG file


@dataclass(frozen=True)
class Job:
    """One image to stylize: where it is, and where the result goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Writing:
    """How images are written.

    Attributes:
        encoding: quality and depth of the files.
        profile: `srgb` converts colours to sRGB, `keep` keeps their values and their profile.
        size: pixels on the long side, to which images are resized first; None: as they are.
        still: whether the first frame of an animation is enough.
    """

    encoding: images.Encoding = field(default_factory=images.Encoding)
    profile: Literal["srgb", "keep"] = "srgb"
    size: int | None = None
    still: bool = False


@dataclass
class Tally:
    """What has become of the jobs; `failures` are sentences."""

    stylized: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False

    def __str__(self) -> str:
        return f"stylized {self.stylized}, skipped {self.skipped}, failed {len(self.failures)}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell misuse as everything else is told: in one line, without the usage."""
        self.exit(2, f"error: {message}\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 0, with 1 if an image failed, 2 for misuse, 130 after Ctrl-C."""
    options = _parse(argv)
    try:
        writing = Writing(
            images.Encoding(
                options.quality, options.subsampling, options.bits, options.background, not options.drop_metadata
            ),
            options.profile,
            options.size,
            options.still,
        )
        jobs = plan(options.input, options.output, options.model.stem, options.overwrite)
        stylizer = Stylizer.from_checkpoint(
            options.model, options.device, options.precision, options.backend, options.tile
        )
        for note in stylizer.backend.notes:
            print(note, file=sys.stderr)
        tally = run(jobs, stylizer, writing, options.overwrite)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RuntimeError) else 2)
    except KeyboardInterrupt:
        print("interrupted before the first image", file=sys.stderr)
        sys.exit(130)
    for failure in tally.failures:
        print(failure, file=sys.stderr)
    if tally.interrupted:
        print(f"interrupted: {tally}, of {len(jobs)} images", file=sys.stderr)
        sys.exit(130)
    print(f"{tally}, with {stylizer.backend}")
    sys.exit(1 if tally.failures else 0)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        description="Stylize photos with a trained network.",
        epilog="In folders and among several inputs, stylized images are skipped, hidden files left out.",
    )
    parser.add_argument("--model", type=Path, required=True, metavar="CKPT", help="network that training exported")
    parser.add_argument(
        "--input", nargs="+", required=True, metavar="PATH", help="files, globs, or folders with subfolders"
    )
    where = "a file for one input file, else a folder (with a subfolder for each of several input folders); "
    where += "default: NAME-MODEL beside each input"
    parser.add_argument("--output", type=Path, metavar="PATH", help=where)
    parser.add_argument("--size", type=int, metavar="N", help="resize to N pixels on the long side; default: as it is")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--backend", default="auto", help="auto (default: the fastest), torch, onnx or openvino")
    parser.add_argument("--precision", default="auto", help="auto (default: the fastest), fp32, bf16 or fp16")
    tile = "work in tiles of N pixels, off, or auto (default: where memory needs it); the result is the same"
    parser.add_argument("--tile", default="auto", metavar="N", help=tile)
    parser.add_argument("--quality", type=int, default=95, metavar="N", help="1 to 100, of JPEG, WebP and AVIF (95)")
    parser.add_argument("--subsampling", default="4:4:4", help="of JPEG and AVIF: 4:4:4 (default), 4:2:2 or 4:2:0")
    parser.add_argument("--bits", type=int, choices=(8, 16), help="per channel; default: as many as the image has")
    parser.add_argument(
        "--profile",
        default="srgb",
        choices=("srgb", "keep"),
        help="convert the colours to sRGB (default), or keep them",
    )
    parser.add_argument("--background", metavar="COLOUR", help="flatten transparency on a colour; default: keep it")
    parser.add_argument("--still", action="store_true", help="take the first frame of animations")
    parser.add_argument("--drop-metadata", action="store_true", help="leave out EXIF, XMP, resolution and text")
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    options = parser.parse_args(argv)
    if options.size is not None and not 1 <= options.size <= MAX_SIDE:
        parser.error(f"--size must be 1 to {MAX_SIDE} pixels, got {options.size}")
    return options


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


def run(jobs: Sequence[Job], stylizer: Stylizer, writing: Writing | None = None, overwrite: bool = False) -> Tally:
    """Do the jobs one after the other; one that fails does not stop the others, Ctrl-C does.

    Args:
        jobs: what to stylize.
        stylizer: what to stylize with.
        writing: how images are written; None: as `Writing` has it.
        overwrite: whether outputs that exist are replaced instead of skipped.
    """
    tally = Tally()
    hidden = not sys.stderr.isatty()
    try:
        for job in track(jobs, "stylizing", console=Console(stderr=True), disable=hidden, transient=True):
            if job.target.is_file() and not overwrite:
                tally.skipped += 1
            elif failure := _failure(job, stylizer, writing or Writing()):
                tally.failures.append(failure)
            else:
                tally.stylized += 1
    except KeyboardInterrupt:
        tally.interrupted = True
    return tally


def _failure(job: Job, stylizer: Stylizer, writing: Writing) -> str | None:
    """Do one job; returns a sentence if it fails."""

    def stylize(photo: Tensor) -> Tensor:
        return stylizer.stylize(photo if writing.size is None else images.resize_long_side(photo, writing.size))

    try:
        picture = images.open_picture(job.source, writing.profile, writing.size)
        if writing.still:
            picture = picture.still()
        scale = 1 if writing.size is None else writing.size / max(picture.size)
        height, width = (max(1, round(side * scale)) for side in picture.size)
        writing.encoding.check(job.target, picture, (height, width))
        images.save_picture(job.target, picture.map(stylize), writing.encoding)
    except (ValueError, OSError) as error:
        return _one_line(error)
    except (RuntimeError, MemoryError) as error:
        reason = "out of memory, try a smaller --size" if _is_memory(error) else _one_line(error)
        return f"cannot stylize {job.source}: {reason}"
    return None


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "memory" in str(error)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
