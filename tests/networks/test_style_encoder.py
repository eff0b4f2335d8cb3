import copy

import pytest
import torch
from torch import nn

from fast_style.networks.style_encoder import SIDE, StyleEncoder, as_seen


def test_balancing_changes_no_code_and_fits_half_precision():
    encoder = StyleEncoder(4, 8)
    with torch.no_grad():  # as features of a long training are
        for conv in (layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)):
            conv.weight.mul_(30)
    for _ in range(20):
        encoder(torch.rand(4, 3, 64, 64) ** torch.rand(4, 1, 1, 1).mul(3))
    encoder.eval()
    assert max(each.abs().max() for each in encoder.state_dict().values()) > 65504
    balanced = copy.deepcopy(encoder)
    balanced.balance()
    for each in balanced.state_dict().values():
        assert not each.is_floating_point() or each.abs().max() < 65504
    images = torch.rand(3, 3, 80, 64) ** 2
    codes = encoder(images)
    assert torch.allclose(balanced(images), codes, atol=1e-2 * codes.std().item())
    half = copy.deepcopy(balanced).half().float()(images)
    assert (half - codes).abs().max() < 0.03 * codes.std()


class Elsewhere(torch.Tensor):
    """A tensor of a device that has no float64; what is to be mixed with tensors of the CPU must be copied first."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor).clone()
        if func in (torch.Tensor.copy_, torch.Tensor.__setitem__):
            args = [each.as_subclass(cls) if isinstance(each, torch.Tensor) else each for each in args]
        mixed = [type(each) for each in args if isinstance(each, torch.Tensor)]
        assert torch.Tensor not in mixed, f"{func} is given tensors of two devices"
        assert func is not torch.Tensor.double, "the device has no float64"
        return super().__torch_function__(func, types, args, kwargs)


def test_balancing_is_the_same_on_a_device_without_double_precision():
    encoder = StyleEncoder(4, 8)
    encoder.to_code[0].running_var.mul_(torch.rand(88) * 1e4)
    other = copy.deepcopy(encoder)
    for part in other.modules():
        for held in (part._parameters, part._buffers):
            there = ((name, each) for name, each in held.items() if each is not None)
            held.update({name: each.detach().as_subclass(Elsewhere) for name, each in there})
    encoder.balance()
    other.balance()
    for one, another in zip(encoder.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, another.cpu())


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((96, 96), (SIDE, SIDE)),
        ((50, 2000), (SIDE, 4 * SIDE)),
        ((2000, 50), (4 * SIDE, SIDE)),
        ((1, 1), (SIDE, SIDE)),
        ((SIDE, 500), (SIDE, 500)),
    ],
)
def test_the_encoder_looks_at_one_size(size, seen):
    assert as_seen(torch.rand(1, 3, *size)).shape[-2:] == seen


def test_of_a_long_image_the_middle_is_seen():
    image = torch.zeros(1, 3, SIDE, 6 * SIDE)
    image[..., SIDE : 5 * SIDE] = 1
    assert as_seen(image).eq(1).all()
    assert as_seen(image.mT).eq(1).all()
