"""A camera that other programs see, which shows pictures as they come, by pyvirtualcam where it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from torch import Tensor

from fast_style.images import to_depth


class VirtualCamera:
    """What other programs take for a camera.

    Attributes:
        name: of the device, as they call it.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self.name = str(device.device)

    def put(self, pixels: Tensor) -> None:
        """Show a picture: RGB of shape (3, H, W), uint8 or uint16; of odd sides the last row or column is left out."""
        shown = to_depth(pixels, 8)[:, : self._device.height, : self._device.width]
        self._device.send(shown.permute(1, 2, 0).contiguous().numpy())


@contextmanager
def virtual_camera(size: tuple[int, int], rate: Fraction) -> Iterator[VirtualCamera | None]:
    """Open a virtual camera meanwhile; None if pyvirtualcam is not installed, or finds no device that it can be.

    Args:
        size: height and width of the pictures.
        rate: how many a second it says that it shows.
    """
    try:
        import pyvirtualcam
    except ImportError:
        yield None
        return
    height, width = (length - length % 2 for length in size)
    try:
        device = pyvirtualcam.Camera(width, height, float(rate))
    except RuntimeError:  # there is no v4l2loopback, or no OBS
        yield None
        return
    with device:
        yield VirtualCamera(device)
