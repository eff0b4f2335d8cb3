"""Made images of before, for a discriminator that is not to forget them."""

import torch
import torch.distributed
from torch import Tensor

from fast_style.data.photos import generator
from fast_style.images import to_float

WHOLE = -1  # the place of all
DRAW = 4  # lest crops and the pool are drawn alike


class ImagePool:
    """History of made images.

    Until it is full it keeps every image, and returns it. Then half of the images are returned as they are, and each of
    the others takes the place of one in the pool, which is returned in its stead (Shrivastava et al. 2017, "Learning
    from Simulated and Unsupervised Images through Adversarial Training", section 2.3,
    https://arxiv.org/abs/1612.07828; 50 images in Zhu et al. 2017).

    On several processes each has the whole pool, of the images of all: what is returned depends on the samples alone,
    not on how many processes share them.

    Args:
        size: number of images; 0 returns every image as it is.
        seed: with a sample's number decides what is returned for it.

    Attributes:
        images: those in the pool, uint8 of shape (K, C, H, W), K at most `size`; None before the first.
        committed: those before the step that is under way, which is made again if it is interrupted, see `commit`.

    Raises:
        ValueError: if the size is negative.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        if size < 0:
            raise ValueError(f"pool must be 0 images or more, got {size}")
        self.size = size
        self.seed = seed
        self.images: Tensor | None = None
        self._before: dict[int, Tensor | None] = {}  # what was at the places that were taken since, None: nothing

    @property
    def committed(self) -> Tensor | None:
        """The pool as it was at the last `commit`."""
        if WHOLE in self._before or self.images is None:
            return self._before.get(WHOLE)
        added = [place for place, earlier in self._before.items() if earlier is None]
        images = self.images[: min(added, default=len(self.images))].clone()
        for place, earlier in self._before.items():
            if earlier is not None:
                images[place] = earlier
        return images

    def commit(self) -> None:
        """Say that a step is taken, with all that it has put into the pool."""
        self._before.clear()

    @torch.no_grad()
    def __call__(self, fakes: Tensor, samples: Tensor) -> Tensor:
        """Keep made images, and return as many to show to the discriminator.

        Args:
            fakes: of shape (N, C, H, W) in [0, 1]-space; what is kept is clamped to [0, 1] and rounded to 8 bits.
            samples: the numbers of the samples they were made for, (N,).

        Returns:
            Images of the same shape and type, without a gradient.
        """
        fakes = fakes.detach()
        if not self.size:
            return fakes
        everything, numbers = _of_all(fakes, fakes.device), _of_all(samples, fakes.device).tolist()
        if self.images is not None and self.images.shape[1:] != everything.shape[1:]:
            self._before.setdefault(WHOLE, self.images)
            self.images = None  # crops of another size
        chosen = torch.stack([self._exchange(*each) for each in zip(everything, numbers, strict=True)])
        rank = torch.distributed.get_rank() if len(chosen) > len(fakes) else 0
        return chosen[rank * len(fakes) : (rank + 1) * len(fakes)]

    def _exchange(self, fake: Tensor, sample: int) -> Tensor:
        kept = (fake.float().clamp(0, 1) * 255).round().to(torch.uint8)
        if self.images is not None and self.images.device != fake.device:  # it was read from a checkpoint
            self.images = self.images.to(fake.device)
        if self.images is None:
            self._before.setdefault(WHOLE, None)
            self.images = kept[None]
            return fake
        if len(self.images) < self.size:
            self._before.setdefault(len(self.images), None)
            self.images = torch.cat([self.images, kept[None]])
            return fake
        draws = generator(self.seed, sample, DRAW)
        if torch.rand((), generator=draws) < 0.5:
            return fake
        place = int(torch.randint(self.size, (), generator=draws))
        self._before.setdefault(place, self.images[place].clone())
        earlier = to_float(self.images[place]).to(fake)
        self.images[place] = kept
        return earlier


def _of_all(tensor: Tensor, device: torch.device) -> Tensor:
    """Join the tensors (N, …) of all processes, in the order of the samples: on the device, on which they talk.

    The tensor of a single process stays where it is: to read numbers back from a GPU would wait for all that it does.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return tensor
    tensor = tensor.to(device).contiguous()
    parts = [torch.empty_like(tensor) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, tensor)
    return torch.cat(parts)
