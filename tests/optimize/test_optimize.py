from functools import partial

import pytest
import torch

from fast_style.functional import gram_matrix
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG
from fast_style.optimize import Objective, Style, optimize, scales


@pytest.fixture(scope="module")
def make_loss():
    torch.manual_seed(0)
    network = VGG("vgg16", None, width=4)
    return partial(
        lambda style, **changes: PerceptualLoss(
            network,
            style,
            **{
                "content_layers": ["relu2_2"],
                "style_layers": ["relu1_2", "relu2_1"],
                "content_weight": 1.0,
                "style_weight": 5.0,
                "tv_weight": 0.1,
            }
            | changes,
        )
    )


def test_objective_of_one_style_is_the_loss_of_training(make_loss):
    style, photo, picture = torch.rand(3, 1, 3, 24, 32)
    loss = make_loss(style)
    expected = loss.summary(loss(picture, photo))
    objective = Objective(make_loss, [Style(style, weight=7)], photo)
    torch.testing.assert_close(objective(picture), expected["total_loss"])
    assert objective.losses == pytest.approx({name: value.item() for name, value in expected.items()}, rel=1e-5)


def test_large_pictures_are_recomputed(make_loss, monkeypatch):
    style, photo, picture = torch.rand(3, 1, 3, 24, 32)
    objective, values = Objective(make_loss, [Style(style)], photo), []
    asked = []
    network = type(make_loss(style).loss_network)
    forward = network.forward
    monkeypatch.setattr(
        network, "forward", lambda *args, **more: asked.append(more.get("recompute")) or forward(*args, **more)
    )
    for large in (24 * 32, 24 * 32 - 1):
        monkeypatch.setattr("fast_style.optimize.objective.LARGE", large)
        pixels = picture.clone().requires_grad_()
        objective(pixels).backward()
        values.append(pixels.grad)
    assert asked == [False, True]
    assert torch.equal(*values)


def test_objective_of_several_styles_is_their_weighted_mean(make_loss):
    first, second, photo, picture = torch.rand(4, 1, 3, 24, 32)
    losses = [make_loss(style) for style in (first, second)]
    totals = [loss.summary(loss(picture, photo))["total_loss"] for loss in losses]
    objective = Objective(make_loss, [Style(first, 3), Style(second, 1)], photo)
    torch.testing.assert_close(objective(picture), 0.75 * totals[0] + 0.25 * totals[1])


def test_regions_weigh_by_what_they_cover_and_see_only_that(make_loss):
    first, second, photo, picture = torch.rand(4, 1, 3, 16, 32)
    left = torch.zeros(1, 1, 16, 32)
    left[..., :8] = 1
    only_style = partial(make_loss, content_weight=0.0, tv_weight=0.0, style_layers=["relu1_2"], relative=False)
    objective = Objective(only_style, [Style(first, region=left), Style(second, region=1 - left)], photo)
    features = only_style(first).loss_network(picture, ["relu1_2"])["relu1_2"]
    expected = 0.0
    for style, part, share in ((first, features[..., :8], 0.25), (second, features[..., 8:], 0.75)):
        target = gram_matrix(only_style(style).loss_network(style, ["relu1_2"])["relu1_2"])
        expected += share * 5 * (gram_matrix(part) - target).square().sum()
    torch.testing.assert_close(objective(picture), expected)


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_style_refuses_weights(weight):
    with pytest.raises(ValueError, match="weight of a style must be above 0"):
        Style(torch.rand(1, 3, 8, 8), weight)


def test_style_refuses_an_empty_region():
    with pytest.raises(ValueError, match="black everywhere"):
        Style(torch.rand(1, 3, 8, 8), region=torch.zeros(1, 1, 8, 8))


def test_scales_are_root_two_apart():
    assert scales((300, 512), 128) == [(75, 128), (106, 181), (150, 256), (212, 362), (300, 512)]
    assert scales((50, 60), 128) == [(50, 60)]
    with pytest.raises(ValueError, match="at least 16"):
        scales((50, 60), 8)


def test_optimises_from_coarse_to_fine(make_loss):
    style, photo = torch.rand(2, 1, 3, 48, 64)
    steps = list(optimize(make_loss, [Style(style)], photo, photo, [(24, 32), (48, 64)], [12, 6], margin=0))
    assert [(step.scale, step.iteration) for step in steps] == [(0, k) for k in range(1, 13)] + [
        (1, k) for k in range(1, 7)
    ]
    assert [step.total for step in steps] == list(range(1, 19))
    assert steps[-1].picture.shape == photo.shape
    assert steps[11].best < 0.7 * steps[0].losses["total_loss"]
    assert steps[-1].best < steps[12].losses["total_loss"]
    fine = Objective(make_loss, [Style(style)], photo)
    assert fine(steps[-1].picture).item() == pytest.approx(steps[-1].best, rel=1e-4)


def test_refuses_as_many_iterations_as_sizes_are_not(make_loss):
    photo = torch.rand(1, 3, 16, 16)
    with pytest.raises(ValueError, match="each of 1 sizes needs at least 1 iteration, got \\[\\]"):
        next(optimize(make_loss, [Style(photo)], photo, photo, [(16, 16)], []))


def test_margin_is_optimised_as_well_and_cropped(make_loss):
    style, photo = torch.rand(2, 1, 3, 40, 60)
    region = torch.zeros(1, 1, 20, 30)
    region[..., 10:] = 1
    seen = []

    def watched(image):
        loss = make_loss(image)
        compare = loss.compare
        loss.compare = lambda *args: seen.append(args) or compare(*args)
        return loss

    (*_, step) = optimize(watched, [Style(style, region=region)], photo, photo, [(40, 60)], [4], margin=6)
    assert step.picture.shape == photo.shape
    picture, _, padded, _, where = seen[0]
    assert picture.shape == padded.shape == (1, 3, 64, 80)  # multiples of 16
    torch.testing.assert_close(padded[..., 6:46, 6:66], photo)
    torch.testing.assert_close(padded[..., 5, 6:66], photo[..., 1, :])  # reflected
    assert where.shape == (1, 1, 64, 80)
    assert where[..., :24].max() < 0.1
    assert where[..., 30:].min() > 0.9
