"""Which shards there are to stylize, and where their pictures go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_style.archives import expand
from fast_style.files import Place, as_path
from fast_style.inference.jobs import find_inputs
from fast_style.inference.shards.parquet import import_pyarrow
from fast_style.remote import RemoteFile, RemoteFolder, is_address

SUFFIXES = (".tar", ".parquet")
ADVICE = "give a folder as --output for a file a picture, or FOLDER/*.tar for shards of the same names"


@dataclass(frozen=True)
class Shard:
    """A shard to stylize.

    Attributes:
        source: where it is.
        target: a `.tar` file, or the folder of its pictures.
        anew: whether all its pictures are made, whatever is there.
    """

    source: Place
    target: Place | RemoteFolder
    anew: bool = False

    @property
    def name(self) -> str:
        """What it is called among those of its job."""
        return self.target.name

    @property
    def is_tar(self) -> bool:
        """Whether the pictures go to a tar file again."""
        return not isinstance(self.target, RemoteFolder) and is_tar(str(self.target))


def are_shards(inputs: Sequence[str]) -> bool:
    """Tell whether inputs of a command are shards, by their names.

    Raises:
        ValueError: if some are and some are not.
    """
    shards = [text for text in inputs if text.lower().endswith(SUFFIXES) and not Path(text).is_dir()]
    if shards and len(shards) < len(inputs):
        other = next(text for text in inputs if text not in shards)
        raise ValueError(f"shards such as {shards[0]} are stylized by themselves: leave out {other}")
    return bool(shards)


def is_tar(output: Path | str | None) -> bool:
    """Tell whether the output of a command is one or several tar files, by its name."""
    return output is not None and str(output).lower().endswith(".tar") and not Path(output).is_dir()


def plan_shards(inputs: Sequence[str], output: Path | str | None) -> list[Shard]:
    """Pair every shard with where its pictures go.

    Args:
        inputs: `.tar` and `.parquet` files: paths, globs, addresses, with ranges such as `{0000..0099}`.
        output: a folder, which takes a file a picture, in a subfolder for each of several shards; or `FOLDER/*.tar`,
            shards of the same names; or names ending in `.tar`, as many as there are shards, with ranges as well.

    Raises:
        FileNotFoundError: if there is no such shard.
        ValueError: if there is no output, two shards have the same, a shard would be replaced, the outputs are not as
            many or lie in several folders, or are of a kind that is not written, or pyarrow is missing.
    """
    texts = expand(inputs)
    sources = [place for text in texts for place in _places(text)]
    if any(source.suffix.lower() == ".parquet" for source in sources):
        import_pyarrow()
    if output is None:
        raise ValueError(f"nothing is written beside shards: {ADVICE}")
    alone = texts == list(inputs) and len(texts) == 1 and (is_address(texts[0]) or as_path(texts[0]).exists())
    targets = _tars(sources, output) if is_tar(output) else _folders(sources, output, alone)
    by_target: dict[str, Place] = {}
    for source, target in zip(sources, targets, strict=True):
        other = by_target.setdefault(_itself(target), source)
        if other is not source:
            raise ValueError(f"{other} and {source} would both be written to {target}: rename one")
    for source in sources:
        if _itself(source) in by_target:
            raise ValueError(f"input {source} would be replaced by an output: choose another --output")
    return [Shard(source, target) for source, target in zip(sources, targets, strict=True)]


def _places(text: str) -> list[Place]:
    if is_address(text):
        return [_file(text)]
    return [place for place in find_inputs(text) if isinstance(place, Path)]


def _file(address: str) -> RemoteFile:
    folder, _, name = address.rpartition("/")
    return RemoteFolder(folder) / name


def _folders(sources: Sequence[Place], output: Path | str, alone: bool) -> list[Place | RemoteFolder]:
    """Name the folders of the pictures."""
    suffix = Path(output).suffix.lower()
    if suffix in SUFFIXES and not Path(output).is_dir():
        raise ValueError(f"cannot write {output}: shards are written as .tar, {ADVICE}")
    if isinstance(output, str):
        RemoteFolder(output).check_writable()
        return [RemoteFolder(output if alone else f"{output.rstrip('/')}/{source.stem}") for source in sources]
    if output.is_file():
        raise ValueError(f"output {output} is a file: {ADVICE}")
    return [output if alone else output / source.stem for source in sources]


def _tars(sources: Sequence[Place], output: Path | str) -> list[Place | RemoteFolder]:
    """Name the tar files."""
    folder, _, last = Path(output).as_posix().rpartition("/") if isinstance(output, Path) else output.rpartition("/")
    if "{" in folder or "*" in folder:
        raise ValueError(f"output {output} lies in several folders: choose one")
    names = [f"{source.stem}.tar" for source in sources] if last == "*.tar" else expand([last])
    if len(names) != len(sources):
        raise ValueError(f"{len(sources)} shards cannot be written to {len(names)} as {output}: {ADVICE}")
    if isinstance(output, Path):
        return [output.parent / name for name in names]
    place = RemoteFolder(folder)
    place.check_writable()
    return [place / name for name in names]


def _itself(place: Place | RemoteFolder) -> str:
    """Name a file or folder in one way only."""
    return str(place.resolve() if isinstance(place, Path) else place)
