"""Which shards there are, and where their pictures go."""

from pathlib import Path

import pytest

from fast_style.inference.shards import are_shards, plan_shards


@pytest.fixture
def here(tmp_path, make_shard) -> Path:
    """Three shards."""
    for number in range(3):
        make_shard(tmp_path / f"a-{number}.tar", 1)
    return tmp_path


def targets(shards) -> list[str]:
    return [str(shard.target) for shard in shards]


def test_what_is_a_shard(tmp_path):
    (tmp_path / "folder.tar").mkdir()
    assert are_shards(["a.tar", "s3://b/x-{0..9}.tar", "c.parquet"])
    assert not are_shards(["a.jpg", str(tmp_path / "folder.tar")])
    with pytest.raises(ValueError, match=r"shards such as a\.tar are stylized by themselves: leave out b\.jpg"):
        are_shards(["b.jpg", "a.tar"])


def test_folders(here):
    several = plan_shards([str(here / "a-{0..2}.tar")], here / "out")
    assert targets(several) == [str(here / "out" / f"a-{number}") for number in range(3)]
    assert targets(plan_shards([str(here / "a-*.tar")], here / "out")) == targets(several)
    assert targets(plan_shards([str(here / "a-1.tar")], here / "out")) == [str(here / "out")]
    assert targets(plan_shards([str(here / "a-{1..1}.tar")], here / "out")) == [str(here / "out" / "a-1")]
    assert targets(plan_shards(["memory://x/a-{0..1}.tar"], "memory://out/")) == [
        "memory://out/a-0",
        "memory://out/a-1",
    ]


def test_tars(here):
    pattern = [str(here / "a-{0..2}.tar")]
    same = plan_shards(pattern, here / "out" / "*.tar")
    assert targets(same) == [str(here / "out" / f"a-{number}.tar") for number in range(3)]
    other = plan_shards(pattern, here / "out" / "b-{7..9}.tar")
    assert targets(other) == [str(here / "out" / f"b-{number}.tar") for number in (7, 8, 9)]
    remote = plan_shards(["memory://x/a.tar"], "memory://out/*.tar")
    assert targets(remote) == ["memory://out/a.tar"]
    assert remote[0].is_tar
    assert remote[0].name == "a.tar"


@pytest.mark.parametrize(
    ("inputs", "output", "sentence"),
    [
        (["a-0.tar"], None, "nothing is written beside shards: give a folder"),
        (["a-9.tar"], "out", "does not exist"),
        (["a-{0..2}.tar"], "out/b.tar", "3 shards cannot be written to 1"),
        (["a-{0..2}.tar"], "out-{0..2}/*.tar", "lies in several folders"),
        (["a-0.tar"], "out/b.parquet", r"shards are written as \.tar"),
        (["a-0.tar"], "a-0.tar", r"input .*a-0\.tar would be replaced by an output"),
        (["a-{0..2}.tar"], "*.tar", r"input .*a-0\.tar would be replaced by an output"),
        (["a-0.tar", "a-0.tar"], "out", "would both be written to"),
        (["a-0.tar"], "a-1.jpg", "is a file: give a folder"),
    ],
)
def test_misuse(here, inputs, output, sentence):
    (here / "a-1.jpg").touch()
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        plan_shards([str(here / text) for text in inputs], output and here / output)


def test_web_servers_are_only_read(here):
    for output in ("https://x.org/out", "https://x.org/*.tar"):
        with pytest.raises(ValueError, match="a web server is only read"):
            plan_shards([str(here / "a-0.tar")], output)
