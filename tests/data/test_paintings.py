import pytest
import torch
from PIL import Image

from fast_style.data import StyleCrops, procedural_image, recolor, shipped_styles
from fast_style.data.paintings import DRAW
from fast_style.data.photos import generator


def test_a_crop_depends_on_seed_and_index_alone(style_folder):
    crops = StyleCrops(style_folder, 32, seed=3)
    first = [crops[index]["image"] for index in range(6)]
    again = StyleCrops(style_folder, 32, seed=3)
    assert all(torch.equal(again[index]["image"], first[index]) for index in (5, 2, 0))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(StyleCrops(style_folder, 32, seed=4)[0]["image"], first[0])
    for crop in first:
        assert crop.shape == (3, 32, 32)
        assert crop.dtype == torch.float32
        assert crop.min() >= 0
        assert crop.max() <= 1


def test_without_paintings_half_are_scenes():
    crops = StyleCrops(None, 32, seed=5)
    assert len(crops.source) == len(shipped_styles())
    read, original = [], crops.source.read
    crops.source.read = lambda index, size: read.append(index) or original(index, size)
    for index in range(6):
        image = crops[index]["image"]
        assert len(read) == index // 2 + 1
        if index % 2:
            draws = generator(5, index, DRAW)
            torch.rand((), generator=draws)
            assert torch.equal(image, recolor(procedural_image(5 + DRAW, index, 32), draws))


def test_as_many_are_recolored_as_asked_for(style_folder):
    plain, changed = (StyleCrops(style_folder, 32, recolored=share) for share in (0.0, 1.0))
    half = StyleCrops(style_folder, 32, recolored=0.5)
    kinds = [[torch.equal(half[i]["image"], other[i]["image"]) for other in (plain, changed)] for i in range(40)]
    assert all(one != other for one, other in kinds)
    assert 8 <= sum(one for one, _ in kinds) <= 32


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (33, 64), (63, 65), (100, 5), (500, 701)])
def test_half_to_all_of_the_short_side_is_cut_out(tmp_path, shape):
    Image.new("RGB", shape[::-1]).save(tmp_path / "painting.png")
    crops = StyleCrops(tmp_path, 32)
    pixels = torch.zeros(3, *shape, dtype=torch.uint8)
    for seed in range(100):
        cut = crops._cut(pixels, generator(seed))
        assert cut.shape[1] == cut.shape[2]
        assert min(shape) // 2 - 1 <= cut.shape[1] <= min(shape)
        assert cut.numel()


def test_every_painting_has_its_turn(photo_folder):
    crops = StyleCrops(photo_folder, 16, recolored=0)
    read, original = [], crops.source.read
    crops.source.read = lambda index, size: read.append(index) or original(index, size)
    for index in range(12):
        crops[index]
    assert sorted(read[:6]) == sorted(read[6:]) == list(range(6))


def test_recolor_turns_hues_and_keeps_greys_grey():
    image = torch.rand(3, 8, 8) * 0.2 + 0.4
    grey = torch.full((1, 8, 8), 0.5).expand(3, 8, 8)
    results = [recolor(image, generator(seed)) for seed in range(20)]
    assert all(result.min() >= 0 and result.max() <= 1 for result in results)
    assert len({result.mean((1, 2)).argmax().item() for result in results}) == 3
    for seed in range(20):
        found = recolor(grey, generator(seed))
        assert (found - found.mean()).abs().max() < 1e-5


def test_unreadable_paintings_are_passed_over_and_named(style_folder):
    (style_folder / "broken.png").write_bytes(b"no")
    samples = [StyleCrops(style_folder, 32)[index] for index in range(2)]
    assert [sample["skipped"] for sample in samples].count(["broken.png"]) == 1
    (style_folder / "waves.png").write_bytes(b"no")
    with pytest.raises(RuntimeError, match="no painting to learn from: 2 in a row cannot be read, the last was"):
        StyleCrops(style_folder, 32)[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"size": 8}, "at least 16 pixels, got 8"), ({"recolored": 1.5}, r"must be in \[0, 1\], got 1.5")],
)
def test_bad_arguments(style_folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        StyleCrops(style_folder, **{"size": 32} | arguments)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        StyleCrops("nowhere", 32)
