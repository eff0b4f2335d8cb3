"""Films that are stylized: what `stylize` is told, and what it tells."""

import os
import re
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from fast_style import images, video
from fast_style.web.jobs import DONE, RUNNING, STOPPING, Job
from fast_style.web.processes import LOG
from fast_style.web.styles import Style, by_network
from fast_style.web.stylizing import Wish

# How the files that are taken begin, up to and including the place. Others might name further files or addresses to
# open, as playlists do.
MP4_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
EBML = b"\x1aE\xdf\xa3"
MEDIA = {".mp4": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".webm": "video/webm"}
TOLD = re.compile(r"^stylizing: (\d+) of (\d+), ([\d.e+-]+) frames/s", re.MULTILINE)
OUTPUT = "film"


def suffix_of(beginning: bytes) -> str | None:
    """Tell by its beginning what kind of film a file is: its suffix; None if it is none that is taken."""
    if beginning[4:8] in MP4_ATOMS:
        return ".mov" if beginning[8:12] == b"qt  " or beginning[4:8] != b"ftyp" else ".mp4"
    if beginning.startswith(EBML):
        return ".webm" if b"webm" in beginning[:64] else ".mkv"
    if beginning.startswith(b"RIFF") and beginning[8:12] == b"AVI ":
        return ".avi"
    return None


class FilmJob:
    """The kind of job in which a film is stylized.

    Args:
        device: where, as `stylize` takes it.
    """

    stop = signal.SIGINT
    inside = True
    sources: tuple[str, ...] = ("source.*",)

    def __init__(self, device: str = "auto") -> None:
        self.device = device

    @staticmethod
    def prepare(source: Path, wish: Wish, side: int, options: dict[str, float | None], folder: Path) -> list[str]:
        """Put into the folder of a job all that it needs, and write its command.

        Args:
            source: the film.
            wish: what is asked of the pictures.
            side: long side of the film in pixels.
            options: `start`, `end` and `smooth`, as `stylize` takes them; None: left out.
            folder: of the job, in which the command is run.

        Raises:
            OSError: if it cannot be written.
        """
        film = folder / f"source{source.suffix}"
        try:
            os.link(source, film)  # it stays when the upload is removed
        except OSError:
            shutil.copyfile(source, film)
        command = ["stylize", "--input", film.name, "--output", f"{OUTPUT}{_container(source.suffix)}"]
        layers = by_network([(_with_copy(style, folder), weight) for style, weight in wish.styles])
        command += ["--model", *(str(model) for model, _, _ in layers)]
        for _, weights, _ in layers:
            if weights is not None:
                command += ["--style", ",".join(f"{name}:{weight:g}" for name, weight in weights.items())]
        if len(layers) > 1:
            images.write(folder / "mask.png", torch.full((3, 16, 16), layers[1][2]))
            command += ["--mask", "mask.png"]
        control = wish.control(side)
        command += ["--strength", f"{control.strength:g}", "--stroke-size", f"{control.stroke_size:.4g}"]
        if control.preserve_color is not None:
            command += ["--preserve-color", control.preserve_color]
        for name, value in options.items():
            command += [] if value is None else [f"--{name}", f"{value:g}"]
        return command

    def command(self, job: Job, folder: Path) -> list[str]:
        """Write the command, which goes on with what is there already."""
        del folder
        return [*job.asked["command"], "--device", self.device]

    def is_done(self, job: Job, folder: Path) -> bool:
        """Tell whether the whole film is there."""
        output = self._output(job, folder)
        return output.is_file() and not video.is_partial(output)

    def look(self, job: Job, folder: Path) -> dict[str, Any]:
        """Tell how far it is, while it is at work by the time since that was told, else as it was told last."""
        about: dict[str, Any] = {"progress": 1.0 if job.state == DONE else None, "seconds_left": None}
        with suppress(OSError), (folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 5000))
            told = TOLD.findall(log.read().decode("utf-8", "replace"))
            if told and job.state != DONE:
                done, count, rate = map(float, told[-1])
                if job.state in (RUNNING, STOPPING):
                    done = min(count, done + rate * max(0.0, time.time() - (folder / LOG).stat().st_mtime))
                about = {"progress": done / max(1.0, count), "seconds_left": (count - done) / max(rate, 1e-6)}
        return about | {"files": list(self.files(job, folder))}

    def files(self, job: Job, folder: Path) -> dict[str, str]:
        """List the film, or what there is of it after it was stopped."""
        output = self._output(job, folder)
        return {output.name: MEDIA[output.suffix]} if output.is_file() else {}

    @staticmethod
    def _output(job: Job, folder: Path) -> Path:
        command = job.asked["command"]
        return folder / command[command.index("--output") + 1]


def _container(suffix: str) -> str:
    return suffix if suffix in MEDIA else ".mp4"


def _with_copy(style: Style, folder: Path) -> Style:
    """Copy a painting that was brought to the folder of a job, where it has a name without commas and colons."""
    if style.kind != "painting" or style.key is None:
        return style
    painting = Path(style.key)
    shutil.copyfile(painting, folder / painting.name)
    return Style(style.id, style.name, style.kind, style.model, painting.name)
