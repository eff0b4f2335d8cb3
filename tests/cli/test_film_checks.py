"""What is told of films before the first of them is begun."""

from fractions import Fraction

import PIL.Image
import pytest

av = pytest.importorskip("av", reason="films need the package av")

from fast_style.video import parts  # noqa: E402 - only where there is av
from tests.cli.test_film import interrupting  # noqa: E402
from tests.pictures import noise  # noqa: E402
from tests.video.conftest import clip, times_of  # noqa: E402

__all__ = ["clip"]  # a fixture


@pytest.mark.parametrize("name", ["b.png", "b.webp", "b.gif", "b.jpg"])
def test_a_photo_among_films(stylize, clip, make, tmp_path, is_misuse, tree, name):
    film, photo = clip("a.mp4", frames=2), make(tmp_path / name)
    before = tree(tmp_path)
    result = stylize("--input", film, photo, "--output", tmp_path / "out")
    assert is_misuse(result, f"{photo} is a picture, not a film: stylize pictures in a command of their own")
    assert tree(tmp_path) == before


def test_an_animation_among_films(stylize, clip, tmp_path, tree):
    pictures = [noise((32, 24)).convert("RGB") for _ in range(3)]
    pictures[0].save(tmp_path / "b.gif", save_all=True, append_images=pictures[1:], duration=100)
    result = stylize("--input", clip("a.mp4", frames=2), tmp_path / "b.gif", "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert tree(tmp_path / "out") == ["a.mp4", "b.gif"]


@pytest.mark.parametrize(("name", "made"), [(None, "a-mosaic.gif"), ("o.gif", "o.gif"), ("out", "out/a.gif")])
def test_an_animation_with_an_option_of_films(stylize, tmp_path, name, made):
    """It is read as a film, and stays an animation."""
    pictures = [noise((32, 24)).convert("RGB") for _ in range(5)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    output = () if name is None else ("--output", tmp_path / name)
    result = stylize("--input", tmp_path / "a.gif", "--end", "0.3", *output)
    assert result.code == 0, result.err
    with PIL.Image.open(tmp_path / made) as image:
        assert image.n_frames == 3


@pytest.mark.parametrize("output", [(), ("--output", "out")])
@pytest.mark.parametrize("more", [(), ("a.mp4",)])
def test_frames_without_a_film_to_write(stylize, clip, make, tmp_path, is_misuse, tree, monkeypatch, output, more):
    monkeypatch.chdir(tmp_path)
    clip("a.mp4", frames=2)
    for number in range(3):
        make(tmp_path / "frames" / f"{number:05d}.png")
    before = tree(tmp_path)
    result = stylize("--input", "frames/%05d.png", *more, *output)
    assert is_misuse(result, "frames/%05d.png holds frames: give it alone, and name the film to write")
    assert tree(tmp_path) == before


def test_a_film_that_is_called_like_a_pattern(stylize, clip, tmp_path):
    source = clip("100%d.mp4", frames=3)
    assert stylize("--input", source).code == 0
    assert times_of(tmp_path / "100%d-mosaic.mp4") == times_of(source)
    assert stylize("--input", source, "--output", tmp_path / "%03d.mkv", "--mask", source).code == 0
    assert len(times_of(tmp_path / "%03d.mkv")) == 3


def test_a_mask_that_is_called_like_a_pattern(stylize, clip, tmp_path):
    PIL.Image.new("L", (64, 48), 255).save(tmp_path / "mask%d.png")
    result = stylize("--input", clip(frames=2), "--output", tmp_path / "o.mp4", "--mask", tmp_path / "mask%d.png")
    assert result.code == 0, result.err


def test_masks_of_all_films_come_first(stylize, clip, tmp_path, is_misuse, tree):
    sources = [clip("a.mp4", frames=6), clip("b.mp4", frames=16)]
    mask = clip("mask.mp4", frames=6)
    before = tree(tmp_path)
    result = stylize("--input", *sources, "--output", tmp_path / "out", "--mask", mask)
    assert is_misuse(result, f"mask {mask} lasts 0.240 s, {sources[1]} 0.640 s")
    assert tree(tmp_path) == before


def test_parts_of_all_films_come_first(stylize, clip, tmp_path, is_misuse, monkeypatch):
    monkeypatch.setattr(parts, "FRAMES", 5)
    sources = [clip("a.mp4", frames=6), clip("b.mp4", frames=12)]
    with monkeypatch.context() as patch:
        interrupting(patch, 7)
        assert stylize("--input", sources[1], "--output", tmp_path / "out").code == 130
    result = stylize("--input", *sources, "--output", tmp_path / "out", "--strength", "0.5")
    assert is_misuse(result, "holds the beginning of a film that was made otherwise (control)")
    assert not (tmp_path / "out" / "a.mp4").exists()
    again = stylize("--input", *sources, "--output", tmp_path / "out", "--strength", "0.5", "--overwrite")
    assert again.code == 0
    assert [len(times_of(tmp_path / "out" / path.name)) for path in sources] == [6, 12]


def test_ctrl_c_is_of_all_films(stylize, clip, tmp_path, monkeypatch):
    """Where it comes after the last frame of one, the next is not begun."""
    sources = [clip("a.mp4", frames=3), clip("b.mp4", frames=3)]
    interrupting(monkeypatch, 3)
    result = stylize("--input", *sources, "--output", tmp_path / "out")
    assert result.code == 130
    assert result.err.endswith(f"interrupted before the first frame of {sources[1]}: nothing of it is written\n")
    assert len(times_of(tmp_path / "out" / "a.mp4")) == 3
    assert not (tmp_path / "out" / "b.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--quality", "95"), "--quality is of pictures, the quality of films is --crf: leave it out"),
        (("--bits", "8"), "--bits is of pictures, films keep their bits where the --codec has them: leave it out"),
        (("--subsampling", "4:4:4"), "--subsampling is of pictures, it follows from the --codec of films"),
        (("--profile", "keep"), "--profile is of pictures, films keep what their colours mean: leave it out"),
        (("--batch-size", "1"), "--batch-size is of pictures, frames of films are stylized one by one: leave it out"),
        (
            ("--output", "o.gif", "--bits", "16"),
            "cannot write o.gif: animations are written with 8 bits per channel: ask for 8 bits",
        ),
        (("--output", "%d.jpg", "--bits", "16"), "cannot write %d.jpg: JPEG holds 8 bits per channel, not 16"),
        (("--output", "o.gif", "--audio", "copy"), "--audio copy is of films, and o.gif holds no sound: leave it out"),
        (("--output", "o.gif", "--crf", "9"), "--crf is of films that are encoded, and o.gif is none: leave it out"),
        (("--output", "o.webp", "--batch-size", "2"), "--batch-size is of pictures"),
        (("--output", "o.avi"), "the suffix of a film must be one of .mp4, .m4v, .mov, .mkv, .webm, .gif"),
        (("--output", "o.ts"), "(.ts is read, not written)"),
        (("--output", "notes.txt/o.mp4"), "cannot write notes.txt/o.mp4: "),
    ],
)
def test_misuse(stylize, clip, tmp_path, is_misuse, monkeypatch, tree, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no folder")
    source = clip(frames=4)
    before = tree(tmp_path)
    assert is_misuse(stylize("--input", source, *arguments), text)
    assert tree(tmp_path) == before


def test_pictures_keep_their_options(stylize, clip, tmp_path):
    """Of frames and animations, these tell how they are written."""
    source, sizes = clip(frames=2), []
    for quality in ("20", "100"):
        path = tmp_path / quality / "%d.jpg"
        assert stylize("--input", source, "--output", path, "--quality", quality).code == 0
        sizes.append((path.parent / "0.jpg").stat().st_size)
    assert 2 * sizes[0] < sizes[1]
    assert stylize("--input", source, "--output", tmp_path / "d" / "%d.png", "--bits", "16").code == 0


@pytest.mark.parametrize(
    ("codec", "size"), [("hevc", "4"), ("av1", "2"), ("vp9", "60000"), ("h264", "60000"), ("prores", "60000")]
)
def test_sizes_that_an_encoder_refuses(stylize, clip, tmp_path, is_misuse, codec, size):
    name = "o.mov" if codec == "prores" else "o.mkv"
    arguments = ("--codec", codec, "--output", tmp_path / name)
    more = ("--size", size) if int(size) < 99 else ("--work-size", "64", "--size", size)
    result = stylize("--input", clip(frames=2), *arguments, *more)
    assert is_misuse(result, f"{codec} cannot encode pictures of")


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("o.mp4", (64, 48), ""),
        ("o.webm", (86, 48), ", of which vp9 in .webm cannot tell: its pictures become 86×48"),
        ("%d.png", (64, 48), ", of which .png does not tell: its pictures look too narrow"),
    ],
)
def test_pixels_that_are_not_square(stylize, clip, tmp_path, name, size, told):
    """A container that has no place for their shape has them made square."""
    source = clip("a.mp4", frames=1, aspect=Fraction(4, 3))
    result = stylize("--input", source, "--output", tmp_path / name)
    assert result.code == 0, result.err
    assert result.err == (told and f"the pixels of {source} are not square (4:3){told}\n")
    with av.open(str(tmp_path / name.replace("%d", "0"))) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == size


