"""Samples: what decides them, and what is in them."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from fast_style.data import HeldOut, ImageSource, PhotoDataset, SampleIndices, collate
from fast_style.data.photos import permutation
from fast_style.images import resize_short_side, to_float


def write_png(pixels: torch.Tensor, path: Path) -> None:
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


def coordinates(height: int, width: int) -> torch.Tensor:
    """A photo whose red is its row and whose green is its column."""
    rows = torch.arange(height).view(-1, 1).expand(height, width)
    columns = torch.arange(width).expand(height, width)
    return torch.stack([rows, columns, torch.zeros_like(rows)]).to(torch.uint8)


@pytest.fixture
def dataset(photo_folder):
    return PhotoDataset(ImageSource(photo_folder), 32, seed=7)


def photos_of(dataset: PhotoDataset, indices: range, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions in the source which the samples are read from."""
    seen: list[int] = []
    read = ImageSource.read
    monkeypatch.setattr(
        ImageSource, "read", lambda source, index, side: seen.append(index) or read(source, index, side)
    )
    for index in indices:
        dataset[index]
    return seen


def test_sample(dataset):
    sample = dataset[0]
    assert sample["image"].shape == (3, 32, 32)
    assert sample["image"].dtype == torch.float32
    assert 0 <= sample["image"].min() < sample["image"].max() <= 1
    assert sample["skipped"] == sample["enlarged"] == []


def test_depends_on_seed_and_index_alone(dataset, photo_folder):
    expected = [dataset[index]["image"] for index in range(14)]
    torch.manual_seed(123)
    again = PhotoDataset(ImageSource(photo_folder), 32, seed=7)
    for index in reversed(range(14)):
        assert torch.equal(again[index]["image"], expected[index])


def test_leaves_the_global_generator_alone(dataset):
    state = torch.get_rng_state()
    dataset[0]
    assert torch.equal(torch.get_rng_state(), state)


def test_other_seeds_and_indices_differ(photo_folder, dataset):
    other = PhotoDataset(ImageSource(photo_folder), 32, seed=8)
    images = [source[index]["image"] for source in (dataset, other) for index in range(12)]
    for first in range(len(images)):
        assert not any(torch.equal(images[first], image) for image in images[first + 1 :])


def test_every_epoch_visits_each_photo_once_in_its_own_order(dataset, monkeypatch):
    seen = photos_of(dataset, range(60), monkeypatch)
    epochs = [seen[start : start + 6] for start in range(0, 60, 6)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 5


def test_workers_change_nothing(dataset):
    def first_batches(workers: int) -> list[torch.Tensor]:
        loader = DataLoader(dataset, batch_sampler=SampleIndices(lambda: 3, 2), collate_fn=collate, num_workers=workers)
        return [batch["image"] for batch, _ in zip(loader, range(6), strict=False)]

    assert torch.equal(torch.stack(first_batches(0)), torch.stack(first_batches(2)))


def test_crops_are_squares_of_every_size_at_every_place(tmp_path):
    write_png(coordinates(40, 60), tmp_path / "photo.png")
    dataset = PhotoDataset(ImageSource(tmp_path), 8)
    sides, tops, lefts, mirrored = [], [], [], []
    for index in range(400):
        rows, columns, _ = (dataset[index]["image"] * 255).unbind()
        height = float(rows[-1].mean() - rows[0].mean()) * 8 / 7
        width = float(columns[:, -1].mean() - columns[:, 0].mean()) * 8 / 7
        assert abs(width) == pytest.approx(height, rel=0.1)
        sides.append(height)
        mirrored.append(width < 0)
        if height < 12:
            tops.append(float(rows.min()))
            lefts.append(float(columns.min()))
    assert min(sides) == pytest.approx(8, abs=1.5)
    assert max(sides) == pytest.approx(40, abs=1.5)
    assert sum(sides) / len(sides) == pytest.approx(24, abs=2)
    assert 0.4 < sum(mirrored) / len(mirrored) < 0.6
    assert max(tops) > 22
    assert max(lefts) > 40
    assert min(tops + lefts) < 6


def test_crops_of_enlarged_photos_differ_in_place_alone(tmp_path):
    write_png(coordinates(32, 40), tmp_path / "photo.png")
    dataset = PhotoDataset(ImageSource(tmp_path), 32, enlarge=1.25)
    whole = resize_short_side(to_float(coordinates(32, 40))[None], 40)[0]
    windows = whole.unfold(1, 32, 1).unfold(2, 32, 1)  # (3, 9, 19, 32, 32)
    places = set()
    for index in range(40):
        crop = dataset[index]["image"]
        found = [(windows == each[:, None, None]).all(-1).all(-1).all(0).nonzero() for each in (crop, crop.flip(-1))]
        places.add(tuple(torch.cat(found)[0].tolist()))
    assert len({top for top, _ in places}) > 6
    assert len({left for _, left in places}) > 12


def test_resizing_matches_torchvision(tmp_path, photo):
    write_png(photo(0, 32, 32), tmp_path / "photo.png")
    whole = photo(0, 32, 32).float() / 255
    for size in (31, 40):  # half of the crops for 31 are the whole photo, all of those for 40
        dataset = PhotoDataset(ImageSource(tmp_path), size)
        expected = v2.functional.resize(whole, [size, size], antialias=True)
        found = [dataset[index]["image"] for index in range(12)]
        assert any(torch.allclose(image, expected, atol=1e-5) for image in found)
        assert any(torch.allclose(image, expected.flip(-1), atol=1e-5) for image in found)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (9, 5), (16, 300), (16, 16)])
