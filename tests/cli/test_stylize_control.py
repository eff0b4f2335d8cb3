"""Strength, colours, strokes, masks and several networks."""

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style import images
from fast_style.checkpoint import save_network
from fast_style.networks import TransformerNetwork
from tests.pictures import noise


def test_strength_0_is_the_photo(stylize, photos, tmp_path):
    out = tmp_path / "out.png"
    assert stylize("--input", photos / "b.PNG", "--output", out, "--strength", "0").code == 0
    assert torch.equal(images.read(out), images.read(photos / "b.PNG"))


@pytest.mark.parametrize(
    "option",
    [
        ["--preserve-color", "luminance"],
        ["--preserve-color", "histogram"],
        ["--stroke-size", "2"],
        ["--strength", ".5"],
    ],
)
def test_control(stylize, photos, tmp_path, option, size):
    source = photos / "b.PNG"
    assert stylize("--input", source, "--output", tmp_path / "plain.png").code == 0
    assert stylize("--input", source, "--output", tmp_path / "other.png", *option).code == 0
    assert size(tmp_path / "other.png") == size(source)
    assert not torch.equal(images.read(tmp_path / "plain.png"), images.read(tmp_path / "other.png"))


def test_mask(stylize, photos, tmp_path):
    """White is stylized, black and what is transparent is not; another size is told."""
    source = photos / "b.PNG"  # 9 by 13
    mask = PIL.Image.new("LA", (9, 13), (255, 255))
    mask.paste((0, 255), (0, 0, 9, 4))
    mask.paste((255, 0), (0, 4, 9, 8))
    mask.save(tmp_path / "mask.png")
    arguments = ("--input", source, "--mask", tmp_path / "mask.png", "--overwrite", "--output")
    assert stylize(*arguments, tmp_path / "out.png").err == ""
    assert stylize("--input", source, "--output", tmp_path / "whole.png").code == 0
    photo, out, whole = (images.read(path) for path in (source, tmp_path / "out.png", tmp_path / "whole.png"))
    assert torch.equal(out[:, :8], photo[:, :8])
    assert torch.equal(out[:, 8:], whole[:, 8:])
    mask.resize((18, 26)).save(tmp_path / "mask.png")
    assert stylize(*arguments, tmp_path / "out.png").err == "masks of another size than the picture are resized to it\n"


def test_several_networks(stylize, model, photos, tmp_path, tally, is_misuse):
    torch.manual_seed(1)
    other = model.with_name("other.safetensors")
    save_network(other, TransformerNetwork(width=2, blocks=0), {})
    PIL.Image.new("L", (9, 13)).save(tmp_path / "none.png")
    source = photos / "b.PNG"
    assert stylize("--input", source).code == 0
    result = stylize("--input", source, "--model", model, other, "--mask", tmp_path / "none.png")
    assert result == (0, tally(1, 0, 0, photos / "b-mosaic+other.PNG"), "")
    assert torch.equal(images.read(photos / "b-mosaic+other.PNG"), images.read(photos / "b-mosaic.PNG"))
    assert is_misuse(
        stylize("--input", source, "--model", model, other, "--overwrite", "--mask", *["none.png"] * 3),
        "2 networks take 2 masks, or 1 (none for the first), got 3",
    )


def test_automatic_strokes(stylize, tmp_path, make, is_misuse):
    photo = make(tmp_path / "wide.png", (1920, 8))
    for number, size in enumerate(("auto", "1.5", "1")):
        assert stylize("--input", photo, "--stroke-size", size, "--output", tmp_path / f"{number}.png").code == 0
    first, second, third = (images.read(tmp_path / f"{number}.png") for number in range(3))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert is_misuse(stylize("--input", photo, "--stroke-size", "automatic"), "it must be auto or a number from 0.125")


def test_mask_and_size_of_an_animation(stylize, tmp_path, tally):
    first, second = (noise((20, 10)) for _ in range(2))
    first.save(tmp_path / "film.png", save_all=True, append_images=[second], duration=50)
    PIL.Image.new("L", (10, 5)).save(tmp_path / "black.png")
    arguments = ("--mask", tmp_path / "black.png", "--size", "10", "--output", tmp_path / "out.png")
    assert stylize("--input", tmp_path / "film.png", *arguments) == (0, tally(1, 0, 0), "")
    frames = list(images.open_picture(tmp_path / "out.png").frames)
    originals = list(images.open_picture(tmp_path / "film.png").frames)
    assert len(frames) == 2
    for frame, original in zip(frames, originals, strict=True):
        small = images.to_depth(images.resize_long_side(original.to_float(), 10), 8)[0]
        assert torch.equal(frame.pixels, small)


def test_strength_keeps_transparency_and_16_bits(stylize, tmp_path):
    pixels = torch.from_numpy(np.arange(64 * 64 * 3, dtype=np.uint16).reshape(3, 64, 64) * 5)
    alpha = torch.from_numpy(np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64) + np.uint16(40_000))
    frame = images.Frame(pixels, alpha)
    images.save_picture(tmp_path / "deep.png", images.Picture([frame], bits=16))
    assert stylize("--input", tmp_path / "deep.png", "--output", tmp_path / "out.png", "--strength", ".5").code == 0
    result = images.open_picture(tmp_path / "out.png")
    assert result.bits == 16
    assert torch.equal(result.frames[0].alpha.int(), images.open_picture(tmp_path / "deep.png").frames[0].alpha.int())
