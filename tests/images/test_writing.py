import errno
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style import images


def as_tensor(image: PIL.Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("suffix", "form", "tolerance"),
    [(".jpg", "JPEG", 4), (".jpeg", "JPEG", 4), (".PNG", "PNG", 0), (".webp", "WEBP", 8)],
)
def test_write_chooses_the_format_by_suffix(tmp_path, pixels, suffix, form, tolerance):
    path = tmp_path / f"out{suffix}"
    images.write(path, pixels)
    with PIL.Image.open(path) as image:
        assert image.format == form
    difference = images.read(path).int() - as_tensor(images.to_pil(pixels)).int()
    assert difference.abs().max() <= tolerance
    assert names(tmp_path) == [path.name]


def test_write_keeps_the_colours_of_jpeg_at_full_resolution(tmp_path, pixels):
    images.write(tmp_path / "out.jpg", pixels)
    with PIL.Image.open(tmp_path / "out.jpg") as image:
        assert [sampling for _, *sampling, _ in image.layer] == [[1, 1]] * 3


def test_write_quality(tmp_path):
    noise = torch.rand(3, 32, 32)
    for suffix in (".jpg", ".webp"):
        images.write(tmp_path / f"low{suffix}", noise, quality=20)
        images.write(tmp_path / f"high{suffix}", noise, quality=95)
        assert (tmp_path / f"low{suffix}").stat().st_size < (tmp_path / f"high{suffix}").stat().st_size
    with pytest.raises(ValueError, match="quality must be 1 to 100, got 0"):
        images.write(tmp_path / "out.jpg", noise, quality=0)


def test_write_makes_missing_folders(tmp_path, pixels):
    images.write(str(tmp_path / "a" / "b" / "out.png"), pixels)
    assert images.read(tmp_path / "a" / "b" / "out.png").shape == (3, 23, 37)


@pytest.mark.parametrize("name", ["out.bmp", "out"])
def test_write_checks_the_suffix(tmp_path, pixels, name):
    with pytest.raises(
        ValueError, match=rf"cannot write .*{name}: its suffix must be one of {', '.join(images.SUFFIXES)}"
    ):
        images.write(tmp_path / name, pixels)


@pytest.mark.parametrize(("name", "side"), [("out.webp", 16_384), ("out.jpg", 65_501)])
def test_write_checks_the_size(tmp_path, name, side):
    with pytest.raises(ValueError, match=f"{name}: {side}×1 pixels exceed the {side - 1} of a .* side, take .png"):
        images.write(tmp_path / name, torch.zeros(3, 1, side))
    assert not names(tmp_path)


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(_image, file, *_args, **_kwargs):
    file.write(b"half")
    full_disk()


def interrupted(_image, file, *_args, **_kwargs):
    file.write(b"half")
    raise KeyboardInterrupt("Ctrl-C")


@pytest.mark.parametrize(("target", "fails"), [((PIL.Image.Image, "save"), half_written), ((os, "replace"), full_disk)])
def test_write_on_a_full_disk_leaves_what_was_there(tmp_path, pixels, monkeypatch, target, fails):
    path = tmp_path / "out.png"
    path.write_text("before")
    monkeypatch.setattr(*target, fails)
    with pytest.raises(OSError, match=r"^cannot write .*out\.png: No space left on device$"):
        images.write(path, pixels)
    assert names(tmp_path) == ["out.png"]
    assert path.read_text() == "before"


def test_write_interrupted_leaves_nothing(tmp_path, pixels, monkeypatch):
    monkeypatch.setattr(PIL.Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        images.write(tmp_path / "out.png", pixels)
    assert not names(tmp_path)


def test_write_below_a_file(tmp_path, pixels):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "out.png", tmp_path / "file" / "deeper" / "out.png"):
        with pytest.raises(OSError, match=r"^cannot write .*out\.png: Not a directory$"):
            images.write(path, pixels)


