"""The stylizing command where films are read or written."""

import errno
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import PIL.Image
import pytest
import torch

av = pytest.importorskip("av", reason="films need the package av")

from fast_style import terminal  # noqa: E402 - only where there is av
from fast_style.checkpoint import save_network  # noqa: E402
from fast_style.cli.parsers.stylize import parse  # noqa: E402
from fast_style.inference.stylizer import Stylizer  # noqa: E402
from fast_style.networks import AnyStyleNetwork, TransformerNetwork  # noqa: E402
from fast_style.video import parts, reading  # noqa: E402
from fast_style.video.frame import Wanted  # noqa: E402
from tests.pictures import noise  # noqa: E402
from tests.video.conftest import clip, packets_of, pictures_of, probe, times_of  # noqa: E402

__all__ = ["clip", "probe"]  # fixtures
ENCRYPTED = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 31 + "1", "encryption_kid": "0" * 31 + "2"}


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """No lines of progress, which come after some seconds on a machine that has much to do."""
    monkeypatch.setattr(terminal, "FIRST", terminal.EVERY)


@pytest.fixture
def short_parts(monkeypatch):
    """Parts of five frames."""
    monkeypatch.setattr(parts, "FRAMES", 5)


@pytest.fixture
def several(tmp_path):
    """A network of three styles."""
    path = tmp_path / "models" / "three.safetensors"
    network = TransformerNetwork(width=2, blocks=1, norm="conditional", styles=["waves", "dots", "lines"])
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.ndim == 2 and name in ("scale", "shift", "weight", "bias") and len(weight) == 3:
                torch.nn.init.normal_(weight)
    save_network(path, network, {})
    return path


def frames_told(result) -> str:
    return result.out.split(",")[0]


def test_a_film_beside_its_input(stylize, clip, tmp_path, probe):
    source = clip(frames=10, sound="aac")
    result = stylize("--input", source)
    assert result.code == 0, result.err
    output = tmp_path / "clip-mosaic.mp4"
    assert frames_told(result) == f"stylized 10 frames of {source} into {output}"
    assert result.out.endswith("frames/s, with torch fp32 on cpu\n")
    assert not result.err
    assert times_of(output) == times_of(source)
    assert packets_of(output, "audio") == packets_of(source, "audio")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_it_is_the_network_s_picture(stylize, clip, tmp_path, model):
    source = clip(frames=2)
    assert stylize("--input", source, "--output", tmp_path / "o.mkv", "--crf", "0").code == 0
    weights = torch.tensor([0.299, 0.587, 0.114])  # colours are kept at half the size
    stylizer = Stylizer.from_checkpoint(model, "cpu", "fp32", "torch")
    photo = torch.tensor(pictures_of(source)[0]).permute(2, 0, 1)[None]
    expected = stylizer.stylize(photo)[0].permute(1, 2, 0).float() @ weights
    found = torch.tensor(pictures_of(tmp_path / "o.mkv")[0]).float() @ weights
    assert (found - expected).abs().mean() < 9  # the network makes noise of it


def test_several_films_into_a_folder(stylize, clip, tmp_path, tree):
    sources = [clip("a.mp4", frames=2), clip("b.mkv", frames=2)]
    result = stylize("--input", *sources, "--output", tmp_path / "out")
    assert (result.code, tree(tmp_path / "out")) == (0, ["a.mp4", "b.mkv"])
    again = stylize("--input", *sources, "--output", tmp_path / "out")
    assert (again.code, again.out) == (0, "skipped 2, which are there already\n")


def test_frames_out_and_in(stylize, clip, tmp_path, tree, probe):
    source = clip(frames=4)
    result = stylize("--input", source, "--output", tmp_path / "frames" / "%03d.png", "--strength", "0")
    assert result.code == 0, result.err
    assert tree(tmp_path / "frames") == ["000.png", "001.png", "002.png", "003.png"]
    with PIL.Image.open(tmp_path / "frames" / "001.png") as image:
        assert np.abs(np.asarray(image).astype(int) - pictures_of(source)[1]).mean() < 2
    small = ("--work-size", "32", "--output", tmp_path / "small.mp4")
    assert stylize("--input", tmp_path / "frames", *small).code == 0
    assert probe(tmp_path / "small.mp4")["streams"][0]["width"] == 64
    for number, there in enumerate((tmp_path / "frames", tmp_path / "frames" / "%03d.png")):
        output = tmp_path / f"{number}.mp4"
        result = stylize("--input", there, "--output", output, "--fps", "30000/1001", "--strength", "0")
        assert result.code == 0, result.err
        assert times_of(output) == [n * Fraction(1001, 30_000) for n in range(4)]
        assert np.abs(pictures_of(output).astype(int) - pictures_of(source)).mean() < 4


