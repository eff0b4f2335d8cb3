"""Photos in `.tar` files, here and behind an address."""

import io
import itertools
import os
import tarfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from fast_style import remote
from fast_style.archives import expand
from fast_style.data.photos import collate
from fast_style.data.shards import ShardStream, are_shards

COUNTS = (5, 3, 4)


def write_shard(path, colours, broken=(), folder=""):
    """A shard of images, each of one colour; between them the captions that such shards hold."""
    with tarfile.open(path, "w") as archive:
        for number, colour in enumerate(colours):
            image = io.BytesIO()
            Image.new("RGB", (24, 20), (colour, colour, colour)).save(image, "PNG")
            pixels = b"no image" if number in broken else image.getvalue()
            for name, data in ((f"{folder}{number:05}.txt", b"a photo"), (f"{folder}{number:05}.png", pixels)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path):
    """Three shards with 5, 3 and 4 images, of the colours 0, 1, 2, … ."""
    colours = iter(range(sum(COUNTS)))
    for number, count in enumerate(COUNTS):
        write_shard(tmp_path / f"photos-{number}.tar", [next(colours) for _ in range(count)])
    return expand(str(tmp_path / "photos-{0..2}.tar"))


def colours(stream, count):
    return [round(sample["image"].mean().item() * 255) for sample in itertools.islice(stream, count)]


def test_what_is_a_shard():
    assert are_shards("a-{0..5}.tar")
    assert not are_shards(["a.tar", "photos"])
    assert not are_shards(None)


def test_an_epoch_sees_every_photo_once_in_an_order_of_its_own(shards):
    seen = colours(ShardStream(shards, 8), 36)
    epochs = [seen[:12], seen[12:24], seen[24:]]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert colours(ShardStream(shards, 8), 36) == seen
    assert colours(ShardStream(shards, 8, seed=1), 36) != seen


def test_what_is_packed_from_within_a_folder(tmp_path):
    write_shard(tmp_path / "a.tar", [7], folder="./")
    assert colours(ShardStream([str(tmp_path / "a.tar")], 8), 1) == [7]


def test_samples_are_crops(shards):
    sample = next(iter(ShardStream(shards, 8)))
    assert sample["image"].shape == (3, 8, 8)
    assert sample["enlarged"] == sample["skipped"] == []
    assert len(next(iter(ShardStream(shards, 32)))["enlarged"]) == 1


@pytest.mark.parametrize("start", [0, 1, 4, 5, 11, 12, 13, 30])
@pytest.mark.parametrize("known", [False, True])
def test_goes_on_anywhere(shards, start, known):
    whole = list(itertools.islice(ShardStream(shards, 8), 40))
    counts = {shard: count for sample in whole for shard, count in sample["counts"].items()} if known else {}
    stream = ShardStream(shards, 8, start=start, counts=counts)
    for expected, sample in zip(whole[start:], stream, strict=False):
        assert torch.equal(sample["image"], expected["image"])


def test_shards_that_are_known_are_passed_over_unread(shards, tmp_path):
    order = list(itertools.islice(ShardStream(shards, 8), 12))
    counts = {shard: count for sample in order for shard, count in sample["counts"].items()}
    first, *_ = order[0]["counts"]
    (tmp_path / first).write_bytes(b"not read")
    stream = ShardStream(shards, 8, start=counts[first], counts=counts)
    expected = [round(sample["image"].mean().item() * 255) for sample in order]
    assert colours(stream, 12 - counts[first]) == expected[counts[first] :]


def test_processes_share_the_shards_out(shards):
    streams = [ShardStream(shards, 8, rank=rank, world_size=3) for rank in range(3)]
    firsts = [next(iter(stream))["counts"] for stream in streams]
    assert len({shard for counts in firsts for shard in counts}) == 3


