import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import ImageCms, ImageOps

from fast_style import images
from fast_style.images import opening, to_float

READERS = [images.read, images.open_picture]
FORMS = ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF"]


def encode(image: PIL.Image.Image, form: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def as_tensor(image: PIL.Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


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


@pytest.mark.parametrize("suffix", [".jpe", ".jfif", ".mpo"])
def test_other_names_of_jpeg(tmp_path, noise, suffix):
    images.write(tmp_path / f"a{suffix}", to_float(as_tensor(noise)))
    with PIL.Image.open(tmp_path / f"a{suffix}") as image:
        assert image.format == "JPEG"
    assert images.read(tmp_path / f"a{suffix}").shape == (3, 23, 37)


@pytest.mark.parametrize("form", ["MPO", "TIFF"])
def test_of_several_pages_the_first_is_read(noise, form):
    file = encode(noise, form, save_all=True, append_images=[PIL.Image.new("RGB", (9, 9))])
    picture = images.open_picture(file)
    assert not picture.animated
    assert picture.size == (23, 37)
    assert torch.equal(picture.frames[0].pixels, images.read(file))


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


def test_open_picture_takes_a_smaller_decode():
    file = encode(PIL.Image.new("RGB", (100, 60), "orange"), "JPEG")
    assert images.open_picture(file, min_side=16).size == (30, 50)


def test_a_jpeg_beyond_the_limit_is_decoded_smaller(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr(opening, "MAX_PIXELS", 2000)
    monkeypatch.setattr(opening, "MAX_REDUCED", 8000)
    file = encode(PIL.Image.new("RGB", (100, 60), "orange"), "JPEG")
    assert images.read(file, 16).shape == (3, 30, 50)
    assert images.open_picture(file, min_side=16).size == (30, 50)
    with pytest.raises(ValueError, match=r"100×60 pixels are more than 2000, ask for a smaller size$"):
        images.read(file)
    with pytest.raises(ValueError, match=r"100×60 pixels are more than 2000, make it smaller first$"):
        images.read(file, 40)
    with pytest.raises(ValueError, match=r"pixels are more than 2000, make it smaller first$"):
        images.read(encode(PIL.Image.new("RGB", (200, 60)), "JPEG"), 1)
    with pytest.raises(ValueError, match=r"make it smaller first$"):
        images.read(encode(PIL.Image.new("RGB", (100, 60))), 16)


def test_min_side_is_checked(noise):
    with pytest.raises(ValueError, match="min_side must be at least 1 pixel, got 0"):
        images.read(encode(noise), 0)


@pytest.mark.parametrize("read", READERS)
def test_read_missing(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"^image .*nowhere\.jpg does not exist$"):
        read(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize("read", READERS)
def test_read_folder(tmp_path, read):
    with pytest.raises(OSError, match=f"^cannot read image {tmp_path}: Is a directory$"):
        read(tmp_path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("form", FORMS)
def test_read_truncated(tmp_path, noise, form, read):
    path = tmp_path / "half.jpg"
    content = encode(noise, form).getvalue()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"^cannot read image .*half\.jpg: .+"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_read_something_else(tmp_path, read):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(
        ValueError, match=r"^cannot read image .*text\.jpg: it is not a JPEG, PNG, WebP, AVIF, TIFF or GIF file$"
    ):
        read(tmp_path / "text.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ValueError, match=r"^cannot read image .*empty\.jpg: it is empty$"):
        read(tmp_path / "empty.jpg")
    with pytest.raises(ValueError, match=r"^cannot read image of a stream: it is empty$"):
        read(io.BytesIO())


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.heic", b"no image", "HEIC"),
        ("a.jpg", b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),  # a photo of a phone that was renamed
        ("a.bmp", b"BM" + bytes(60), "BMP"),
        ("a.nef", b"no image", "raw"),
        ("a.avif", b"no image", None),
    ],
)
def test_images_of_other_formats_are_called_by_name(tmp_path, read, name, content, kind):
    (tmp_path / name).write_bytes(content)
    advice = f", but {kind}: convert it to JPEG or PNG first" if kind else ""
    with pytest.raises(ValueError, match=f"it is not a JPEG, PNG, WebP, AVIF, TIFF or GIF file{advice}$"):
        read(tmp_path / name)


@pytest.mark.parametrize("size", [(60_000, 60_000), (images.MAX_PIXELS // 10_000 + 1, 10_000)])
@pytest.mark.parametrize("pillows_own_limit", [True, False])
@pytest.mark.parametrize("read", READERS)
def test_read_refuses_bombs_by_their_header(read, size, pillows_own_limit, monkeypatch):
    if not pillows_own_limit:
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ValueError, match=f"^cannot read image of a stream: .* more than {images.MAX_PIXELS}"):
        read(io.BytesIO(png_header(*size)))


def test_read_warns_not_of_large_images():
    # More than half of MAX_PIXELS, where Pillow warns: only the missing pixels are an error.
    with pytest.raises(ValueError, match=r"truncated|broken|incomplete"):
        images.read(io.BytesIO(png_header(images.MAX_PIXELS // 10_000, 10_000)))


@pytest.mark.parametrize("form", FORMS)
def test_read_damaged_files_raise_nothing_but_value_errors(noise, make_profile, form):
    generator = np.random.default_rng(0)
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x8769] = "Maker", 6, {0xA002: 37}
    whole = encode(noise, form, exif=exif.tobytes(), icc_profile=make_profile()).getvalue()
    for number in range(100):
        content = np.frombuffer(whole, dtype=np.uint8).copy()
        where = generator.integers(0, min(len(content), 200 if number % 2 else 1000), 4)
        content[where] = generator.integers(0, 256, 4)
        for read in READERS:
            with suppress(ValueError):
                read(io.BytesIO(content.tobytes()))


def test_from_pil_equals_read(noise):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    file = encode(noise.convert("LA"), exif=exif)
    image = images.from_pil(PIL.Image.open(file))
    file.seek(0)
    assert image.shape == (1, 3, 37, 23)
    assert torch.equal(image[0], images.read(file) / 255)


def test_real_photos(shared):
    photos = sorted(path for path in (shared / "data").rglob("*") if path.suffix.lower() in images.SUFFIXES)
    for path in photos[:: max(1, len(photos) // 20)]:
        image = images.read(path, min_side=64)
        assert min(image.shape[1:]) >= 64
        assert image.float().std() > 0
