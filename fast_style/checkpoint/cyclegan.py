"""Generators of junyanz/pytorch-CycleGAN-and-pix2pix, whose files hold bare weights, under the names of ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fast_style.networks import PREFIX, Generator

CYCLEGAN = "junyanz/pytorch-CycleGAN-and-pix2pix"
STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")
LAST = ("conv4", "up.0.0")  # convolutions that no norm follows


def is_cyclegan(state: Mapping[str, Any]) -> bool:
    """Tell by the names of weights whether they are of a generator or a discriminator of that program."""
    return _is_resnet(state) or _is_unet(state) or _is_discriminator(state)


def from_cyclegan(path: Path, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Name the weights of a generator as ours does.

    These are ResNets of any number of blocks and U-Nets of any depth, with instance norms, batch norms or none. Batch
    norms keep their running statistics, as that program uses them with `--eval`; dropout, which has no weights, is off.
    The statistics that instance norms of early versions kept are left out: they were not used.

    Args:
        path: the file, for what is raised.
        state: its weights, of which `is_cyclegan` is true.

    Returns:
        Metadata with `format`, `network` and `arguments`, and the weights, of which nothing is checked. What layers of
        ours have beyond theirs is missing: see `complete`.

    Raises:
        ValueError: if it is a discriminator, pads its residual blocks with zeros, samples with blurs as CUT does, takes
            or makes other pictures than RGB, or has batch norms without running statistics.

    Source: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix/blob/master/models/networks.py
    """
    if not (_is_resnet(state) or _is_unet(state)):
        raise ValueError(f"{path} is a discriminator, which makes no pictures: give the generator, latest_net_G…")
    if any(key.endswith(".filt") for key in state):
        raise ValueError(f"{path} samples with blurs, as CUT does without --no_antialias: such generators are not read")
    if any(key.endswith(".conv_block.0.weight") for key in state):
        raise ValueError(f"{path} pads its residual blocks with zeros: generators are read whose blocks reflect")
    network, arguments, names = _resnet(state) if _is_resnet(state) else _unet(state)
    _check_rgb(path, state, names)
    norms = [theirs for theirs, ours in names.items() if "norm" in ours or ours.endswith(".1")]
    if any(f"{norm}.weight" in state for norm in norms):
        norm = "batch"
        for key in (f"{each}{statistic}" for each in norms for statistic in STATISTICS[:2]):
            if key not in state:
                raise ValueError(
                    f"{path} has batch norms without running statistics, it lacks {key}: their pictures would depend "
                    "on what is made in the same batch, which is not read"
                )
    else:
        norm = "instance" if f"{next(iter(names))}.bias" in state else "none"
        state = {key: value for key, value in state.items() if not key.endswith(STATISTICS)}
    metadata = {"format": CYCLEGAN, "network": PREFIX + network, "arguments": arguments | {"norm": norm}}
    return metadata, {_renamed(key, names): value for key, value in state.items()}


def complete(network: Generator, state: Mapping[str, Any]) -> dict[str, Any]:
    """Add what the layers of ours have beyond theirs: scales and shifts of instance norms, biases before other norms.

    Args:
        network: the one that the metadata describes; it may be on the device `meta`.
        state: the weights of `from_cyclegan`.

    Returns:
        The weights, with scales of 1, shifts and biases of 0, and 0 for the number of batches that a batch norm saw.
    """
    added: dict[str, Tensor] = {}
    for name, layer in network.named_modules():
        match layer:
            case nn.InstanceNorm2d(num_features=channels):
                added |= {f"{name}.weight": torch.ones(channels), f"{name}.bias": torch.zeros(channels)}
            case nn.BatchNorm2d():
                added[f"{name}.num_batches_tracked"] = torch.tensor(0)
            case nn.Conv2d() | nn.ConvTranspose2d() if network.arguments["norm"] != "instance" and name not in LAST:
                added[f"{name}.bias"] = torch.zeros(layer.out_channels)
    return added | dict(state)


