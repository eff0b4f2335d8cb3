"""What there is to stylize, and where the results go."""

import glob
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from fast_style import images
from fast_style.files import Place, as_path
from fast_style.remote import Folder, RemoteFile, RemoteFolder, is_address
from fast_style.video import films_in

Input = Place | RemoteFolder
P = TypeVar("P", bound=Place)


@dataclass(frozen=True)
class Job(Generic[P]):
    """One image or film to stylize: where it is, and where the result goes."""

    source: P
    target: P


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Attributes:
        jobs: the images to stylize.
        left_out: what the input folders held besides, a line for each that names the folder, see `images.list_images`;
            and a line about pictures that are results of others.
    """

    jobs: list[Job]
    left_out: list[str] = field(default_factory=list)


def plan(
    inputs: Sequence[str],
    output: Path | str | None,
    style: str,
    overwrite: bool = False,
    known: Callable[[], Collection[str]] = frozenset,
) -> Plan:
    """Pair every image that the inputs name with its output.

    Args:
        inputs: files, folders, or globs that the shell left as they are; `~` at the beginning is the home folder. Or
            addresses, such as `s3://bucket/photos`: those that end like an image are files, the others folders.
        output: a file for a single input file; else a folder, which mirrors a single input folder, and holds files
            and folders by name if there are several inputs; or the address of one; None: beside each input.
        style: appended to the name of an output beside its input.
        overwrite: whether the output of a single input file may exist.
        known: asked for names of networks and styles if there are several images. `photo-NAME.jpg` of one of them, or
            of several joined by + or -, is left out beside `photo.jpg`: it is taken for what this program made of it.

    Returns:
        The images in the order of the inputs; those of a folder sorted by their names, as training takes them.

    Raises:
        FileNotFoundError: if an input does not exist.
        FileExistsError: if the output of a single input file exists.
        ValueError: if an input is empty, a folder has no image, an output is the output of two inputs or an input
            itself, `output` has a suffix that does not suit the inputs, or an address lies in another, cannot be
            opened or, as output, only be read.
        ConnectionError: if an address does not answer.
    """
    places = [place for text in inputs for place in find_inputs(text)]
    target = at_address(output) if isinstance(output, str) else output
    # A glob counts as several, however many files it matches today.
    alone = len(inputs) == 1 and (is_address(inputs[0]) or as_path(inputs[0]).exists())
    single = alone and not _is_folder(places[0])
    _check_addresses(places, target)
    if target is not None and not isinstance(target, RemoteFolder) and _is_file(target, single):
        plans = [Plan([Job(places[0], target)])]
    else:
        plans = [_plan_of(place, target, style, alone) for place in places]
    jobs = _without_clashes([job for each in plans for job in each.jobs], target is None)
    names = known() if len(jobs) > 1 else ()
    results = _results(jobs, names) if names else {}
    jobs = [job for job in jobs if job.source not in results]
    if single and jobs and jobs[0].target.exists() and not overwrite:
        raise FileExistsError(f"output {jobs[0].target} exists: choose another --output, or give --overwrite")
    left_out = [line for each in plans for line in each.left_out]
    if results:
        left_out.append(f"{len(results)} left out that were made of photos beside them, such as {next(iter(results))}")
    return Plan(jobs, left_out)


def undone(jobs: Sequence[Job]) -> list[Job]:
    """Leave out the jobs whose outputs are there; folders behind addresses are listed, once.

    Raises:
        ConnectionError: if an address does not answer.
    """
    folders = {job.target.folder for job in jobs if isinstance(job.target, RemoteFile)}
    there = {folder: _listed(folder) for folder in folders}

    def is_done(target: Place) -> bool:
        return target.inner in there[target.folder] if isinstance(target, RemoteFile) else target.is_file()

    return [job for job in jobs if not is_done(job.target)]


def at_address(text: str) -> RemoteFile | RemoteFolder:
    """Take an address that ends like an image for a file, every other one for a folder.

    Raises:
        ValueError: if the protocol is unknown, or needs a package that is not installed.
    """
    folder, _, name = text.rstrip("/").rpartition("/")
    if Path(name).suffix.lower() in images.SUFFIXES and not folder.endswith("/"):
        return RemoteFolder(folder) / name
    return RemoteFolder(text)


def _listed(folder: Folder) -> set[str]:
    try:
        return set(folder.list())
    except FileNotFoundError:  # not yet there
        return set()


def _check_addresses(places: Sequence[Input], output: Input | None) -> None:
    """Raise ValueError if addresses cannot be inputs and output of one command."""
    remote = [place for place in places if not isinstance(place, Path)]
    if remote and output is None:
        raise ValueError(f"nothing is written beside {remote[0]}: give --output, a folder or an address")
    if isinstance(output, Path | None):
        return
    (output if isinstance(output, RemoteFolder) else output.folder).check_writable()
    for place in remote:
        if f"{output}/".startswith(f"{place}/"):
            raise ValueError(f"output {output} lies in the input {place}: choose another --output")


def _without_clashes(jobs: Sequence[Job], beside: bool) -> list[Job]:
    """Leave out what comes twice and, where outputs lie beside their inputs, outputs that were taken for inputs.

    Raises:
        ValueError: if two images have one output, or an output is an input.
    """
    by_target: dict[Path | str, Job] = {}
    for job in jobs:
        other = by_target.setdefault(_itself(job.target), job)
        if _itself(other.source) != _itself(job.source):
            raise ValueError(f"{other.source} and {job.source} would both be written to {job.target}: rename one")
    sources = {_itself(job.source) for job in jobs}
    if beside:
        # What a glob such as *.jpg catches in its second run: the outputs of the first.
        sources -= by_target.keys()
    elif taken := sources & by_target.keys():
        raise ValueError(f"input {min(map(str, taken))} would be replaced by an output: choose another --output")
    return [job for job in by_target.values() if _itself(job.source) in sources]


def _results(jobs: Sequence[Job], known: Collection[str]) -> dict[Path, None]:
    """Find the pictures that are called after a photo among the others, and after networks or styles."""
    paths = [job.source for job in jobs if isinstance(job.source, Path)]
    photos = {path.with_suffix("") for path in paths}
    # A painting may be called 2, but then DSC-2.jpg is as likely a photo. Mixtures have shares in percent: a60+b40.
    names = [re.escape(name) for name in known if not name.isdecimal()]
    if not names:
        return {}
    one = rf"(?:{'|'.join(names)})\d*"
    made = re.compile(rf"{one}(?:[+-]{one})*")

    def is_result(path: Path) -> bool:
        dashes = [place for place, letter in enumerate(path.stem) if letter == "-"]
        return any(
            path.with_name(path.stem[:dash]) in photos and made.fullmatch(path.stem[dash + 1 :])
            for dash in dashes
            if dash
        )

    return dict.fromkeys(path for path in paths if is_result(path))


def _itself(place: Place) -> Path | str:
    """Name a file in one way only."""
    return place.resolve() if isinstance(place, Path) else str(place)


def find_inputs(text: str) -> Sequence[Input]:
    """List what an input names: a file or a folder, what a glob matches, or what lies at an address.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is empty, or an address that cannot be opened.
    """
    if is_address(text):
        return [at_address(text)]
    path = as_path(text, "an --input")
    if path.exists():
        return [path]
    if not glob.has_magic(text):
        raise FileNotFoundError(f"input {text!r} does not exist")
    paths = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not paths:
        raise FileNotFoundError(f"input {text!r} matches no file")
    return [Path(path) for path in paths]


def _is_folder(place: Input) -> bool:
    return isinstance(place, RemoteFolder) or (isinstance(place, Path) and place.is_dir())


def _is_file(output: Place, single: bool) -> bool:
    """Tell whether the output is a file, not a folder; raise ValueError if it is one that cannot be written."""
    if not output.suffix or _is_folder(output):
        return False
    if single and not _is_image(output):
        suffixes = ", ".join(images.SUFFIXES)
        raise ValueError(f"cannot write {output}: its suffix must be one of {suffixes}, or name an existing folder")
    if not single and _is_image(output):
        raise ValueError(f"output {output} is named like a file, which only a single input file has: name a folder")
    return single


def _plan_of(place: Input, output: Input | None, style: str, alone: bool) -> Plan:
    """Pair one input with its output, or the images of a folder with theirs."""
    if isinstance(place, RemoteFile) or (isinstance(place, Path) and not place.is_dir()):
        suffix = place.suffix if _is_image(place) else ".png"
        beside = place.with_name(f"{place.stem}-{style}{suffix}") if isinstance(place, Path) else None
        return Plan([Job(place, beside if output is None else output / f"{place.stem}{suffix}")])
    if isinstance(place, RemoteFolder):
        assert output is not None  # noqa: S101 - as `_check_addresses` has seen
        return _plan_of_names(place, images.sift(place.list()), output if alone else output / place.name)
    named = place.resolve() if place.name in ("", "..") else place
    beside = named.parent / f"{named.name}-{style}"
    folder = beside if output is None else output if alone else output / named.name
    listing = images.list_images(place)
    root, inside = place.resolve(), beside if output is None else output
    if isinstance(inside, Path) and inside.resolve().is_relative_to(root):
        inside = inside.resolve()
        listing.names = [name for name in listing.names if not (root / name).is_relative_to(inside)]
    return _plan_of_names(place, listing, folder, "" if output is None else f" outside {output}")


def _plan_of_names(place: Path | RemoteFolder, listing: images.Listing, folder: Input, outside: str = "") -> Plan:
    """Pair the images of a folder with their outputs in another."""
    films = films_in(place) if isinstance(place, Path) else ""
    if not listing.names:
        note = f"; {listing}" if listing.left_out else ""
        raise ValueError(
            f"input folder {place} holds no image ({', '.join(images.SUFFIXES)}){outside}{note}{films and f'; {films}'}"
        )
    left_out = [f"{place}: {told}" for told in (str(listing), films) if told]
    # In a store a name may begin with a slash, which on a disk would lead elsewhere.
    return Plan([Job(place / name, folder / name.lstrip("/")) for name in listing.names], left_out)


def _is_image(path: Place) -> bool:
    return path.suffix.lower() in images.SUFFIXES
