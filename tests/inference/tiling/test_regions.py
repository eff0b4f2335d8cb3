import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fast_style.inference.tiling.program import program_of, sizes_of
from fast_style.inference.tiling.regions import Path
from fast_style.inference.tiling.subpixel import strided_weight, unfold_squares
from fast_style.layers import ConvLayer, ResidualBlock, TransposedConv, UpsampleConv
from fast_style.layers.kernels import upsampled_weight

H, W = 23, 18
LAYERS = {
    "9x9": ConvLayer(4, 9, 9),
    "9x9 to three channels": ConvLayer(4, 3, 9),
    "even to three channels": nn.Conv2d(4, 3, (4, 2)),
    "stride two": ConvLayer(4, 8, 3, stride=2),
    "stride four": ConvLayer(4, 8, 7, stride=4),
    "zeros": nn.Conv2d(4, 8, 3, padding=1),
    "replicated": nn.Conv2d(4, 8, (5, 3), padding=(3, 1), padding_mode="replicate"),
    "dilated, grouped, without bias": nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2, bias=False),
    "upsampled": UpsampleConv(4, 8, 3),
    "upsampled to three channels": UpsampleConv(4, 3, 3),
    "upsampled 5x5": UpsampleConv(4, 8, 5),
    "transposed": TransposedConv(4, 8, 3),
    "transposed 4x4": nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1),
    "transposed with gaps": nn.ConvTranspose2d(4, 8, 2, stride=3, padding=0, output_padding=(1, 2)),
    "enlarged": nn.Upsample(scale_factor=3),
    "shuffled": nn.PixelShuffle(2),
    "folded": nn.Sequential(nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, (1, 2)), nn.PixelUnshuffle(2)),
    "pooled": nn.Sequential(nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, (1, 2)), nn.MaxPool2d(2)),
    "activation": nn.LeakyReLU(0.3),
    "function": torch.tanh,
    "batch norm": nn.BatchNorm2d(4),
    "residual": ResidualBlock(4, "batch"),
}


def path_of(layers, h, w):
    class Network:
        chain = layers

    return Path(program_of(Network(), torch.float32), (4, h, w))


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_a_part_is_that_of_the_whole(name):
    layer = LAYERS[name]
    for module in [layer] * isinstance(layer, nn.Module):
        module.eval()
        for norm in [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    x = torch.randn(1, 4, H, W)
    whole = layer(x)
    path = path_of([layer], H, W)
    h, w = whole.shape[-2:]
    assert path.sizes[-1] == tuple(whole.shape[1:])
    for number in range(60):
        (top, bottom), (left, right) = (sorted(torch.randperm(side + 1)[:2].tolist()) for side in (h, w))
        top, left = (0 if number % 3 == 0 else top), (0 if number % 5 == 0 else left)
        want = (top, bottom), (left, right)
        have = path.needs(want)
        (first, last), (start, stop) = have
        assert 0 <= first < last <= H
        assert 0 <= start < stop <= W
        part = path(x[..., first:last, start:stop], have, want)
        torch.testing.assert_close(part, whole[..., top:bottom, left:right], atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_a_part_needs_no_more_than_it_sees():
    x = torch.randn(1, 4, 40, 40, requires_grad=True)
    layers = [ConvLayer(4, 8, 5), ConvLayer(8, 8, 3, stride=2), UpsampleConv(8, 8, 3)]
    (top, bottom), (left, right) = path_of(layers, 40, 40).needs(((20, 23), (17, 18)))
    with torch.enable_grad():
        nn.Sequential(*layers)(x)[..., 20:23, 17:18].sum().backward()
    rows, columns = x.grad.abs().sum(dim=(0, 1, 3)).nonzero(), x.grad.abs().sum(dim=(0, 1, 2)).nonzero()
    assert (rows.min(), rows.max() + 1) == (top, bottom)
    assert (columns.min(), columns.max() + 1) == (left, right)


def test_work_is_counted_as_multiply_adds():
    layers = [ConvLayer(4, 8, 3, stride=2), TransposedConv(8, 4, 3), nn.ReLU(), ResidualBlock(4, "batch")]
    conv, transposed, residual = 9 * 4 * 8 * 10 * 12, 9 * 8 * 4 * 10 * 12, 2 * 9 * 4 * 4 * 20 * 24
    assert path_of([layer.eval() for layer in layers], 20, 24).work == conv + transposed + residual


def test_sizes():
    program = [*path_of([ConvLayer(4, 8, 3, stride=2), UpsampleConv(8, 2, 3)], 1, 1).layers]
    assert sizes_of(program, (4, 20, 13)) == [(4, 20, 13), (8, 10, 7), (2, 20, 14)]


def test_upsampled_weight():
    weight, x = torch.randn(5, 4, 3, 3), torch.randn(1, 4, 7, 9)
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0), weight)
    given = unfold_squares(F.conv2d(x, upsampled_weight(weight).flatten(0, 2)))
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel", [(9, 9), (3, 2), (1, 1)])
def test_strided_weight(kernel):
    weight, x = torch.randn(3, 4, *kernel), torch.randn(1, 4, 14 + kernel[0] - 1, 10 + kernel[1] - 1)
    given = unfold_squares(F.conv2d(x, strided_weight(weight), stride=2))
    torch.testing.assert_close(given, F.conv2d(x, weight), atol=1e-5, rtol=1e-5)