def fold(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Have a ResNet take and give [0, 1] where theirs has [-1, 1]; a `UnetGenerator` does so itself.

    Theirs: y = tanh(v(u(2x − 1))), with the first convolution u, padded by reflection, and the last one v. Ours: y =
    1/(1 + e^(−2v)) = ½ + ½·tanh(v) in [0, 1].

    Args:
        weights: all of a network's, by our names.

    Returns:
        The weights of a network that does so; those of a `UnetGenerator` as they are.
    """
    if "conv4.weight" not in weights:
        return dict(weights)
    shift = weights["conv1.bias"] - weights["conv1.weight"].sum((1, 2, 3))
    doubled = {key: 2 * weights[key] for key in ("conv1.weight", "conv4.weight", "conv4.bias")}
    return {**weights, "conv1.bias": shift, **doubled}


def _is_resnet(state: Mapping[str, Any]) -> bool:
    return "model.1.weight" in state and any(".conv_block." in key for key in state)


def _is_unet(state: Mapping[str, Any]) -> bool:
    return {"model.model.0.weight", "model.model.1.model.1.weight"} <= state.keys()


def _is_discriminator(state: Mapping[str, Any]) -> bool:
    """Of patches, or of single pixels."""
    return {"model.0.weight", "model.2.weight"} <= state.keys() or {"net.0.weight", "net.2.weight"} <= state.keys()


def _resnet(state: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Tell the network, its arguments, and by which name ours has what each of their layers has."""
    numbers = {key.split(".")[1] for key in state if ".conv_block." in key}
    blocks = len(numbers)
    names = {"model.1": "conv1", "model.2": "norm1", "model.4": "conv2", "model.5": "norm2", "model.7": "conv3"}
    names["model.8"] = "norm3"
    for block in range(blocks):
        theirs, ours = f"model.{10 + block}.conv_block", f"residuals.{block}"
        second = 5 if f"{theirs}.5.weight" in state else 6  # behind a dropout
        names |= {f"{theirs}.1": f"{ours}.conv1", f"{theirs}.2": f"{ours}.norm1"}
        names |= {f"{theirs}.{second}": f"{ours}.conv2", f"{theirs}.{second + 1}": f"{ours}.norm2"}
    after = ("up1", "norm4", None, "up2", "norm5", None, None, "conv4")
    names |= {f"model.{10 + blocks + place}": ours for place, ours in enumerate(after) if ours}
    arguments: dict[str, Any] = {"width": _width(state, "model.1.weight"), "blocks": blocks}
    arguments |= {"upsampling": "transposed", "padding": "zeros", "output": "sigmoid"}
    return "ResnetGenerator", arguments, names


def _unet(state: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Tell what `_resnet` does; their levels lie in one another, each in the middle of the one above."""
    names, inside, level = {"model.model.0": "down.0.0", "model.model.3": "up.0.0"}, "model.model.1.model", 1
    while f"{inside}.3.model.1.weight" in state:
        names |= {f"{inside}.1": f"down.{level}.0", f"{inside}.2": f"down.{level}.1"}
        names |= {f"{inside}.5": f"up.{level}.0", f"{inside}.6": f"up.{level}.1"}
        inside, level = f"{inside}.3.model", level + 1
    names |= {f"{inside}.1": f"down.{level}.0", f"{inside}.3": f"up.{level}.0", f"{inside}.4": f"up.{level}.1"}
    return "UnetGenerator", {"width": _width(state, "model.model.0.weight"), "depth": level + 1}, names


def _check_rgb(path: Path, state: Mapping[str, Any], names: Mapping[str, str]) -> None:
    shapes = {ours: getattr(state.get(f"{theirs}.weight"), "shape", ()) for theirs, ours in names.items()}
    takes = (shapes.get("conv1") or shapes.get("down.0.0") or ())[1:2]
    makes = shapes["conv4"][:1] if "conv4" in shapes else shapes["up.0.0"][1:2]
    for what, channels in (("takes", takes), ("makes", makes)):
        if channels and channels[0] != 3:
            raise ValueError(f"{path} {what} pictures of {channels[0]} channels: only generators of RGB are read")


def _width(state: Mapping[str, Any], first: str) -> int:
    shape = getattr(state[first], "shape", ())
    return shape[0] if shape else 0


def _renamed(key: str, names: Mapping[str, str]) -> str:
    layer, _, part = key.rpartition(".")
    return f"{names[layer]}.{part}" if layer in names else key