def test_write_over_a_folder(tmp_path, pixels):
    (tmp_path / "out.png").mkdir()
    with pytest.raises(OSError, match=r"^cannot write .*out\.png: Is a directory$"):
        images.write(tmp_path / "out.png", pixels)
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize(("suffix", "form"), [(".jpg", "JPEG"), (".avif", "AVIF")])
def test_subsampling(tmp_path, suffix, form):
    # Colour that changes from pixel to pixel survives at full resolution only.
    stripes = torch.zeros(3, 32, 32)
    stripes[0, :, ::2], stripes[2, :, 1::2] = 1, 1
    losses = []
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        path = tmp_path / f"out{suffix}"
        images.save_picture(path, images.Picture([images.Frame(stripes)]), images.Encoding(100, subsampling))
        losses.append((images.read(path) / 255 - stripes).abs().mean())
    assert losses[0] < 0.02
    assert min(losses[1:]) > 0.2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quality": 0}, r"^quality must be 1 to 100, got 0$"),
        ({"quality": 101}, r"^quality must be 1 to 100, got 101$"),
        ({"subsampling": "4:1:1"}, r"^subsampling must be one of 4:4:4, 4:2:2, 4:2:0, got '4:1:1'$"),
        ({"bits": 10}, r"^bits must be 8 or 16 per channel, got 10$"),
        ({"background": "whitish"}, r"^background must be a colour such as white or #ff8800, got 'whitish'$"),
    ],
)
def test_encoding_is_checked(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        images.Encoding(**options)


def frame(alpha: int | None = None, size: tuple[int, int] = (4, 4)) -> images.Frame:
    opacity = None if alpha is None else torch.full((1, *size), alpha, dtype=torch.uint8)
    return images.Frame(torch.full((3, *size), 0.5), opacity)


@pytest.mark.parametrize(
    ("name", "picture", "sentence"),
    [
        ("a.bmp", images.Picture([frame()]), r"cannot write .*a\.bmp: its suffix must be one of \.jpg, "),
        (
            "a.jpg",
            images.Picture([frame()], bits=16),
            r"a\.jpg: JPEG holds 8 bits per channel, not 16: take \.png or \.tif, or ask for 8 bits$",
        ),
        ("a.webp", images.Picture([frame()], bits=16), r"a\.webp: WebP holds 8 bits"),
        ("a.avif", images.Picture([frame()], bits=16), r"a\.avif: AVIF holds 8 bits"),
        ("a.gif", images.Picture([frame()], bits=16), r"a\.gif: GIF holds 8 bits"),
        (
            "a.jpg",
            images.Picture([frame(254)]),
            r"JPEG holds no transparency: take \.png, \.webp, \.avif or \.tif, or give a background colour$",
        ),
        (
            "a.gif",
            images.Picture([frame(128)]),
            r"GIF holds nothing half transparent: take \.png, .*background colour$",
        ),
        (
            "a.tiff",
            images.Picture([frame()] * 3),
            r"TIFF is written with one frame, not 3: take \.png, \.webp or \.gif, or the first frame alone$",
        ),
        ("a.jpg", images.Picture([frame()] * 2), r"JPEG is written with one frame, not 2: take"),
        (
            "a.webp",
            images.Picture([frame(size=(1, 16_384))]),
            r"16384×1 pixels exceed the 16383 of a WebP side, take \.png$",
        ),
        ("a.avif", images.Picture([frame(size=(32_769, 1))]), r"1×32769 pixels exceed the 32768 of a AVIF side, take"),
        ("a.gif", images.Picture([frame(size=(65_536, 1))]), r"1×65536 pixels exceed the 65535 of a GIF side, take"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, picture, sentence):
    for write in (images.Encoding().check, images.save_picture):
        with pytest.raises(ValueError, match=sentence):
            write(tmp_path / name, picture)
    assert not names(tmp_path)


def test_the_size_is_checked(tmp_path):
    images.Encoding().check(tmp_path / "a.webp", images.Picture([frame()]))
    long = images.Picture([images.Frame(torch.zeros(3, 1, 20_000, dtype=torch.uint8))])
    with pytest.raises(ValueError, match="20000×1 pixels exceed the 16383 of a WebP side"):
        images.Encoding().check(tmp_path / "a.webp", long)


@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
def test_opaque_alpha_is_no_transparency(tmp_path, suffix):
    images.save_picture(tmp_path / f"a{suffix}", images.Picture([frame(255)]))
    assert (images.read(tmp_path / f"a{suffix}") / 255 - 0.5).abs().max() < 0.01


def test_transparency_is_flattened_on_a_background(tmp_path):
    for background, green in (("white", 255), ("#00f", 0), ("rgb(10, 90, 20)", 90)):
        images.save_picture(tmp_path / "a.png", images.Picture([frame(51)]), images.Encoding(background=background))
        (result,) = images.open_picture(tmp_path / "a.png").frames
        assert result.alpha is None
        assert abs(int(result.pixels[1, 0, 0]) - (0.2 * 127.5 + 0.8 * green)) <= 1


def test_bits_can_be_chosen(tmp_path):
    ramp = torch.linspace(0, 1, 3000).expand(3, 1, 3000)
    for bits, picture_bits, levels in ((None, 8, 256), (None, 16, 3000), (8, 16, 256), (16, 8, 3000)):
        images.save_picture(
            tmp_path / "a.png", images.Picture([images.Frame(ramp)], picture_bits), images.Encoding(bits=bits)
        )
        assert len(images.open_picture(tmp_path / "a.png").frames[0].pixels.int().unique()) == levels


def test_webp_is_lossless_at_100(tmp_path, noise):
    pixels = as_tensor(noise)
    images.save_picture(tmp_path / "a.webp", images.Picture([images.Frame(pixels)]), images.Encoding(100))
    assert torch.equal(images.read(tmp_path / "a.webp"), pixels)


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_equal_pictures_make_equal_files(tmp_path, noise, make_profile, suffix):
    (tmp_path / "in.png").write_bytes(b"")
    noise.save(tmp_path / "in.png", icc_profile=make_profile())
    for name in ("a", "b"):
        images.save_picture(tmp_path / f"{name}{suffix}", images.open_picture(tmp_path / "in.png"))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