def test_the_network_works_at_a_smaller_size(stylize, clip, tmp_path, monkeypatch, probe):
    seen, real = [], Stylizer.stylize
    monkeypatch.setattr(Stylizer, "stylize", lambda self, photos: seen.append(photos.shape) or real(self, photos))
    source = clip(frames=2)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--work-size", "32", "--strength", "0.01")
    assert result.code == 0, result.err
    assert seen == [(1, 3, 24, 32)] * 2
    (stream,) = probe(tmp_path / "o.mp4")["streams"]
    assert (stream["width"], stream["height"]) == (64, 48)
    assert np.abs(pictures_of(tmp_path / "o.mp4").astype(int) - pictures_of(source)).mean() < 8


def test_a_slow_rate_is_kept():
    arguments = ["--model", "m", "--input", "f", "--output", "o.mp4", "--fps", "1/3600"]
    assert parse(arguments, "stylize").fps == Fraction(1, 3600)


def test_a_rate_with_many_digits(stylize, clip, tmp_path):
    source, output = clip(frames=3), tmp_path / "o.mp4"
    assert stylize("--input", source, "--output", output, "--fps", "29.97002997").code == 0
    assert times_of(output)[:2] == [0, Fraction(1001, 30_000)]
    assert stylize("--input", source, "--output", tmp_path / "f" / "%d.png").code == 0
    result = stylize("--input", tmp_path / "f", "--output", output, "--fps", "29.97002997", "--overwrite")
    assert result.code == 0, result.err
    assert times_of(output)[:2] == [0, Fraction(1001, 30_000)]


@pytest.mark.parametrize(("rate", "length"), [(30, 1000), (24, 1250), (60, 600)])
def test_a_gif_lasts_as_long(stylize, clip, tmp_path, rate, length):
    """It has hundredths of a second, and players show no frame for less than two."""
    assert stylize("--input", clip(frames=30, rate=rate), "--output", tmp_path / "o.gif").code == 0
    with PIL.Image.open(tmp_path / "o.gif") as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
    assert sum(durations) == length
    assert min(durations) >= 20


@pytest.mark.parametrize("name", ["o.gif", "o.webp"])
def test_animations_out(stylize, clip, tmp_path, name):
    source = clip(times=[0, 40, 120, 200], frames=4)
    assert stylize("--input", source, "--output", tmp_path / name, "--strength", "0").code == 0
    with PIL.Image.open(tmp_path / name) as image:
        assert image.n_frames == 4
        durations = []
        for number in range(4):
            image.seek(number)
            image.load()
            durations.append(image.info["duration"])
        assert durations[:3] == [40, 80, 80]


def test_an_animation_in(stylize, tmp_path, probe):
    pictures = [noise((32, 24)).convert("RGB") for _ in range(3)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[100, 300, 50])
    assert stylize("--input", tmp_path / "a.gif", "--output", tmp_path / "a.mp4").code == 0
    assert times_of(tmp_path / "a.mp4") == [0, Fraction(1, 10), Fraction(4, 10)]
    assert float(probe(tmp_path / "a.mp4")["streams"][0]["duration"]) == pytest.approx(0.45)


def test_controls_and_masks(stylize, clip, tmp_path):
    """White on the left: there the film is stylized, on the right it stays."""
    source = clip(frames=6)
    mask = PIL.Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 32, 48))
    mask.save(tmp_path / "mask.png")
    assert stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", tmp_path / "mask.png").code == 0
    changed = np.abs(pictures_of(tmp_path / "o.mp4").astype(int) - pictures_of(source)).mean((0, 1, 3))
    assert changed[40:].mean() < 5 < changed[:24].mean()


def test_a_mask_that_moves(stylize, clip, tmp_path):
    """It covers all from the fourth frame on."""

    def draw(number, height, width, _):
        return np.full((height, width, 3), 255 * (number >= 3), np.uint8)

    source, mask = clip("a.mkv", frames=6), clip("mask.mp4", frames=6, draw=draw)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", mask)
    assert result.code == 0, result.err
    changed = np.abs(pictures_of(tmp_path / "o.mp4").astype(int) - pictures_of(source)).mean((1, 2, 3))
    assert changed[:3].max() < 5 < changed[3:].min()


@pytest.mark.parametrize("kind", ["folder", "film"])
def test_a_mask_that_moves_with_times_that_are_rounded(stylize, clip, tmp_path, kind):
    """Those of Matroska are of thousandths of a second, so that a frame may come before its mask."""

    def draw(number, height, width, _):
        return np.full((height, width, 3), 255 * (number >= 4), np.uint8)

    source, mask = clip("a.mkv", frames=9, rate=30), clip("mask.mp4", frames=9, rate=30, draw=draw)
    if kind == "folder":
        (tmp_path / "mask").mkdir()
        for number in range(9):
            PIL.Image.fromarray(draw(number, 48, 64, 3)).save(tmp_path / f"mask/{number:03d}.png")
        mask = tmp_path / "mask"
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", mask)
    assert result.code == 0, result.err
    changed = np.abs(pictures_of(tmp_path / "o.mp4").astype(int) - pictures_of(source)).mean((1, 2, 3))
    assert changed[:4].max() < 5 < changed[4:].min()


