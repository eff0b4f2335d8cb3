"""The pictures of shards through the pipeline."""

import io
import tarfile
from pathlib import Path

import PIL.Image
import pytest
import torch

from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.shards import Shard, run, stylize_shard
from fast_style.remote import RemoteFolder


def invert(photos: torch.Tensor) -> torch.Tensor:
    return 255 - photos


def files(path: Path) -> dict[str, bytes]:
    """What a tar holds, read by the standard library alone."""
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def pixels(data: bytes) -> bytes:
    return PIL.Image.open(io.BytesIO(data)).tobytes()


def add(path: Path, name: str, data: bytes) -> None:
    """Append a file to a tar."""
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shard(tmp_path, make_shard) -> Shard:
    return Shard(make_shard(tmp_path / "a.tar", 6), tmp_path / "out" / "a.tar")


def test_a_tar_to_a_tar(shard, tmp_path):
    assert stylize_shard(shard, invert, Settings()) == Tally(6)
    before, after = files(shard.source), files(shard.target)
    assert list(after) == list(before)
    for name, data in after.items():
        if name.endswith(".txt"):
            assert data == before[name]
        else:
            assert pixels(data) == bytes(255 - value for value in pixels(before[name]))
    with tarfile.open(shard.target) as archive:
        assert {member.mtime for member in archive} == {1_700_000_000}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tar"]


def test_a_tar_to_a_folder(shard, tmp_path):
    folder = Shard(shard.source, tmp_path / "out")
    assert stylize_shard(folder, invert, Settings()) == Tally(6)
    stylize_shard(shard, invert, Settings())
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    assert made == {name: data for name, data in files(shard.target).items() if name.endswith(".png")}
    (tmp_path / "out" / "003.png").unlink()
    assert stylize_shard(folder, invert, Settings()) == Tally(1, 5)


def test_addresses(shard, tmp_path):
    store = RemoteFolder(f"file://{tmp_path}/store")
    store.upload("in/a.tar", shard.source)
    for target in (store / "out/a.tar", RemoteFolder(f"{store}/out/a")):
        assert stylize_shard(Shard(store / "in/a.tar", target), invert, Settings()) == Tally(6)
        assert stylize_shard(Shard(store / "in/a.tar", target), invert, Settings()) == Tally(0, 6)
    stylize_shard(shard, invert, Settings())
    assert (tmp_path / "store/out/a.tar").read_bytes() == shard.target.read_bytes()
    assert (tmp_path / "store/out/a/000.png").read_bytes() == files(shard.target)["000.png"]


def test_what_failed_is_tried_again_and_nothing_else_repeated(tmp_path, make_shard):
    """A sample whose picture failed is left out, and comes to its place once it can be read."""
    shard = Shard(make_shard(tmp_path / "a.tar", 4, broken=(1,)), tmp_path / "out.tar")
    tally = stylize_shard(shard, invert, Settings())
    assert (tally.stylized, len(tally.failures)) == (3, 1)
    assert tally.failures[0].startswith(f"cannot read image {shard.source}/001.png: ")
    assert [name for name in files(shard.target) if name.startswith("001")] == []
    written = shard.target.stat().st_mtime_ns
    assert stylize_shard(shard, invert, Settings()).skipped == 3
    assert shard.target.stat().st_mtime_ns == written
    before = files(shard.target)
    make_shard(shard.source, 4)
    seen = []
    assert stylize_shard(shard, lambda photos: seen.append(1) or invert(photos), Settings()) == Tally(1, 3)
    assert len(seen) == 1
    after = files(shard.target)
    assert list(after) == list(files(shard.source))
    assert {name: after[name] for name in before} == before
    assert stylize_shard(shard, invert, Settings(overwrite=True)) == Tally(4)


def test_a_tar_that_is_not_whole_is_not_written(shard):
    asked = iter([False] * 3 + [True] * 99)
    tally = stylize_shard(shard, invert, Settings(), stop=lambda: next(asked))
    assert (tally.stopped, tally.stylized) == (True, 0)
    assert not shard.target.exists()


def test_a_full_disk_leaves_nothing(shard, tmp_path, monkeypatch):
    def full(self, file):
        file.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.TarTarget, "save", full)
    tally = stylize_shard(shard, invert, Settings())
    assert tally == Tally(failures=[f"cannot write {shard.target}: No space left on device"])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "stylized", "sentence"),
    [
        (lambda data: b"no tar" * 500, 0, "cannot read shard .*: .*"),
        (lambda data: b"", 0, "cannot read shard .*: empty file"),
        (lambda data: data[: 512 * 6 + 300], 2, "cannot read the end of shard .*: .*"),
        (lambda data: data[: 512 * 4] + b"x" * 512 + data[512 * 5 :], 1, "cannot read the end of shard .*: .*"),
    ],
)
def test_damage(shard, damage, stylized, sentence):
    """What lies before it is made."""
    shard.source.write_bytes(damage(shard.source.read_bytes()))
    tally = stylize_shard(shard, invert, Settings())
    assert tally.stylized == stylized
    assert len(tally.failures) == 1
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(tally.failures[0])
    assert shard.target.exists() == bool(stylized)


def test_no_pictures(tmp_path, make_shard):
    shard = Shard(make_shard(tmp_path / "a.tar", 0), tmp_path / "out.tar")
    add(shard.source, "notes.txt", b"none")
    add(shard.source, "photo.heic", b"none")
    (failure,) = stylize_shard(shard, invert, Settings()).failures
    assert failure.startswith(f"shard {shard.source} holds no image (.jpg, ")
    assert failure.endswith("; 1 file left out: 1 HEIC (convert them first)")


def test_names_that_lead_elsewhere(tmp_path, make_shard):
    shard = Shard(make_shard(tmp_path / "a.tar", 1), tmp_path / "out")
    picture = files(shard.source)["000.png"]
    for name in ("../up.png", "/root.png", "./here.png", "deep/b.png"):
        add(shard.source, name, picture)
    assert stylize_shard(shard, invert, Settings()).stylized == 4
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert made == ["000.png", "deep/b.png", "here.png", "root.png"]
    assert not (tmp_path / "up.png").exists()


def test_pictures_of_one_sample(tmp_path, make_shard):
    """What goes with it stays as long as one of them is made."""
    shard = Shard(make_shard(tmp_path / "a.tar", 2), tmp_path / "out.tar")
    add(shard.source, "001.left.png", b"no image")
    add(shard.source, "001.json", b"{}")
    add(shard.source, "alone.json", b"{}")
    assert len(stylize_shard(shard, invert, Settings()).failures) == 1
    assert list(files(shard.target)) == ["000.png", "000.txt", "001.png", "001.txt", "001.json", "alone.json"]
