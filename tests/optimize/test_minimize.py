import math

import pytest
import torch

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


def test_lbfgs_equals_torch_where_nothing_leaves_the_range():
    target = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.25
    scale = torch.logspace(0, 1, 48).view(1, 3, 4, 4)
    function = lambda picture: (scale * (picture - target).square()).sum()  # noqa: E731
    start = torch.full((1, 3, 4, 4), 0.5)
    (*_, (_, value)) = run(function, start, "lbfgs", 8)

    pixels = start.clone().requires_grad_()
    lbfgs = torch.optim.LBFGS([pixels], max_iter=8, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        loss = function(pixels)
        loss.backward()
        return loss

    lbfgs.step(closure)
    assert value == pytest.approx(function(pixels).item(), rel=0.5, abs=1e-9)


def test_ends_where_nothing_changes():
    steps = list(minimize(lambda picture: (picture - picture.detach()).square().sum(), torch.rand(1, 3, 4, 4)))
    assert len(steps) == 1


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


def test_refuses_another_optimizer():
    with pytest.raises(ValueError, match="must be one of lbfgs, adam, got 'sgd'"):
        next(minimize(torch.sum, torch.rand(1, 3, 4, 4), "sgd"))
