import math
import weakref
from functools import lru_cache, partial
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from fast_style.functional import gram_matrix, total_variation
from fast_style.losses import STYLE_LOSSES, PerceptualLoss, features_of_each, laplacian_loss
from fast_style.losses.tone import tone_loss
from fast_style.networks import VGG


@pytest.fixture(scope="module")
def vgg16():
    torch.manual_seed(0)
    return VGG("vgg16", weights=None)


def build(network, **changes):
    arguments = {
        "style": torch.rand(1, 3, 24, 32),
        "content_layers": ["relu2_2"],
        "style_layers": ["relu1_2", "relu2_1"],
        "content_weight": 2.0,
        "style_weight": 3.0,
        "tv_weight": 0.5,
    }
    return PerceptualLoss(network, **(arguments | changes))


def preset(root: Path, name: str) -> dict:
    values = OmegaConf.to_container(OmegaConf.load(root / "configs" / "loss" / f"{name}.yaml"))
    for key in ("defaults", "_target_", "loss_network", "style"):
        values.pop(key, None)
    return values


def weighted(loss, stylized, photos):
    losses = loss(stylized, photos)
    return {name: loss.weights[name] * value for name, value in losses.items()}


def test_terms_are_named_and_unweighted(vgg16):
    loss = build(vgg16, relative=False)
    stylized, photos = torch.rand(2, 2, 3, 16, 16)
    losses = loss(stylized, photos)
    assert losses.keys() == loss.weights.keys()
    assert losses.keys() == {"content_loss/relu2_2", "style_loss/relu1_2", "style_loss/relu2_1", "tv_loss"}
    features, targets = vgg16(stylized, ["relu2_2"])["relu2_2"], vgg16(photos, ["relu2_2"])["relu2_2"]
    torch.testing.assert_close(losses["content_loss/relu2_2"], (features - targets).square().mean())


def test_summary_adds_up(vgg16):
    loss = build(vgg16, style_layers={"relu1_2": 1.0, "relu2_1": 0.25})
    losses = loss(*torch.rand(2, 2, 3, 16, 16))
    summary = loss.summary(losses)
    total = sum(loss.weights[name] * value for name, value in losses.items())
    torch.testing.assert_close(summary["total_loss"], total)
    torch.testing.assert_close(summary["style_loss"], losses["style_loss/relu1_2"] + losses["style_loss/relu2_1"])
    parts = [summary[f"weighted/{name}"] for name in ("content_loss", "style_loss", "tv_loss")]
    torch.testing.assert_close(sum(parts), total)
    for name, value in losses.items():
        assert summary[name] is value
        assert summary[f"weighted/{name}"] == loss.weights[name] * value
    sums = {f"{prefix}{name}" for prefix in ("", "weighted/") for name in ("content_loss", "style_loss", "tv_loss")}
    assert summary.keys() == {"total_loss"} | sums | losses.keys() | {f"weighted/{name}" for name in losses}
    assert loss.weights["style_loss/relu2_1"] > 0


def test_photo_and_style_image_are_the_zeros_of_their_losses(vgg16):
    style = torch.rand(1, 3, 24, 32)
    loss = build(vgg16, style=style)
    losses = loss(style, style)
    assert losses["content_loss/relu2_2"].item() == 0
    assert losses["style_loss/relu1_2"].item() == pytest.approx(0, abs=1e-10)


def test_relative_weights_divide_by_the_scale_of_the_style(vgg16):
    style = torch.rand(1, 3, 24, 32)
    loss = build(vgg16, style=style)
    features = vgg16(style, ["relu1_2", "relu2_2"])
    assert loss.weights["style_loss/relu1_2"] == pytest.approx(
        3.0 / gram_matrix(features["relu1_2"]).square().sum().item()
    )
    assert loss.weights["content_loss/relu2_2"] == pytest.approx(2.0 / features["relu2_2"].square().mean().item())
    assert loss.weights["tv_loss"] == 0.5


