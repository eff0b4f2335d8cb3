"""Pictures that tests make themselves."""

import torch
from PIL import Image


def noise(size: tuple[int, int]) -> Image.Image:
    """Make a grey picture of noise, of a size (width, height): another at each call, the same in each run of a test.

    Pillow's own noise goes on from one test to the next, so that it depends on which tests ran before in the process.
    """
    width, height = size
    return Image.fromarray((128 + 90 * torch.randn(height, width)).clamp(0, 255).to(torch.uint8).numpy())
