"""Shards that the stylizing command reads and writes."""

import json
import subprocess
import sys
import tarfile
import time

import pytest

from fast_style.inference.manifest import NAME
from tests.cli.conftest import ON_CPU

RAY = ("--engine", "ray", "--workers", "2")
LIMIT = 120  # seconds


@pytest.fixture
def shards(tmp_path, make_shard):
    """Three shards of two pictures; give their pattern."""
    for number in range(3):
        make_shard(tmp_path / f"a-{number}.tar", 2)
    return tmp_path / "a-{0..2}.tar"


@pytest.fixture
def done(tmp_path):
    """Read of the manifest how many pictures the shards have that are done."""
    return lambda: json.loads((tmp_path / "out" / NAME).read_text())["shards"]


def names(path):
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_shards_to_shards(stylize, shards, tmp_path, tree, tally, done):
    arguments = ("--input", shards, "--output", tmp_path / "out" / "*.tar")
    assert stylize(*arguments) == (0, tally(6, 0, 0), "")
    assert tree(tmp_path / "out") == ["a-0.tar", "a-1.tar", "a-2.tar", NAME]
    assert names(tmp_path / "out" / "a-0.tar") == ["000.png", "000.txt", "001.png", "001.txt"]
    assert done() == {"a-0.tar": 2, "a-1.tar": 2, "a-2.tar": 2}
    nothing = "stylized 0, skipped 6, failed 0, with no worker\n"
    assert stylize(*arguments) == (0, nothing, "")
    (tmp_path / "out" / "a-1.tar").unlink()
    assert stylize(*arguments) == (0, tally(2, 4, 0), "")
    assert stylize(*arguments, "--overwrite") == (0, tally(6, 0, 0), "")


def test_shards_to_a_folder(stylize, shards, tmp_path, tree, tally, done):
    arguments = ("--input", shards, "--output", tmp_path / "out")
    assert stylize(*arguments) == (0, tally(6, 0, 0), "")
    assert tree(tmp_path / "out") == [f"a-{shard}/{name}.png" for shard in "012" for name in ("000", "001")] + [NAME]
    assert done() == {"a-0": 2, "a-1": 2, "a-2": 2}
    assert stylize("--input", tmp_path / "a-0.tar", "--output", tmp_path / "alone").code == 0
    assert tree(tmp_path / "alone") == ["000.png", "001.png", NAME]


def test_addresses(stylize, shards, bucket, tally):
    for path in shards.parent.glob("a-*.tar"):
        bucket.put(str(path), f"photos/in/{path.name}")
    arguments = ("--input", "s3://photos/in/a-{0..2}.tar", "--output", "s3://photos/out/*.tar")
    assert stylize(*arguments) == (0, tally(6, 0, 0), "")
    assert bucket.find("photos/out") == [f"photos/out/a-{number}.tar" for number in range(3)] + [f"photos/out/{NAME}"]
    assert stylize(*arguments).out.startswith("stylized 0, skipped 6, failed 0")
    bucket.rm("photos/out/a-2.tar")
    assert stylize(*arguments) == (0, tally(2, 4, 0), "")