def test_a_mask_of_another_length(stylize, clip, tmp_path, is_misuse):
    source, mask = clip("a.mp4", frames=10), clip("mask.mp4", frames=6)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", mask)
    assert is_misuse(result, f"mask {mask} lasts 0.240 s, {source} 0.400 s: give one of the same length, or an image")
    assert not (tmp_path / "o.mp4").exists()


def test_a_mask_beside_a_film_that_does_not_tell_how_long_its_pictures_last(stylize, clip, tmp_path):
    """As Matroska without tags: how long it lasts as a whole, its subtitles included, says nothing of the pictures."""
    source = tmp_path / "untold.mkv"
    content = clip("a.mkv", frames=3, words=True).read_bytes()
    source.write_bytes(content.replace(b"DURATION", b"OTHERTAG"))
    with av.open(str(source)) as film:
        assert film.duration > 500_000
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--mask", clip("mask.mp4", frames=3))
    assert result.code == 0, result.err


def test_a_style_that_changes_over_time(stylize, clip, tmp_path, several):
    source = clip(frames=11)
    arguments = ("--model", several, "--input", source)
    over_time = ("--style-over-time", "0:waves, 0.4:dots")
    assert stylize(*arguments, "--output", tmp_path / "o.mp4", *over_time, "--crf", "4").code == 0
    found = pictures_of(tmp_path / "o.mp4").astype(int)
    for name, place in (("waves", 0), ("dots", -1)):
        assert stylize(*arguments, "--output", tmp_path / f"{name}.mp4", "--style", name, "--crf", "4").code == 0
        alone = pictures_of(tmp_path / f"{name}.mp4").astype(int)
        same, other = np.abs(found[place] - alone[place]).mean(), np.abs(found[-1 - place] - alone[-1 - place]).mean()
        assert same < 3 < other


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--codec", "h265"), "the codec must be one of h264, hevc, av1, vp9, prores, got 'h265'"),
        (("--codec", "prores"), ".mp4 cannot hold prores: choose .mov or .mkv, or another --codec"),
        (("--crf", "60"), "--crf of h264 must be 0 (the best) to 51, got 60"),
        (("--start", "9"), "--start 9 is after the end of"),
        (("--start", "0.2", "--end", "0.1"), "--end must be after --start"),
        (("--start", "1:x"), "a time is written as seconds or [HH:]MM:SS, got '1:x'"),
        (("--fps", "0"), "--fps must be above 0"),
        (("--smooth", "2"), "--smooth must be 0 (none) to 1, got 2.0"),
        (("--work-size", "4"), "--work-size must be 16 pixels to the film's size"),
        (("--work-size", "100"), "--work-size 100 is more than the film has, 64×48"),
        (("--still",), "--still is of animations"),
        (("--style-over-time", "0:a"), "--style-over-time is of one network that has several styles"),
        (("--output", "o.avi"), "o.avi: the suffix of a film must be one of .mp4"),
        (("--output", "o.jpg"), ".png, .apng; frames have a pattern, such as 'frames/%05d.jpg'"),
        (("--output", "o_%d.xyz"), "the suffix of frames must be one of .jpg"),
    ],
)
def test_misuse(stylize, clip, tmp_path, is_misuse, arguments, text, tree):
    source = clip(frames=4)
    before = tree(tmp_path)
    assert is_misuse(stylize("--input", source, "--output", tmp_path / "o.mp4", *arguments), text)
    assert tree(tmp_path) == before


def test_a_style_that_fades_to_photo_alone(stylize, clip, tmp_path):
    network = AnyStyleNetwork("slim", {"width": 8, "blocks": 1, "antialias": True}, encoder_width=4, code=8)
    save_network(tmp_path / "any.safetensors", network, {"style": "any"})
    asked = ("--model", tmp_path / "any.safetensors", "--input", clip(frames=4), "--output", tmp_path / "o.mp4")
    assert stylize(*asked, "--style-over-time", "0:cubist, 0.05:photo", "--backend", "torch").code == 0


@pytest.mark.parametrize("times", ["mosaic", "0:", "x:mosaic", "3:waves,1:dots", "-1:waves", "0:waves:0"])
def test_misuse_of_times(stylize, clip, several, is_misuse, times):
    result = stylize("--model", several, "--input", clip(frames=1), f"--style-over-time={times}")
    assert is_misuse(result, "must not all be 0" if times.endswith(":0") else "over time")


def test_options_of_films_without_one(stylize, photos, is_misuse):
    assert is_misuse(stylize("--input", photos / "a.jpg", "--crf", "20"), "--crf is of films")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--input", "camera"), "camera is shown, not written: give --preview"),
        (("--input", "camera:x", "--preview"), "a camera is called camera or camera:NUMBER, got 'camera:x'"),
        (("--input", "camera:99", "--preview"), "there is no camera:99 that can be opened"),
        (("--input", "a.mp4", "--preview", "--output", "o.mp4"), "--preview writes no film: leave out --output"),
        (("--input", "a.mp4", "--preview", "x"), "--preview"),
    ],
)
def test_misuse_of_the_preview(stylize, is_misuse, arguments, text):
    assert is_misuse(stylize(*arguments), text)