def test_samples_are_numbered_across_processes_and_resumes(shards):
    numbers = []
    for rank in range(3):
        first, resumed = (ShardStream(shards, 8, start=start, rank=rank, world_size=3) for start in (0, 2))
        numbers += [int(sample["index"]) for sample in itertools.islice(first, 2)]
        numbers += [int(sample["index"]) for sample in itertools.islice(resumed, 6)]
    assert sorted(numbers) == list(range(24))
    alone = ShardStream(shards, 8, start=7)
    assert [int(sample["index"]) for sample in itertools.islice(alone, 3)] == [7, 8, 9]
    assert [ShardStream(shards, 8, rank=1, world_size=3).number(place) for place in (0, 7, 8)] == [8, 15, 32]


def test_broken_images_are_replaced_and_named(tmp_path):
    path = tmp_path / "a.tar"
    write_shard(path, range(6), broken=(1, 4))
    samples = list(itertools.islice(ShardStream([str(path)], 8), 6))
    values = Counter(round(sample["image"].mean().item() * 255) for sample in samples)
    assert set(values) == {0, 2, 3, 5}
    assert sum(values.values()) == 6
    named = {name for sample in samples for name in sample["skipped"]}
    assert named == {f"00001.png in {path}", f"00004.png in {path}"}


def test_of_a_damaged_shard_what_comes_before_the_damage_is_used(shards, tmp_path):
    damaged = tmp_path / "photos-0.tar"
    data = damaged.read_bytes()
    with tarfile.open(damaged) as archive:
        third = archive.getmembers()[5]
    damaged.write_bytes(data[: third.offset_data + 3])
    samples = list(itertools.islice(ShardStream(shards, 8), 9))
    assert sorted(round(sample["image"].mean().item() * 255) for sample in samples) == [0, 1, *range(5, 12)]
    (named,) = {name for sample in samples for name in sample["skipped"]}
    assert named.startswith(f"{damaged} from its image 2 on (it ends within 00002.png)")


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_damage_to_a_header_is_told(shards, tmp_path, damage):
    """To tarfile this is the end of the archive."""
    damaged = tmp_path / "photos-0.tar"
    data = bytearray(damaged.read_bytes())
    with tarfile.open(damaged) as archive:
        header = archive.getmembers()[4].offset
    data[header + 10] ^= 255
    damaged.write_bytes(data if damage == "flipped" else data[:header])
    samples = list(itertools.islice(ShardStream(shards, 8), 9))
    (named,) = {name for sample in samples for name in sample["skipped"]}
    assert named.startswith(f"{damaged} from its image 2 on (a header is damaged, or it is cut off there)")


def test_goes_on_after_a_shard_without_a_photo_that_can_be_read(shards, tmp_path):
    write_shard(tmp_path / "photos-1.tar", range(3), broken=(0, 1, 2))
    whole = list(itertools.islice(ShardStream(shards, 8), 18))
    counts = {shard: count for sample in whole for shard, count in sample["counts"].items()}
    assert counts[str(tmp_path / "photos-1.tar")] == 0
    for start in (0, 4, 5, 9, 12):
        stream = ShardStream(shards, 8, start=start, counts=counts)
        for expected, sample in zip(whole[start:], stream, strict=False):
            assert torch.equal(sample["image"], expected["image"])


def test_no_shard_of_use(tmp_path):
    for name in ("a.tar", "b.tar"):
        (tmp_path / name).write_bytes(b"no archive at all")
    paths = [str(tmp_path / "a.tar"), str(tmp_path / "b.tar")]
    for processes in (1, 2):
        with pytest.raises(RuntimeError, match="no photo to train on: none of 2 shards in a row has any"):
            next(iter(ShardStream(paths, 8, world_size=processes)))


def test_misuse(shards):
    with pytest.raises(ValueError, match="3 shards are too few for 4 processes"):
        ShardStream(shards, 8, world_size=4)
    with pytest.raises(ValueError, match="must be at least 1 pixel, got 0"):
        ShardStream(shards, 0)
    with pytest.raises(FileNotFoundError, match=r"there is no shard at nowhere\.tar"):
        ShardStream([*shards, "nowhere.tar"], 8)
    with pytest.raises(RuntimeError, match=r"give data\.num_workers=1"):
        next(iter(DataLoader(ShardStream(shards, 8), 2, num_workers=2, collate_fn=collate)))


