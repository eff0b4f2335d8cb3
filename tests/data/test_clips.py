import shutil
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="films need the package av")
pytest.importorskip("cv2", reason="flow needs the package opencv")

from fast_style.data import ClipPairs, PhotoDataModule, SampleIndices, collate  # noqa: E402
from fast_style.data.clips import HalfClips, HalfClipStream  # noqa: E402
from fast_style.data.shards import ShardStream  # noqa: E402
from fast_style.losses import temporal_loss, warped  # noqa: E402
from fast_style.losses.temporal import Frames  # noqa: E402
from fast_style.training.motion import motion_weights, move  # noqa: E402

MOVED = 3  # pixels a frame


def film(path: Path, count: int = 8, height: int = 96, width: int = 128, **options: dict[str, str]) -> Path:
    """A texture that moves to the right."""
    noise = np.random.default_rng(0).random((height // 8, (width + 64) // 8, 3), np.float32)
    wide = torch.nn.functional.interpolate(
        torch.from_numpy(noise).permute(2, 0, 1)[None], (height, width + 64), mode="bicubic"
    ).clamp(0, 1)
    with av.open(str(path), "w", **options) as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv444p"
        for number in range(count):
            left = 64 - MOVED * number
            pixels = (wide[0, :, :, left : left + width] * 255).byte().permute(1, 2, 0).contiguous().numpy()
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    (folder / "deep").mkdir(parents=True)
    film(folder / "deep" / "a.mp4")
    return folder


def test_the_next_frame_is_where_the_flow_says(films):
    pairs = ClipPairs(films, 80)
    ways = set()
    for index in range(6):
        pair = pairs[index]
        assert pair["image"].shape == pair["after"].shape == (3, 80, 80)
        assert pair["seen"].shape == (1, 80, 80)
        seen = pair["seen"][0].bool()
        assert seen.float().mean() > 0.5
        right, down = pair["flow"][:, seen].median(1).values.tolist()
        assert abs(right) == pytest.approx(MOVED, abs=0.3)
        assert down == pytest.approx(0, abs=0.3)
        ways.add(right > 0)  # as it is, and mirrored
        again = warped(pair["image"][None], pair["flow"][None])[0]
        apart = (again - pair["after"])[:, 24:-24, 24:-24].abs().mean()
        assert apart < 0.5 * (pair["image"] - pair["after"])[:, 24:-24, 24:-24].abs().mean()
    assert len(ways) == 2


def test_a_film_that_does_not_tell_its_length_is_drawn_from_whole(tmp_path):
    """As Matroska that was written to a pipe."""
    (tmp_path / "films").mkdir()
    film(tmp_path / "films" / "a.mkv", 20, container_options={"live": "1"})
    pairs = ClipPairs(tmp_path / "films", 64)
    with av.open(str(tmp_path / "films" / "a.mkv")) as container:
        assert container.duration is None
    assert pairs.films[0].length == pytest.approx(19 / 25, abs=0.1)
    assert len({float(pairs[index]["image"].mean()) for index in range(6)}) > 3


def test_a_pair_depends_on_seed_and_index_alone(films):
    first, again = ClipPairs(films, 64, seed=1), ClipPairs(films, 64, seed=1)
    assert torch.equal(first[3]["after"], again[3]["after"])
    assert not torch.equal(first[3]["after"], ClipPairs(films, 64, seed=2)[3]["after"])


@pytest.mark.parametrize(("size", "shape"), [(128, (128, 128)), (32, (32, 32))])
def test_frames_are_resized(films, size, shape):
    assert ClipPairs(films, size)[0]["image"].shape[1:] == shape


def test_bad_folders(films, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of films at"):
        ClipPairs(tmp_path / "nowhere", 64)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no film: looked for \.mp4"):
        ClipPairs(tmp_path / "empty", 64)
    with pytest.raises(ValueError, match="at least 16 pixels, got 8"):
        ClipPairs(films, 8)
    (films / "b.mp4").write_bytes(b"no")
    assert ClipPairs(films, 64).skipped == ["b.mp4"]
    shutil.rmtree(films / "deep")
    with pytest.raises(ValueError, match=r"of none of the 1 films in .* two frames can be read: "):
        ClipPairs(films, 64)
    film(films / "c.mp4", count=1)
    with pytest.raises(ValueError, match=r"of none of the 2 films in .*c\.mp4 has a single frame"):
        ClipPairs(films, 64)


def test_a_film_of_one_frame_is_left_out(films, caplog):
    film(films / "still.mp4", count=1)
    pairs = ClipPairs(films, 64)
    assert pairs.skipped == ["still.mp4"]
    shutil.move(films / "still.mp4", films.parent)
    assert torch.equal(pairs[2]["image"], ClipPairs(films, 64)[2]["image"])


def test_a_film_that_cannot_be_read_any_more_is_replaced_by_the_next(films, photo_folder):
    film(films / "b.mp4", height=64)
    pairs = ClipPairs(films, 64)
    before = [pairs[index] for index in range(8)]
    (films / "b.mp4").write_bytes(b"no")
    after = [pairs[index] for index in range(8)]
    replaced = [pair["skipped"] == ["b.mp4"] for pair in after]
    assert set(replaced) == {True, False}
    for was, now, other in zip(before, after, replaced, strict=True):
        assert torch.equal(was["image"], now["image"]) is not other
        assert not was["skipped"]
    photos = PhotoDataModule(photo_folder, size=64, num_workers=0)
    photos.setup()
    samples = HalfClips(photos.photos, pairs)
    index = next(index for index, other in enumerate(replaced) if other and index % 2 == 0)
    assert collate([samples[index], samples[index + 1]])["skipped"] == ["b.mp4"]
    (films / "deep" / "a.mp4").unlink()
    with pytest.raises(RuntimeError, match="no film to learn from: none of the 2 can be read any more"):
        pairs[0]


def test_every_second_sample_is_a_frame(films, photo_folder):
    data = PhotoDataModule(photo_folder, size=64, batch_size=3, num_workers=0, clips=films)
    task = SimpleNamespace(wants=("image",), motion_weights={"temporal_loss": 0.0})
    data.trainer = SimpleNamespace(lightning_module=task)
    with pytest.raises(ValueError, match=r"data\.clips is for networks for films: give model=video"):
        data.setup()
    task.motion_weights["temporal_loss"] = 1.0
    data.setup()
    samples = HalfClips(data.photos, data._clips)
    batch = collate([samples[index] for index in (4, 5, 6)])
    assert batch["image"].shape == (3, 3, 64, 64)
    assert batch["after"].shape == (2, 3, 64, 64)
    assert batch["index"].tolist() == [4, 5, 6]
    assert torch.equal(batch["image"][0], data._clips[4]["image"])
    assert torch.equal(batch["image"][1], data.photos[2]["image"])  # no photo is left out
    frames = Frames(batch["after"], batch["flow"], batch["seen"], torch.zeros_like(batch["seen"]))
    assert temporal_loss(batch["image"][::2], batch["after"], frames) < 0.01
    moved, motion = move(batch, motion_weights(0.0, 1.0), 0)
    assert moved is batch["after"]
    assert motion.places.tolist() == [0, 2]


class Turns:
    """Stands in for films and photos; notes what is read."""

    def __init__(self):
        self.read = []

    def __getitem__(self, index):
        self.read.append(index)
        image, seen = torch.full((3, 8, 8), float(index)), torch.ones(1, 8, 8)
        return {"image": image, "after": image, "flow": torch.zeros(2, 8, 8), "seen": seen, "skipped": []}


class Photos(Turns):
    def __getitem__(self, index):
        return {"image": super().__getitem__(index)["image"], "skipped": [], "enlarged": []}


def test_what_a_sample_is_depends_on_its_number_alone():
    """In batches of four or eight, and on two devices; and nothing is read in vain."""

    def samples(size, devices=1):
        photos, clips = Photos(), Turns()
        half, found = HalfClips(photos, clips), {}
        for rank in range(devices):
            for numbers in islice(SampleIndices(lambda: 0, size, rank, devices), 16 // size // devices):
                batch = collate([half[number] for number in numbers])
                assert len(batch["after"]) == size // 2
                found |= {number: image.mean().item() for number, image in zip(numbers, batch["image"], strict=True)}
        assert (sorted(clips.read), sorted(photos.read)) == ([*range(0, 16, 2)], [*range(8)])
        return found

    assert samples(4) == samples(8) == samples(4, devices=2)
    assert samples(4) == {number: number // 2 if number % 2 else number for number in range(16)}


def test_photos_of_shards_between_frames(tmp_path, make_shard):
    paths = [str(make_shard(tmp_path / f"{number}.tar", 6)) for number in range(2)]

    def stream(start=0, rank=0, devices=1):
        samples = HalfClipStream(ShardStream(paths, 8, rank=rank, world_size=devices), Turns())
        samples.start = start
        return islice(samples, 12 - start)

    whole = list(stream())
    assert [int(sample["index"]) for sample in whole] == [*range(12)]
    assert ["after" in sample for sample in whole] == [True, False] * 6
    photos = list(islice(ShardStream(paths, 8), 6))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(whole[1::2], photos, strict=True))
    for start in (3, 6):  # resumed
        assert all(torch.equal(a["image"], b["image"]) for a, b in zip(stream(start), whole[start:], strict=True))
    for rank in range(2):
        assert sum("after" in sample for sample in stream(0, rank, 2)) == 6
