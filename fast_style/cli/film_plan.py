"""Which films there are to stylize, and where the results go."""

import argparse
import glob
from pathlib import Path

from fast_style import images
from fast_style.files import as_path
from fast_style.inference.jobs import Job
from fast_style.remote import is_address
from fast_style.video import CONTAINERS, frame_files, is_camera, is_film, is_partial, is_pattern, stands_for_frames

ONLY_OF_FILMS = ("codec", "crf", "audio", "start", "end", "fps", "style_over_time", "smooth", "preview", "work_size")
NO_PLAYER = (".gif", ".webp", ".png", ".apng")  # of animations
READ_AS_FILMS = (".gif", ".png", ".apng")  # if they are animated
MOSTLY_MOVING = (".gif", ".webp", ".apng")  # which frames in a folder become


def is_asked_for(options: argparse.Namespace) -> bool:
    """Tell whether a film is read or written: by a suffix, or by a pattern such as `frames/%05d.png`.

    A folder is read as frames where a film, or an animation called `.gif`, `.webp` or `.apng`, is written. An animation
    is a film where an option of films is given.

    Raises:
        ValueError: if options of films are given without one, or a film lies behind an address.
        FileNotFoundError: if options of films are given, and an input does not exist.
    """
    output = options.output
    for place in (*options.input, output):
        if place is not None and is_address(place) and is_film(Path(place)):
            raise ValueError(f"{place} is a film, which is read and written on this machine: copy it")
    cameras = [text for text in options.input if is_camera(text) and not as_path(text).exists()]
    if cameras and options.preview is None:
        raise ValueError(f"{cameras[0]} is shown, not written: give --preview")
    if cameras or (options.preview is not None and _is_there(options.input[0])):
        return True
    if output is not None and (is_film(output) or is_pattern(output)):
        return True
    if any(_stands_for_film(text) for text in options.input):
        return True
    moving = isinstance(output, Path) and output.suffix.lower() in MOSTLY_MOVING and not output.is_dir()
    if moving and any(not is_address(text) and as_path(text, "an --input").is_dir() for text in options.input):
        return True
    given = [name for name in ONLY_OF_FILMS if getattr(options, name) is not None]
    if given:
        paths = [path for text in options.input if not is_address(text) for path in expanded(text)]
        if any(map(_is_animation, paths)):
            return True
        option = "--" + given[0].replace("_", "-")
        raise ValueError(f"{option} is of films, and none is among the inputs or the output: leave it out")
    return False


def plan_films(options: argparse.Namespace, style: str) -> tuple[list[Job[Path]], int]:
    """Pair every film with its output.

    Args:
        options: those of `stylize`.
        style: appended to the name of an output beside its input.

    Returns:
        The films to make, and how many others are there already.

    Raises:
        FileNotFoundError: if an input does not exist.
        FileExistsError: if the only output exists.
        ValueError: if inputs and outputs do not go together.
    """
    paths = [path for text in options.input for path in expanded(text)]
    alone = len(options.input) == 1 and len(paths) == 1
    if alone:
        jobs = [Job(paths[0], _target(paths[0], options.output, style))]
    else:
        jobs = [Job(path, _in_a_folder(path, options.output, style)) for path in paths]
    for job in jobs:
        written = frame_files(job.target) if is_pattern(job.target) else [job.target]
        read = [job.source, *frame_files(job.source)]
        if {path.resolve() for path in written} & {path.resolve() for path in read}:
            raise ValueError(f"input {job.source} would be replaced by the output: choose another --output")
    if len({job.target.resolve() for job in jobs}) < len(jobs):
        raise ValueError("two films would be written to one file: rename one")
    there = [job for job in jobs if job.target.is_file() and not options.overwrite and not is_partial(job.target)]
    if alone and there:
        raise FileExistsError(f"output {jobs[0].target} exists: choose another --output, or give --overwrite")
    return [job for job in jobs if job not in there], len(there)


def _is_there(text: str) -> bool:
    """Tell whether an input is an animation or a folder of frames, which may be shown as a film."""
    path = as_path(text, "an --input")
    return path.is_dir() or path.suffix.lower() in NO_PLAYER


def _is_animation(path: Path) -> bool:
    """Tell whether a file is an animation that can be read as a film."""
    return path.suffix.lower() in READ_AS_FILMS and path.is_file() and images.open_picture(path).animated


def _stands_for_film(text: str) -> bool:
    return is_film(text) or (is_pattern(text) and not as_path(text).exists())


def expanded(text: str) -> list[Path]:
    """List the files, folders and patterns of frames that an input names; FileNotFoundError if there is none."""
    path = as_path(text, "an --input")
    if path.exists() or is_pattern(path):
        return [path]
    found = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - may be absolute
    if not found:
        raise FileNotFoundError(f"input {text!r} {'matches no file' if glob.has_magic(text) else 'does not exist'}")
    return found


def _target(path: Path, output: Path | None, style: str) -> Path:
    """Name the output of a single input."""
    if output is None or output.is_dir() or not (output.suffix or is_pattern(output)):
        return _in_a_folder(path, output, style)
    if is_pattern(output):
        if output.suffix.lower() not in images.SUFFIXES:
            raise ValueError(f"cannot write {output}: the suffix of frames must be one of {', '.join(images.SUFFIXES)}")
        return output
    if output.suffix.lower() not in (*CONTAINERS, *NO_PLAYER):
        known = ", ".join((*CONTAINERS, *NO_PLAYER))
        read = f" ({output.suffix} is read, not written)" if is_film(output) else ""
        frames = f"; frames have a pattern, such as 'frames/%05d{output.suffix}'"
        more = frames if output.suffix.lower() in images.SUFFIXES else read
        raise ValueError(f"cannot write {output}: the suffix of a film must be one of {known}{more}")
    return output


def _in_a_folder(path: Path, output: Path | None, style: str) -> Path:
    """Name an output beside its input, or in a folder; it is of the same kind if that is written."""
    _check_film(path)
    suffix = path.suffix if path.suffix.lower() in (*CONTAINERS, *READ_AS_FILMS) else ".mp4"
    if output is None:
        return path.with_name(f"{path.stem}-{style}{suffix}")
    if (output.suffix and not output.is_dir()) or is_pattern(output):
        raise ValueError(f"output {output} is named like a file, which only a single input has: name a folder")
    return output / f"{path.stem}{suffix}"


def _check_film(path: Path) -> None:
    """Tell what is no film though no output says that it shall be one.

    Raises:
        OSError, ValueError: if it is something else, or cannot be read.
    """
    if stands_for_frames(path):
        raise ValueError(f"{path} holds frames: give it alone, and name the film to write, such as --output film.mp4")
    if is_film(path):
        return
    if path.suffix.lower() not in images.SUFFIXES:
        raise ValueError(f"{path} is no film by its suffix: leave it out, or give it alone with --output film.mp4")
    if path.suffix.lower() not in NO_PLAYER or not images.open_picture(path).animated:
        raise ValueError(f"{path} is a picture, not a film: stylize pictures in a command of their own")
