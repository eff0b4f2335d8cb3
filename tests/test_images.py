import errno
import io
import itertools
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import ImageCms, ImageOps

from fast_style import images


@pytest.fixture
def noise() -> PIL.Image.Image:
    """Incompressible RGB of 37 × 23 pixels."""
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (23, 37, 3), dtype=np.uint8))


@pytest.fixture
def pixels() -> torch.Tensor:
    """Smooth float RGB, (1, 3, 23, 37)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 23), torch.linspace(0, 1, 37), indexing="ij")
    return torch.stack([x, y, (x + y) / 2])[None]


def encode(image: PIL.Image.Image, form: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def as_tensor(image: PIL.Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width × height RGB pixels and ends after the header."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, end)
    )


@pytest.mark.parametrize("suffix", images.SUFFIXES)
@pytest.mark.parametrize("as_text", [True, False])
def test_read_takes_paths(tmp_path, noise, suffix, as_text):
    path = tmp_path / f"photo{suffix}"
    noise.save(path)
    image = images.read(str(path) if as_text else path)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 23, 37)
    with PIL.Image.open(path) as reference:
        assert torch.equal(image, as_tensor(reference.convert("RGB")))


def test_read_goes_by_content_not_by_suffix(tmp_path, noise):
    path = tmp_path / "photo.jpg"
    noise.save(path, "PNG")
    assert torch.equal(images.read(path), as_tensor(noise))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_read_applies_the_exif_orientation(noise, orientation, form):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = encode(noise, form, exif=exif)
    upright = ImageOps.exif_transpose(PIL.Image.open(file))
    file.seek(0)
    image = images.read(file)
    assert image.shape == ((3, 37, 23) if orientation >= 5 else (3, 23, 37))
    assert torch.equal(image, as_tensor(upright))


@pytest.mark.parametrize("exif", [b"MM\0*\xff\xff\xff\xff", b"no TIFF header", b"MM", b""])
def test_read_passes_over_damaged_metadata(noise, exif):
    image = images.read(encode(noise, "PNG", exif=b"Exif\0\0" + exif, icc_profile=b"no profile"))
    assert torch.equal(image, as_tensor(noise))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_read_converts_opaque_modes(noise, mode):
    image = noise.convert(mode)
    assert torch.equal(images.read(encode(image)), as_tensor(image.convert("RGB")))


def test_read_converts_cmyk(pixels):
    photo = images.to_pil(pixels)
    image = images.read(encode(photo.convert("CMYK"), "JPEG", quality=100, subsampling=0))
    assert (image.int() - as_tensor(photo).int()).abs().max() <= 3


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (128, 0), (129, 1), (257, 1), (32896, 128), (65535, 255)])
def test_read_scales_16_bits(value, expected):
    image = PIL.Image.fromarray(np.full((2, 3), value, dtype=np.uint16))
    assert image.mode == "I;16"
    assert images.read(encode(image)).unique().tolist() == [expected]


def test_read_flattens_16_bits_with_a_transparent_value():
    image = PIL.Image.fromarray(np.array([[257, 514]], dtype=np.uint16))
    assert images.read(encode(image, transparency=257))[:, 0].tolist() == [[255, 2]] * 3


def test_read_flattens_alpha_on_white():
    alpha = np.array([[0, 128, 255]])
    grey = np.array([[100, 100, 100]])
    expected = np.rint(grey * (alpha / 255) + 255 * (1 - alpha / 255))
    la = PIL.Image.fromarray(np.stack([grey, alpha], axis=2).astype(np.uint8), "LA")
    for image in (la, la.convert("RGBA")):
        assert np.abs(images.read(encode(image)).numpy() - expected).max() <= 1


@pytest.mark.parametrize(("mode", "colour", "transparency"), [("P", 0, 0), ("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3))])
def test_read_flattens_transparent_colours_on_white(mode, colour, transparency):
    image = PIL.Image.new(mode, (2, 2), colour)
    if mode == "P":
        image.putpalette([9, 9, 9])
    assert images.read(encode(image, transparency=transparency)).unique().tolist() == [255]


def test_read_flattens_a_palette_with_alpha(noise):
    palette = noise.convert("P")
    image = images.read(encode(palette, transparency=bytes(256)))
    assert image.unique().tolist() == [255]


def test_read_applies_the_colour_profile():
    # sRGB with its red and green primaries swapped turns red pixels into green ones.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"temp").replace(b"gXYZ", b"rXYZ").replace(b"temp", b"gXYZ")
    for text in (b"sRGB", "sRGB".encode("utf-16-be")):
        swapped = swapped.replace(text, b"x" * len(text))
    for mode in ("RGB", "RGBA"):
        image = PIL.Image.new(mode, (2, 2), (200, 0, 0))
        assert images.read(encode(image, icc_profile=srgb))[:, 0, 0].tolist() == [200, 0, 0]
        red, green, blue = images.read(encode(image, icc_profile=swapped))[:, 0, 0].tolist()
        assert max(red, blue, abs(green - 200)) <= 3


def test_read_takes_the_first_picture_of_an_animation(noise):
    other = PIL.Image.new("RGB", noise.size)
    assert torch.equal(images.read(encode(noise, save_all=True, append_images=[other])), as_tensor(noise))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 5)])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_read_takes_tiny_images(size, form):
    assert images.read(encode(PIL.Image.new("RGB", size, "white"), form)).shape == (3, size[1], size[0])


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("min_side", "short"), [(1, 8), (15, 15), (16, 30), (31, 60), (60, 60), (200, 60)])
def test_min_side_bounds_the_decode(orientation, min_side, short):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = encode(PIL.Image.new("RGB", (100, 60), "orange"), "JPEG", exif=exif)
    image = images.read(file, min_side)
    assert min(image.shape[1:]) == short
    assert (image.shape[1] > image.shape[2]) == (orientation == 6)


def test_min_side_is_checked(noise):
    with pytest.raises(ValueError, match="min_side must be at least 1 pixel, got 0"):
        images.read(encode(noise), 0)


def test_read_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^image .*nowhere\.jpg does not exist$"):
        images.read(tmp_path / "nowhere.jpg")


def test_read_folder(tmp_path):
    with pytest.raises(OSError, match=f"^cannot read image {tmp_path}: Is a directory$"):
        images.read(tmp_path)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_read_truncated(tmp_path, noise, form):
    path = tmp_path / "half.jpg"
    content = encode(noise, form).getvalue()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"^cannot read image .*half\.jpg: .+"):
        images.read(path)


def test_read_something_else(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"^cannot read image .*text\.jpg: it is not a JPEG, PNG or WebP file$"):
        images.read(tmp_path / "text.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ValueError, match=r"^cannot read image .*empty\.jpg: it is empty$"):
        images.read(tmp_path / "empty.jpg")
    with pytest.raises(ValueError, match=r"^cannot read image of a stream: it is empty$"):
        images.read(io.BytesIO())


@pytest.mark.parametrize("size", [(60_000, 60_000), (images.MAX_PIXELS // 10_000 + 1, 10_000)])
@pytest.mark.parametrize("pillows_own_limit", [True, False])
def test_read_refuses_bombs_by_their_header(size, pillows_own_limit, monkeypatch):
    if not pillows_own_limit:
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ValueError, match=f"^cannot read image of a stream: .* more than {images.MAX_PIXELS}"):
        images.read(io.BytesIO(png_header(*size)))


def test_read_warns_not_of_large_images():
    # More than half of MAX_PIXELS, where Pillow warns: only the missing pixels are an error.
    with pytest.raises(ValueError, match=r"truncated|broken|incomplete"):
        images.read(io.BytesIO(png_header(images.MAX_PIXELS // 10_000, 10_000)))


def test_read_damaged_files_raise_nothing_but_value_errors(noise):
    generator = np.random.default_rng(0)
    for form, _ in itertools.product(["JPEG", "PNG", "WEBP"], range(100)):
        content = np.frombuffer(encode(noise, form).getvalue(), dtype=np.uint8).copy()
        where = generator.integers(0, min(len(content), 200), 4)
        content[where] = generator.integers(0, 256, 4)
        with suppress(ValueError):
            images.read(io.BytesIO(content.tobytes()))


def test_from_pil_equals_read(noise):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    file = encode(noise.convert("LA"), exif=exif)
    image = images.from_pil(PIL.Image.open(file))
    file.seek(0)
    assert image.shape == (1, 3, 37, 23)
    assert torch.equal(image[0], images.read(file) / 255)


def test_to_pil_rounds_and_clamps():
    image = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 2.0]).expand(3, 1, 5)
    assert np.asarray(images.to_pil(image))[0, :, 0].tolist() == [0, 0, 1, 255, 255]


def test_pil_round_trip(noise):
    image = images.from_pil(noise)
    assert np.array_equal(np.asarray(images.to_pil(image)), np.asarray(noise))
    assert np.array_equal(np.asarray(images.to_pil(image[0])), np.asarray(noise))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 4, 4), (4, 4)])
def test_to_pil_checks_the_shape(shape):
    with pytest.raises(ValueError, match=r"must have shape \(3, H, W\) or \(1, 3, H, W\), got"):
        images.to_pil(torch.zeros(shape))


def test_to_float():
    assert images.to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    with pytest.raises(TypeError, match=r"must be uint8, got torch\.float32"):
        images.to_float(torch.zeros(3))


@pytest.mark.parametrize(
    ("size", "side", "short", "long"),
    [
        ((60, 100), 30, (30, 50), (18, 30)),
        ((100, 60), 30, (50, 30), (30, 18)),
        ((60, 100), 120, (120, 200), (72, 120)),
        ((1, 100), 10, (10, 1000), (1, 10)),
        ((1, 1), 4, (4, 4), (4, 4)),
    ],
)
def test_resize_keeps_the_aspect(size, side, short, long):
    image = torch.rand(2, 3, *size)
    assert images.resize_short_side(image, side).shape == (2, 3, *short)
    assert images.resize_long_side(image, side).shape == (2, 3, *long)


def test_resize_equals_pillow(pixels):
    reference = images.to_pil(pixels).resize((16, 10), PIL.Image.Resampling.BICUBIC)
    assert (images.resize_long_side(pixels, 16) - images.from_pil(reference)).abs().max() < 2 / 255


def test_resize_stays_in_range():
    edges = (torch.rand(1, 3, 16, 16) > 0.5).float()
    resized = images.resize_short_side(edges, 11)
    assert resized.min() == 0
    assert resized.max() == 1


def test_resize_to_the_same_size_changes_nothing(pixels):
    assert torch.equal(images.resize_long_side(pixels, 37), pixels)


@pytest.mark.parametrize("resize", [images.resize_short_side, images.resize_long_side])
def test_resize_checks_the_side(resize, pixels):
    with pytest.raises(ValueError, match="must be at least 1 pixel, got 0"):
        resize(pixels, 0)


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


@pytest.mark.parametrize("name", ["out.gif", "out"])
def test_write_checks_the_suffix(tmp_path, pixels, name):
    with pytest.raises(
        ValueError, match=rf"cannot write .*{name}: its suffix must be one of \.jpg, \.jpeg, \.png, \.webp"
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


def test_real_photos(shared):
    photos = sorted(path for path in (shared / "data").rglob("*") if path.suffix.lower() in images.SUFFIXES)
    for path in photos[:: max(1, len(photos) // 20)]:
        image = images.read(path, min_side=64)
        assert min(image.shape[1:]) >= 64
        assert image.float().std() > 0
