"""Crops of many paintings, for a network that is to take any style."""

import torch
from torch import Tensor

from fast_style.data.crops import draw_square, finish, resized
from fast_style.data.photos import MAX_ATTEMPTS, Sample, generator, permutation
from fast_style.data.procedural import procedural_image
from fast_style.data.sources import ImageSource, Roots
from fast_style.data.style import SHIPPED
from fast_style.functional import luma
from fast_style.images import to_float

DRAW = 2  # lest crops and photos are drawn alike


class StyleCrops(torch.utils.data.Dataset[Sample]):
    """Endless style images: number `index` depends on (seed, index) alone, for any index from 0 on.

    A crop is a square of half to all of a painting's short side, anywhere in it, resized to `size` and mirrored half
    the time: as if the short side were resized to twice the size, as for use, and then cropped as photos are
    (`PhotoDataset`), but only what is cropped is resized. Some get other colours: turned around the grey axis,
    stronger or weaker, lighter or darker, inverted; so a few paintings make many. A painting that cannot be read is
    passed over, and named.

    Args:
        root: a folder or a `.zip` of paintings, its address, or a list of these, see `ImageSource`. None: half of the
            images are of the shipped styles, half procedural scenes, all in other colours.
        size: side of the crops in pixels, at least 16.
        seed: another seed, another sequence.
        recolored: share of the images that get other colours, in [0, 1]; with a root.

    Raises:
        FileNotFoundError, ValueError, ConnectionError: as `ImageSource`, or if a number is outside its range.
    """

    def __init__(self, root: Roots | None, size: int, seed: int = 0, recolored: float = 0.5) -> None:
        if size < 16:
            raise ValueError(f"the size of style crops must be at least 16 pixels, got {size}")
        if not 0 <= recolored <= 1:
            raise ValueError(f"the share of recolored style crops must be in [0, 1], got {recolored}")
        self.source = ImageSource(SHIPPED if root is None else root)
        self.size = size
        self.seed = seed
        self.recolored = 1.0 if root is None else recolored
        self.scenes = root is None

    def __getitem__(self, index: int) -> Sample:
        """Make sample `index`, with an image of shape (3, size, size).

        Raises:
            RuntimeError: if no painting can be read, or 100 in a row cannot.
        """
        draws, skipped = generator(self.seed, index, DRAW), list[str]()
        if self.scenes and index % 2:
            crop = procedural_image(self.seed + DRAW, index, self.size)
        else:
            pixels, skipped = self._read(index // 2 if self.scenes else index)
            crop = finish(to_float(self._cut(pixels, draws)), self.size, draws)
        if torch.rand((), generator=draws) < self.recolored:
            crop = recolor(crop, draws)
        return {"image": crop, "index": torch.tensor(index), "skipped": skipped, "enlarged": []}

    def _cut(self, pixels: Tensor, draws: torch.Generator) -> Tensor:
        """Cut a square out of a painting (3, H, W) that would be drawn if its short side had twice the size."""
        h, w = pixels.shape[-2:]
        scale = min(h, w) / (2 * self.size)
        square = draw_square(*resized(pixels, 2 * self.size), self.size, draws)
        top, left, side = (round(scale * each) for each in square)
        side = max(1, side)
        top, left = min(top, h - side), min(left, w - side)
        return pixels[:, top : top + side, left : left + side]

    def _read(self, index: int) -> tuple[Tensor, list[str]]:
        """Read the painting whose turn it is, and name those passed over."""
        epoch, place = divmod(index, len(self.source))
        order = permutation(len(self.source), self.seed, epoch, DRAW)
        attempts = min(MAX_ATTEMPTS, len(self.source))
        skipped: list[str] = []
        for attempt in range(attempts):
            painting = int(order[(place + attempt) % len(order)])
            try:
                return self.source.read(painting, 2 * self.size), skipped
            except ConnectionError:
                raise
            except (ValueError, OSError):
                skipped.append(self.source.names[painting])
        raise RuntimeError(
            f"no painting to learn from: {attempts} in a row cannot be read, the last was {skipped[-1]}; check them"
        )


def recolor(image: Tensor, generator: torch.Generator) -> Tensor:
    """Give an image other colours.

    Args:
        image: RGB (3, H, W) in [0, 1].
        generator: of the hue, the saturation, the contrast, the brightness, and whether it becomes its negative.

    Returns:
        RGB of the same shape in [0, 1].
    """
    turn, saturation, contrast, brightness, negative = torch.rand(5, generator=generator).tolist()
    grey = luma(image[None])[0]
    # A rotation around the grey axis by any angle (Rodrigues), of what colours differ from grey in.
    angle = torch.tensor(2 * torch.pi * turn)
    axis = torch.full((3,), 3**-0.5)
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3))
    rotation = angle.cos() * torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * torch.outer(axis, axis)
    colours = (rotation @ (image - grey).flatten(1)).view_as(image) * (0.4 + 1.2 * saturation)
    middle = grey.mean()
    light = middle + (grey - middle) * (0.6 + 0.8 * contrast) + 0.3 * (brightness - 0.5)
    result = (light + colours).clamp_(0, 1)
    return 1 - result if negative < 0.15 else result
