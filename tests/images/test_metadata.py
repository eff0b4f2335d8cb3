import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import ImageCms
from PIL.PngImagePlugin import PngInfo

from fast_style import images
from fast_style.images.colour import SRGB

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="Sea"/></x:xmpmeta>'
UPRIGHT = XMP.replace(b'"6"', b'"1"')
KEEP_EXIF = (".jpg", ".png", ".webp", ".avif", ".tif")
FORMS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".avif": "AVIF", ".tif": "TIFF"}


def make_exif(orientation: int = 6, private: bytes = b"private") -> bytes:
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Maker", orientation, "Painter"
    exif[0x8769] = {0x829A: 0.01, 0xA002: 37, 0xA003: 23, 0x927C: private}
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 24.0)}
    return exif.tobytes()


def make_file(image: PIL.Image.Image, form: str, **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMS.values())
def test_orientation_is_applied_and_forgotten(tmp_path, noise, form, orientation):
    picture = images.open_picture(make_file(noise, form, exif=make_exif(orientation)))
    assert picture.size == ((37, 23) if orientation >= 5 else (23, 37))
    for suffix in KEEP_EXIF:
        images.save_picture(tmp_path / f"out{suffix}", picture)
        with PIL.Image.open(tmp_path / f"out{suffix}") as image:
            assert image.size == picture.size[::-1]
            assert image.getexif().get(0x0112, 1) == 1
        assert images.open_picture(tmp_path / f"out{suffix}").size == picture.size


@pytest.mark.parametrize("suffix", KEEP_EXIF)
@pytest.mark.parametrize("form", FORMS.values())
def test_exif_is_kept(tmp_path, noise, form, suffix):
    picture = images.open_picture(make_file(noise, form, exif=make_exif()))
    images.save_picture(tmp_path / f"out{suffix}", picture)
    with PIL.Image.open(tmp_path / f"out{suffix}") as image:
        image.load()
        exif = image.getexif()
        camera, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert (exif[0x010F], exif[0x013B]) == ("Maker", "Painter")
    assert float(camera[0x829A]) == pytest.approx(0.01)
    # The picture has been turned upright.
    assert (camera[0xA002], camera[0xA003]) == (23, 37)
    assert (place[1], tuple(map(float, place[2]))) == ("N", (48, 51, 24))


@pytest.mark.parametrize("suffix", KEEP_EXIF)
@pytest.mark.parametrize("form", FORMS.values())
def test_xmp_is_kept(tmp_path, noise, form, suffix):
    if form == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        file = make_file(noise, form, pnginfo=info)
    elif form == "TIFF":
        file = make_file(noise, form, tiffinfo={700: XMP})
    else:
        file = make_file(noise, form, xmp=XMP)
    picture = images.open_picture(file)
    assert picture.size == (37, 23)
    # From a TIFF, Pillow has taken it out.
    assert picture.metadata.xmp == (UPRIGHT.replace(b'tiff:Orientation="1"', b"") if form == "TIFF" else UPRIGHT)
    images.save_picture(tmp_path / f"out{suffix}", picture)
    assert images.open_picture(tmp_path / f"out{suffix}").metadata.xmp == picture.metadata.xmp


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_resolution_is_kept(tmp_path, noise, form, suffix):
    picture = images.open_picture(make_file(noise, form, dpi=(300, 150)))
    images.save_picture(tmp_path / f"out{suffix}", picture)
    assert images.open_picture(tmp_path / f"out{suffix}").metadata.dpi == pytest.approx((300, 150), abs=0.1)


def test_text_is_kept(tmp_path, noise):
    info = PngInfo()
    info.add_text("Title", "Meer bei Nacht")
    info.add_itxt("Author", "画家")
    images.save_picture(tmp_path / "out.png", images.open_picture(make_file(noise, "PNG", pnginfo=info)))
    with PIL.Image.open(tmp_path / "out.png") as image:
        assert image.text == {"Title": "Meer bei Nacht", "Author": "画家"}
    for form, suffix in (("JPEG", ".jpg"), ("JPEG", ".gif"), ("GIF", ".jpg")):
        images.save_picture(tmp_path / f"out{suffix}", images.open_picture(make_file(noise, form, comment="a sea")))
        with PIL.Image.open(tmp_path / f"out{suffix}") as image:
            assert image.info["comment"] == b"a sea"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("form", ["JPEG", "GIF"])
