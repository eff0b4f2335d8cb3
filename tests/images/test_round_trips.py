"""Every kind of picture into every format and back, against Pillow, pypng and tifffile."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import png
import pytest
import tifffile
import torch

from fast_style import images
from fast_style.images.formats import JPEG
from fast_style.images.tensors import to_array, to_depth

KINDS = ["RGB", "RGBA", "L", "LA", "P", "PA", "P+bytes", "P+index", "1", "CMYK", "YCbCr", "I;16", "RGB16", "RGBA16"]
LOSSLESS = (".png", ".apng", ".webp", ".tif", ".tiff")


@pytest.fixture
def source(request, tmp_path, smooth, deep) -> Path:
    """A file of the kind that the test asks for, in a format that holds it."""
    kind = request.param
    if kind.endswith("16") and kind != "I;16":
        array = deep[..., : len(kind) - 2]
        tifffile.imwrite(
            tmp_path / "in", array, photometric="rgb", **({} if kind == "RGB16" else {"extrasamples": [2]})
        )
        return tmp_path / "in"
    if kind == "I;16":
        image, form = PIL.Image.fromarray(deep[..., 0]), "PNG"
    elif kind.startswith("P+"):
        image, form = smooth.convert("RGB").quantize(16), "PNG"
        image.info["transparency"] = bytes(range(0, 256, 16)) if kind == "P+bytes" else 3
    else:
        image, form = smooth.convert(kind), "TIFF"
    # What Pillow before 13 does not read again if it is not compressed.
    image.save(tmp_path / "in", form, **({"compression": "tiff_lzw"} if kind == "YCbCr" else {}))
    return tmp_path / "in"


def reference(path: Path) -> np.ndarray:
    """Decode to RGBA or RGB of 8 or 16 bits without fast_style."""
    with PIL.Image.open(path) as image:
        if image.format == "TIFF" and 16 in image.tag_v2.get(258, ()):
            return tifffile.imread(path)
        if image.mode == "I;16":
            return np.repeat(np.asarray(image)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


@pytest.mark.parametrize("source", KINDS, indirect=True)
def test_open_equals_the_reference(source):
    expected, picture = reference(source), images.open_picture(source)
    (frame,) = picture.frames
    assert picture.size == (23, 37)
    assert frame.pixels.dtype == (torch.uint8 if picture.bits == 8 else torch.uint16)
    array = to_array(frame.pixels, frame.alpha)
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    visible = slice(None) if frame.alpha is None else expected[..., 3] > 0
    assert np.array_equal(array[visible], expected[visible])
    if frame.alpha is not None:
        assert np.array_equal(array[..., 3], expected[..., 3])


@pytest.mark.parametrize("suffix", images.SUFFIXES)
@pytest.mark.parametrize("source", KINDS, indirect=True)
def test_round_trip(tmp_path, source, suffix):
    picture = images.open_picture(source)
    bits = picture.bits if suffix in (".png", ".apng", ".tif", ".tiff") else 8
    (frame,) = picture.frames
    kept = frame.alpha is not None and suffix not in (*JPEG.suffixes, ".gif")
    images.save_picture(
        tmp_path / f"out{suffix}", picture, images.Encoding(100, bits=bits, background=None if kept else "white")
    )
    again = images.open_picture(tmp_path / f"out{suffix}")
    (result,) = again.frames
    assert again.bits == bits
    assert again.size == picture.size
    assert (result.alpha is not None) == kept
    if kept:
        assert torch.equal(result.alpha, to_depth(frame.alpha, bits))
        visible = torch.from_numpy(result.alpha.numpy()[0] > 0)
        difference = (result.to_float() - frame.to_float())[0][:, visible]
    else:
        flat = images.read(source).float() / 255 if frame.alpha is not None else frame.to_float()[0]
        difference = result.to_float()[0] - flat
    if suffix in LOSSLESS:
        assert difference.abs().max() <= 0.51 / 255 if bits != picture.bits or not kept else difference.abs().max() == 0
    else:
        assert difference.abs().mean() <= (0.05 if suffix == ".gif" else 0.01)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (3, 5)])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), (".tif", 16), *((suffix, 8) for suffix in images.SUFFIXES)])
def test_size_stays_from_one_pixel_up(tmp_path, suffix, alpha, bits, size):
    frame = images.Frame(torch.rand(3, *size), torch.full((1, *size), 255, dtype=torch.uint8) if alpha else None)
    images.save_picture(tmp_path / f"out{suffix}", images.Picture([frame], bits))
    picture = images.open_picture(tmp_path / f"out{suffix}")
    assert picture.size == size
    assert picture.map(lambda photo: photo * 0.5).size == size


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("height", [1, 64, 65, 200])
def test_16_bits_are_written_so_that_others_read_them(tmp_path, channels, height):
    y, x = np.mgrid[:height, :70]
    array = np.stack([200 * x, 100 * y, 65_535 - 300 * x - 10 * y, 60_000 + x + y], axis=2).astype(np.uint16)
    array[::7] = np.random.default_rng(0).integers(0, 65_536, array[::7].shape)
    pixels, alpha = (torch.from_numpy(part.transpose(2, 0, 1).copy()) for part in np.split(array, [3], axis=2))
    picture = images.Picture([images.Frame(pixels, alpha if channels == 4 else None)], bits=16)
    for suffix in (".png", ".tif"):
        images.save_picture(tmp_path / f"out{suffix}", picture)
    width, height_read, rows, info = png.Reader(bytes=(tmp_path / "out.png").read_bytes()).read()
    assert (width, height_read, info["bitdepth"], info["planes"]) == (70, height, 16, channels)
    assert np.array_equal(np.array(list(rows)).reshape(height, 70, channels), array[..., :channels])
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert np.array_equal(tiff.asarray(), array[..., :channels])
        assert tiff.pages[0].extrasamples == ((2,) if channels == 4 else ())


def test_8_bits_are_written_so_that_others_read_them(tmp_path, smooth):
    file = io.BytesIO()
    smooth.save(file, "PNG")
    picture = images.open_picture(file)
    images.save_picture(tmp_path / "out.tif", picture)
    expected = to_array(picture.frames[0].pixels, picture.frames[0].alpha)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / "out.tif")), expected)


def test_smooth_pictures_are_compressed(tmp_path):
    y, x = torch.meshgrid(torch.linspace(0, 1, 300), torch.linspace(0, 1, 300), indexing="ij")
    picture = images.Picture([images.Frame(torch.stack([x, y, x * y]))], bits=16)
    for suffix in (".png", ".tif"):
        images.save_picture(tmp_path / f"out{suffix}", picture)
        assert (tmp_path / f"out{suffix}").stat().st_size < 0.4 * 300 * 300 * 6
