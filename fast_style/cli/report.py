"""What a training says at its end: what it learned, where that is, and what to type next."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from fast_style import images
from fast_style.assets import PACKAGE
from fast_style.cli.config import CONFIGS
from fast_style.cli.outputs import sheet_of
from fast_style.training import Task
from fast_style.training.callbacks import PictureLogger


def report(files: Mapping[str, Path], metadata: Mapping[str, Any], photos: str | None, seconds: float) -> None:
    """Print what was learned in how long, and which files were written.

    Args:
        files: that were written, by what is in them.
        metadata: of the network.
        photos: what was amiss with the photos, a sentence; None for nothing.
        seconds: how long the training took.
    """
    before, after = (metadata[key].get("heldout/total_loss") for key in ("heldout_before", "heldout_after"))
    if before is not None and after is not None:
        print(f"held-out objective {before:.4g} → {after:.4g}")
    if photos:
        print(photos)
    written = ", ".join(f"{path} ({name})" if len(files) > 1 else str(path) for name, path in files.items())
    print(f"step {metadata['steps']} after {seconds / 60:.1f} min; wrote {written}")


def show(output: Path, task: Task, callbacks: Sequence[L.Callback], sample: Path, folder: str | None) -> None:
    """Write the contact sheet beside the network and say what to type next.

    An older sheet, of the same run before it went on perhaps, is gone where there are no pictures for a new one.

    Args:
        output: the file of the network.
        task: that was trained.
        callbacks: of its trainer, of which a `PictureLogger` makes the sheet.
        sample: the photo of the command to type next.
        folder: of the style images, if they are in one.
    """
    usable, file = bool(task.shown), sheet_of(output)
    try:
        for callback in callbacks:
            if not isinstance(callback, PictureLogger):
                continue
            if (sheet := callback.contact_sheet(task)) is None:
                file.unlink(missing_ok=True)
                continue
            usable = True
            images.write(file, sheet)
            print(f"{'photo | style | result' if task.shown else 'examples'}: {file}")
    finally:
        if file.is_file() and not file.stat().st_size:  # its name was kept free, for nothing
            file.unlink()
    if not usable:  # it makes no pictures
        return
    arguments = ["--model", str(output), *task.stylize_arguments(None if folder is None else Path(folder))]
    made = output.with_name(f"{output.stem}-{sample.stem}.jpg")  # not among the photos, where it would be learned from
    arguments += ["--input", str(sample), "--output", str(made)]
    print(f"next: {_called('stylize')} {shlex.join(arguments)}")


def show_continuation(run: Path) -> None:
    """Say what to type to go on with a training that was stopped: its own command, and the folder of the run."""
    several = HydraConfig.get().mode is RunMode.MULTIRUN
    given = HydraConfig.get().overrides.task if several else sys.argv[1:]
    replaced = ("hydra.run.dir", "ckpt_path")
    arguments = [each for each in given if each.lstrip("+").partition("=")[0] not in replaced]
    arguments += [f"hydra.run.dir={relative(run)}", "ckpt_path=last"]
    print(f"continue: {_called('train')} {shlex.join(arguments)}")


def sample_photo(first_heldout: Path | None) -> Path:
    """Name a picture that is there: the first held-out photo, else the scene of the documentation."""
    pictures = [relative(PACKAGE.parent / "docs" / "scene.jpg"), *([first_heldout] if first_heldout else [])]
    return next((picture for picture in reversed(pictures) if picture.is_file()), Path("PHOTO.jpg"))


def relative(path: Path) -> Path:
    """Write a path below the working folder without that folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _called(command: str) -> str:
    """Write how a command is called here: by its script, or where the package is installed by its name."""
    if CONFIGS.parent == PACKAGE:
        return f"fast-style {command}"
    return f"python {shlex.quote(str(relative(PACKAGE.parent / f'{command}.py')))}"