def test_sound_that_the_container_cannot_hold(stylize, clip, tmp_path, is_misuse, probe):
    source = clip("a.mkv", sound="aac", words=True, frames=2)
    arguments = ("--input", source, "--output", tmp_path / "o.webm")
    assert is_misuse(stylize(*arguments), ".webm cannot hold sound in aac: choose .mkv, or give --audio none")
    result = stylize(*arguments, "--audio", "none")
    note = "subtitles (subrip) are left out: .webm cannot hold them, .mkv can\n"
    assert (result.code, result.err) == (0, note)
    assert [stream["codec_type"] for stream in probe(tmp_path / "o.webm")["streams"]] == ["video"]


def sounding(codec: str, path) -> None:
    """Write pictures with stereo sound of a codec."""
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream("libx264", rate=25), out.add_stream(codec, rate=48_000)
        video.width, video.height, video.pix_fmt, audio.layout = 64, 48, "yuv420p", "stereo"
        for number in range(5):
            image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number, np.uint8), "rgb24")
            out.mux(video.encode(image.reformat(format="yuv420p")))
        for number in range(8):
            block = av.AudioFrame.from_ndarray(np.full((1, 2304), 100 * number, np.int16), "s16", "stereo")
            block.sample_rate, block.pts, block.time_base = 48_000, 1152 * number, Fraction(1, 48_000)
            out.mux(audio.encode(block))
        for stream in (video, audio):
            out.mux(stream.encode(None))


@pytest.mark.parametrize(("codec", "name"), [("pcm_s16le", "a.avi"), ("pcm_s16le", "a.mkv"), ("flac", "a.mkv")])
def test_sound_that_needs_to_be_told_of_its_channels(stylize, tmp_path, probe, codec, name):
    """AVI and Matroska only count them, and MP4 must know which they are of PCM."""
    source, output = tmp_path / name, tmp_path / "o.mp4"
    sounding(codec, source)
    result = stylize("--input", source, "--output", output)
    assert result.code == 0, result.err
    assert b"".join(packets_of(output, "audio")) == b"".join(packets_of(source, "audio")) != b""
    sound = probe(output)["streams"][1]
    assert (sound["codec_name"], sound["channels"]) == (codec, 2)


def test_sound_that_is_refused_only_when_it_is_written(stylize, tmp_path, is_misuse):
    source = tmp_path / "a.mkv"
    sounding("flac", source)
    result = stylize("--input", source, "--output", tmp_path / "o.mov")
    assert is_misuse(result, ".mov cannot hold sound in flac: choose .mkv, or give --audio none")


@pytest.mark.parametrize(("codec", "name"), [("dts", "o.mkv"), ("dts", "o.mp4"), ("eac3", "o.mp4")])
def test_sound_of_discs(stylize, tmp_path, probe, codec, name):
    """The decoder of DTS is called otherwise, and a header without a packet of E-AC-3 is no film."""
    source = tmp_path / "a.mkv"
    inputs = ["-f", "lavfi", "-i", "color=size=64x48:duration=0.08", "-f", "lavfi", "-i", "sine=duration=0.1"]
    coding = ["-c:a", {"dts": "dca"}.get(codec, codec), "-ar", "48000", "-ac", "2", "-strict", "-2"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, "-pix_fmt", "yuv420p", *coding, str(source)], check=True)
    result = stylize("--input", source, "--output", tmp_path / name)
    assert result.code == 0, result.err
    assert packets_of(tmp_path / name, "audio") == packets_of(source, "audio") != []
    assert probe(tmp_path / name)["streams"][1]["codec_name"] == codec


@pytest.mark.parametrize("name", ["o.webm", "o.mkv"])
def test_sound_that_the_container_advised_would_not_hold(stylize, tmp_path, is_misuse, name):
    source = tmp_path / "a.avi"
    sounding("adpcm_ms", source)
    result = stylize("--input", source, "--output", tmp_path / name)
    assert is_misuse(result, f"{name[1:]} cannot hold sound in adpcm_ms: give --audio none")


def test_subtitles_in_pictures(stylize, clip, tmp_path):
    """As those of DVDs, which Matroska holds and WebM does not."""
    source = tmp_path / "a.mkv"
    with av.open(str(clip("plain.mkv", frames=2))) as film, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0], opaque=True)
        words = out.add_mux_stream("dvd_subtitle", time_base=Fraction(1, 1000))
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
        packet = av.Packet(bytes((0, 10, 0, 8, 0, 0, 0, 8, 2, 255)))
        packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = words, Fraction(1, 1000), 0, 0, 40
        out.mux(packet)
    kept = stylize("--input", source, "--output", tmp_path / "o.mkv")
    assert (kept.code, kept.err) == (0, "")
    assert packets_of(tmp_path / "o.mkv", "subtitle") == packets_of(source, "subtitle") != []
    lost = stylize("--input", source, "--output", tmp_path / "o.webm")
    assert lost.err == "subtitles (dvd_subtitle) are left out: .webm cannot hold them, .mkv can\n"