def test_a_film_with_a_colon_in_its_name(stylize, clip, tmp_path, monkeypatch):
    """What comes before it is no protocol, such as `http:`."""
    monkeypatch.chdir(tmp_path)
    clip("a:b.mkv", frames=3, sound="aac")
    assert stylize("--input", "a:b.mkv", "--output", "c:d.mp4").code == 0
    assert len(times_of(tmp_path / "c:d.mp4")) == 3


def test_a_film_that_is_measured_is_told_of(command, model, clip):
    pytest.importorskip("cv2", reason="optical flow needs the package opencv")
    source = clip(frames=3, options={"x264-params": "interlaced=1"})
    result = command("evaluate", "--video", source, "--model", model, "--device", "cpu", "--backend", "torch")
    assert result.code == 0, result.err
    assert result.err.startswith(f"{source} is interlaced: ")


def test_a_mask_is_not_replaced(stylize, clip, make, tmp_path, is_misuse):
    source, film, frame = clip("a.mp4", frames=2), clip("mask.mp4", frames=2), make(tmp_path / "f" / "000.png")
    for mask, output in ((film, film), (frame, tmp_path / "f" / "%03d.png")):
        before = mask.read_bytes()
        result = stylize("--input", source, "--output", output, "--mask", mask, "--overwrite")
        assert is_misuse(result, f"input {mask} would be replaced by an output: choose another --output")
        assert mask.read_bytes() == before
