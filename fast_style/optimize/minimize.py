"""Minimise a function of a picture, iteration by iteration."""

import math
from collections import deque
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

OPTIMIZERS = ("lbfgs", "adam")
HISTORY = 100  # pairs of vectors that L-BFGS remembers, as far as they fit into HISTORY_BYTES, at least 5
HISTORY_BYTES = 2**30
KNOWN = 3  # evaluations that are remembered: a line search may end where it was before the last
LEARNING_RATE = 0.02  # of Adam, on pixels in [0, 1]

Function = Callable[[Tensor], Tensor]


class NonFiniteError(RuntimeError):
    """The function became infinite or not a number."""


def minimize(function: Function, start: Tensor, optimizer: str = "lbfgs") -> Iterator[tuple[Tensor, float]]:
    """Minimise a function over pictures whose pixels stay in [0, 1].

    L-BFGS (Liu & Nocedal 1989, as `torch.optim.LBFGS`, with a strong Wolfe line search) needs a function that is always
    the same; an iteration takes one evaluation and seldom more. Outside [0, 1] the function is that of the nearest
    picture inside, and of its gradient is left what leads back.

    Args:
        function: maps a picture of the start's shape to a scalar.
        start: where to begin, in [0, 1].
        optimizer: `lbfgs`, or `adam` (Kingma & Ba 2015) at a learning rate of 0.02, clamped after each step.

    Yields:
        After each iteration the last picture that was evaluated, clamped, and the function there. L-BFGS ends when an
        iteration changes nothing, not even with its memory of earlier ones cleared; Adam never does.

    Raises:
        ValueError: if the optimizer is unknown.
        NonFiniteError: if the function is not finite.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"the optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
    pixels = start.detach().clone().contiguous().requires_grad_()
    last = _Evaluation(function, pixels, KNOWN if optimizer == "lbfgs" else 0)
    if optimizer == "adam":
        adam = torch.optim.Adam([pixels], lr=LEARNING_RATE, betas=(0.9, 0.99))
        while True:
            last()
            adam.step()
            with torch.no_grad():
                pixels.clamp_(0, 1)
            yield last.picture, last.value
    history = max(5, min(HISTORY, HISTORY_BYTES // (2 * pixels.numel() * pixels.element_size())))
    fresh = False
    while not fresh:  # a search that fails with a history may succeed without
        lbfgs = torch.optim.LBFGS(
            [pixels],
            max_iter=1,
            max_eval=20,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=history,
            line_search_fn="strong_wolfe",
        )
        fresh, moved = True, True
        while moved:
            before = pixels.detach().clone()
            lbfgs.step(last)
            yield last.picture, last.value
            moved = not torch.equal(before, pixels)
            fresh = fresh and not moved


class _Evaluation:
    """The function and its gradient at the pixels as they are; not computed again where a search comes back to.

    What is asked of tensors is asked at once, since on a GPU each answer is waited for.
    """

    def __init__(self, function: Function, pixels: Tensor, known: int) -> None:
        self.function, self.pixels = function, pixels
        self.picture = pixels.detach().clamp(0, 1)
        self.value = math.inf
        self._known: deque[tuple[Tensor, float, Tensor]] = deque(maxlen=known)  # points, values, gradients

    def __call__(self) -> float:
        same = [(point == self.pixels).all() for point, _, _ in self._known]
        here = torch.stack(same).tolist() if same else []
        if any(here):
            known = self._known[here.index(True)]
        else:
            known = self._evaluate()
            self._known.appendleft(known)
        point, self.value, gradient = known
        self.picture = point.clamp(0, 1)
        self.pixels.grad = gradient.clone()
        return self.value

    def _evaluate(self) -> tuple[Tensor, float, Tensor]:
        point = self.pixels.detach().clone()
        with torch.enable_grad():
            picture = point.clamp(0, 1).requires_grad_()
            loss = self.function(picture)
            (gradient,) = torch.autograd.grad(loss, picture)
        value, finite = torch.stack([loss.detach(), torch.isfinite(gradient).all()]).tolist()
        if not (math.isfinite(value) and finite):
            raise NonFiniteError(f"the loss became {value}, or its gradient is not finite")
        outwards = ((point < 0) & (gradient > 0)) | ((point > 1) & (gradient < 0))
        return point, value, gradient.masked_fill(outwards, 0).contiguous()  # as L-BFGS wants it
