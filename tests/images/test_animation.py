import io
import itertools
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style import images

FORMS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}


def make_frames(count: int = 4) -> list[PIL.Image.Image]:
    """A square that moves, in few colours; the last two frames are equal."""
    frames = []
    for number in range(count):
        array = np.full((20, 30, 4), (200, 180, 20, 255), dtype=np.uint8)
        array[5:15, 5 + 3 * min(number, count - 2) :][:, :8] = (20, 40 * number if number < 2 else 90, 220, 255)
        frames.append(PIL.Image.fromarray(array))
    return frames


def make_file(form: str, frames: list[PIL.Image.Image], **options) -> io.BytesIO:
    file = io.BytesIO()
    if form == "WEBP":
        options["lossless"] = True
    frames[0].save(file, form, save_all=True, append_images=frames[1:], **options)
    return file


def timeline(frames) -> list[images.Frame]:
    """Equal frames that follow each other are one, shown as long as they were."""
    result: list[images.Frame] = []
    for frame in frames:
        if result and np.array_equal(rgba(result[-1]), rgba(frame)):
            result[-1] = replace(frame, duration=result[-1].duration + frame.duration)
        else:
            result.append(frame)
    return result


def rgba(frame: images.Frame) -> np.ndarray:
    alpha = torch.full_like(frame.pixels[:1], 255) if frame.alpha is None else frame.alpha
    return torch.cat([frame.pixels, alpha]).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("form", FORMS.values())
def test_frames_are_read(form):
    frames = make_frames()[:3]
    file = make_file(form, frames, duration=[40, 100, 250], loop=0)
    picture = images.open_picture(file)
    assert len(picture.frames) == 3
    assert picture.animated
    assert picture.loop == 0
    assert picture.size == (20, 30)
    assert [frame.duration for frame in picture.frames] == [40, 100, 250]
    for frame, expected in zip(picture.frames, frames, strict=True):
        assert np.abs(rgba(frame).astype(int) - np.asarray(expected)).max() <= (2 if form == "GIF" else 0)


def test_avif_frames_are_read():
    frames = make_frames()[:3]
    picture = images.open_picture(make_file("AVIF", frames, duration=[40, 100, 250]))
    assert [frame.duration for frame in picture.frames] == [40, 100, 250]


@pytest.mark.parametrize(
    ("form", "option", "plays"),
    [("GIF", None, 1), ("GIF", 0, 0), ("GIF", 2, 3), ("WEBP", 0, 0), ("WEBP", 3, 3), ("PNG", 0, 0), ("PNG", 3, 3)],
)
@pytest.mark.parametrize("suffix", FORMS)
def test_loops(tmp_path, form, option, plays, suffix):
    picture = images.open_picture(
        make_file(form, make_frames(), duration=50, **({} if option is None else {"loop": option}))
    )
    assert picture.loop == plays
    images.save_picture(tmp_path / f"out{suffix}", picture)
    assert images.open_picture(tmp_path / f"out{suffix}").loop == plays


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("transparent", [False, True])
def test_round_trip_keeps_frames_durations_and_alpha(tmp_path, suffix, transparent):
    def fade(image, number):
        array = np.array(image)
        array[: 2 * number, :, 3] = 0
        return torch.from_numpy(array.transpose(2, 0, 1).copy())

    sources = [fade(image, number * transparent) for number, image in enumerate(make_frames())]
    frames = [images.Frame(rgb[:3], rgb[3:] if transparent else None, 30.0 + 20 * i) for i, rgb in enumerate(sources)]
    images.save_picture(tmp_path / f"out{suffix}", images.Picture(frames), images.Encoding(quality=100))
    with PIL.Image.open(tmp_path / f"out{suffix}") as image:
        assert image.format == FORMS[suffix]
        assert image.is_animated
    again, shown = timeline(images.open_picture(tmp_path / f"out{suffix}").frames), timeline(frames)
    assert [frame.duration for frame in again] == ([30, 50, 70, 90] if transparent else [30, 50, 160])
    for frame, expected in zip(again, shown, strict=True):
        visible = rgba(expected)[..., 3] > 0
        assert np.array_equal(rgba(frame)[..., 3], rgba(expected)[..., 3])
        assert np.array_equal(rgba(frame)[visible], rgba(expected)[visible])


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_half_transparent_frames(tmp_path, smooth, suffix):
    values = torch.from_numpy(np.array(smooth)).permute(2, 0, 1)
    frames = [images.Frame(values[:3], alpha, 20) for alpha in (values[3:], values[3:].flip(1))]
    images.save_picture(tmp_path / f"out{suffix}", images.Picture(frames))
    for frame, expected in zip(images.open_picture(tmp_path / f"out{suffix}").frames, frames, strict=True):
        assert torch.equal(frame.alpha, expected.alpha)