def test_an_output_that_exists(stylize, clip, tmp_path, is_misuse):
    source = clip(frames=2)
    output = tmp_path / "o.mp4"
    output.write_text("mine")
    assert is_misuse(stylize("--input", source, "--output", output), f"output {output} exists")
    assert output.read_text() == "mine"
    assert stylize("--input", source, "--output", output, "--overwrite").code == 0
    assert len(times_of(output)) == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "it is empty"), (b"hello" * 100, "invalid data"), (None, "moov")],
    ids=["empty", "text", "without its index"],
)
def test_no_film(stylize, clip, tmp_path, is_misuse, content, text):
    whole = clip(frames=10).read_bytes()
    path = tmp_path / "bad.mp4"
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    result = stylize("--input", path)
    assert is_misuse(result, f"cannot read film {path}: ")
    if text != "moov":
        assert text in result.err


def test_a_film_without_pictures(stylize, tmp_path, is_misuse):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48_000)
        block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        block.sample_rate = 48_000
        out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    assert is_misuse(stylize("--input", path), f"cannot read film {path}: there are no pictures in it")


def test_an_encrypted_film(stylize, clip, is_misuse):
    path = clip(frames=4, container_options=ENCRYPTED)
    result = stylize("--input", path)
    assert is_misuse(result, f"cannot read film {path}: it is encrypted")


def test_an_encrypted_film_of_which_something_can_be_decoded(stylize, clip, is_misuse, monkeypatch):
    path, clear = clip("encrypted.mp4", frames=4, container_options=ENCRYPTED), clip("clear.mp4", frames=4)
    frames = list(reading.Film(clear, Wanted())._timed())
    monkeypatch.setattr(reading, "decoded", lambda *_: (raw for raw, _, _ in frames))
    assert is_misuse(stylize("--input", path), f"cannot read film {path}: it is encrypted")


def test_a_film_that_is_truncated(stylize, clip, tmp_path):
    source = clip("a.mp4", frames=60, options={"g": "10"}, container_options={"movflags": "faststart"})
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    result = stylize("--input", source, "--output", tmp_path / "o.mp4")
    assert result.code == 0
    assert f"{source} ends after" in result.err
    assert 10 < len(times_of(tmp_path / "o.mp4")) < 60


def test_a_film_that_is_damaged_in_the_middle(stylize, clip, tmp_path):
    source = clip("a.mp4", frames=40, options={"g": "4", "bf": "0"}, container_options={"movflags": "faststart"})
    content = bytearray(source.read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 1500] = bytes(1500)
    source.write_bytes(content)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4")
    assert result.code == 0
    assert f"{source} is damaged at" in result.err
    assert 20 < len(times_of(tmp_path / "o.mp4")) <= 40


def test_frames_that_a_decoder_refuses_in_its_own_way(stylize, clip, tmp_path):
    """The decoder of PNG calls a damaged frame neither invalid nor the end."""
    source = clip("a.mov", frames=5, codec="png", form="rgb24")
    content = bytearray(source.read_bytes())
    third = [place for place in range(len(content)) if content.startswith(b"\x89PNG", place)][2]
    place = content.index(b"IDAT", third)
    content[place + 40 : place + 140] = bytes(100)
    source.write_bytes(content)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4")
    assert result.code == 0, result.err
    assert f"{source} is damaged at 0." in result.err
    assert 4 <= len(times_of(tmp_path / "o.mp4")) <= 5


def test_a_film_that_changes_its_size(stylize, clip, tmp_path, probe):
    """As streams do that are cut together: MPEG-TS files, one after the other."""
    both = tmp_path / "both.ts"
    first = clip("1.ts", frames=5, size=(48, 64))
    second = clip("2.ts", frames=5, size=(96, 128), times=[400, 440, 480, 520, 560])
    both.write_bytes(first.read_bytes() + second.read_bytes())
    result = stylize("--input", both, "--output", tmp_path / "o.mp4")
    assert result.code == 0
    assert "changes from 64×48 to 128×96" in result.err
    (stream,) = probe(tmp_path / "o.mp4")["streams"]
    assert (stream["width"], stream["nb_read_frames"]) == (64, "10")


def test_high_dynamic_range(stylize, clip, tmp_path, probe):
    source = clip(
        "a.mkv",
        codec="libx265",
        form="yuv420p10le",
        frames=2,
        tags=(9, 9, 16),
        options={"x265-params": "log-level=none"},
    )
    result = stylize("--input", source, "--output", tmp_path / "o.mp4")
    assert (result.code, result.err) == (0, f"{source} has high dynamic range (PQ): turned into standard range\n")
    (stream,) = probe(tmp_path / "o.mp4")["streams"]
    assert [stream[f"color_{name}"] for name in ("space", "primaries", "transfer")] == ["bt709"] * 3
    assert stream["pix_fmt"] == "yuv420p10le"