def test_small_and_narrow_photos(tmp_path, photo, height, width):
    write_png(photo(0, height, width), tmp_path / "photo.png")
    dataset = PhotoDataset(ImageSource(tmp_path), 16)
    enlarged = ["photo.png"] if min(height, width) < 16 else []
    for sample in [*(dataset[index] for index in range(4)), HeldOut(ImageSource(tmp_path), 16)[0]]:
        assert sample["image"].shape == (3, 16, 16)
        assert sample["enlarged"] == enlarged


def test_unreadable_photo_is_replaced_and_named(photo_folder):
    (photo_folder / "photo_2.jpg").write_bytes(b"not an image")
    dataset = PhotoDataset(ImageSource(photo_folder), 16)
    samples = [dataset[index] for index in range(12)]
    assert [name for sample in samples for name in sample["skipped"]] == ["photo_2.jpg"] * 2
    assert all(sample["image"].shape == (3, 16, 16) for sample in samples)
    again = PhotoDataset(ImageSource(photo_folder), 16)
    assert all(torch.equal(again[index]["image"], samples[index]["image"]) for index in range(12))


def test_no_readable_photo(photo_folder):
    for path in photo_folder.rglob("*.*"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RuntimeError, match="no photo to train on: 6 in a row cannot be read, the last was"):
        PhotoDataset(ImageSource(photo_folder), 16)[0]


def test_too_many_unreadable_photos(photo_folder, monkeypatch):
    monkeypatch.setattr("fast_style.data.photos.MAX_ATTEMPTS", 2)
    source = ImageSource(photo_folder)
    for index in permutation(6, 0, 0)[:2]:
        (photo_folder / source.names[int(index)]).write_bytes(b"")
    with pytest.raises(RuntimeError, match="2 in a row cannot be read"):
        PhotoDataset(source, 16)[0]


def test_negative_index(dataset):
    with pytest.raises(IndexError, match="a sample index must not be negative, got -1"):
        dataset[-1]


def test_size(photo_folder):
    with pytest.raises(ValueError, match="the size of the training crops must be at least 1 pixel, got 0"):
        PhotoDataset(ImageSource(photo_folder), 0)
    with pytest.raises(ValueError, match="the size of the held-out photos must be at least 1 pixel, got 0"):
        HeldOut(ImageSource(photo_folder), 0)


@pytest.mark.parametrize("enlarge", [0.9, float("inf"), float("nan")])
def test_enlarging_to_less_than_the_size(photo_folder, enlarge):
    with pytest.raises(ValueError, match="enlarge must be at least 1 times the size of the crops, got"):
        PhotoDataset(ImageSource(photo_folder), 16, enlarge=enlarge)


def test_held_out_is_the_middle(tmp_path):
    write_png(coordinates(40, 60), tmp_path / "photo.png")
    image = HeldOut(ImageSource(tmp_path), 40)[0]["image"]
    assert torch.equal((image * 255).round().to(torch.uint8), coordinates(40, 60)[:, :, 10:50])


@pytest.mark.parametrize("size", [16, 100])
def test_held_out_resizes_the_short_side(photo_folder, size):
    source = ImageSource(photo_folder)
    heldout = HeldOut(source, size)
    assert heldout.names == source.names
    assert len(heldout) == 6
    for index in range(6):
        expected = v2.functional.resize(source.read(index, size).float() / 255, size, antialias=True)
        expected = v2.functional.center_crop(expected, [size, size]).clamp(0, 1)
        assert heldout[index]["image"].shape == (3, size, size)
        assert (heldout[index]["image"] - expected).abs().mean() < 0.02  # rounding may move the crop by a pixel
        assert torch.equal(heldout[index]["image"], heldout[index]["image"])


def test_of_many_heldout_photos_some_are_taken_evenly_spread(tmp_path):
    for number in range(10):
        Image.new("RGB", (20, 20)).save(tmp_path / f"{number}.png")
    source = ImageSource(tmp_path)
    assert HeldOut(source, 16, most=4).names == ["0.png", "2.png", "5.png", "7.png"]
    assert HeldOut(source, 16, most=10).names == HeldOut(source, 16).names == source.names


def test_held_out_leaves_out_what_cannot_be_read(photo_folder):
    (photo_folder / "photo_2.jpg").write_bytes(b"")
    heldout = HeldOut(ImageSource(photo_folder), 16)
    assert heldout.skipped == ["photo_2.jpg"]
    assert "photo_2.jpg" not in heldout.names
    assert len(heldout) == len(list(DataLoader(heldout, batch_size=None))) == 5


def test_held_out_without_a_readable_photo(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"none of the 1 held-out photos can be read, the first is photo\.jpg"):
        HeldOut(ImageSource(tmp_path), 16)


def test_collate(dataset):
    samples = [dataset[0], {**dataset[1], "skipped": ["a", "b"]}, {**dataset[2], "skipped": ["c"], "enlarged": ["d"]}]
    batch = collate(samples)
    assert batch["image"].shape == (3, 3, 32, 32)
    assert torch.equal(batch["image"][1], samples[1]["image"])
    assert batch["skipped"] == ["a", "b", "c"]
    assert batch["enlarged"] == ["d"]


def test_real_photos(shared):
    dataset = PhotoDataset(ImageSource(shared / "data" / "photos" / "train"), 64)
    images = torch.stack([dataset[index]["image"] for index in range(8)])
    assert images.shape == (8, 3, 64, 64)
    assert 0 <= images.min() < 0.1
    assert 0.9 < images.max() <= 1
