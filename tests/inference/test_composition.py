"""Networks over one another, and maps of styles."""

import PIL.Image
import pytest
import torch

from fast_style.inference.composition import Composition, read_masks, read_style_map
from fast_style.inference.control import Control


def half(size: tuple[int, int]) -> PIL.Image.Image:
    """White on the left, black on the right."""
    image = PIL.Image.new("L", size, 0)
    image.paste(255, (0, 0, size[0] // 2, size[1]))
    return image


def test_a_single_network_gets_the_photos_as_they_are():
    seen = []
    composition = Composition([lambda photos: seen.append(photos) or photos], Control(), [None])
    photos = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    assert composition(photos) is photos
    assert seen == [photos]


def test_the_upper_network_covers_where_its_mask_is_white():
    left = torch.zeros(1, 1, 2, 4)
    left[..., :2] = 1
    composition = Composition([torch.zeros_like, torch.ones_like], Control(), [None, left])
    result = composition(torch.randint(0, 256, (1, 3, 2, 4), dtype=torch.uint8))
    assert torch.equal(result, left.expand(1, 3, 2, 4))
    assert not composition.resized
    composition(torch.zeros(1, 3, 4, 8))
    assert composition.resized


def test_masks_are_light_and_opacity(tmp_path):
    half((4, 2)).save(tmp_path / "a.png")
    image = PIL.Image.new("LA", (4, 2), (255, 0))
    image.save(tmp_path / "b.png")
    none, left, clear = read_masks([tmp_path / "a.png", tmp_path / "b.png"], 3)
    assert none is None
    assert torch.equal(left, torch.tensor([1.0, 1, 0, 0]).expand(1, 1, 2, 4))
    assert torch.equal(clear, torch.zeros(1, 1, 2, 4))
    assert read_masks([], 1) == [None]


@pytest.mark.parametrize(
    ("count", "masks", "sentence"),
    [
        (1, 2, "1 network takes one mask, got 2"),
        (2, 0, r"2 networks take 2 masks, or 1 \(none for the first\), got 0"),
        (2, 3, r"2 networks take 2 masks, or 1 \(none for the first\), got 3"),
    ],
)
def test_a_wrong_number_of_masks(tmp_path, count, masks, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_masks([tmp_path / "nowhere.png"] * masks, count)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_ramp_goes_from_the_first_style_to_the_last(count):
    across = read_style_map(["horizontal"], count)
    assert torch.allclose(across.sum(1), torch.ones(()))
    assert across[0, 0, 0, 0] == across[0, -1, 0, -1] == 1
    assert torch.equal(read_style_map(["vertical"], count), across.mT)


def test_a_map_of_images(tmp_path):
    """Small ones grow to the largest, which is made smaller beyond 1024 pixels; where all are black, all apply."""
    half((2048, 1024)).save(tmp_path / "left.png")
    PIL.Image.new("L", (4, 2)).save(tmp_path / "black.png")
    shares = read_style_map([str(tmp_path / "left.png"), str(tmp_path / "black.png")], 2)
    assert shares.shape == (1, 2, 512, 1024)
    assert torch.allclose(shares[..., :500], torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), atol=1e-3)
    assert torch.equal(shares[:, 0, :, 530:], shares[:, 1, :, 530:])
    assert (shares.sum(1) > 0).all()


def test_a_map_that_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="must be horizontal or vertical, or a mask for each of 3 styles; got 1"):
        read_style_map(["diagonal"], 3)
