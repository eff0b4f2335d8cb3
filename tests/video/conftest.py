"""Clips that the tests make, and a foreign reader."""

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="films need the package av")

from fast_style import video  # noqa: E402 - only where there is av


def picture(number: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """A gradient over which a square moves; with transparency that grows to the right."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack([40 + 160 * x / width, 60 + 140 * y / height, 0 * x + 120], axis=2)
    left = (7 * number) % max(1, width - 16)
    image[8:24, left : left + 16] = (220, 40 + 5 * number % 150, 60)
    if channels == 4:
        image = np.dstack([image, 255 * x / (width - 1)])
    return image.round().astype(np.uint8)


WORDS = "1\n00:00:00,100 --> 00:00:00,300\nHello\n\n2\n00:00:00,400 --> 00:00:00,600\nthere\n"


def _subtitles(folder: Path, words: str) -> Path:
    path = folder / "words.srt"
    path.write_text(words)
    return path


@pytest.fixture
def clip(tmp_path) -> Callable[..., Path]:
    """Make a clip; times are in thousandths of a second, `rotation` and `mirrored` are what a phone writes.

    `words` adds subtitles: True, or the text of an SRT file.
    """

    def make(
        name="clip.mp4",
        frames=10,
        size=(48, 64),
        codec="libx264",
        form="yuv420p",
        times=None,
        sound=None,
        words=False,
        rotation=0,
        mirrored=False,
        tags=None,
        full=False,
        options=None,
        draw=picture,
        rate=25,
        aspect=None,
        **container_options,
    ) -> Path:
        path = tmp_path / name
        height, width = size
        alpha = form.startswith("yuva")
        with av.open(str(path), "w", **container_options) as out:
            stream = out.add_stream(codec, rate=rate, options=options or {})
            stream.width, stream.height, stream.pix_fmt = width, height, form
            stream.codec_context.time_base = stream.time_base = Fraction(1, 1000) if times else 1 / Fraction(rate)
            matrix = 6
            if tags is not None:
                matrix, primaries, transfer = tags
                context = stream.codec_context
                context.colorspace, context.color_primaries, context.color_trc = matrix, primaries, transfer
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            if tags is not None or full:
                stream.codec_context.color_range = 2 if full else 1
            if alpha and codec == "libvpx-vp9":
                stream.metadata["alpha_mode"] = "1"
            audio = None
            if sound:
                audio = out.add_stream(sound, rate=48_000)
                audio.layout = "stereo"
            text = av.open(str(_subtitles(tmp_path, WORDS if words is True else words))) if words else None
            copied = out.add_stream_from_template(text.streams[0]) if text else None
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(
                    draw(number, height, width, 4 if alpha else 3), "rgba" if alpha else "rgb24"
                )
                frame = frame.reformat(format=form, dst_colorspace=matrix, dst_color_range=2 if full else 1)
                frame.pts, frame.time_base = (
                    (times[number], Fraction(1, 1000)) if times else (number, Fraction(1, rate))
                )
                if frame.pts is not None:
                    out.mux(stream.encode(frame))
            if audio is not None:
                length = (times[-1] + 40 if times else 40 * frames) * 48 // 1024 + 1
                for number in range(length):
                    wave = np.sin(np.arange(1024) * (0.02 + 0.0003 * number)).astype(np.float32)
                    block = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
                    block.sample_rate, block.pts, block.time_base = 48_000, 1024 * number, Fraction(1, 48_000)
                    out.mux(audio.encode(block))
            if text is not None:
                for packet in text.demux():
                    if packet.dts is not None:
                        packet.stream = copied
                        out.mux(packet)
            for each in (stream, audio):
                if each is not None:
                    out.mux(each.encode(None))
        if rotation or mirrored:
            _turn(path, rotation, mirrored)
        return path

    return make


def _turn(path: Path, rotation: int, mirrored: bool) -> None:
    """Write a display matrix into the header of the track, as phones do (ISO 14496-12, 8.3.2).

    What is mirrored has top and bottom changed before it is turned to the right.
    """
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 4 + 20 + 16
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    flip = -1 if mirrored else 1
    matrix = [value << 16 for value in (cosine, sine, 0, -sine * flip, cosine * flip, 0)]
    struct.pack_into(">9i", content, place, matrix[0], matrix[1], 0, matrix[3], matrix[4], 0, 0, 0, 1 << 30)
    path.write_bytes(content)


@pytest.fixture
def probe() -> Callable[..., dict]:
    """Ask ffprobe, which is not of this project's libraries, about the streams of a file and its frames."""
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe, as a foreign reader")

    def ask(path: Path, *what: str) -> dict:
        command = ["ffprobe", "-v", "error", "-of", "json", *(what or ("-show_streams", "-count_frames")), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert not done.stderr, done.stderr
        return json.loads(done.stdout)

    return ask


def times_of(path: Path) -> list[Fraction]:
    """Read when frames are shown."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def packets_of(path: Path, kind: str) -> list[bytes]:
    """Read the packets of all streams of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [bytes(packet) for packet in container.demux(streams) if packet.size] if streams else []


def pictures_of(path: Path, form: str = "rgb24") -> np.ndarray:
    """Decode all frames with ffmpeg, which turns them upright; (N, H, W, C)."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg, as a foreign reader")
    kind, channels = {"rgb24": (np.uint8, 3), "rgba": (np.uint8, 4), "rgb48le": (np.uint16, 3)}[form]
    decoder = ["-c:v", "libvpx-vp9"] if form == "rgba" and path.suffix in (".webm", ".mkv") else []
    base = [
        "ffmpeg",
        "-v",
        "error",
        *decoder,
        "-i",
        str(path),
        "-frames:v",
        "1",
        "-f",
        "image2pipe",
        "-c:v",
        "ppm",
        "-",
    ]
    head = subprocess.run(base, capture_output=True, check=True).stdout.split(b"\n", 2)[1]
    width, height = map(int, head.split())
    flags = ["-sws_flags", "bicubic+accurate_rnd+full_chroma_int"]
    command = ["ffmpeg", "-v", "error", *decoder, "-i", str(path), *flags, "-fps_mode", "passthrough"]
    command += ["-pix_fmt", form, "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, kind).reshape(-1, height, width, channels)


@pytest.fixture
def remake(tmp_path) -> Callable[..., Path]:
    """Send a film through the library without changing its pictures."""

    def remake(
        path, name="out.mp4", codec=None, audio=True, stylize=lambda photo, _: photo, wanted=None, crf=8
    ) -> Path:
        output = tmp_path / name
        film = video.open_frames(path, wanted or video.Wanted())
        chosen = video.codec_of(output, codec, film.bits, film.alpha)
        alpha = film.alpha and video.keeps_alpha(output, chosen)
        crf, rate = None if chosen.crf is None else crf, video.nominal_rate(film.rate)
        look = video.Look(chosen, film.size, film.deep, alpha, film.colours.encoded(), film.aspect, crf, rate=rate)
        video.check_look(look)
        source = film if isinstance(film, video.Film) else None
        target = video.FilmTarget(source, look, video.Parts(output, {}), film.time_base, audio)
        count, complete = video.run(film, stylize, target)
        assert complete
        assert count == len(times_of(output))
        remake.notes = film.notes
        return output

    return remake
