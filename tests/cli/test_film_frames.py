"""Frames in folders that are films."""

import os

import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

pytest.importorskip("av", reason="films need the package av")

from fast_style.video import parts
from tests.cli.test_film import interrupting
from tests.video.conftest import clip, picture, pictures_of

__all__ = ["clip"]  # a fixture


@pytest.fixture
def frames(tmp_path):
    """A folder of twelve frames."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(12):
        PIL.Image.fromarray(picture(number, 48, 64)).save(folder / f"{number:04d}.png")
    return folder


@pytest.mark.parametrize("broken", [0, 7, 11])
def test_a_frame_that_is_damaged(stylize, frames, tmp_path, broken):
    """The frame before is shown in its place, or, of the first, the next."""
    bad = frames / f"{broken:04d}.png"
    bad.write_bytes(bad.read_bytes()[:100])
    result = stylize("--input", frames, "--output", tmp_path / "o.mp4", "--fps", "25", "--strength", "0")
    assert result.code == 0, result.err
    assert result.err.startswith(f"cannot read image {bad}: ")
    assert result.err.count("the frame beside it is shown in its place\n") == 1
    found = pictures_of(tmp_path / "o.mp4").astype(int)
    assert len(found) == 12
    for number in range(12):
        shown = number if number != broken else broken - 1 if broken else 1
        assert abs(found[number] - picture(shown, 48, 64)).mean() < 4


def test_a_frame_of_another_size(stylize, frames, tmp_path):
    for number in (5, 6):
        PIL.Image.fromarray(picture(number, 96, 128)).save(frames / f"{number:04d}.png")
    result = stylize("--input", frames, "--output", tmp_path / "o.mp4", "--fps", "25")
    assert result.code == 0, result.err
    assert result.err == f"the size changes from 64×48 to 128×96 at {frames}/0005.png: resized to the first\n"
    assert pictures_of(tmp_path / "o.mp4").shape == (12, 48, 64, 3)


def test_no_frame_can_be_read(stylize, frames, tmp_path, is_misuse):
    for path in frames.iterdir():
        path.write_bytes(b"no picture")
    result = stylize("--input", frames, "--output", tmp_path / "o.mp4")
    assert is_misuse(result, f"no frame of {frames} can be read: cannot read image {frames}/0000.png: ")


@pytest.mark.parametrize("name", ["o.gif", "o.webp", "o.apng"])
def test_frames_become_an_animation(stylize, frames, tmp_path, name):
    result = stylize("--input", frames, "--output", tmp_path / name, "--fps", "10")
    assert result.code == 0, result.err
    with PIL.Image.open(tmp_path / name) as image:
        assert image.n_frames == 12


def test_frames_become_no_picture(stylize, frames, tmp_path, is_misuse):
    assert is_misuse(stylize("--input", frames, "--output", tmp_path / "o.png"), "which only a single input file has")


@pytest.mark.parametrize("name", ["o.mp4", "out/%03d.png", "o.gif"])
def test_frames_that_were_not_reached_may_change(stylize, frames, tmp_path, monkeypatch, is_misuse, name):
    """Those that were read may not, since what was made of them is kept."""
    monkeypatch.setattr(parts, "FRAMES", 3)
    command = ("--input", frames, "--output", tmp_path / name, "--fps", "25", "--strength", "0.01")
    for changed, colour in ((9, "white"), (10, "lightcyan")):
        with monkeypatch.context() as patch:
            interrupting(patch, 4)
            assert stylize(*command).code == 130
        PIL.Image.new("RGB", (64, 48), colour).save(frames / f"{changed:04d}.png")
    before = (frames / "0002.png").stat()
    os.utime(frames / "0002.png")
    assert is_misuse(stylize(*command), "made otherwise" if "%" in name else "frames that were read")
    os.utime(frames / "0002.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    result = stylize(*command)
    assert result.code == 0, result.err
    if name == "o.mp4":
        light = pictures_of(tmp_path / name).mean((1, 2, 3))
    else:
        light = [np.asarray(image.convert("RGB")).mean() for image in _images(tmp_path / name)]
    assert len(light) == 12
    assert [number for number in range(12) if light[number] > 240] == [9, 10]


def _images(path):
    """Read the pictures of an animation, or of a pattern."""
    if path.suffix == ".gif":
        with PIL.Image.open(path) as image:
            yield from PIL.ImageSequence.Iterator(image)
        return
    for file in sorted(path.parent.glob("*.png")):
        with PIL.Image.open(file) as image:
            yield image


def test_films_in_a_folder_are_told_of(stylize, clip, make, tmp_path, is_misuse):
    folder = tmp_path / "clips"
    folder.mkdir()
    clip(frames=1).rename(folder / "a.mp4")
    hint = f"films (1) are stylized if they are named: --input {folder}/*.mp4"
    assert is_misuse(stylize("--input", folder, "--output", tmp_path / "out"), hint)
    assert is_misuse(stylize("--input", folder, "--output", tmp_path / "o.mp4"), f"no frame is there: {folder}; {hint}")
    make(folder / "b.png")
    assert stylize("--input", folder, "--output", tmp_path / "out").err == f"{folder}: {hint}\n"


def test_frames_have_no_sound(stylize, frames, tmp_path, is_misuse):
    result = stylize("--input", frames, "--output", tmp_path / "o.mp4", "--audio", "copy")
    assert is_misuse(result, f"--audio copy is of films, and {frames} holds frames, without sound: leave it out")


def _animation(path):
    """Write three frames, black but for the last one."""
    pictures = [PIL.Image.new("RGB", (64, 48), (light, light, light)) for light in (0, 1, 255)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, lossless=True)
    return path


@pytest.mark.parametrize("name", ["mask.gif", "mask.png", "mask.webp"])
def test_a_mask_that_is_an_animation(stylize, clip, tmp_path, name):
    source = clip(frames=3)
    mask = _animation(tmp_path / name)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", mask)
    assert result.code == 0, result.err
    changed = np.abs(pictures_of(tmp_path / "o.mp4").astype(int) - pictures_of(source)).mean((1, 2, 3))
    assert (changed > 8).tolist() == [False, False, name != "mask.webp"]
    assert ("of which the first frame is used" in result.err) == (name == "mask.webp")


def test_an_animated_webp_is_no_film(stylize, tmp_path, is_misuse):
    source = _animation(tmp_path / "a.webp")
    result = stylize("--input", source, "--output", tmp_path / "o.mp4")
    assert is_misuse(result, "an animated WebP is no film; to stylize it give a .webp as --output")


def test_a_mask_that_ends_early_is_told(stylize, clip, tmp_path):
    source = clip(frames=9)
    mask = clip("mask.mkv", frames=4)
    mask.write_bytes(mask.read_bytes().replace(b"DURATION", b"OTHERTAG"))
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", mask)
    assert result.code == 0, result.err
    assert f"mask {mask} ends after 0.160 s: its last picture stays\n" in result.err
