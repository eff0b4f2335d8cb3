"""Steps on a GPU: nothing is on the wrong device, and hardly anything goes to and fro."""

from functools import partial

import pytest
import torch

from fast_style.inference.backends.eager import Eager
from fast_style.losses import AdaINLoss, AnyPaintingLoss
from fast_style.networks import VGG, AdaIN, AnyStyleNetwork, PatchDiscriminator, TransformerNetwork
from fast_style.training import (
    CUT,
    AdaINStyle,
    AdversarialMultiStyle,
    AdversarialStyle,
    Adversary,
    AnyStyle,
    CycleGAN,
    FeedForward,
    MultiStyle,
    Pix2Pix,
    warmup_constant,
)
from tests.gpu import DEVICE, Gpu, OnGpu

LEARNING = {"optimizer": partial(torch.optim.Adam, lr=1e-3), "scheduler": partial(warmup_constant, warmup_steps=0)}


def images(count: int, size: int = 48) -> torch.Tensor:
    return torch.rand(count, 3, size, size)


def feed_forward(loss, **motion):
    return FeedForward(TransformerNetwork(4, 1), loss(style=images(1)), **LEARNING, **motion)


def multi_style(loss):
    network = partial(TransformerNetwork, 4, 1, norm="conditional")
    styles = {name: images(1) for name in "abc"}
    return MultiStyle(network, loss, styles, "x", **LEARNING, equivariance_weight=1.0)


def style_prediction(loss):
    small = {"width": 8, "blocks": 1, "antialias": True}
    network = AnyStyleNetwork("slim", small, encoder_width=4, code=8)
    compared = AnyPaintingLoss(loss.args[0], "relu2_2", "relu1_1, relu2_1", 0.5, 2.0, 1.0, images(2, 32))
    return AnyStyle(network, compared, {"a": images(1)}, **LEARNING, temporal_weight=1.0)


def any_style(_loss):
    compared = AdaINLoss(VGG("vgg19", "slim"), ["relu1_1", "relu2_1"], 1.0, 10.0, identity_weight=5.0)
    network = AdaIN()
    network.standardize(images(1))
    return AdaINStyle(network, compared, {"a": images(1, 24)}, **LEARNING)


def against(kind, _loss, channels=3, **arguments):
    policies = ["colour", "translation", "cutout"]
    adversary = Adversary(PatchDiscriminator(4, 1, channels=channels), augment=policies, pool=2, r1_weight=1.0)
    return kind(TransformerNetwork(4, 1), adversary=adversary, **LEARNING, **arguments)


def adversarial_style(loss):
    return against(AdversarialStyle, loss, loss=loss(style=images(1)))


def adversarial_multi_style(loss):
    network = partial(TransformerNetwork, 4, 1, norm="conditional")
    styles = {name: images(1) for name in "abc"}
    adversary = Adversary(PatchDiscriminator(4, 1), augment=["translation", "cutout"])
    return AdversarialMultiStyle(network, loss, styles, "x", adversary, **LEARNING)


def pix2pix(loss):
    terms = {"l1_loss": torch.nn.functional.l1_loss}
    return against(Pix2Pix, loss, channels=6, terms=terms, term_weights={"l1_loss": 1.0})


@pytest.fixture
def gpu():
    return Gpu()


def step(gpu, task, number):
    """Take a step, after which the next has samples of other numbers, and count anew."""
    batch = {name: gpu.put(images(4)) for name in ("image", "painting", "real_a", "real_b")}
    if "painting" not in task.wants:
        del batch["painting"]
    gpu.copies.clear()
    gpu.waits.clear()
    type(task).global_step = number
    with gpu:
        task.training_step(batch | {"index": torch.arange(4) + 4 * number}, number).backward()


@pytest.mark.parametrize(
    ("make", "copies"),
    [
        (feed_forward, 0),
        (partial(feed_forward, equivariance_weight=1.0), 1),
        (partial(feed_forward, temporal_weight=1.0), 2),
        (multi_style, 3),
        (style_prediction, 4),
        (any_style, 0),
        (adversarial_style, 5),
        (adversarial_multi_style, 8),
        (pix2pix, 3),
        (partial(against, CycleGAN), 6),
        (partial(against, CUT, patches=16, head_width=8), 4),
    ],
    ids=[
        "johnson",
        "shifted",
        "following",
        "several",
        "prediction",
        "any",
        "adversarial",
        "adversarial several",
        "pix2pix",
        "cycle_gan",
        "cut",
    ],
)
def test_a_step(gpu, loss, monkeypatch, make, copies):
    """Draws go up, and whether the loss was finite comes down; nothing is waited for."""
    task = gpu.put(make(loss))
    task.log = lambda *_, **__: None
    monkeypatch.setattr(type(task), "global_step", 0)
    for number in range(2):
        step(gpu, task, number)
    assert gpu.copies.pop("down") == 1
    assert gpu.copies.total() <= copies, gpu.copies
    assert not gpu.waits


def test_stylizing(gpu, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *where, **_: gpu.put(self) if DEVICE in where else self)
    backend = Eager(TransformerNetwork(4, 1), DEVICE, "fp32")
    with gpu:
        pictures = backend(images(2))
    assert isinstance(pictures, OnGpu)
    assert (gpu.copies, gpu.waits) == ({"up": 1}, {"up": 1})


def test_what_stands_in_for_a_gpu_refuses_and_counts(gpu):
    there, here = gpu.put(torch.rand(3)), torch.rand(3)
    with gpu:
        with pytest.raises(RuntimeError, match="add is given tensors of the CPU and of the GPU"):
            there + here
        with pytest.raises(RuntimeError, match="rand is given a generator of another device"):
            torch.rand(3, generator=torch.Generator(), device=DEVICE)
        noise = torch.rand(3, generator=torch.Generator(DEVICE), device=DEVICE)
        assert (there + noise).device == DEVICE
        assert not gpu.waits
        here.pin_memory().to(DEVICE, non_blocking=True)
        assert (gpu.copies, gpu.waits) == ({"up": 1}, {})
        here.to(DEVICE)
        there.new_tensor([1.0])
        there[torch.tensor([0, 1])].sum().item()
        there.cpu()
    assert gpu.copies == {"up": 2, "new_tensor": 1, "__getitem__": 1, "down": 1}
    assert gpu.waits == {"up": 1, "new_tensor": 1, "__getitem__": 1, "item": 1, "down": 1}
