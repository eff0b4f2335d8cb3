import numpy as np
import pytest
import torch

from fast_style.functional import (
    channel_statistics,
    gram_matrix,
    instance_norm,
    instance_norm_by_batch_norm,
    luma,
    total_variation,
)
from fast_style.layers.kernels import padded, thin_conv, upsampled_conv


def test_gram_matrix_equals_explicit_sum():
    features = torch.randn(2, 3, 4, 5)
    flat = features.double().numpy().reshape(2, 3, 20)
    expected = np.einsum("nik,njk->nij", flat, flat) / (3 * 4 * 5)
    np.testing.assert_allclose(gram_matrix(features).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gram_matrix_of_half_precision_is_float32_and_does_not_overflow(dtype):
    features = torch.full((1, 2, 64, 64), 100.0, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gram = gram_matrix(features)
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, torch.full((1, 2, 2), 100.0**2 / 2), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_gradient_of_the_gram_matrix(dtype, tolerance):
    features, towards = torch.randn(2, 3, 4, 5).to(dtype), torch.randn(2, 3, 3)
    exact = features.double().requires_grad_()
    flat = exact.flatten(2)
    ((flat @ flat.mT / 60) * towards.double()).sum().backward()
    features.requires_grad_()
    (gram_matrix(features) * towards).sum().backward()
    assert features.grad.dtype == dtype
    difference = (features.grad.double() - exact.grad).norm() / exact.grad.norm()
    assert difference < tolerance


def test_gram_matrix_does_not_change_its_argument():
    features = torch.randn(1, 3, 4, 5)
    before = features.clone()
    gram_matrix(features)
    assert torch.equal(features, before)


def test_gram_matrix_refuses_a_single_feature_map():
    with pytest.raises(ValueError, match=r"must have shape \(N, C, H, W\), got \(3, 4, 5\)"):
        gram_matrix(torch.zeros(3, 4, 5))


def test_total_variation_equals_explicit_sum():
    images = torch.rand(2, 3, 5, 7)
    x = images.double().numpy()
    expected = np.mean((x[..., 1:] - x[..., :-1]) ** 2) + np.mean((x[:, :, 1:] - x[:, :, :-1]) ** 2)
    assert total_variation(images).item() == pytest.approx(expected, rel=1e-5)


def test_total_variation_of_a_tile_goes_on_at_its_other_side():
    images = torch.rand(1, 3, 5, 7)
    x = images.double().numpy()
    expected = sum(np.mean((np.roll(x, -1, axis) - x) ** 2) for axis in (2, 3))
    assert total_variation(images, circular=True).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1)])
def test_total_variation_of_a_line_or_pixel_is_finite(size):
    images = torch.rand(1, 3, *size)
    expected = 0.0 if size == (1, 1) else images.flatten(2).diff(dim=2).square().mean().item()
    assert total_variation(images).item() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_luma_is_the_weighted_sum_in_float32_whatever_is_around_it(dtype):
    images = torch.rand(2, 3, 5, 7).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        light = luma(images)
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    expected = torch.einsum("c,nchw->nhw", weights, images.double())[:, None]
    assert light.dtype == torch.float32
    torch.testing.assert_close(light.double(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_padding_is_that_of_pytorch(layout, dtype, padding, mode):
    images = torch.randn(2, 3, 7, 9).to(dtype, memory_format=layout)
    ours, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    result = padded(ours, padding, mode)
    expected = torch.nn.functional.pad(theirs, (padding,) * 4, mode=mode)
    assert torch.equal(result, expected)
    towards = torch.randn_like(expected)
    result.backward(towards)
    expected.backward(towards)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_gradient_of_padding_is_a_proper_operator():
    operator = torch.ops.fast_style.pad_backward.default
    for layout in (torch.contiguous_format, torch.channels_last):
        for mode in ("reflect", "replicate"):
            gradient = torch.randn(2, 3, 9, 11).contiguous(memory_format=layout)
            torch.library.opcheck(operator, (gradient, 2, mode), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (7, 9)])
def test_upsampled_conv_is_upsampling_and_a_convolution(size):
    x, weight, bias = torch.randn(2, 3, *size), torch.randn(4, 3, 3, 3), torch.randn(4)
    ours, theirs = ([t.clone().requires_grad_() for t in (x, weight, bias)] for _ in range(2))
    upsampled = torch.nn.functional.interpolate(theirs[0], scale_factor=2.0, mode="nearest")
    reflected = torch.nn.functional.pad(upsampled, (1, 1, 1, 1), mode="reflect")
    expected = torch.nn.functional.conv2d(reflected, *theirs[1:])
    result = upsampled_conv(*ours)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)
    towards = torch.randn_like(expected)
    result.backward(towards)
    expected.backward(towards)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_is_that_of_pytorch(layout):
    x = (3 * torch.randn(2, 4, 9, 7) + 20).to(memory_format=layout)
    weight, bias, direction = torch.rand(4), torch.rand(4), torch.randn(2, 4, 9, 7)
    gradients = []
    for norm in (instance_norm, lambda x, w, b: torch.nn.functional.instance_norm(x, weight=w, bias=b)):
        inputs = [each.clone().requires_grad_() for each in (x, weight, bias)]
        output = norm(*inputs)
        gradients.append([output, *torch.autograd.grad((output * direction).sum(), inputs)])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(1, 4, 9, 7), (3, 4, 9, 7), (3, 2, 2, 1)], ids=str)