def test_high_dynamic_range_of_8_bits(stylize, clip, tmp_path):
    """Some cameras record it so: as light as of 10 bits, but for the rounding."""
    seen = {}
    for form in ("yuv420p", "yuv420p10le"):
        options = {"x265-params": "log-level=none"}
        source = clip(f"{form}.mkv", codec="libx265", form=form, frames=2, tags=(9, 9, 18), options=options)
        film = reading.Film(source, Wanted())
        (frame, _) = film.frames()
        seen[form] = frame.pixels.to(torch.int32).float() / (255 if form == "yuv420p" else 65_535)
        assert frame.pixels.dtype == (torch.uint8 if form == "yuv420p" else torch.uint16)
    assert seen["yuv420p"].mean() > 0.2
    assert (seen["yuv420p"] - seen["yuv420p10le"]).abs().mean() < 0.02


def test_without_the_package(stylize, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"film")
    result = stylize("--input", tmp_path / "a.mp4")
    assert (result.code, result.err) == (1, "error: films need the package av: pip install 'fast-style[video]'\n")


def interrupted_by(error: Exception):
    """Return a function that fails."""

    def fail(*_, **__):
        raise error

    return fail


def interrupting(monkeypatch, after: int, error: Exception | None = None) -> None:
    """Press Ctrl-C, or fail, when so many frames are stylized."""
    real, seen = Stylizer.stylize, []

    def stylize(self, batch):
        seen.append(1)
        if len(seen) == after:
            if error is not None:
                raise error
            signal.raise_signal(signal.SIGINT)
        return real(self, batch)

    monkeypatch.setattr(Stylizer, "stylize", stylize)


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("more", [(), ("--smooth", "0.8")])
def test_ctrl_c_leaves_a_film_that_goes_on(stylize, clip, tmp_path, monkeypatch, more):
    source = clip("a.mkv", frames=23, sound="aac", words=True)
    output = tmp_path / "o.mkv"
    assert stylize("--input", source, "--output", tmp_path / "whole.mkv", *more).code == 0
    with monkeypatch.context() as patch:
        interrupting(patch, 13)
        result = stylize("--input", source, "--output", output, *more)
    assert result.code == 130
    told = f"interrupted after 13 frames: {output} holds them, and the same command goes on after the first 10\n"
    assert result.err.endswith(told)
    assert times_of(output) == times_of(source)[:13]
    assert 0 < len(packets_of(output, "audio")) < len(packets_of(source, "audio"))
    again = stylize("--input", source, "--output", output, *more)
    assert (again.code, again.err) == (0, f"{output}: 10 frames are there, going on from there\n")
    assert output.read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def any_style(tmp_path):
    """A network for any style, and a style image."""
    network = AnyStyleNetwork("slim", {"width": 4, "blocks": 1, "antialias": True}, encoder_width=2, code=4)
    save_network(tmp_path / "models" / "any.safetensors", network, {})
    PIL.Image.new("RGB", (40, 40), "red").save(tmp_path / "style.png")
    return tmp_path / "models" / "any.safetensors", tmp_path / "style.png"


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("changed", ["style image", "masks", "input"])
def test_a_film_does_not_go_on_with_other_images(stylize, tmp_path, monkeypatch, any_style, changed):
    model, style = any_style
    for folder, mode in (("frames", "RGB"), ("masks", "L")):
        (tmp_path / folder).mkdir()
        for number in range(12):
            noise((64, 48)).convert(mode).save(tmp_path / folder / f"{number:03d}.png")
    words = ("--input", tmp_path / "frames" / "%03d.png", "--mask", tmp_path / "masks" / "%03d.png", "--style", style)
    command = ("--model", model, *words, "--output", tmp_path / "o.mp4")
    with monkeypatch.context() as patch:
        interrupting(patch, 7)
        assert stylize(*command).code == 130
    place = {"style image": style, "masks": tmp_path / "masks/003.png", "input": tmp_path / "frames/003.png"}[changed]
    PIL.Image.new("L" if changed == "masks" else "RGB", (80, 80) if changed == "style image" else (64, 48)).save(place)
    again = stylize(*command)
    assert again.code == 2
    assert "holds the beginning of a film that was made otherwise" in again.err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"partial": [1, 2]}', '{"recipe": {"another": 1}}'])
@pytest.mark.usefixtures("short_parts")
def test_a_manifest_that_is_damaged(stylize, clip, tmp_path, monkeypatch, is_misuse, content):
    command = ("--input", clip(frames=12), "--output", tmp_path / "o.mp4")
    with monkeypatch.context() as patch:
        interrupting(patch, 7)
        assert stylize(*command).code == 130
    (tmp_path / ".o.mp4.parts" / "manifest.json").write_text(content)
    (tmp_path / "o.mp4").unlink()
    assert is_misuse(stylize(*command), "holds the beginning of a film that was made otherwise")
    assert stylize(*command, "--overwrite").code == 0


