"""Frames a second from file to file, beside the way by pictures, and what each station takes.

    python benchmarks/video.py --film FILM.mp4 [--model NETWORK] [--frames 96] [--height 720] [--output FILE.json]

By turns, in processes of their own, start included: `stylize.py` from film to film; and `ffmpeg` to a folder of PNG,
`stylize.py` on the folder, `ffmpeg` to a film of the same quality. Core seconds are those of all threads. Needs ffmpeg.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from fast_style import Stylizer, video

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--model", default="starry_night_slim")
    parser.add_argument("--frames", type=int, default=96, help="from the beginning of the film")
    parser.add_argument("--height", type=int, default=720, help="to which it is scaled")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {"film to film": [], "by pictures": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        _ffmpeg("-i", options.film, "-vf", f"scale=-2:{options.height}", *_h264(options.frames), "-c:a", "copy", clip)
        for number in range(options.rounds):
            round_ = folder / str(number)
            round_.mkdir()
            rows["film to film"].append(_timed(lambda: _stylize(options.model, clip, round_ / "film.mp4"), options))  # noqa: B023
            rows["by pictures"].append(_timed(lambda: _by_pictures(options.model, clip, round_), options))  # noqa: B023
        stations = _stations(options.model, clip, min(48, options.frames))
    result: dict[str, Any] = {
        "frames": options.frames,
        "height": options.height,
        "model": options.model,
        "threads": torch.get_num_threads(),
        "frames_per_second": {key: [row["frames_per_second"] for row in each] for key, each in rows.items()},
        "core_ms_per_frame": {key: [row["core_ms"] for row in each] for key, each in rows.items()},
        "times_as_fast": round(
            statistics.median(
                a["frames_per_second"] / b["frames_per_second"]
                for a, b in zip(rows["film to film"], rows["by pictures"], strict=True)
            ),
            2,
        ),
        "stations_ms_alone": stations,
    }
    print(json.dumps(result, indent=2))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _stylize(model: str, source: Path, target: Path) -> None:
    command = [sys.executable, ROOT / "stylize.py", "--model", model, "--input", source, "--output", target]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def _by_pictures(model: str, clip: Path, folder: Path) -> None:
    (folder / "in").mkdir()
    _ffmpeg("-i", clip, folder / "in" / "%05d.png")
    _stylize(model, folder / "in", folder / "out")
    _ffmpeg("-framerate", "24", "-i", folder / "out" / "%05d.png", "-i", clip, "-map", "0:v", "-map", "1:a?",
            "-c:a", "copy", "-pix_fmt", "yuv420p", *_h264(None), folder / "pictures.mp4")  # fmt: skip


def _h264(frames: int | None) -> list[str]:
    return ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", *(["-frames:v", str(frames)] if frames else [])]


def _ffmpeg(*words: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True)


def _timed(work: Any, options: argparse.Namespace) -> dict[str, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "frames_per_second": round(options.frames / seconds, 2),
        "core_ms": round(1000 * cores / options.frames, 1),
    }


def _stations(model: str, clip: Path, frames: int) -> dict[str, float]:
    """Measure each station alone, one after the other: wall milliseconds a frame."""
    film = video.Film(clip, video.Wanted(end=Fraction(frames, 24)))
    began = time.perf_counter()
    read = list(film.frames())
    decoded = time.perf_counter()
    stylizer = Stylizer.from_checkpoint(model)
    stylizer.stylize(read[0].pixels[None])
    loaded = time.perf_counter()
    pictures = [stylizer.stylize(frame.pixels[None])[0] for frame in read]
    stylized = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "film.mp4"
        look = video.Look(video.codec_of(path, None, 8, False), film.size, False, False, film.colours.encoded())
        target = video.FilmTarget(film, look, video.Parts(path, {}), film.time_base)
        for number, (frame, picture) in enumerate(zip(read, pictures, strict=True)):
            target.write(number, video.Frame(picture, None, frame.time, frame.duration))
        target.finish(True)
    ends = {"decode": decoded - began, "network": stylized - loaded, "encode": time.perf_counter() - stylized}
    return {name: round(1000 * seconds / len(read), 1) for name, seconds in ends.items()}


if __name__ == "__main__":
    main()