def test_damaged_and_empty_shards(stylize, shards, tmp_path, make_shard, done):
    """The others are made; what failed is told again, and tried again, whenever the command is given."""
    (tmp_path / "a-0.tar").write_bytes((tmp_path / "a-0.tar").read_bytes()[:2660])
    with tarfile.open(tmp_path / "a-1.tar", "w") as archive:
        archive.add(__file__, "notes.txt")
    arguments = ("--input", shards, "--output", tmp_path / "out" / "*.tar")
    for _ in range(2):
        result = stylize(*arguments)
        assert result.code == 1
        first, second = result.err.splitlines()
        assert first.startswith(f"cannot read the end of shard {tmp_path / 'a-0.tar'}: it ends within ")
        assert second.startswith(f"shard {tmp_path / 'a-1.tar'} holds no image (")
        assert done() == {"a-2.tar": 2}
        assert json.loads((tmp_path / "out" / NAME).read_text())["failures"] == [first, second]
    make_shard(tmp_path / "a-0.tar", 2)
    make_shard(tmp_path / "a-1.tar", 2)
    assert stylize(*arguments).code == 0
    assert len(done()) == 3


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_a_shard_that_could_not_be_replaced_is_made_anew(stylize, tmp_path, make_shard, form, done):
    """Its pictures of another job are not taken for those of this one."""
    shard = make_shard(tmp_path / "a.tar", 2)
    arguments = ("--input", shard, "--output", tmp_path / "out" / ("*.tar" if form == "tar" else ""))
    assert stylize(*arguments).code == 0
    (made,) = (tmp_path / "out").glob("a.tar" if form == "tar" else "000.png")
    content, before = shard.read_bytes(), made.read_bytes()
    shard.write_bytes(b"no tar" * 500)
    assert stylize(*arguments, "--strength", "0.5", "--overwrite").code == 1
    assert made.read_bytes() == before
    shard.write_bytes(content)
    assert stylize(*arguments, "--strength", "0.5").out.startswith("stylized 2, skipped 0, failed 0")
    assert made.read_bytes() != before
    assert list(done().values()) == [2]
    assert stylize(*arguments, "--strength", "0.5").out.startswith("stylized 0, skipped 2, failed 0")


def test_another_job(stylize, shards, tmp_path, is_misuse):
    arguments = ("--input", shards, "--output", tmp_path / "out" / "*.tar")
    assert stylize(*arguments).code == 0
    assert is_misuse(stylize(*arguments, "--strength", "0.5"), "is of another job, which had other --strength")


def test_a_kill_repeats_one_shard_at_most(stylize, shards, tmp_path, monkeypatch):
    """What is whole and not yet listed is opened, and its pictures are found there."""
    from fast_style.inference.manifest import Manifest

    def killed(self, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Manifest, "keep", killed)
    arguments = ("--input", shards, "--output", tmp_path / "out" / "*.tar")
    assert stylize(*arguments).code == 130
    written = (tmp_path / "out" / "a-0.tar").stat().st_mtime_ns
    monkeypatch.undo()
    assert stylize(*arguments).out.startswith("stylized 4, skipped 2, failed 0")
    assert (tmp_path / "out" / "a-0.tar").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "nothing is written beside shards"),
        (("--output", "*.tar"), "would be replaced by an output"),
        (("--output", "a.parquet"), "shards are written as .tar"),
        (("--input", "photo.jpg", "a.tar", "--output", "out"), "are stylized by themselves: leave out photo.jpg"),
        (("--input", "missing.tar", "--output", "out"), "does not exist"),
        (("--output", "out", "--workers", "2"), "--workers is of a cluster: give --engine ray as well"),
        (("--output", "out", *RAY, "--device", "cuda:1"), "engine ray shares out GPUs itself"),
    ],
)
def test_misuse(stylize, shards, is_misuse, monkeypatch, arguments, sentence):
    monkeypatch.chdir(shards.parent)
    assert is_misuse(stylize("--input", shards, *arguments), sentence)


@pytest.mark.slow
def test_a_driver_that_is_killed_among_shards(ray, stylize, model, command, tmp_path, make_shard):
    """Shards that are done stay as they are, and the rest is made by the same command."""
    count, pictures = 8, 20
    for number in range(count):
        make_shard(tmp_path / f"b-{number:02}.tar", pictures, side=200)
    out = tmp_path / "out"
    words = ["--model", str(model), *ON_CPU, *RAY, "--input", str(tmp_path / "b-{00..07}.tar"), "--output"]
    words.append(str(out / "*.tar"))
    with subprocess.Popen([sys.executable, "-m", "fast_style", "stylize", *words], start_new_session=True) as process:
        try:
            deadline = time.monotonic() + LIMIT
            while not list(out.glob("b-*.tar")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            process.kill()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("b-*.tar")}
    assert json.loads((out / NAME).read_text())["state"] == "begun"
    result = command("stylize", *words)
    assert result.code == 0, result.err
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("b-*.tar")}
    assert len(after) == count
    assert {name: after[name] for name in before} == before
    assert all(len(names(out / name)) == 2 * pictures for name in after)
    assert json.loads((out / NAME).read_text())["shards"] == dict.fromkeys(sorted(after), pictures)