@pytest.mark.parametrize("more", [(), ("--smooth", "0.8")])
def test_frames_go_on_as_they_were_begun(stylize, clip, tmp_path, monkeypatch, is_misuse, more):
    source = clip(frames=8)
    assert stylize("--input", source, "--output", tmp_path / "whole" / "%03d.png", *more).code == 0
    command = ("--input", source, "--output", tmp_path / "f" / "%03d.png", *more)
    with monkeypatch.context() as patch:
        interrupting(patch, 4)
        assert stylize(*command).code == 130
    assert is_misuse(stylize(*command, "--strength", "0.5"), "000.png exists, of another film or made otherwise")
    again = stylize(*command)
    assert again.code == 0
    assert ("are there, going on" in again.err) == (not more)
    for number in range(8):
        one, whole = (tmp_path / folder / f"{number:03d}.png" for folder in ("f", "whole"))
        assert one.read_bytes() == whole.read_bytes()
    assert [path.name for path in (tmp_path / "f").iterdir() if path.name.startswith(".")] == []
    assert is_misuse(stylize(*command), "000.png exists")


def test_frames_beside_frames_of_others(stylize, clip, tmp_path, monkeypatch, is_misuse, tree):
    """Those of others are neither replaced, whatever their numbers, nor taken for what is done."""
    source, folder = clip(frames=6), tmp_path / "f"
    folder.mkdir()
    for number in range(3, 10):
        PIL.Image.new("RGB", (64, 48), "red").save(folder / f"{number:03d}.png")
        os.utime(folder / f"{number:03d}.png", (1_000_000_000, 1_000_000_000))
    before = tree(folder)
    command = ("--input", source, "--output", folder / "%03d.png")
    assert is_misuse(stylize(*command), "003.png exists, of another film or made otherwise")
    assert is_misuse(stylize("--input", folder, "--output", folder / "%03d.png", "--overwrite"), "would be replaced")
    assert tree(folder) == before
    with monkeypatch.context() as patch:
        interrupting(patch, 3)
        assert stylize(*command, "--overwrite").code == 130
    again = stylize(*command, "--overwrite")
    assert (again.code, "3 frames are there, going on from there" in again.err) == (0, True)
    assert f"4 frames of before stay after the last, from {folder / '006.png'} on\n" in again.err
    alone = stylize("--input", source, "--output", tmp_path / "whole" / "%03d.png")
    assert (alone.code, "of before" in alone.err) == (0, False)
    for number in range(6):
        assert (folder / f"{number:03d}.png").read_bytes() == (tmp_path / f"whole/{number:03d}.png").read_bytes()


@pytest.mark.parametrize("name", ["o.mkv", "o.mp4"])
def test_metadata_is_dropped(stylize, clip, tmp_path, name):
    """That of the film and of its sound, whose language stays."""
    source = tmp_path / "told.mkv"
    with av.open(str(clip("a.mkv", frames=2, sound="aac"))) as film, av.open(str(source), "w") as out:
        copies = [out.add_stream_from_template(stream, opaque=True) for stream in film.streams]
        out.metadata.update(title="secret", comment="hidden")
        copies[1].metadata.update(title="whispered", language="fra")
        for packet in film.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    for more in ((), ("--drop-metadata",)):
        assert stylize("--input", source, "--output", tmp_path / name, "--overwrite", *more).code == 0
        content = (tmp_path / name).read_bytes()
        assert [word in content for word in (b"secret", b"hidden", b"whispered")] == [not more] * 3
        with av.open(str(tmp_path / name)) as film:
            assert film.streams.audio[0].language == "fra"


@pytest.mark.usefixtures("short_parts")
def test_what_cannot_be_joined_is_joined_later(stylize, clip, tmp_path, monkeypatch):
    """All frames are kept, those of the last part, which is not full, as well."""
    source, output = clip(frames=13), tmp_path / "o.mp4"
    with monkeypatch.context() as patch:
        patch.setattr("fast_style.video.target.mux", interrupted_by(OSError(errno.ENOSPC, "disk full")))
        result = stylize("--input", source, "--output", output)
    assert result.code == 1
    assert result.err.endswith("disk full; what is done is kept: the same command goes on from there\n")
    with monkeypatch.context() as patch:
        patch.setattr(Stylizer, "stylize", interrupted_by(RuntimeError("a frame is made again")))
        again = stylize("--input", source, "--output", output)
    assert (again.code, "13 frames are there" in again.err) == (0, True)
    assert stylize("--input", source, "--output", tmp_path / "whole.mp4").code == 0
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.usefixtures("short_parts")
def test_a_beginning_is_not_replaced_by_a_shorter_one(stylize, clip, tmp_path, monkeypatch):
    source, output = clip(frames=12), tmp_path / "o.mp4"
    begun = f"after 4 frames: {output} holds them, and the same command begins anew\n"
    for frames, told in ((4, begun), (2, f"after 2 frames: {output} holds 4 and")):
        with monkeypatch.context() as patch:
            interrupting(patch, frames)
            result = stylize("--input", source, "--output", output)
        assert (result.code, told in result.err) == (130, True), result.err
        assert len(times_of(output)) == 4
    assert stylize("--input", source, "--output", output).code == 0
    assert len(times_of(output)) == 12


