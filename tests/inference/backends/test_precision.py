import pytest
import torch
from torch import nn

from fast_style.inference.backends import multiplies_bf16
from fast_style.inference.backends.precision import (
    ChannelsLastNorm,
    Float32Norm,
    channels_last_norm,
    float32_norm,
    lowered,
)
from fast_style.networks import UnetGenerator


def test_what_is_lowered_and_what_is_not(network):
    seen = {}
    low = lowered(network, torch.bfloat16, channels_last_norm)
    for name, module in low.named_modules():
        module.register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: (inputs[0], output)}))
    low(torch.rand(1, 3, 16, 16))
    assert seen["conv2"][0].dtype == seen["conv2"][1].dtype == torch.bfloat16
    assert seen["conv4"][0].dtype == torch.bfloat16
    assert seen["conv4"][1].dtype == seen[""][1].dtype == torch.float32  # colours
    assert seen["conv1"][0].dtype == seen["conv1"][1].dtype == low.conv1.weight.dtype == torch.float32
    assert low.conv3.weight.dtype == low.residuals[0].conv1.weight.dtype == torch.bfloat16
    assert low.norm1.weight.dtype == torch.float32
    assert network.conv1.weight.dtype == torch.float32


def test_the_colours_of_a_unet_of_pix2pix_are_float32():
    """Its last convolution in the order of its modules is the innermost one."""
    pictures = lowered(UnetGenerator(8, 3), torch.bfloat16)(torch.rand(1, 3, 64, 64))
    assert pictures.dtype == torch.float32
    assert len(pictures[(pictures >= 0.5) & (pictures < 1)].unique()) > 256  # bfloat16 has 128


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, 3])
def test_channels_last_norm_is_instance_norm(dtype, batch):
    norm = nn.InstanceNorm2d(5, affine=True)
    nn.init.uniform_(norm.weight)
    nn.init.normal_(norm.bias)
    x = (torch.randn(batch, 5, 7, 9) * 3 + 1).to(dtype).to(memory_format=torch.channels_last)
    normalized = ChannelsLastNorm(norm)(x)
    assert normalized.dtype == dtype
    assert normalized.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        normalized.float(), norm(x.float()), atol=0.02 if dtype == torch.bfloat16 else 1e-5, rtol=0.01
    )


def test_only_what_it_equals_is_replaced():
    assert isinstance(channels_last_norm(nn.InstanceNorm2d(3)), ChannelsLastNorm)
    for norm in (nn.InstanceNorm2d(3, track_running_stats=True), nn.BatchNorm2d(3)):
        assert channels_last_norm(norm) is norm


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float32_norm_does_not_overflow(dtype):
    x = torch.tensor([-40000.0, 40000.0]).repeat(8).view(1, 1, 4, 4).to(dtype)
    norm = float32_norm(nn.InstanceNorm2d(1))
    assert isinstance(norm, Float32Norm)
    assert norm(x).dtype == dtype
    assert norm(x).unique().tolist() == [-1, 1]


@pytest.mark.parametrize(("avx512", "amx"), [(False, False), (True, False), (False, True)])
def test_processors_that_multiply_bf16(monkeypatch, avx512, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert multiplies_bf16("cpu") == (avx512 or amx)
    assert not multiplies_bf16("mps")


@pytest.mark.parametrize("there", [False, True])
def test_gpus_that_multiply_bf16(monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    assert multiplies_bf16("cuda") == there