def test_a_training_from_shards_resumes(tiny, train, shards, tmp_path, photo_folder):
    run = tiny | {
        "data.root": f"'{tmp_path}/photos-{{0..2}}.tar'",
        "data.heldout": str(photo_folder),
        "data.size": "16",
    }
    assert train(run | {"trainer.max_steps": "9", "hydra.run.dir": str(tmp_path / "whole")}) == 0
    first = {"trainer.max_steps": "9", "callbacks.checkpoint.every_n_train_steps": "4", "data.num_workers": "1"}
    assert train(run | first) == 0
    (tmp_path / "run" / "checkpoints" / "step-9.ckpt").unlink()
    assert train(run | first, "ckpt_path=last") == 0
    states = [torch.load(tmp_path / d / "checkpoints" / "step-9.ckpt", weights_only=True) for d in ("whole", "run")]
    for key, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][key])


def test_shards_need_photos_to_measure_on(tiny, train, shards, tmp_path, capsys):
    assert train(tiny | {"data.root": shards[0]}) == 2
    assert "give data.heldout, photos to measure on" in capsys.readouterr().err


@pytest.fixture
def _no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "WAIT", 0.001)


@pytest.mark.usefixtures("_no_waiting")
def test_a_connection_that_breaks_in_the_middle_loses_nothing(shards, server):
    """Every shard breaks off in the middle at its first request: all photos come, and none twice."""
    for shard in shards:
        name = shard.rpartition("/")[2]
        (server.folder / name).write_bytes(Path(shard).read_bytes())
        server.answers[f"/{name}"] = lambda handler, name=name: break_off(handler, server, name)
    stream = ShardStream([f"{server.url}/photos-{number}.tar" for number in range(3)], 8)
    assert sorted(colours(stream, 12)) == list(range(12))
    assert colours(stream, 24) == colours(ShardStream(shards, 8), 24)
    assert sum(path.endswith(".tar") for path, _ in server.requests) >= 6


def break_off(handler, server, name):
    data = (server.folder / name).read_bytes()
    del server.answers[f"/{name}"]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.wfile.flush()
    handler.connection.close()


@pytest.mark.usefixtures("_no_waiting")
def test_a_shard_that_is_gone_is_named(shards, server):
    for shard in shards[:2]:
        (server.folder / shard.rpartition("/")[2]).write_bytes(Path(shard).read_bytes())
    samples = list(itertools.islice(ShardStream([f"{server.url}/photos-{n}.tar" for n in range(3)], 8), 17))
    assert sorted(round(s["image"].mean().item() * 255) for s in samples[:8]) == list(range(8))
    assert next(name for s in samples for name in s["skipped"]).startswith(f"{server.url}/photos-2.tar (")


@pytest.mark.usefixtures("_no_waiting")
def test_a_server_that_does_not_answer(server):
    server.answers["/a.tar"] = lambda handler: handler.answer(503)
    with pytest.raises(ConnectionError, match=r"cannot fetch http://.*/a\.tar after 5 attempts"):
        next(iter(ShardStream([f"{server.url}/a.tar"], 8)))


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_fetched_shards_leave_nothing_behind(shards, server, monkeypatch, tmp_path, platform):
    """Windows refuses to remove a file that is open, but removes one at its close if it was opened for that."""
    removed, closing = [], 1 << 30

    def opened(path, flags, *arguments):
        if flags & closing:
            assert platform == "win32"
            removed.append(path)
        return open_(path, flags & ~closing, *arguments)

    def unlink(path, *_arguments, **_options):
        assert platform != "win32", "it is open"
        removed.append(str(path))

    open_ = os.open
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "O_TEMPORARY", closing, raising=False)
    monkeypatch.setattr(os, "O_BINARY", 0, raising=False)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr("fast_style.data.shards.sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for shard in shards:
        (server.folder / shard.rpartition("/")[2]).write_bytes(Path(shard).read_bytes())
    stream = iter(ShardStream([f"{server.url}/photos-{number}.tar" for number in range(3)], 8))
    assert len(list(itertools.islice(stream, 12))) == 12
    stream.close()
    deadline = time.monotonic() + 20  # one may be on its way still
    while {*removed} != {str(path) for path in (tmp_path / "temporary").iterdir()}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert removed
