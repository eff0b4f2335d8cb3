"""Numbers of 16 bits where they are as good as 32 and faster."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import FilterResponseNorm, InstanceNorm, frozen
from fast_style.processor import processor_kind

# What PyTorch computes in; of int8, which is OpenVINO's alone, what it takes where that does not do, as in tiles.
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.float32}
CONVS = (nn.Conv2d, nn.ConvTranspose2d)
NORMS = (InstanceNorm, FilterResponseNorm, nn.InstanceNorm2d, nn.BatchNorm2d)


def multiplies_bf16(kind: str) -> bool:
    """Tell whether the hardware multiplies bfloat16, rather than emulating it.

    Args:
        kind: of device: `cpu`, `cuda` or another, for which the answer is no. A processor that stands for one without
            bfloat16 (`FAST_STYLE_CPU=avx2`) has none.

    Raises:
        ValueError: if `$FAST_STYLE_CPU` is unknown.
    """
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        if processor_kind() is not None:
            return False
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def lowered(network: nn.Module, dtype: torch.dtype, norm: Callable[[nn.Module], nn.Module] | None = None) -> nn.Module:
    """Copy a network so that its convolutions are computed in `dtype`, whatever else it is made of.

    What comes in is converted where a convolution takes it; normalisations keep float32 weights and statistics. Colours
    are float32: a convolution of three channels is computed in it, since where a photo is flat the normalisation after
    it multiplies the rounding before (see `open_vino_model.keep_stem`), and the one that makes them gives it, since
    bfloat16 has only 128 numbers between 0.5 and 1.

    Args:
        network: any, on any device.
        dtype: of the weights of the convolutions and of their inputs.
        norm: builds what takes the place of a normalisation; None leaves them.

    Returns:
        A network in evaluation mode, without gradients.
    """
    network = frozen(network)
    last = _last_convolution(network)
    for parent in list(network.modules()):
        for name, module in list(parent.named_children()):
            if type(module) in NORMS and norm is not None:
                setattr(parent, name, norm(module))
            elif isinstance(module, CONVS) and dtype != torch.float32:
                if module.in_channels != 3:
                    module.to(dtype)
                module.register_forward_pre_hook(_to_weight)
                if module is last:
                    module.register_forward_hook(_to_float)
    return network


class Float32Norm(nn.Module):
    """A normalisation in float32 between layers of another type."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape and type."""
        return self.norm(x.float()).to(x.dtype)


class ChannelsLastNorm(nn.Module):
    """Instance normalisation on the CPU that keeps channels last: each image is a batch of its own.

    `torch.nn.InstanceNorm2d` copies such activations to channels first and back, which took a third of the time of the
    whole network (Johnson's at 512² in bfloat16 on one core: 354 ms, so 245 ms). Statistics are float32.

    Args:
        norm: the layer whose scale and shift it takes.
    """

    def __init__(self, norm: nn.InstanceNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape and type."""
        images = [F.batch_norm(image, None, None, self.weight, self.bias, True, 0.0, self.eps) for image in x.split(1)]
        return images[0] if len(images) == 1 else torch.cat(images)


def channels_last_norm(norm: nn.Module) -> nn.Module:
    """Build a `ChannelsLastNorm` in the place of an instance normalisation by the statistics of the image."""
    if isinstance(norm, nn.InstanceNorm2d) and not norm.track_running_stats:
        return ChannelsLastNorm(norm)
    return norm


def float32_norm(norm: nn.Module) -> nn.Module:
    """Build a `Float32Norm` in the place of any normalisation."""
    return Float32Norm(norm)


def _last_convolution(network: nn.Module) -> nn.Module | None:
    """Find the convolution that makes the colours: of those that give three channels, or else of all, the last."""
    backwards = [module for module in reversed(list(network.modules())) if isinstance(module, CONVS)]
    return next(iter([each for each in backwards if each.out_channels == 3] or backwards), None)


def _to_weight(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (inputs[0].to(module.weight.dtype), *inputs[1:])


def _to_float(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.float()
