"""Distilled loss networks into files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from fast_style.files import replacing
from fast_style.networks import VGG


def save_loss_network(
    path: str | Path, network: VGG, convs: Sequence[str], taps: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write a file for `VGG(weights=path)` in half precision; it appears under its name only once it is complete.

    Args:
        path: the `.safetensors` file.
        network: the loss network.
        convs: which of its convolutions, from the first on.
        taps: by layer, the square matrix its features are multiplied with.
        metadata: values by name, each kept as JSON; mean and std are added.

    Raises:
        ValueError: if a weight is not finite in half precision.
        OSError: if the file cannot be written; nothing is left behind.
    """
    state: dict[str, Tensor] = {}
    index = 0
    for name in convs:
        index += name.endswith("_1") and name != "conv1_1"  # the pooling before
        for key, parameter in network.convs[name].state_dict().items():
            state[f"features.{index}.{key}"] = parameter
        index += 2
    state |= {f"taps.{layer}.weight": matrix for layer, matrix in taps.items()}
    state = {key: tensor.detach().to("cpu", torch.float16).contiguous() for key, tensor in state.items()}
    for key, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"cannot save {path}: weight {key} has values that are not finite in half precision")
    channels = {"mean": network.mean.flatten().tolist(), "std": network.std.flatten().tolist()}
    texts = {key: json.dumps(value) for key, value in {**metadata, **channels}.items()}
    with replacing(Path(path)) as file:
        file.write(save(state, texts))
