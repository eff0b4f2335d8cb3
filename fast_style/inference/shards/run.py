"""One shard after the other through the pipeline."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from fast_style import images
from fast_style.errors import one_line
from fast_style.files import Place, replacing
from fast_style.inference.control import Stylize
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings, Tally, run
from fast_style.inference.shards.parquet import unpack
from fast_style.inference.shards.plan import Shard
from fast_style.inference.shards.tar import TarSource, TarTarget
from fast_style.remote import RemoteFile, RemoteFolder

Pipeline = Callable[[Sequence[Job]], Tally]


def stylize_shard(
    shard: Shard,
    stylize: Stylize,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Tally:
    """Stylize the pictures of a shard; one that fails does not stop the others.

    A shard behind an address is copied to a temporary file first, and so are the images of a Parquet file. A tar that
    is written has the names, the order and the other files of its source; it appears under its name whole or not at
    all. Pictures that are there already, in the tar or the folder, are skipped.

    Args:
        shard: what to stylize, and where the pictures go.
        stylize: see `pipeline.run`.
        settings: see `pipeline.run`.
        progress: see `pipeline.run`.
        stop: see `pipeline.run`; of a tar that is not whole by then, nothing is written.

    Returns:
        What has become of the pictures; a shard that cannot be read, in whole or in part, is a failure more. The output
        that failed is that of the shard, unless it is a tar that was written without what failed.

    Raises:
        ConnectionError: if an address does not answer any more.
    """
    settings = replace(settings, overwrite=settings.overwrite or shard.anew)
    pipeline = partial(run, stylize=stylize, settings=settings, progress=progress, stop=stop)
    try:
        with _opened(shard.source) as source:
            tally = _pictures(source, shard, settings.overwrite, pipeline)
    except ConnectionError:
        raise
    except (ValueError, OSError) as error:
        return Tally(failures=[one_line(error)], failed=[shard.target])
    if source.damage and not tally.stopped:
        tally.failures.append(f"cannot read the end of shard {source}: {source.damage}")
    if source.listing.left_out:
        tally.notes.append(f"{source}: {source.listing}")
    is_written = shard.is_tar and tally.stylized  # without what failed
    tally.failed = [shard.target] if tally.failures and not is_written else []
    return tally


def _pictures(source: TarSource, shard: Shard, overwrite: bool, pipeline: Pipeline) -> Tally:
    """Stylize what an open shard holds; ValueError if that is no image."""
    if not source.listing.names:
        why = source.damage or str(source.listing)
        raise ValueError(f"shard {source} holds no image ({', '.join(images.SUFFIXES)}){why and f'; {why}'}")
    if shard.is_tar and not isinstance(shard.target, RemoteFolder):
        return _to_tar(source, shard.target, overwrite, pipeline)
    # In an archive a name may begin with a slash, which on a disk would lead elsewhere.
    return pipeline([Job(source / name, shard.target / name.lstrip("/")) for name in source.pictures()])


def _to_tar(source: TarSource, place: Place, overwrite: bool, pipeline: Pipeline) -> Tally:
    """Write a tar, if there is a picture for it that was not there before."""
    with ExitStack() as stack:
        there = not overwrite and place.exists()
        before = stack.enter_context(_opened(place)) if there else None
        target = stack.enter_context(TarTarget(source, before))
        jobs = [Job(source / name, target / name) for name in source.pictures()]
        tally = pipeline(jobs)
        if tally.stylized + tally.skipped + len(tally.failures) < len(jobs):
            return replace(tally, stylized=0)
        if tally.stylized:
            _save(target, place)
    return tally


def _save(target: TarTarget, place: Place) -> None:
    if isinstance(place, Path):
        with replacing(place) as file:
            target.save(file)
        return
    with tempfile.TemporaryDirectory(prefix="fast_style_") as folder:
        path = Path(folder) / "shard.tar"
        with path.open("xb") as file:
            target.save(file)
        address, _, name = str(place).rpartition("/")
        RemoteFolder(address).upload(name, path)


@contextmanager
def _opened(place: Place) -> Iterator[TarSource]:
    """Open a shard, which is here afterwards as before; a copy of it is gone."""
    with tempfile.TemporaryDirectory(prefix="fast_style_") as folder:
        here = place if isinstance(place, Path) else Path(folder) / "shard"
        if isinstance(place, RemoteFile):
            RemoteFolder(str(place)).fetch(here)
        if place.suffix.lower() == ".parquet":
            path = Path(folder) / "shard.tar"
            unpack(here, str(place), path)
            here = path
        yield TarSource(here, str(place))