def test_with_a_reference_untouched_images_score_the_weights(vgg16):
    style, scenes = torch.rand(1, 3, 24, 32), torch.rand(3, 3, 32, 32)
    loss = build(vgg16, style=style, reference=scenes)
    scores = [loss(scene, scene) for scene in scenes.split(1)]
    for layer in ("relu1_2", "relu2_1"):
        name = f"style_loss/{layer}"
        median = torch.stack([score[name] for score in scores]).median().item()
        assert loss.weights[name] * median == pytest.approx(3.0)
    features = vgg16(scenes, ["relu2_2"])["relu2_2"]
    flat = (features - features.mean((2, 3), keepdim=True)).square().mean().item()
    assert loss.weights["content_loss/relu2_2"] * flat == pytest.approx(2.0)


@pytest.fixture
def looked(vgg16, monkeypatch):
    """What the loss network looks at: the images, and weak references to the features that it finds."""
    seen, forward = [], type(vgg16).forward

    def note(self, images, layers):
        features = forward(self, images, layers)
        seen.append((images, [weakref.ref(each) for each in features.values()]))
        return features

    monkeypatch.setattr(type(vgg16), "forward", note)
    return seen


def test_reference_is_looked_at_once_for_all_paintings_and_forgotten(vgg16, looked):
    scenes, look = torch.rand(3, 3, 32, 32), lru_cache(maxsize=1)(features_of_each)
    losses = [build(vgg16, style=torch.rand(1, 3, 24, 32), reference=scenes, look=look) for _ in range(2)]
    assert [images.shape[2:] for images, _ in looked].count((32, 32)) == 3  # one after the other: less memory
    assert all(kept() is not None for images, features in looked if images.shape[2] == 32 for kept in features)
    del look
    assert len(losses) == 2
    assert all(kept() is None for _, features in looked for kept in features)


@pytest.mark.parametrize("relative", [True, False])
def test_the_style_image_is_looked_at_once_and_forgotten(vgg16, looked, relative):
    loss = build(vgg16, relative=relative)
    ((images, features),) = looked
    assert images is loss.image
    assert len(features) == (3 if relative else 2)  # with those of the content layer
    assert all(kept() is None for kept in features)


def test_tone_is_a_term_of_its_own(vgg16):
    loss = build(vgg16, terms={"tone_loss": tone_loss}, term_weights={"tone_loss": 0.7})
    images, photos = torch.rand(2, 1, 3, 32, 32)
    assert loss(images, photos)["tone_loss"] == tone_loss(images, photos)
    assert loss.weights["tone_loss"] == 0.7


def test_zero_weight_leaves_the_loss_and_its_layers_out(vgg16):
    loss = build(vgg16, content_weight=0.0, tv_weight=0.0, style_layers={"relu1_1": 1.0, "relu5_1": 0.0})
    assert loss(*torch.rand(2, 1, 3, 16, 16)).keys() == {"style_loss/relu1_1"}


