import io
import itertools
import struct
import sys

import numpy as np
import png
import pytest
import tifffile
import torch

from fast_style import images

CHANNELS = {"L": [0], "LA": [0, 3], "RGB": [0, 1, 2], "RGBA": [0, 1, 2, 3]}


def as_png(array: np.ndarray, **options) -> io.BytesIO:
    height, width, channels = array.shape
    file, kind = io.BytesIO(), {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    writer = png.Writer(width, height, bitdepth=16, greyscale="L" in kind, alpha="A" in kind, **options)
    writer.write(file, array.reshape(height, -1).tolist())
    file.seek(0)
    return file


def as_tiff(array: np.ndarray, **options) -> io.BytesIO:
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="rgb", **options)
    file.seek(0)
    return file


def assert_equal(frame: images.Frame, array: np.ndarray) -> None:
    height, width, channels = array.shape
    colours = array[..., :1] if channels < 3 else array[..., :3]
    assert frame.pixels.dtype == torch.uint16
    assert np.array_equal(frame.pixels.numpy(), np.broadcast_to(colours, (height, width, 3)).transpose(2, 0, 1))
    assert (frame.alpha is None) == (channels in (1, 3))
    if frame.alpha is not None:
        assert np.array_equal(frame.alpha.numpy()[0], array[..., -1])


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("mode", CHANNELS)
def test_png_is_read_at_full_depth(deep, mode, interlace):
    array = deep[..., CHANNELS[mode]]
    picture = images.open_picture(as_png(array, interlace=interlace))
    assert picture.bits == 16
    assert_equal(picture.frames[0], array)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_png_with_a_transparent_colour(deep, mode):
    array = deep[..., CHANNELS[mode]]
    # Equal in the high bytes alone is not equal.
    array[0, 0], array[0, 1] = 0x1234, 0x1235
    transparent = (0x1234,) * len(CHANNELS[mode])
    frame = images.open_picture(as_png(array, transparent=transparent[0] if mode == "L" else transparent)).frames[0]
    assert frame.alpha[0, 0, :2].tolist() == [0, 65_535]
    assert (frame.alpha.numpy() == 0).sum() == 1
    assert (
        images.read(as_png(array, transparent=transparent[0] if mode == "L" else transparent))[:, 0, 0].tolist()
        == [255] * 3
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("compression", [{}, {"compression": "deflate"}, {"compression": "deflate", "predictor": True}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX"])
def test_tiff_is_read_at_full_depth(deep, mode, compression, tile, order):
    extra = {"RGB": {}, "RGBA": {"extrasamples": ["unassalpha"]}, "RGBX": {"extrasamples": ["unspecified"]}}[mode]
    array = deep[..., : len(mode)].copy()
    picture = images.open_picture(as_tiff(array, byteorder=order, tile=tile, **extra, **compression))
    assert picture.bits == 16
    assert_equal(picture.frames[0], array[..., :3] if mode == "RGBX" else array)


@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_tiff_is_read_at_full_depth(deep, order):
    file = io.BytesIO()
    tifffile.imwrite(file, deep[..., 0], byteorder=order)
    assert_equal(images.open_picture(file).frames[0], deep[..., :1])


def test_tiff_multiplied_with_alpha_is_divided(deep):
    colours, alpha = deep[..., :3].astype(np.int64), deep[..., 3:].astype(np.int64)
    multiplied = np.concatenate([(colours * alpha + 32_767) // 65_535, alpha], axis=2).astype(np.uint16)
    frame = images.open_picture(as_tiff(multiplied, extrasamples=["assocalpha"])).frames[0]
    assert np.array_equal(frame.alpha.numpy()[0], alpha[..., 0])
    tolerance = np.ceil(65_535 / alpha) / 2 + 1
    assert (np.abs(frame.pixels.numpy().transpose(1, 2, 0) - colours) <= tolerance).all()


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_channels_stored_apart_are_read(deep, compression):
    array = deep[..., :3].transpose(2, 0, 1).copy()
    file = as_tiff(array, planarconfig="separate", compression=compression)
    assert_equal(images.open_picture(file).frames[0], deep[..., :3])


@pytest.mark.parametrize("compression", ["lzw", "zstd", "packbits"])
def test_other_compressions(deep, compression):
    file = as_tiff(deep[..., :3].copy(), compression=compression)
    assert_equal(images.open_picture(file).frames[0], deep[..., :3])


def packed(bits: int, values: np.ndarray, photometric: int) -> io.BytesIO:
    """A TIFF of grey in fewer than 8 bits, written by hand."""
    each = 8 // bits
    data = sum(values[:, i::each].astype(int) << bits * (each - 1 - i) for i in range(each)).astype(np.uint8).tobytes()
    height, width = values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 122, 277: 1, 278: height, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return io.BytesIO(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)


@pytest.mark.parametrize(
    ("bits", "photometric"),
    [*itertools.product([1, 2, 4, 8, 16], ["miniswhite", "minisblack"]), (12, "minisblack")],
)
def test_grey_is_light_where_it_is_white(bits, photometric):
    top = 2**bits - 1
    light = np.rint(np.linspace(0, 1, 16) * top)[None].repeat(4, 0).astype(np.uint16)
    values = top - light if photometric == "miniswhite" else light
    if bits < 8:
        file = packed(bits, values, int(photometric == "minisblack"))
    else:
        file, dtype = io.BytesIO(), np.uint8 if bits == 8 else np.uint16
        # Twelve bits are packed: three bytes hold two.
        tifffile.imwrite(file, values.astype(dtype), photometric=photometric, bitspersample=bits)
    picture = images.open_picture(file)
    assert picture.bits == (16 if bits > 8 else 8)
    difference = picture.frames[0].to_float()[0, :, 0] - torch.from_numpy(light[0] / top)
    assert difference.abs().max() < 1e-4


def test_cmyk_of_16_bits_is_read_with_8():
    ink = np.zeros((4, 4, 4), dtype=np.uint16)
    ink[:, 2:] = 65_535
    file = io.BytesIO()
    tifffile.imwrite(file, ink, photometric="separated")
    picture = images.open_picture(file)
    assert picture.bits == 8
    assert picture.frames[0].pixels[:, 0, [0, 3]].tolist() == [[255, 0]] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned(deep, orientation):
    array = np.maximum(deep, 257)  # visible in 8 bits, too
    options = {"extrasamples": ["unassalpha"], "extratags": [(274, 3, 1, orientation, True)]}
    shallow = as_tiff((array // 257).astype(np.uint8), **options)
    frame, expected = (images.open_picture(file).frames[0] for file in (as_tiff(array, **options), shallow))
    assert frame.size == ((37, 23) if orientation >= 5 else (23, 37))
    assert np.array_equal(frame.pixels.numpy() // 257, expected.pixels.numpy())
    assert np.array_equal(frame.alpha.numpy() // 257, expected.alpha.numpy())


def test_read_scales_colours_of_16_bits_to_8(deep):
    array = deep[..., :3]
    expected = np.rint(array / 257).astype(np.uint8).transpose(2, 0, 1)
    assert np.array_equal(images.read(as_png(array)).numpy(), expected)


def test_truncated(deep):
    for content in (as_png(deep).getvalue(), as_tiff(deep[..., :3].copy(), compression="deflate").getvalue()):
        with pytest.raises(ValueError, match=r"^cannot read image of a stream: .+"):
            images.open_picture(io.BytesIO(content[: len(content) // 2]))


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (np.uint32, "numbers of 32 bits"),
        (np.int32, "signed numbers"),
        (np.int16, "signed numbers"),
        (np.int8, "signed numbers"),
        (np.float32, "floating point numbers"),
    ],
)
def test_numbers_whose_white_is_unknown_are_refused(dtype, kind):
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((4, 4), dtype=dtype))
    for read in (images.open_picture, images.read):
        with pytest.raises(ValueError, match=f"its pixels are {kind}, whose range is unknown: save it with 16 bits$"):
            read(file)


def test_without_the_package(deep, tmp_path, monkeypatch):
    picture = images.open_picture(as_png(deep))
    compressed = as_tiff(deep[..., :3].copy(), compression="lzw")
    for name in [name for name in sys.modules if name.startswith(("imagecodecs", "tifffile"))] + ["imagecodecs"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    advice = r"16 bits per channel need another package: pip install 'fast-style\[deep\]'$"
    for file in (as_png(deep), compressed):
        with pytest.raises(ValueError, match=f"^cannot read image of a stream: its {advice}"):
            images.open_picture(file)
    for write in (images.Encoding().check, images.save_picture):
        with pytest.raises(ValueError, match=rf"^cannot write .*out\.png: its {advice}"):
            write(tmp_path / "out.png", picture)
    # What is compressed with deflate does without.
    images.save_picture(tmp_path / "out.tif", picture)
    assert torch.equal(images.open_picture(tmp_path / "out.tif").frames[0].pixels, picture.frames[0].pixels)


def test_other_kinds_of_tiff_are_named():
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((4, 4, 3), dtype=np.float32), photometric="rgb")
    with pytest.raises(ValueError, match="a TIFF file of a kind that is not read: save it as RGB of 8 or 16 bits"):
        images.open_picture(file)
