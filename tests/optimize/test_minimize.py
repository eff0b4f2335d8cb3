import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

from fast_style.optimize import OPTIMIZERS, NonFiniteError, minimize


def run(function, start, optimizer, iterations):
    steps = []
    for step in minimize(function, start, optimizer):
        steps.append(step)
        if len(steps) == iterations:
            break
    return steps


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_finds_the_minimum_and_leaves_the_start_alone(optimizer):
    target, start = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    copy = start.clone()
    steps = run(lambda picture: (picture - target).square().sum(), start, optimizer, 300)
    torch.testing.assert_close(steps[-1][0], target, atol=1e-2, rtol=0)
    assert steps[-1][1] < 1e-3
    torch.testing.assert_close(start, copy)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stays_in_range_and_leaves_its_edge_again(optimizer):
    target = torch.linspace(-0.5, 1.5, 48).view(1, 3, 4, 4)

    def function(picture):
        assert picture.min() >= 0
        assert picture.max() <= 1
        mixed = picture + 0.5 * picture.roll(1, 3)
        return (mixed - target).square().sum()

    steps = run(function, torch.full((1, 3, 4, 4), 0.5), optimizer, 400)
    # against projected gradient descent, written out
    pixels = torch.full((1, 3, 4, 4), 0.5, dtype=torch.float64)
    for _ in range(3000):
        pixels.requires_grad_()
        mixed = pixels + 0.5 * pixels.roll(1, 3)
        (gradient,) = torch.autograd.grad((mixed - target).square().sum(), pixels)
        pixels = (pixels - 0.05 * gradient).clamp(0, 1).detach()
    best = (pixels + 0.5 * pixels.roll(1, 3) - target).square().sum().item()
    assert min(value for _, value in steps) == pytest.approx(best, rel=2e-2)


def test_lbfgs_takes_about_one_evaluation_an_iteration():
    count = 0
    target = torch.rand(1, 3, 8, 8)
    scale = torch.logspace(0, 2, 192).view(1, 3, 8, 8)

    def function(picture):
        nonlocal count
        count += 1
        return (scale * (picture - target).square()).sum()

    run(function, torch.rand(1, 3, 8, 8), "lbfgs", 40)
    assert count < 60


def test_no_picture_is_evaluated_twice_in_a_row_of_searches():
    seen = []
    target = torch.rand(1, 3, 4, 4) * 2 - 0.5

    def function(picture):
        seen.append(picture.detach().clone())
        mixed = picture + 0.9 * picture.roll(1, 3)
        return (mixed - target).square().sum() + 0.3 * (9 * picture).sin().sum()

    steps = run(function, torch.full((1, 3, 4, 4), 0.5), "lbfgs", 60)
    assert len(steps) > 8
    assert not any(torch.equal(one, other) for n, one in enumerate(seen) for other in seen[max(0, n - 3) : n])


def test_lbfgs_equals_torch_where_nothing_leaves_the_range():
    target = torch.rand(1, 3, 4, 4) * 0.5 + 0.25
    scale = torch.logspace(0, 1, 48).view(1, 3, 4, 4)
    start = torch.full((1, 3, 4, 4), 0.5)

    def function(picture):
        return (scale * (picture - target).square()).sum()

    (*_, (picture, _)) = run(function, start, "lbfgs", 6)
    pixels = start.clone().requires_grad_()
    lbfgs = torch.optim.LBFGS([pixels], max_iter=6, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        loss = function(pixels)
        loss.backward()
        return loss

    lbfgs.step(closure)
    torch.testing.assert_close(picture, pixels.detach(), atol=1e-4, rtol=0)


def test_lbfgs_takes_gradients_of_any_layout():
    conv = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    steps = run(lambda picture: conv(picture).square().sum(), torch.rand(1, 3, 8, 8), "lbfgs", 5)
    assert steps[-1][1] < steps[0][1]


def test_a_search_that_stalls_is_begun_anew():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 3, 4, 4, generator=generator) * 2 - 0.5

    def function(picture):
        mixed = picture + 0.9 * picture.roll(1, 3)
        return (mixed - target).square().sum() + 0.1 * (9 * picture).sin().sum()

    steps = run(function, torch.full((1, 3, 4, 4), 0.5), "lbfgs", 500)
    best = min(value for _, value in steps)
    again = run(function, steps[-1][0], "lbfgs", 100)
    assert min(value for _, value in again) > best - 0.05 * abs(best)


def test_ends_where_nothing_changes():
    steps = list(minimize(lambda picture: (picture - picture.detach()).square().sum(), torch.rand(1, 3, 4, 4)))
    assert len(steps) <= 2


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_stops_where_the_function_is_not_finite(optimizer, value):
    calls = 0

    def function(picture):
        nonlocal calls
        calls += 1
        return picture.square().sum() * (value if calls == 3 else 1.0)

    with pytest.raises(NonFiniteError, match="not finite"):
        run(function, torch.rand(1, 3, 4, 4), optimizer, 20)


class Waits(TorchFunctionMode):
    """Counts what a GPU would be waited for, and once a step how Adam counts its steps, on the CPU."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += func.__name__ in ("item", "tolist", "equal", "__bool__", "__float__")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("optimizer", "most"), [("adam", 2), ("lbfgs", 10)])
def test_little_is_waited_for(optimizer, most):
    target = torch.rand(1, 3, 8, 8)
    steps = minimize(lambda picture: (picture - target).pow(4).sum(), torch.rand(1, 3, 8, 8), optimizer)
    for _ in range(5):
        next(steps)
    with Waits() as waits:
        for _ in range(10):
            next(steps)
    assert waits.count <= 10 * most


def test_refuses_another_optimizer():
    with pytest.raises(ValueError, match="must be one of lbfgs, adam, got 'sgd'"):
        next(minimize(torch.sum, torch.rand(1, 3, 4, 4), "sgd"))