def test_state_is_only_what_the_style_needs(vgg16):
    assert {name for name, _ in build(vgg16).named_buffers() if "target" in name} == {
        "styles.relu1_2.target",
        "styles.relu2_1.target",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_weight": -1.0}, "style_weight must not be negative, got -1.0"),
        ({"style_layers": {"relu1_1": -2}}, "style_layers.relu1_1 must not be negative, got -2"),
        ({"style_layers": []}, "style_layers is empty, so that no style is learned: name layers, or"),
        ({"tv_weight": -0.1}, "tv_weight must not be negative, got -0.1"),
        ({"tv_weight": None}, "tv_weight must not be negative, got None"),
        ({"tv_weight": math.nan}, "tv_weight must not be negative, got nan"),
        ({"content_weight": math.nan}, "content_weight must not be negative, got nan"),
        ({"style_weight": math.nan}, "style_weight must not be negative, got nan"),
        ({"style_layers": {"relu1_1": math.nan}}, "style_layers.relu1_1 must not be negative, got nan"),
        ({"terms": {"a": tone_loss}, "term_weights": {"a": -1.0}}, "term_weights.a must not be negative, got -1.0"),
        ({"terms": {"a": tone_loss}}, "the term a has no weight: give term_weights.a"),
        ({"term_weights": {"a": 1.0}}, "the term a has no function: give terms.a"),
        ({"style_loss": "grom"}, "style_loss must be one of gram, .*, got 'grom'"),
        ({"content_loss": "l2"}, "content_loss must be one of mse, l1, gradient, got 'l2'"),
        ({"content_layers": ["relu9_1"]}, "unknown layer 'relu9_1'"),
        ({"content_weight": 0.0, "style_weight": 0.0, "tv_weight": 0.0}, "every loss weight is 0"),
    ],
)
def test_bad_arguments(vgg16, changes, message):
    with pytest.raises(ValueError, match=message):
        build(vgg16, **changes)


def plain_features(vgg, images):
    """Features of normalised images, one convolution after the other."""
    x, features = images, {}
    for name, conv in vgg.convs.items():
        if name.endswith("_1") and name != "conv1_1":
            x = torch.nn.functional.max_pool2d(x, 2)
        x = features[name.replace("conv", "relu")] = conv(x).relu()
    return features


def plain_gram(features):
    """F Fᵀ / (C·H·W)."""
    return torch.einsum("nchw,ndhw->ncd", features, features) / features[0].numel()


def test_preset_pytorch_examples_equals_their_formula(root, vgg16):
    style, stylized, photos = torch.rand(1, 3, 40, 32), *torch.rand(2, 3, 3, 32, 32)
    values = preset(root, "pytorch_examples")
    loss = PerceptualLoss(vgg16, style=style, **values)

    # Everything a mean; images normalised by ImageNet's mean and deviation.
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    made, given, painted = (plain_features(vgg16, (images - mean) / std) for images in (stylized, photos, style))
    content = 1e5 * (made["relu2_2"] - given["relu2_2"]).square().mean()
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    styles = 1e10 * sum((plain_gram(made[layer]) - plain_gram(painted[layer])).square().mean() for layer in layers)

    summary = loss.summary(loss(stylized, photos))
    torch.testing.assert_close(summary["weighted/content_loss"], content, rtol=1e-4, atol=0)
    torch.testing.assert_close(summary["weighted/style_loss"], styles, rtol=1e-4, atol=0)
    torch.testing.assert_close(summary["total_loss"], content + styles, rtol=1e-4, atol=0)


def test_preset_jcjohnson_equals_their_formula(root):
    torch.manual_seed(0)
    network = VGG("vgg16", weights=None, mean=[0.48235, 0.45882, 0.40784], std=[1 / 255] * 3)
    style, photos = torch.rand(1, 3, 40, 32), torch.rand(4, 3, 32, 32)
    stylized = torch.rand(4, 3, 32, 32, requires_grad=True)
    values = preset(root, "jcjohnson")
    loss = PerceptualLoss(network, style=style, **values)

    # Caffe's range: 0 … 255 less the mean.
    mean = 255 * torch.tensor([0.48235, 0.45882, 0.40784]).view(3, 1, 1)
    made, given, painted = (plain_features(network, 255 * images - mean) for images in (stylized, photos, style))
    content = (made["relu3_3"] - given["relu3_3"]).square().mean()
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    styles = sum(5 * (plain_gram(made[layer]) - plain_gram(painted[layer])).square().mean() for layer in layers)
    summary = loss.summary(loss(stylized, photos))
    torch.testing.assert_close(summary["weighted/content_loss"], content, rtol=1e-4, atol=0)
    torch.testing.assert_close(summary["weighted/style_loss"], styles, rtol=1e-4, atol=0)


