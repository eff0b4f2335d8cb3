"""Fixtures of the distillation."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fast_style.cli import paths

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
import distill


@pytest.fixture(scope="session")
def narrow_vgg_state() -> dict[str, torch.Tensor]:
    """Random weights for `NarrowVGG`, of a few channels."""
    generator = torch.Generator().manual_seed(0)
    channels = {"11": 2, "12": 2, "21": 3, "22": 3, "31": 4, "32": 4, "33": 4, "34": 4, "41": 5}
    convs = [("conv0", 3, 3, 1)]
    for (name, width), below in zip(channels.items(), [3, *channels.values()], strict=False):
        convs.append((f"conv{name}", width, below, 3))
    for name, width in (("11", 6), ("21", 7), ("31", 8), ("41", 9)):
        convs.append((f"conv{name}_aux", width, channels[name], 1))
    state = {}
    for name, out_channels, in_channels, size in convs:
        weight = torch.randn(out_channels, in_channels, size, size, generator=generator)
        state[f"{name}.weight"] = weight / (in_channels**0.5 * size)
        state[f"{name}.bias"] = torch.rand(out_channels, generator=generator) / 4
    return state


@pytest.fixture(scope="session")
def narrow_vgg_file(tmp_path_factory, narrow_vgg_state) -> Path:
    """These weights in a file."""
    path = tmp_path_factory.mktemp("weights") / "narrow.safetensors"
    save_file(narrow_vgg_state, path)
    return path


@pytest.fixture
def tiny_distillation(tiny: dict[str, str], vgg_file: Path, narrow_vgg_file: Path) -> dict[str, str]:
    """Overrides by key of a distillation that takes a second."""
    run = {key: value for key, value in tiny.items() if not key.startswith(("style", "loss", "model"))}
    return run | {
        "experiment": "distill_vgg19",
        "data.heldout": tiny["data.root"],
        "data.heldout_size": "48",
        "model.compile": "false",
        "model.network._target_": "fast_style.networks.VGG",
        "model.network.weights": "null",
        "model.network.width": "2",
        "model.teachers.vgg19.weights": str(vgg_file),
        "model.teachers.narrow.weights": str(narrow_vgg_file),
        "model.layers": "{vgg19: [relu1_2, relu2_1], narrow: [relu3_1]}",
        "+model.explorer.width": "2",
        "+model.explorer.blocks": "0",
        "model.explorer_loss.content_layers": "[relu2_1]",
        "model.explorer_loss.style_layers": "[relu1_2,relu3_1]",
        "+model.styles.names": "[cubist,gilded]",
        "model.styles.size": "32",
        "model.turn": "2",
    }


@pytest.fixture
def distil(monkeypatch) -> Iterator[Callable[..., int]]:
    """Run `tools/distill.py` in this process and return its exit code."""

    def run(overrides: dict[str, str], *more: str) -> int:
        arguments = [f"{key}={value}" for key, value in overrides.items()]
        monkeypatch.setattr(sys, "argv", ["distill.py", *arguments, *more])
        try:
            distill.main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    before = list(paths.PATHS)
    yield run
    paths.PATHS[:] = before
