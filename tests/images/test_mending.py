import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import torch
from PIL.PngImagePlugin import PngInfo

from fast_style import images
from fast_style.images.mending import png_chunks
from tests import pictures


def png(image: PIL.Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes, checksum: bytes | None = None) -> bytes:
    right = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + (checksum or right)


def with_chunk(content: bytes, *args) -> bytes:
    """Put a chunk behind the first."""
    return content[:33] + chunk(*args) + content[33:]


def jpeg(image: PIL.Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


LARGE = zlib.compress(bytes(2_000_000))
PROFILE = b"ICC profile\0\0"


@pytest.mark.parametrize(
    ("name", "data", "checksum"),
    [
        (b"tEXt", b"Comment\0hi", b"\0\0\0\0"),
        (b"zTXt", b"Comment\0\0" + LARGE, None),
        (b"iTXt", b"Comment\0\1\0\0\0" + LARGE, None),
        (b"iCCP", PROFILE + LARGE, None),
        (b"iCCP", PROFILE + zlib.compress(b"profile"), b"\0\0\0\0"),
        (b"gAMA", b"\0", None),
        (b"pHYs", b"\0", None),
        (b"eXIf", b"MM", b"\0\0\0\0"),
        (b"prVt", b"private", b"\0\0\0\0"),
    ],
)
def test_a_png_is_read_whatever_is_wrong_beside_its_pixels(tmp_path, noise, name, data, checksum):
    (tmp_path / "a.png").write_bytes(with_chunk(png(noise), name, data, checksum))
    picture = images.open_picture(tmp_path / "a.png")
    assert np.array_equal(picture.frames[0].pixels.permute(1, 2, 0).numpy(), np.asarray(noise))
    assert picture.notes == (f"{tmp_path / 'a.png'}: its text is damaged or too large, and left out",)
    assert torch.equal(images.read(tmp_path / "a.png"), picture.frames[0].pixels)


def test_damaged_transparency_is_told_as_what_it_is(tmp_path, noise):
    (tmp_path / "a.png").write_bytes(with_chunk(png(noise), b"tRNS", bytes(6), b"\0\0\0\0"))
    picture = images.open_picture(tmp_path / "a.png")
    assert picture.notes == (f"{tmp_path / 'a.png'}: its transparency is damaged, and left out",)
    assert picture.frames[0].alpha is None


def test_what_is_sound_stays(noise, make_profile):
    exif, info = PIL.Image.Exif(), PngInfo()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    info.add_text("Title", "x" * 2_000_000, zip=True)
    image, profile = noise.convert("P"), make_profile()
    content = png(image, exif=exif, icc_profile=profile, transparency=3, pnginfo=info)
    picture, expected = (
        images.open_picture(io.BytesIO(data), "keep")
        for data in (content, png(image, exif=exif, icc_profile=profile, transparency=3))
    )
    assert len(picture.notes) == 1
    assert not expected.notes
    assert picture.icc_profile == profile
    assert picture.metadata.exif == expected.metadata.exif
    assert torch.equal(picture.frames[0].pixels, expected.frames[0].pixels)
    assert torch.equal(picture.frames[0].alpha, expected.frames[0].alpha)


def test_a_large_profile_is_kept(noise, make_profile):
    # As long as a profile may be that holds tables for a printer.
    profile = make_profile().ljust(2_000_000, b"\0")
    profile = struct.pack(">I", len(profile)) + profile[4:]
    picture = images.open_picture(io.BytesIO(with_chunk(png(noise), b"iCCP", PROFILE + zlib.compress(profile))), "keep")
    assert picture.icc_profile == profile


def test_deep_pngs_and_animations_are_mended(noise, deep):
    values = torch.from_numpy(deep.transpose(2, 0, 1).copy())
    file = io.BytesIO(png(noise, save_all=True, append_images=[noise.rotate(180)], duration=50))
    animation = images.open_picture(io.BytesIO(with_chunk(file.getvalue(), b"tEXt", b"a\0b", b"\0\0\0\0")))
    assert len(animation.frames) == len(list(animation.frames)) == 2
    assert animation.notes
    file = io.BytesIO(png(PIL.Image.fromarray(deep[..., 0])))
    still = images.open_picture(io.BytesIO(with_chunk(file.getvalue(), b"tEXt", b"a\0b", b"\0\0\0\0")))
    assert torch.equal(still.frames[0].pixels[0], values[0])


def test_a_png_whose_pixels_are_damaged_is_refused(noise):
    content = bytearray(png(noise))
    content[content.index(b"IDAT") + 300] ^= 255
    with pytest.raises(ValueError, match=r"^cannot read image of a stream: .+"):
        images.open_picture(io.BytesIO(content))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker(noise, progressive, missing):
    content = jpeg(noise, progressive=progressive)
    picture = images.open_picture(io.BytesIO(content[:-missing]))
    assert torch.equal(picture.frames[0].pixels, images.read(io.BytesIO(content)))
    assert picture.notes == ("of a stream: its end marker is missing, though no pixel is",)
    # Decoded smaller, too.
    small = images.read(io.BytesIO(content[:-missing]), min_side=8)
    assert torch.equal(small, images.read(io.BytesIO(content), min_side=8))


def test_a_jpeg_whose_decoder_may_not_miss_the_marker():
    """Of a few in a hundred all pixels are decoded before the end is reached: nothing is wrong with these."""
    for _ in range(200):
        content = jpeg(pictures.noise((10, 8)))
        picture = images.open_picture(io.BytesIO(content[:-2]))
        assert torch.equal(picture.frames[0].pixels, images.open_picture(io.BytesIO(content)).frames[0].pixels)
        assert picture.notes in ((), ("of a stream: its end marker is missing, though no pixel is",))


@pytest.mark.parametrize("missing", [4, 8, 12, 20, 40, 200])
def test_a_jpeg_without_pixels_is_refused(noise, missing):
    for content in (jpeg(noise), jpeg(noise.resize((200, 150)))):
        with pytest.raises(ValueError, match=r"^cannot read image of a stream: image file is truncated"):
            images.read(io.BytesIO(content[:-missing]))


def test_chunks(noise):
    content = png(noise, dpi=(300, 300))
    chunks = list(png_chunks(io.BytesIO(content)))
    assert [name for name, _ in chunks] == [b"IHDR", b"pHYs", b"IDAT", b"IEND"]
    assert content[:8] + b"".join(whole for _, whole in chunks) == content