def test_frames_become_opaque_and_transparent_in_turn(tmp_path, smooth):
    values = torch.from_numpy(np.array(smooth)).permute(2, 0, 1)
    frames = [
        images.Frame(values[:3], None, 20),
        images.Frame(values[:3], values[3:], 20),
        images.Frame(values[:3], None, 20),
    ]
    for suffix in (".webp", ".png"):
        images.save_picture(tmp_path / f"out{suffix}", images.Picture(frames))
        first, second, third = images.open_picture(tmp_path / f"out{suffix}").frames
        assert torch.equal(second.alpha, values[3:])
        assert all(frame.alpha is None or (frame.alpha == 255).all() for frame in (first, third))


@pytest.mark.parametrize("order", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("suffix", FORMS)
def test_frames_of_any_order_hide_what_they_hid(tmp_path, suffix, order):
    frames = []
    for transparent in order:
        pixels = torch.randint(0, 3, (3, 12, 14)).mul(100).to(torch.uint8)
        alpha = torch.randint(0, 2, (1, 12, 14)).mul(255).to(torch.uint8)
        frames.append(images.Frame(pixels, alpha if transparent else None, 50))
    images.save_picture(tmp_path / f"out{suffix}", images.Picture(frames), images.Encoding(100))
    for frame, expected in zip(images.open_picture(tmp_path / f"out{suffix}").frames, frames, strict=True):
        visible = rgba(expected)[..., 3] > 0
        assert np.array_equal(rgba(frame)[..., 3], rgba(expected)[..., 3])
        assert np.array_equal(rgba(frame)[visible], rgba(expected)[visible])


def test_gif_refuses_half_transparent_frames_and_leaves_nothing(tmp_path):
    frames = [
        images.Frame(torch.rand(3, 4, 4), torch.full((1, 4, 4), opacity, dtype=torch.uint8)) for opacity in (255, 9)
    ]
    with pytest.raises(
        ValueError, match=r"out\.gif: GIF holds nothing half transparent: take \.png or \.webp, or give a background"
    ):
        images.save_picture(tmp_path / "out.gif", images.Picture(frames))
    assert not list(tmp_path.iterdir())
    images.save_picture(tmp_path / "out.gif", images.Picture(frames), images.Encoding(background="white"))


def test_gif_dithers_many_colours(tmp_path, pixels):
    frame = images.Frame(pixels[0], None, 20)
    images.save_picture(tmp_path / "out.gif", images.Picture([frame, frame]))
    for result in images.open_picture(tmp_path / "out.gif").frames:
        assert (result.to_float() - pixels).abs().mean() < 0.02


def test_frames_are_decoded_and_written_one_by_one(tmp_path):
    picture = images.open_picture(make_file("GIF", make_frames()[:3], duration=50))
    events = []

    class Recorded:
        def __len__(self):
            return 3

        def __iter__(self):
            for number, frame in enumerate(picture.frames):
                events.append(number)
                yield frame

    def invert(photo):
        events.append("invert")
        return 1 - photo

    mapped = images.Picture(Recorded()).map(invert)
    assert not events
    images.save_picture(tmp_path / "out.webp", mapped, images.Encoding(100))
    assert events == [0, "invert", 1, "invert", 2, "invert"]
    first = next(iter(images.open_picture(tmp_path / "out.webp").frames))
    assert torch.equal(first.pixels, 255 - next(iter(picture.frames)).pixels)


def test_frames_of_a_path_can_be_iterated_again_and_nested(tmp_path):
    (tmp_path / "in.gif").write_bytes(make_file("GIF", make_frames()[:3], duration=50).getvalue())
    picture = images.open_picture(tmp_path / "in.gif")
    for first in picture.frames:
        assert len(list(picture.frames)) == 3
        assert first.size == (20, 30)
    assert [frame.duration for frame in picture.frames] == [50, 50, 50]


def test_the_picture_beside_an_animation_is_left_out():
    frames = make_frames()
    file = io.BytesIO()
    PIL.Image.new("RGBA", (30, 20), "red").save(
        file, "PNG", save_all=True, append_images=frames[:2], default_image=True, duration=30
    )
    picture = images.open_picture(file)
    assert len(picture.frames) == 2
    assert np.array_equal(rgba(next(iter(picture.frames))), np.asarray(frames[0]))


def test_an_animation_is_turned():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    file = make_file("WEBP", make_frames(), duration=50, exif=exif)
    picture = images.open_picture(file)
    assert [frame.size for frame in picture.frames] == [(30, 20)] * len(picture.frames)
    expected = np.asarray(make_frames()[0].transpose(PIL.Image.Transpose.ROTATE_270))
    assert np.array_equal(rgba(next(iter(picture.frames))), expected)


def test_a_still():
    picture = images.open_picture(make_file("GIF", make_frames(), duration=50))
    still = picture.still()
    assert not still.animated
    assert still.frames[0].duration == 0


def test_truncated_animation(tmp_path):
    rng = np.random.default_rng(0)
    frames = [PIL.Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(3)]
    content = make_file("PNG", frames, duration=50).getvalue()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"^cannot read image .*half\.png: .+"):
        images.save_picture(tmp_path / "out.webp", images.open_picture(tmp_path / "half.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["half.png"]


def test_frames_of_different_sizes_are_refused(tmp_path):
    frames = [images.Frame(torch.rand(3, 4, 4)), images.Frame(torch.rand(3, 4, 5))]
    with pytest.raises(ValueError, match=r"out\.gif: its frames have different sizes, \(4, 4\) and \(4, 5\)"):
        images.save_picture(tmp_path / "out.gif", images.Picture(frames))


def test_animations_of_16_bits_are_refused(tmp_path, deep):
    values = torch.from_numpy(deep.transpose(2, 0, 1).copy())
    picture = images.Picture([images.Frame(values[:3], values[3:], 20)] * 2, bits=16)
    for write in (images.Encoding().check, images.save_picture):
        with pytest.raises(ValueError, match=r"out\.png: animations are written with 8 bits per channel: ask for 8"):
            write(tmp_path / "out.png", picture)
    images.save_picture(tmp_path / "out.png", picture, images.Encoding(bits=8))


def test_long_durations(tmp_path):
    frames = [images.Frame(torch.rand(3, 4, 4), None, duration) for duration in (65_537.5, 10**9, 33.3)]
    expected = {".png": [66_000, 65_535_000, 33.3], ".gif": [65_540, 655_350, 30], ".webp": [65_538, 2**24 - 1, 33]}
    for suffix, durations in expected.items():
        images.save_picture(tmp_path / f"out{suffix}", images.Picture(frames))
        again = images.open_picture(tmp_path / f"out{suffix}").frames
        assert [frame.duration for frame in again] == pytest.approx(durations, abs=1)


def test_equal_frames_of_a_gif_are_shown_as_long_as_it_can_tell(tmp_path):
    """Pillow adds up the durations of equal frames, to more than there is room for."""
    first, other = (images.Frame(torch.full((3, 4, 4), value), None, 400_000) for value in (0.2, 0.8))
    for frames, durations in (([first] * 2, [655_350]), ([other, first, first, other], [400_000, 655_350, 400_000])):
        images.save_picture(tmp_path / "out.gif", images.Picture(frames))
        with PIL.Image.open(tmp_path / "out.gif") as image:
            shown = [image.seek(number) or image.info["duration"] for number in range(image.n_frames)]
        assert shown == durations


def test_what_the_encoder_cannot_write_is_one_sentence(tmp_path):
    frames = [images.Frame(torch.rand(3, 4, 4), None, 10**9) for _ in range(200)]
    with pytest.raises(ValueError, match=r"^cannot write .*out\.webp: .+"):  # whose times have 31 bits
        images.save_picture(tmp_path / "out.webp", images.Picture(frames))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quality", [60, 95, 100])
@pytest.mark.parametrize("suffix", FORMS)
def test_opaque_rectangles_on_nothing_stay_transparent(tmp_path, suffix, quality):
    """Where they are all that is visible of every frame, WebP's encoder forgets that there is transparency."""
    alpha = torch.zeros(1, 24, 36, dtype=torch.uint8)
    alpha[:, 6:18, 10:26] = 255
    frames = [images.Frame(torch.rand(3, 24, 36), alpha, 50) for _ in range(3)]
    images.save_picture(tmp_path / f"out{suffix}", images.Picture(frames), images.Encoding(quality))
    for frame, expected in zip(images.open_picture(tmp_path / f"out{suffix}").frames, frames, strict=True):
        assert torch.equal(frame.alpha, expected.alpha)
    opaque = [images.Frame(frame.pixels, torch.full_like(frame.alpha, 255), 50) for frame in frames]
    images.save_picture(tmp_path / f"out{suffix}", images.Picture(opaque), images.Encoding(quality))
    assert all(
        frame.alpha is None or (frame.alpha == 255).all()
        for frame in images.open_picture(tmp_path / f"out{suffix}").frames
    )
