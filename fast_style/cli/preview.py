"""The stylizing command as a preview: a film or a camera, shown as it is stylized."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from torch import Tensor

from fast_style import video
from fast_style.video import Frame, Jpegs, Latest
from fast_style.video.page import serving
from fast_style.video.pipeline import stylized


def show(
    film: video.Film | video.FrameFolder, stylize: Callable[[Tensor, Fraction], Tensor], port: int, backend: str
) -> None:
    """Show a film on a page, at its own speed, until its end or Ctrl-C; what is too late is dropped.

    Args:
        film: begins once somebody watches; a camera at once.
        stylize: from and to RGB of shape (1, 3, H, W); and the time.
        port: of the page; 0: any that is free.
        backend: what stylizes, to be told at the end.

    Raises:
        OSError: if the port is taken.
        KeyboardInterrupt: after Ctrl-C.
    """
    frames, pictures, stopped, jpeg = Latest[Frame](), Latest[bytes](), threading.Event(), Jpegs()
    with serving(pictures, port) as page:
        print(f"watch {page.url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if not isinstance(film, video.Camera):
            while not page.seen.wait(0.1):
                pass
        player = threading.Thread(target=video.playing, args=(film, frames, stopped), daemon=True)
        player.start()
        began, number, shown = time.monotonic(), 0, 0
        try:
            while True:
                number, frame = frames.after(number)
                if frame is None:
                    break
                picture = stylized(replace(frame, alpha=None), stylize)
                pictures.put(jpeg(picture.pixels))
                shown += 1
        finally:
            stopped.set()
            pictures.end()
            player.join()
        rate = shown / max(time.monotonic() - began, 1e-9)
        print(f"showed {shown} of {frames.number} frames, {rate:.3g} frames/s, with {backend}")