def test_comments_are_read_in_either_encoding(tmp_path, noise, form, encoding):
    picture = images.open_picture(make_file(noise, form, comment="Möller 2020".encode(encoding)))
    assert picture.metadata.text == {"Comment": "Möller 2020"}
    for suffix in (".jpg", ".gif", ".png"):
        images.save_picture(tmp_path / f"out{suffix}", picture)
        assert images.open_picture(tmp_path / f"out{suffix}").metadata.text == picture.metadata.text


@pytest.mark.parametrize("suffix", KEEP_EXIF)
def test_metadata_is_dropped(tmp_path, noise, suffix):
    file = make_file(noise, "JPEG", exif=make_exif(), xmp=XMP, dpi=(300, 300), comment="a sea", icc_profile=SRGB)
    picture = images.open_picture(file)
    images.save_picture(tmp_path / f"out{suffix}", picture, images.Encoding(keep_metadata=False))
    again = images.open_picture(tmp_path / f"out{suffix}")
    assert again.metadata == images.Metadata()
    assert again.icc_profile == SRGB
    content = (tmp_path / f"out{suffix}").read_bytes()
    assert not any(word in content for word in (b"Maker", b"Painter", b"Sea", b"a sea"))


def test_what_jpeg_has_no_room_for_is_left_out(tmp_path, noise):
    picture = images.open_picture(make_file(noise, "PNG", exif=make_exif(private=bytes(70_000))))
    assert len(picture.metadata.exif) > 70_000
    images.save_picture(tmp_path / "out.jpg", picture)
    assert images.open_picture(tmp_path / "out.jpg").metadata.exif is None


@pytest.mark.parametrize("form", ["JPEG", "GIF", "PNG"])
@pytest.mark.parametrize("comment", [b"\xe9" * 40_000, b"a" * 65_001])
def test_a_comment_that_jpeg_has_no_room_for_is_left_out(tmp_path, noise, form, comment):
    """40,000 letters of Latin-1 are 80,000 bytes of UTF-8, with which Pillow's encoder never came to an end."""
    info = PngInfo()
    info.add_text("Comment", comment.decode("latin-1"))
    file = make_file(noise, form, **({"pnginfo": info} if form == "PNG" else {"comment": comment}))
    picture = images.open_picture(file)
    assert picture.metadata.text == {"Comment": comment.decode("latin-1")}
    images.save_picture(tmp_path / "out.jpg", picture)
    assert images.open_picture(tmp_path / "out.jpg").metadata.text == {}
    for suffix in (".gif", ".png"):
        images.save_picture(tmp_path / f"out{suffix}", picture)
        assert images.open_picture(tmp_path / f"out{suffix}").metadata.text == picture.metadata.text


@pytest.mark.parametrize("exif", [b"MM\0*\xff\xff\xff\xff", b"no TIFF header", b"MM", b""])
def test_damaged_metadata_is_left_out(tmp_path, noise, exif):
    picture = images.open_picture(make_file(noise, "PNG", exif=b"Exif\0\0" + exif, icc_profile=b"no profile"))
    assert picture.metadata.exif is None
    assert picture.icc_profile is None
    images.save_picture(tmp_path / "out.png", picture)


def test_the_thumbnail_is_left_out(noise):
    # A directory with one entry, then another, with a thumbnail of four bytes.
    entry = b"\x0f\x01\x02\x00\x04\x00\x00\x00abc\0"
    thumbnail = b"\x01\x02\x04\x00\x01\x00\x00\x00\x40\x00\x00\x00\x02\x02\x04\x00\x01\x00\x00\x00\x04\x00\x00\x00"
    exif = b"II*\0\x08\0\0\0" + b"\x01\0" + entry + b"\x1a\0\0\0" + b"\x02\0" + thumbnail + bytes(4)
    exif = exif.ljust(64, b"\0") + b"tiny"
    picture = images.open_picture(make_file(noise, "JPEG", exif=b"Exif\0\0" + exif))
    assert b"abc" in picture.metadata.exif
    assert b"tiny" not in picture.metadata.exif