@pytest.mark.usefixtures("short_parts")
def test_what_is_done_is_kept_after_a_failure(stylize, clip, tmp_path, monkeypatch, is_misuse):
    source, output = clip(frames=12), tmp_path / "o.mp4"
    with monkeypatch.context() as patch:
        interrupting(patch, 8, RuntimeError("no kernel"))
        result = stylize("--input", source, "--output", output)
    assert (result.code, result.err) == (
        1,
        "error: no kernel; what is done is kept: the same command goes on from there\n",
    )
    assert not output.exists()
    other = stylize("--input", source, "--output", output, "--strength", "0.5")
    assert is_misuse(other, "holds the beginning of a film that was made otherwise (control)")
    assert "5 frames are there" in stylize("--input", source, "--output", output).err
    assert times_of(output) == times_of(source)


def test_a_full_disk(stylize, clip, tmp_path, monkeypatch, tree):
    source = clip(frames=4)
    before = tree(tmp_path)

    def full(_path, *_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = stylize("--input", source, "--output", tmp_path / "o.mp4")
    assert result.code == 1
    assert "No space left on device" in result.err
    assert result.err.count("\n") == 1
    assert tree(tmp_path) == before


LIMITED = """
import resource, signal, sys
from fast_style.video import parts
parts.FRAMES = 5
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from fast_style.__main__ import run
run("stylize", sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["part", "film"])
def test_a_disk_that_is_full_on_the_way(stylize, clip, tmp_path, model, where):
    """A limit of the size of files stands in for a disk; what FFmpeg itself says of it means nothing."""
    source, output = clip(frames=20), tmp_path / "o.mp4"
    assert stylize("--input", source, "--output", tmp_path / "whole.mp4").code == 0
    limit = 1_000 if where == "part" else (tmp_path / "whole.mp4").stat().st_size - 1_000
    engine = ("--device", "cpu", "--backend", "torch")  # others write files as well
    arguments = ["--model", model, *engine, "--input", source, "--output", output]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not output.exists()
    assert ("what is done is kept" in done.stderr) == (tmp_path / ".o.mp4.parts").exists() == (where == "film")
    subprocess.run([sys.executable, "-c", LIMITED, str(10**9), *arguments], capture_output=True, check=True)
    assert times_of(output) == times_of(source)


KILLED = """
import sys, time
from fast_style.inference.stylizer import Stylizer
from fast_style.video import parts
parts.FRAMES = 5
real = Stylizer.stylize
Stylizer.stylize = lambda self, photos: time.sleep(0.05) or real(self, photos)
from fast_style.__main__ import run
run("stylize", sys.argv[1:])
"""


@pytest.mark.slow
def test_a_film_goes_on_after_a_kill(clip, tmp_path, model):
    source, output, whole = clip("a.mkv", frames=40, sound="aac"), tmp_path / "o.mp4", tmp_path / "whole.mp4"
    arguments = [sys.executable, "-c", KILLED, "--model", model, "--device", "cpu", "--input", source, "--output"]
    with subprocess.Popen([*arguments, output], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait = time.monotonic() + 60
        while not (tmp_path / ".o.mp4.parts" / "00002.json").exists() and time.monotonic() < wait:
            time.sleep(0.01)
        process.kill()
    assert not output.exists()
    again = subprocess.run([*arguments, output], capture_output=True, text=True, check=True)
    assert "frames are there, going on from there" in again.stderr
    subprocess.run([*arguments, whole], check=True, capture_output=True)
    assert output.read_bytes() == whole.read_bytes()
    assert times_of(output) == times_of(source)


SOAK = """
import resource, sys
from fast_style.__main__ import run
run("stylize", sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow(clip, tmp_path, model):
    """A hundred frames more take no more than a few of them: 640×360 pixels of three bytes are 0.7 MB."""
    peaks = []
    for count in (20, 120):
        source = clip(f"{count}.mp4", frames=count, size=(360, 640), options={"preset": "ultrafast"})
        arguments = [sys.executable, "-c", SOAK, "--model", model, "--device", "cpu", "--input", source]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 40_000  # kB


def test_a_real_film(stylize, root, tmp_path, probe):
    source = root.parent / "shared" / "data" / "video" / "cutBunny.mp4"
    if not source.is_file():
        pytest.skip(f"no real film at {source}")
    result = stylize("--input", source, "--output", tmp_path / "o.mp4", "--size", "96", "--end", "1")
    assert result.code == 0, result.err
    assert [stream["codec_name"] for stream in probe(tmp_path / "o.mp4")["streams"]] == ["h264", "aac"]
    assert times_of(tmp_path / "o.mp4") == times_of(source)[:24]
