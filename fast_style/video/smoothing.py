"""Less flicker at run time: each picture is blended with the one before, which is moved along with the film."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from fast_style import images
from fast_style.functional import luma
from fast_style.video.flow import flow_between, hidden, moved, opencv

CUT = 0.5  # share of a frame in which nothing of the one before is found again: then it is a cut
CHANGED = 24  # of 255, by which light may change where it is the same thing


class Smoother:
    """Stylizes the frames of a film so that what stays the same in them stays the same in the pictures.

    A picture is (1 − a m) P + a m W(Q), with the picture P of this frame, the result Q of the frame before, moved along
    the optical flow of the film by W, the amount a, and m = 1, or 0 where the flow finds nothing in the frame before,
    or light has changed by more than 24 of 255. After a cut it begins anew.

    Args:
        stylize: from and to RGB of shape (1, 3, H, W), uint8 or float in [0, 1]; and the time.
        amount: a, from 0 (none) to 1, with which nothing new would come in where nothing moves.

    Raises:
        ValueError: if the amount is not between 0 and 1.
        RuntimeError: if OpenCV is not installed.
    """

    def __init__(self, stylize: Callable[[Tensor, Fraction], Tensor], amount: float) -> None:
        if not 0 <= amount <= 1:
            raise ValueError(f"--smooth must be 0 (none) to 1, got {amount}")
        opencv()
        self._stylize, self.amount = stylize, amount
        self._before: tuple[np.ndarray, np.ndarray] | None = None  # light, result

    def __call__(self, photos: Tensor, time: Fraction) -> Tensor:
        """Stylize the next frame; returns float32 in [0, 1] of the same shape."""
        picture = self._stylize(photos, time)
        picture = picture if picture.is_floating_point() else images.to_float(picture)
        result = np.ascontiguousarray(picture[0].permute(1, 2, 0).numpy())  # (H, W, 3)
        floats = photos if photos.is_floating_point() else images.to_float(photos)
        light = (luma(floats)[0, 0] * 255).round().to(torch.uint8).numpy()
        if self._before is not None and self._before[0].shape == light.shape:
            result = self._blended(light, result, *self._before)
        self._before = light, result
        return torch.from_numpy(result).permute(2, 0, 1)[None]

    def memory(self) -> Mapping[str, np.ndarray]:
        """Return what the next frame depends on, by name."""
        return {} if self._before is None else dict(zip(("light", "result"), self._before, strict=True))

    def restore(self, memory: Mapping[str, np.ndarray]) -> None:
        """Go on as after the frame whose `memory` this is."""
        self._before = (memory["light"], memory["result"]) if memory else None

    def _blended(self, light: np.ndarray, picture: np.ndarray, before: np.ndarray, result: np.ndarray) -> np.ndarray:
        flow = flow_between(light, before)
        same = ~hidden(flow, flow_between(before, light))
        was = moved(before.astype(np.float32), flow)
        same &= np.abs(was - light) <= CHANGED
        if same.mean() < 1 - CUT:
            return picture
        share = np.float32(self.amount) * same[..., None].astype(np.float32)
        return np.clip(picture + share * (moved(result, flow, cubic=True) - picture), 0, 1)
