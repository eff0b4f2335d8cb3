"""What a training takes on unless told otherwise: decided by what the machine is, and kept when a run goes on."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import OmegaConf

from fast_style.files import home_expanded
from fast_style.inference.backends import find_device, multiplies_bf16

MANY_CORES = 8  # from which on float32 does what two cores do in bfloat16
CHOICES = ("budget", "model")  # groups of configs/ whose default depends on the machine
MULTIRUN = {"-m", "--multirun", "hydra.mode=MULTIRUN"}


def budget_here() -> str:
    """Name what fits the time on this machine, a file of configs/budget: `gpu`, `cpu` or `slow_cpu`."""
    if find_device("auto").type != "cpu":
        return "gpu"
    cores = torch.get_num_threads()
    fast = cores >= MANY_CORES or (cores > 1 and multiplies_bf16("cpu"))
    return "cpu" if fast else "slow_cpu"


def network_here() -> str:
    """Name the network whose training fits the time on this machine, a file of configs/model."""
    return "johnson" if budget_here() == "gpu" else "slim"


def precision_here() -> str:
    """Say whether the CPU multiplies bfloat16, and how many cores it has where there are not two."""
    cores = torch.get_num_threads()
    told = "bfloat16 here" if multiplies_bf16("cpu") else "no bfloat16 here"
    return told if cores == 2 else f"{told}, {cores} core{'s' if cores > 1 else ''}"


def about(why: str | None, network: str | None, size: int, batch: int) -> str:
    """Say what trains and why, as the beginning of a sentence; nothing where there is no budget.

    Args:
        why: of the budget.
        network: the dotted name of its class.
        size: side of the crops in pixels.
        batch: photos a step.
    """
    if why is None:
        return ""
    name = (network or "").rpartition(".")[2].removesuffix("Network").lower()
    called = {"transformer": "johnson", "": "own"}.get(name, name)
    return f"{why}: {called} network, {batch} crop{'s' if batch > 1 else ''} of {size} px a step"


def keep_choices(arguments: Sequence[str]) -> list[str]:
    """Add to the arguments of a command that continues a run what was chosen for it, unless they say it themselves.

    Hydra notes the choices of each run in its folder, in `.hydra/hydra.yaml`.

    Args:
        arguments: as `config.prepared` returns them.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    folder = _folder_of(given)
    if folder is None or MULTIRUN & set(arguments):
        return list(arguments)
    note = folder / ".hydra" / "hydra.yaml"
    chosen = OmegaConf.select(OmegaConf.load(note), "hydra.runtime.choices") if note.is_file() else {}
    kept = {name: chosen.get(name) for name in CHOICES if name not in given} if chosen else {}
    return [*arguments, *(f"{name}={choice}" for name, choice in kept.items() if choice)]


def _folder_of(given: dict[str, str]) -> Path | None:
    """Find the folder of the run that is continued; None if none is."""
    resume = given.get("ckpt_path", "null").strip("'\"")
    if resume == "null":
        return None
    if resume != "last":
        return home_expanded(resume).parent.parent
    folder = given.get("hydra.run.dir")
    return None if folder is None or re.search(r"\$\{", folder) else home_expanded(folder.strip("'\""))