@pytest.mark.parametrize("rows", [False, True])
def test_instance_norm_by_batch_norm_is_that_of_pytorch(layout, shape, rows):
    x, direction = (3 * torch.randn(shape) + 20).to(memory_format=layout), torch.randn(shape)
    weight, bias = torch.rand(2, *shape[:2]) if rows else torch.rand(2, shape[1])

    def each_alone(x, weight, bias):
        parts = zip(x.split(1), weight.expand(shape[:2]), bias.expand(shape[:2]), strict=True)
        return torch.cat([torch.nn.functional.instance_norm(one, weight=w, bias=b) for one, w, b in parts])

    results = []
    for norm in (instance_norm_by_batch_norm, each_alone):
        inputs = [each.clone().requires_grad_() for each in (x, weight, bias)]
        output = norm(*inputs)
        results.append([output, *torch.autograd.grad((output * direction).sum(), inputs)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert results[0][0].stride() == x.stride()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_instance_norm_by_batch_norm_keeps_half_precision(dtype):
    x, (weight, bias) = torch.randn(2, 3, 9, 7).to(dtype), torch.rand(2, 3)
    normed = instance_norm_by_batch_norm(x, weight, bias)
    assert normed.dtype == dtype
    expected = torch.nn.functional.instance_norm(x.float(), weight=weight, bias=bias)
    torch.testing.assert_close(normed.float(), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_keeps_the_layout_on_other_devices(layout):
    x = torch.empty(2, 8, 6, 5, device="meta").to(memory_format=layout)
    assert instance_norm(x, *torch.empty(2, 8, device="meta")).stride() == x.stride()
    one = torch.empty(2, 8, 1, 1, device="meta")
    assert instance_norm(one, *torch.empty(2, 8, device="meta")).shape == one.shape


def test_instance_norm_refuses():
    with pytest.raises(ValueError, match=r"x must have shape \(N, C, H, W\), got \(3, 4, 5\)"):
        instance_norm(torch.zeros(3, 4, 5), *torch.ones(2, 3))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        instance_norm_by_batch_norm(torch.zeros(1, 3, 1, 1), *torch.ones(2, 3))


def test_instance_norm_of_nearly_constant_channels():
    x = 1000 + 1e-2 * torch.randn(1, 2, 16, 16)
    exact = torch.nn.functional.instance_norm(x.double()).float()
    ours = instance_norm(x, torch.ones(2), torch.zeros(2))
    assert (ours - exact).abs().max() < 0.02
    flat = torch.full((1, 2, 8, 8), 7.0)
    torch.testing.assert_close(instance_norm(flat, torch.ones(2), torch.ones(2)), torch.ones(1, 2, 8, 8))


def test_channel_statistics_of_nearly_constant_channels():
    x = 1000 + 1e-2 * torch.randn(1, 2, 16, 16)
    mean, deviation = channel_statistics(x)
    torch.testing.assert_close(mean, x.double().mean((2, 3)).float())
    torch.testing.assert_close(deviation.double(), x.double().std((2, 3), correction=0), rtol=2e-2, atol=0)
    flat = torch.full((1, 2, 8, 8), 7.0, requires_grad=True)
    torch.stack(channel_statistics(flat)).sum().backward()
    torch.testing.assert_close(flat.grad, torch.full_like(flat, 1 / 64))


@pytest.mark.parametrize("shape", [(3, 5, 9, 9), (1, 2, 5, 5), (4, 3, 7, 7)])
def test_thin_conv_is_a_convolution(shape):
    x, weight, bias = torch.randn(2, shape[1], 14, 12), torch.randn(shape), torch.randn(shape[0])
    results = []
    for conv in (thin_conv, torch.nn.functional.conv2d):
        inputs = [each.clone().requires_grad_() for each in (x, weight, bias)]
        output = conv(*inputs)
        results.append([output, *torch.autograd.grad(output.square().sum(), inputs)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(thin_conv(x, weight, None), torch.nn.functional.conv2d(x, weight), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("place", [(0, 0), (3, 3), (8, 16)], ids=str)
def test_moments_are_exact_though_one_pixel_lies_far_out(place):
    x = torch.randn(1, 2, 512, 512)
    x[:, :, place[0], place[1]] = 1e4
    mean, std = channel_statistics(x, 0.0)
    exact = x.double()
    torch.testing.assert_close(mean.double(), exact.mean((2, 3)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(std.double(), exact.std((2, 3), unbiased=False), rtol=1e-5, atol=0)
    normed = instance_norm(x, torch.ones(2), torch.zeros(2))
    expected = (exact - exact.mean((2, 3), keepdim=True)) / exact.std((2, 3), unbiased=False)[..., None, None]
    assert (normed - expected)[..., 20:, 20:].abs().max() < 1e-5
