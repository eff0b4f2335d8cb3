"""What the configuration computes: `${NAME:…}` in configs/."""

import re
from collections.abc import Mapping

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.utilities import suggested_max_num_workers
from omegaconf import DictConfig, OmegaConf

from fast_style.cli.budget import about, budget_here, network_here, precision_here
from fast_style.cli.multirun import run_folder
from fast_style.cli.outputs import new_folder
from fast_style.inference.backends import find_device, multiplies_bf16

# A step under VGG-19 keeps 4,420 bytes a pixel for the backward pass in float32 (sum over
# torch.autograd.graph.saved_tensors_hooks, layers of configs/loss/gram.yaml); about as much again for gradients.
BYTES_PER_PIXEL = 10_000
COMPILE_STEPS = 500  # and seconds, by the device, from which on compiling pays
COMPILE_SECONDS = {"cpu": 400.0, "gpu": 200.0}
LARGE = 22 * 2**30  # bytes; a card sold with 24 GiB tells of a little less


def register_resolvers() -> None:
    """Make the resolvers known to OmegaConf, in this process."""
    for resolver in (
        about,
        batch_size,
        batches,
        budget_here,
        compile_pays,
        either,
        network_here,
        networks,
        per_style,
        precision,
        precision_here,
        seconds,
        time_limit,
        workers,
    ):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
    OmegaConf.register_new_resolver("new_folder", new_folder, replace=True, use_cache=True)


Time = str | float | Mapping[str, float] | None


def seconds(max_time: Time) -> float | None:
    """Read a length of time.

    Args:
        max_time: `HH:MM:SS`, `DD:HH:MM:SS`, or seconds, also as {"seconds": …}; None for no limit.

    Raises:
        ValueError: if it is none of these, or not above 0.
    """
    if max_time is None:
        return None
    if isinstance(max_time, Mapping):
        max_time = max_time["seconds"]
    parts = re.fullmatch(r"(?:(\d+):)?(\d+):(\d\d):(\d\d)|(\d+(?:\.\d*)?)", str(max_time))
    if parts is None:
        raise ValueError(f"trainer.max_time must be HH:MM:SS, DD:HH:MM:SS or a number of seconds, got {max_time}")
    *clock, plain = parts.groups(default="0")
    days, hours, minutes, rest = map(int, clock)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + rest + float(plain)
    if not total > 0:
        raise ValueError(f"trainer.max_time must be more than no time, got {max_time}")
    return total


def time_limit(max_steps: int, budget: float | None) -> float | None:
    """Limit the time of a run to that of the budget in seconds, unless its steps are limited."""
    return budget if max_steps < 0 else None


def either(condition: object, yes: float, no: float) -> float:
    """Choose by whether a value is given."""
    return no if condition is None else yes


def batch_size(accelerator: str, size: int) -> int:
    """Choose how many photos of size × size pixels a device takes at once.

    Returns:
        2 on a CPU; the paper's 4 on a GPU, 8 on one of 24 GiB and more, which 4 leave idle; fewer if they do not fit.
    """
    device = _device(accelerator)
    if device != "cuda":
        return 2 if device == "cpu" else 4
    memory = torch.cuda.get_device_properties(0).total_memory  # not what is free: a resumed run must decide alike
    return max(1, min(8 if memory >= LARGE else 4, memory // (BYTES_PER_PIXEL * max(1, size) ** 2)))


def workers(accelerator: str) -> int | str:
    """Choose how many processes read photos: one a core for a GPU, shared among the GPUs, up to 16; else `auto`."""
    if _device(accelerator) != "cuda":
        return "auto"
    return min(16, suggested_max_num_workers(max(1, torch.cuda.device_count())))


def _device(accelerator: str) -> str:
    if accelerator == "auto":
        return find_device("auto").type
    return "cuda" if accelerator == "gpu" and torch.cuda.is_available() else accelerator


def batches(max_steps: int, accumulate: int) -> int | float:
    """Count the batches of a run; 1.0 is all there are, without end."""
    return max_steps * accumulate if max_steps >= 0 else 1.0


def compile_pays(max_steps: int, max_time: Time, accelerator: str, precision: str | int | None) -> bool:
    """Decide from the budget alone, so that a resumed run decides alike, whether compiling the step saves time.

    On a CPU it gains nothing in float32 and little in bfloat16 under VGG-19, whose convolutions take most of the time:
    that is COMPILE_SECONDS.
    """
    limit = seconds(max_time)
    device = _device(accelerator)
    if device == "cpu" and not str(precision).startswith("bf16"):
        return False
    enough = limit is None or limit >= COMPILE_SECONDS["cpu" if device == "cpu" else "gpu"]
    return enough and (max_steps < 0 or max_steps >= COMPILE_STEPS)


def networks() -> str:
    """Name the folder of trained networks: of several runs, each keeps its own, so that none replaces another's."""
    config = HydraConfig.get()
    return config.runtime.output_dir if config.mode is RunMode.MULTIRUN else "checkpoints"


def per_style(loss: DictConfig, *, _parent_: DictConfig) -> DictConfig:
    """Make of the configuration of a loss that of one which is called with style=IMAGE."""
    items = {key: value for key, value in loss.items_ex(resolve=False) if key != "style"}
    return OmegaConf.create(items | {"_partial_": True}, parent=_parent_)


def precision(accelerator: str) -> str:
    """Choose bfloat16 autocast where the hardware multiplies bfloat16, else float32."""
    return "bf16-mixed" if multiplies_bf16(_device(accelerator)) else "32-true"
