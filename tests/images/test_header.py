"""Format and size before anything is decoded."""

import io

import PIL.Image
import pytest

from fast_style import images


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_format_and_size(noise, form):
    header = images.read_header(encoded(noise, form))
    assert (header.format.upper(), header.size, header.frames, header.pixels) == (form, (23, 37), 1, 23 * 37)
    assert header.suffix in images.SUFFIXES


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(noise, form, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = encoded(noise, form, exif=exif)
    assert images.read_header(file).size == tuple(images.read(file).shape[1:])


def test_frames_of_an_animation_count(noise):
    more = [noise.rotate(angle) for angle in (90, 180)]
    header = images.read_header(encoded(noise, "GIF", save_all=True, append_images=more))
    assert (header.frames, header.pixels) == (3, 3 * 23 * 37)


def test_of_the_pages_of_a_tiff_the_first_counts(noise):
    assert images.read_header(encoded(noise, "TIFF", save_all=True, append_images=[noise])).frames == 1


def test_errors_tell_what_is_wrong():
    with pytest.raises(images.UnknownImageError, match="is not a JPEG, PNG"):
        images.read_header(io.BytesIO(b"hello"))
    large = encoded(PIL.Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(images.LargeImageError, match="more than 178956970"):
        images.read_header(large)
    with pytest.raises(images.LargeImageError, match="more than 178956970"):
        images.read(large)
