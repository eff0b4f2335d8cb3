"""Paintings that are learned: what `train` is told, and what it tells."""

import json
import re
import signal
from pathlib import Path
from typing import Any

from fast_style import images
from fast_style.web.jobs import Job
from fast_style.web.refusal import RefusedError
from fast_style.web.table import Field

MINUTES = (0.1, 600.0)
LEAST = 64  # pixels on the short side of a painting
MOST = 2048  # on the long side
EDGE = "part of the painting, 0 to 1, at which what is learned begins or ends"
CROP = tuple(Field(name, "number", EDGE, default, 0, 1) for name, default in
             (("left", 0.0), ("top", 0.0), ("right", 1.0), ("bottom", 1.0)))  # fmt: skip
FIELDS = (
    Field("image", "string", "id of the painting"),
    Field("name", "string", "what the style is to be called", "", most=60),
    Field("minutes", "number", "how long it learns", 5, *MINUTES),
    Field("crop", "object", "the part of the painting that is learned; null: all of it", None, fields=CROP),
)
PAINTING, NETWORK, SHEET, ONNX = "painting.png", "network.safetensors", "network.png", "network.onnx"
FILES = {NETWORK: "application/octet-stream", SHEET: "image/png", ONNX: "application/octet-stream"}
RUN = "run"
NUMBERS, LIVE = "live.json", "live.jpg"  # as `training.callbacks.live` writes them, without what that brings with it


class Training:
    """The kind of job in which a network learns a painting.

    Args:
        settings: further ones, as `train` takes them.
    """

    stop = signal.SIGTERM
    inside = False  # paths among the settings are those of the user
    sources: tuple[str, ...] = ()

    def __init__(self, settings: tuple[str, ...] = ()) -> None:
        self.settings = settings

    @staticmethod
    def prepare(source: Path, crop: dict[str, float] | None, folder: Path) -> None:
        """Put the painting, or a part of it, into the folder of a job.

        Raises:
            RefusedError: with 422 if the part is too small.
            OSError: if it cannot be written.
        """
        painting = images.read(source)
        h, w = painting.shape[-2:]
        edges = crop or {"left": 0, "top": 0, "right": 1, "bottom": 1}
        left, right = (round(edges[name] * w) for name in ("left", "right"))
        top, bottom = (round(edges[name] * h) for name in ("top", "bottom"))
        if min(right - left, bottom - top) < LEAST:
            size = f"{max(0, right - left)}×{max(0, bottom - top)}"
            raise RefusedError(422, f"a painting needs at least {LEAST} pixels on its short side, got {size}")
        part = painting[None, :, top:bottom, left:right]
        large = max(part.shape[-2:]) > MOST
        images.write(folder / PAINTING, images.resize_long_side(part, MOST) if large else images.to_float(part))

    def command(self, job: Job, folder: Path) -> list[str]:
        """Write the command that begins to learn, or goes on from the last checkpoint."""
        name = re.sub(r"\W+", "_", job.name, flags=re.ASCII).strip("_") or "painting"
        command = ["train", "style=custom", f"style.name={name}", f"style.image={folder / PAINTING}"]
        command += [f"hydra.run.dir={folder / RUN}", f"output={folder / NETWORK}", "overwrite=true"]
        command += ["callbacks=watched", f"trainer.max_time={round(60 * job.asked['minutes'], 1)}", *self.settings]
        return command + (["ckpt_path=last"] if any((folder / RUN / "checkpoints").glob("*.ckpt")) else [])

    def is_done(self, job: Job, folder: Path) -> bool:
        """Tell whether it learned to the end and its network was written after that, not when it was stopped before."""
        del job
        if not _live(folder).get("ended") or not (folder / NETWORK).is_file():
            return False
        network, ended = (folder / NETWORK).stat(), (folder / RUN / NUMBERS).stat()
        return network.st_size > 0 and network.st_mtime_ns >= ended.st_mtime_ns

    def look(self, job: Job, folder: Path) -> dict[str, Any]:
        """Tell how far it is, its losses, and which files there are."""
        told = _live(folder)
        about = {key: told.get(key) for key in ("step", "progress", "seconds_left", "losses")}
        picture = folder / RUN / LIVE
        about["picture"] = picture.stat().st_mtime_ns // 1_000_000 if picture.is_file() else None
        return about | {"files": list(self.files(job, folder)), "minutes": job.asked["minutes"]}

    def files(self, job: Job, folder: Path) -> dict[str, str]:
        """List network and contact sheet, once there are some; the ONNX file is made when it is asked for."""
        del job
        found = {name: kind for name, kind in FILES.items() if (folder / name).is_file() and name != ONNX}
        return found | ({ONNX: FILES[ONNX]} if NETWORK in found else {})


def _live(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / RUN / NUMBERS).read_text(encoding="utf-8")
        told = json.loads(text, parse_constant=lambda _: None)  # NaN and Infinity are no JSON
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