def test_preset_jcjohnson_total_variation_has_their_gradient(root):
    """At the size and batch the weight is for, 4 images of 256 px; nearly: they leave the last row and column out."""
    weight = preset(root, "jcjohnson")["tv_weight"]
    images = torch.rand(4, 3, 256, 256, requires_grad=True)
    (weight * total_variation(images)).backward()
    # The gradient of 1e-6 · ½ Σ of the squared differences to the right and lower neighbour, on images in 0 … 255.
    x = (255 * images.detach()).requires_grad_()
    corner = x[:, :, :-1, :-1]
    squares = (x[:, :, :-1, 1:] - corner).square() + (x[:, :, 1:, :-1] - corner).square()
    (0.5e-6 * squares.sum()).backward()
    gradient = 255 * x.grad
    torch.testing.assert_close(images.grad[:, :, :-1, :-1], gradient[:, :, :-1, :-1], rtol=5e-3, atol=1e-6)


@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
@pytest.mark.parametrize("content_loss", ["mse", "l1", "gradient"])
def test_relative_terms_are_one_for_features_of_zero(vgg16, style_loss, content_loss):
    style = torch.rand(1, 3, 24, 32)
    loss = build(vgg16, style=style, style_loss=style_loss, content_loss=content_loss)
    features = vgg16(style, ["relu1_2", "relu2_1", "relu2_2"])
    zero = {name: torch.zeros_like(value) for name, value in features.items()}
    losses = loss.compare(style, zero, style, features)
    assert loss.weights["content_loss/relu2_2"] * losses["content_loss/relu2_2"] == pytest.approx(2.0, rel=1e-4)
    for layer in ("relu1_2", "relu2_1"):
        assert loss.weights[f"style_loss/{layer}"] * losses[f"style_loss/{layer}"] == pytest.approx(3.0, rel=1e-4)


def test_laplacian_terms(vgg16):
    loss = build(
        vgg16,
        terms={f"laplacian_loss/{pool}": partial(laplacian_loss, pool=pool) for pool in (2, 4)},
        term_weights={"laplacian_loss/2": 7.0, "laplacian_loss/4": 7.0},
    )
    stylized, photos = torch.rand(2, 1, 3, 32, 32)
    losses = loss(stylized, photos)
    for pool in (2, 4):
        assert loss.weights[f"laplacian_loss/{pool}"] == 7.0
        torch.testing.assert_close(losses[f"laplacian_loss/{pool}"], laplacian_loss(stylized, photos, pool))
    summary = loss.summary(losses)
    expected = 7 * (losses["laplacian_loss/2"] + losses["laplacian_loss/4"])
    torch.testing.assert_close(summary["weighted/laplacian_loss"], expected)


def test_style_in_a_region(vgg16):
    loss, region = build(vgg16), torch.zeros(1, 1, 16, 16)
    region[..., :8, 2:] = 1
    stylized, photos = torch.rand(2, 2, 3, 16, 16)
    features = vgg16(stylized, ["relu1_2", "relu2_1", "relu2_2"])
    losses = loss.compare(stylized, features, photos, loss.targets(photos), region)
    inside = features["relu2_1"][:, :, :4, 1:]
    expected = (gram_matrix(inside) - loss.styles["relu2_1"].target).square().sum((1, 2)).mean()
    torch.testing.assert_close(losses["style_loss/relu2_1"], expected)


def test_a_region_smaller_than_a_position_is_where_it_is_most(vgg16):
    loss, region = build(vgg16), torch.zeros(1, 1, 16, 16)
    region[..., 5, 5] = 1
    stylized = torch.rand(1, 3, 16, 16)
    features = vgg16(stylized, ["relu1_2", "relu2_1", "relu2_2"])
    losses = loss.compare(stylized, features, stylized, loss.targets(stylized), region)
    expected = (gram_matrix(features["relu2_1"][:, :, 2:3, 2:3]) - loss.styles["relu2_1"].target).square().sum()
    torch.testing.assert_close(losses["style_loss/relu2_1"], expected)
