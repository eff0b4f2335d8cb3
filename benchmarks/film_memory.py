"""Memory over the length of a film: it must not grow.

    python benchmarks/film_memory.py [--frames 10000] [--model NETWORK] [--output FILE.json]

A film of 640 × 360 pixels with sound, made here, goes through `stylize.py` in a process of its own, whose resident
memory is read several times a second from /proc, so that this needs Linux. Told is the most in each tenth of the time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from measuring import held_mb

ROOT = Path(__file__).resolve().parents[1]
RATE, SOUND = 25, 48_000  # frames and samples a second


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--model", default="starry_night_slim")
    parser.add_argument("--seconds", type=float, default=0.5, help="between two readings")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "clip.mp4", Path(name) / "film.mp4"
        make_clip(source, options.frames, (options.height, options.width))
        readings, seconds = watched(options.model, source, target, options.seconds)
        count = frames_of(target)
    result = summary(readings) | {
        "frames": count,
        "size": f"{options.width}×{options.height}",
        "model": options.model,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(result, indent=2))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Make a film: a gradient over which a square moves, and a tone."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    ground = np.stack([40 + 160 * x // width, 60 + 140 * y // height, 0 * x + 120], axis=2).astype(np.uint8)
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        sound = out.add_stream("aac", rate=SOUND)
        sound.layout = "mono"
        samples = 0
        for number in range(frames):
            image = ground.copy()
            left = 7 * number % (width - 64)
            image[64:128, left : left + 64] = (220, number % 256, 60)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(pictures.encode(frame))
            while samples * RATE < number * SOUND:
                wave = np.sin(0.03 * np.arange(samples, samples + 1024)).astype(np.float32)[None]
                block = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
                block.sample_rate, block.pts, block.time_base = SOUND, samples, Fraction(1, SOUND)
                out.mux(sound.encode(block))
                samples += 1024
        for stream in (pictures, sound):
            out.mux(stream.encode(None))


def watched(model: str, source: Path, target: Path, pause: float) -> tuple[list[float], float]:
    """Stylize a film; returns the resident memory in MB, read at even times, and how many seconds it took."""
    command = [sys.executable, ROOT / "stylize.py", "--model", model, "--input", source, "--output", target]
    readings, began = [], time.perf_counter()
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            readings.append(resident(process.pid))
            time.sleep(pause)
    if process.returncode:
        sys.exit(f"stylize.py has failed with {process.returncode}")
    return [reading for reading in readings if reading], time.perf_counter() - began


def resident(process: int) -> float:
    """Read the resident memory of a process in MB; 0: it has ended."""
    try:
        return held_mb(process, peak=False)
    except OSError:
        return 0.0


def summary(readings: list[float]) -> dict[str, Any]:
    """Tell the most in each tenth of the time, and by how much the last half has more than the second quarter."""
    count = len(readings)
    tenths = [readings[count * n // 10 : max(count * n // 10 + 1, count * (n + 1) // 10)] for n in range(10)]
    early, late = readings[count // 4 : max(count // 4 + 1, count // 2)], readings[count // 2 :]
    return {
        "most_mb_in_each_tenth": [round(max(tenth)) for tenth in tenths if tenth],
        "peak_mb": round(max(readings)),
        "growth_mb": round(max(late) - max(early), 1),
    }


def frames_of(path: Path) -> int:
    """Count the pictures of a film by its packets."""
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


if __name__ == "__main__":
    main()