@pytest.mark.parametrize("form", FORMS.values())
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_profiles_are_converted_or_kept(tmp_path, smooth, make_profile, form, mode):
    if form == "JPEG" and mode == "RGBA":
        pytest.skip("no transparency")
    profile, image = make_profile(), smooth.convert(mode)
    image.putalpha(255) if mode == "RGBA" else None
    options = {"quality": 100, "lossless": True, "subsampling": "4:4:4"} if form in ("WEBP", "AVIF", "JPEG") else {}
    file = make_file(image, form, icc_profile=profile, **options)
    plain = images.open_picture(make_file(image, form, **options))
    assert plain.icc_profile is None
    kept = images.open_picture(file, profile="keep")
    assert kept.icc_profile == profile
    assert torch.equal(kept.frames[0].pixels, plain.frames[0].pixels)
    converted = images.open_picture(file)
    assert converted.icc_profile == SRGB
    image = PIL.Image.fromarray(plain.frames[0].pixels.permute(1, 2, 0).numpy())
    expected = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"))
    difference = converted.frames[0].pixels.int() - torch.from_numpy(np.array(expected)).permute(2, 0, 1)
    assert difference.abs().max() <= 1
    for suffix in KEEP_EXIF:
        for picture in (kept, converted):
            images.save_picture(tmp_path / f"out{suffix}", picture, images.Encoding(background="white"))
            with PIL.Image.open(tmp_path / f"out{suffix}") as image:
                assert image.info["icc_profile"] == picture.icc_profile


def test_an_srgb_profile_changes_nothing(noise):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = images.open_picture(make_file(noise, "PNG", icc_profile=profile))
    assert picture.icc_profile == profile
    assert np.array_equal(picture.frames[0].pixels.permute(1, 2, 0).numpy(), np.asarray(noise))


def test_profiles_of_grey_and_cmyk_are_never_kept(noise, make_profile):
    grey = images.open_picture(make_file(noise.convert("L"), "PNG", icc_profile=make_profile("linear", None)), "keep")
    assert grey.icc_profile == SRGB
    assert (grey.frames[0].pixels.float().mean() - np.asarray(noise.convert("L")).mean()) > 20
    # A profile of another kind than the pixels says nothing.
    cmyk = images.open_picture(make_file(noise.convert("CMYK"), "TIFF", icc_profile=make_profile()), "keep")
    assert cmyk.icc_profile is None


def test_16_bits_are_converted_at_16_bits(tmp_path, deep, make_profile):
    values = torch.from_numpy(deep.transpose(2, 0, 1).copy())
    picture = images.Picture([images.Frame(values[:3], values[3:])], 16, icc_profile=make_profile())
    for suffix in (".png", ".tif"):
        images.save_picture(tmp_path / f"out{suffix}", picture)
        kept = images.open_picture(tmp_path / f"out{suffix}", "keep")
        assert kept.icc_profile == picture.icc_profile
        assert torch.equal(kept.frames[0].pixels, values[:3])
        converted = images.open_picture(tmp_path / f"out{suffix}")
        assert converted.icc_profile == SRGB
        assert torch.equal(converted.frames[0].alpha, values[3:])
        assert len(converted.frames[0].pixels.int().unique()) > 2000


def test_gif_has_no_room_for_a_profile(tmp_path, noise, make_profile):
    file = make_file(noise, "PNG", icc_profile=make_profile())
    picture, advice = images.open_picture(file, "keep"), "GIF holds no colour profile: convert the colours to sRGB, or "
    with pytest.raises(ValueError, match=rf"out\.gif: {advice}take \.jpg, \.png, \.webp(, \.avif)? or \.tif$"):
        images.save_picture(tmp_path / "out.gif", picture)
    with pytest.raises(ValueError, match=rf"out\.gif: {advice}take \.png or \.webp$"):
        images.save_picture(tmp_path / "out.gif", replace(picture, frames=picture.frames * 2))
    with pytest.raises(ValueError, match=r"JPEG is written with one frame, not 2: take \.png or \.webp, or the first"):
        images.save_picture(tmp_path / "out.jpg", replace(picture, frames=picture.frames * 2))
    images.save_picture(tmp_path / "out.gif", images.open_picture(file))


def test_profile_is_checked(noise):
    with pytest.raises(ValueError, match=r"can be srgb, to convert to it, or keep, got 'p3'"):
        images.open_picture(make_file(noise, "PNG"), "p3")
