"""A published narrow VGG-19 that speaks of the wide one's relu4_1, as a teacher."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.networks import VGG

CONVS = ("11", "12", "21", "22", "31", "32", "33", "34", "41")
STD = 0.25  # of photos, about
HEADS = {"relu1_1": "11", "relu2_1": "21", "relu3_1": "31", "relu4_1": "41"}


class NarrowVGG(nn.Module):
    """VGG-19 with a quarter of the channels whose 1×1 heads predict features of the full one, frozen.

    Source: Wang et al. 2020, "Collaborative Distillation for Ultra-Resolution Universal Style Transfer"
    (https://arxiv.org/abs/2003.08436), the published network `wct_se_16x`: `conv0`, `conv11` … `conv41` with
    reflection padding, and the heads `conv11_aux`, `conv21_aux`, `conv31_aux`, `conv41_aux`.

    Args:
        weights: the `.safetensors` file with these keys.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not hold this network.
    """

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        if not Path(weights).is_file():
            raise FileNotFoundError(f"there are no weights of the narrow VGG-19 at {weights}")
        try:
            state = load_file(weights)
        except SafetensorError as error:
            raise ValueError(f"{weights} is not a complete safetensors file ({error})") from error
        self.convs = nn.ModuleDict()
        channels = 3
        for name in ("0", *CONVS):
            conv = _conv(weights, state, f"conv{name}", channels, 1 if name == "0" else 3)
            self.convs[f"conv{name}"], channels = conv, conv.out_channels
            if name in HEADS.values():
                self.convs[f"conv{name}_aux"] = _conv(weights, state, f"conv{name}_aux", channels, 1)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Predict the features of the full VGG-19, each channel scaled to a mean near 1.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1], H and W at least 16.
            layers: some of relu1_1, relu2_1, relu3_1, relu4_1.

        Returns:
            By layer name, features of shape (N, C, H/2^(b−1), W/2^(b−1)) with C = 64, 128, 256, 512 for block b.

        Raises:
            ValueError: if a layer is none of these.
        """
        wanted = set(layers)
        if unknown := wanted - HEADS.keys():
            raise ValueError(f"the narrow VGG-19 predicts {', '.join(HEADS)}, not {min(unknown)}")
        x = self.convs["conv0"](images)
        features: dict[str, Tensor] = {}
        for conv in CONVS:
            if conv.endswith("1") and conv != "11":
                x = F.max_pool2d(x, 2)
            x = F.relu(self.convs[f"conv{conv}"](x))
            if (layer := f"relu{conv[0]}_{conv[1]}") in wanted:
                features[layer] = F.relu(self.convs[f"conv{conv}_aux"](x))
            if len(features) == len(wanted):
                break
        return features


def narrow_student(weights: str | Path, width: Sequence[int] | None = None) -> VGG:
    """Build a `VGG` that computes the narrow features of `NarrowVGG`, to distil further.

    The colour transform A x + b is folded into the normalisation, mean = −A⁻¹ b, and into the first convolution. Only
    the padding differs: zeros, which in the first layer stand for the mean colour, instead of reflections.

    Args:
        weights: the `.safetensors` file of the narrow network.
        width: channels of the five blocks, none below those of the narrow network, whose features come first; what is
            added starts at random and is not listened to by what was there. Default: those of the narrow network.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not hold this network, a block of that is wider than the width, or the colour transform
            has no inverse.
    """
    narrow = NarrowVGG(weights)
    colour = narrow.convs["conv0"]
    matrix, offset = (p.double() for p in (colour.get_parameter("weight")[:, :, 0, 0], colour.get_parameter("bias")))
    try:
        mean = -torch.linalg.solve(matrix, offset)
    except RuntimeError as error:
        raise ValueError(f"the colour transform conv0 of {weights} has no inverse") from error
    state: dict[str, Tensor] = {}
    for name in CONVS:
        for key, value in narrow.convs[f"conv{name}"].state_dict().items():
            state[f"conv{name[0]}_{name[1]}.{key}"] = value
    state["conv1_1.weight"] = torch.einsum("oihw,ij->ojhw", state["conv1_1.weight"].double(), matrix * STD).float()
    blocks = [len(state[f"conv{block}_1.bias"]) for block in (1, 2, 3, 4, 4)]
    student = VGG("vgg19", None, mean.tolist(), [STD] * 3, width=width or blocks)
    for name in list(student.convs):
        if f"{name}.weight" not in state:
            del student.convs[name]
            continue
        for key, parameter in student.convs[name].named_parameters():
            _embed(parameter, state[f"{name}.{key}"], f"{name}.{key} of {weights}")
    student.source = str(weights)
    return student


@torch.no_grad()
def _embed(parameter: nn.Parameter, values: Tensor, name: str) -> None:
    """Put a smaller convolution into the first channels of a wider one."""
    shape = values.shape[:2]
    if any(small > large for small, large in zip(values.shape, parameter.shape, strict=True)):
        raise ValueError(f"{name} has shape {tuple(values.shape)}, which does not fit into {tuple(parameter.shape)}")
    if parameter.ndim == 1:
        parameter.zero_()[: shape[0]] = values
    else:
        nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        parameter[: shape[0]] = 0
        parameter[: shape[0], : shape[1]] = values


def _conv(path: str | Path, state: Mapping[str, Tensor], name: str, in_channels: int, size: int) -> nn.Conv2d:
    weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
    if weight is None or bias is None or weight.shape != (*bias.shape, in_channels, size, size):
        raise ValueError(
            f"{path} is not the narrow VGG-19: {name}.weight and {name}.bias must be a {size}×{size} convolution of "
            f"{in_channels} channels"
        )
    conv = nn.Conv2d(in_channels, len(bias), size, padding=size // 2, padding_mode="reflect")
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv
