"""The stylizing command as a preview: a film or a camera, shown as it is stylized."""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction

from torch import Tensor

from fast_style import video
from fast_style.cli.film_masks import masks_of
from fast_style.cli.film_networks import Networks
from fast_style.cli.film_plan import expanded
from fast_style.errors import one_line
from fast_style.inference.control import Control
from fast_style.inference.moving import MovingComposition
from fast_style.video import Frame, Jpegs, Latest
from fast_style.video.page import Page, serving
from fast_style.video.pipeline import stylized


def run(options: argparse.Namespace, control: Control, wanted: video.Wanted, networks: Networks) -> None:
    """Show a film or a camera as it is stylized.

    Args:
        options: those of `stylize`.
        control: how strong the pictures are, and the like.
        wanted: which frames are shown.
        networks: that stylize, not loaded yet.

    Raises:
        SystemExit: as `show`.
        ValueError, OSError, RuntimeError: after misuse.
    """
    film = _opened(options.input[0], wanted)
    (masks,) = masks_of(options.mask, networks.count, [film])
    networks.load()
    for note in dict.fromkeys([*networks.notes, *film.notes]):
        print(note, file=sys.stderr)
    told = len(film.notes)
    composition = MovingComposition(networks.at, control, masks)
    smoothed = video.Smoother(composition, options.smooth) if options.smooth else composition
    try:
        show(film, smoothed, options.preview, str(networks))
    finally:
        for note in film.notes[told:]:
            print(note, file=sys.stderr)


def _opened(source: str, wanted: video.Wanted) -> video.Film | video.FrameFolder:
    if not video.is_camera(source):
        paths = expanded(source)
        if len(paths) > 1:
            raise ValueError(f"--preview shows one film or camera, got {len(paths)}")
        return video.open_frames(paths[0], wanted)
    if wanted.start or wanted.end is not None:
        raise ValueError("--start and --end are of films, and a camera has neither: leave them out")
    return video.Camera(source, wanted)


def show(
    film: video.Film | video.FrameFolder, stylize: Callable[[Tensor, Fraction], Tensor], port: int, backend: str
) -> None:
    """Show a film at its own speed, until its end or Ctrl-C; what is too late is dropped.

    Args:
        film: on a page begins once somebody watches; a camera at once.
        stylize: from and to RGB of shape (1, 3, H, W); and the time.
        port: of the page; 0: a virtual camera if there is one, else a page on any port that is free.
        backend: what stylizes, to be told at the end.

    Raises:
        OSError: if the port is taken.
        SystemExit: with 1 if reading or stylizing fails, with 130 after Ctrl-C; both are told.
    """
    frames, stopped = Latest[Frame](), threading.Event()
    with _screen(film, port) as put:
        player = threading.Thread(target=video.playing, args=(film, frames, stopped), daemon=True)
        player.start()
        began, code, shown = time.monotonic(), 0, 0
        try:
            for picture in _stylized(frames, stylize):
                put(picture)
                shown += 1
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            code = 130
        finally:
            stopped.set()
            player.join()
        rate = shown / max(time.monotonic() - began, 1e-9)
        told = f"showed {shown} of {frames.number} frames, {rate:.3g} frames/s, with {backend}"
        if code == 130:
            print(f"interrupted: {told}", file=sys.stderr)
        if code:
            sys.exit(code)
        print(told)


@contextmanager
def _screen(film: video.Film | video.FrameFolder, port: int) -> Iterator[Callable[[Tensor], None]]:
    """Open what pictures are shown on, and return what shows one, RGB of shape (3, H, W)."""
    with nullcontext() if port else video.virtual_camera(film.size, film.rate) as camera:
        if camera is not None:
            print(f"watch the camera {camera.name} (Ctrl-C ends it)", file=sys.stderr, flush=True)
            yield camera.put
            return
        pictures, jpeg = Latest[bytes](), Jpegs()
        with serving(pictures, port) as page:
            print(f"watch {page.url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
            if not isinstance(film, video.Camera):
                _wait_for(page)
            try:
                yield lambda picture: pictures.put(jpeg(picture))
            finally:
                pictures.end()


def _wait_for(page: Page) -> None:
    """Wait until somebody watches, or exit after Ctrl-C."""
    try:
        while not page.seen.wait(0.1):
            pass
    except KeyboardInterrupt:
        print("interrupted before anybody watched", file=sys.stderr)
        sys.exit(130)


def _stylized(frames: Latest[Frame], stylize: Callable[[Tensor, Fraction], Tensor]) -> Iterator[Tensor]:
    """Yield the picture (3, H, W) of each frame that is the latest once the one before is done."""
    number, frame = frames.after(0)
    while frame is not None:
        yield stylized(replace(frame, alpha=None), stylize).pixels
        number, frame = frames.after(number)
