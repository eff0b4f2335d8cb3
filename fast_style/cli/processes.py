"""Trainings in several processes, and several of those one after the other."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning import Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import read_write

from fast_style.data.workers import lost_worker
from fast_style.errors import one_line
from fast_style.training.callbacks import Processes

LOST = re.compile(
    r"connection (was )?(closed|reset)|remote process exited|broken pipe|other side closed", re.IGNORECASE
)
ENVIRONMENT = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that Lightning leaves behind
WAIT = 60.0  # seconds for other processes to end


@contextmanager
def processes_of(trainer: Trainer, output: str) -> Iterator[None]:
    """Let Lightning start the other processes of this run in the body, and clean up after it.

    Args:
        trainer: of this run.
        output: the file of the network, as the other processes must be told.

    Raises:
        ValueError: if Hydra started this process, so that Lightning does not know how to start others like it.
        RuntimeError: if another process ended too early.
    """
    starts = isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher) and "LOCAL_RANK" not in os.environ
    arguments = sys.argv[1:]
    if starts and HydraConfig.get().mode is RunMode.MULTIRUN:
        _speak_of_this_run_alone(output)
    elif starts:
        sys.argv[1:1] = _command()
    try:
        yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not LOST.search(str(error)):
            raise
        raise RuntimeError(
            f"another process of this run ended at step {trainer.global_step}, and told why if it could; continue with "
            f"ckpt_path=last hydra.run.dir={HydraConfig.get().runtime.output_dir}"
        ) from error
    finally:
        if starts:
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, Processes):
                    callback.wait(trainer, WAIT)
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            for name in ENVIRONMENT:
                os.environ.pop(name, None)
            sys.argv[1:] = arguments


def how_it_ended(stop: BaseException, trainer: Trainer) -> tuple[int, str]:
    """Tell what interrupted a training whose state is whole, so that its network can be exported.

    Args:
        stop: what the trainer raised.
        trainer: of this run.

    Returns:
        The exit code, 130 after Ctrl-C, 143 after SIGTERM, 1 after the loss of a worker, and a sentence; the last of
        these was printed.

    Raises:
        BaseException: `stop` itself, if it is anything else.
    """
    step, lost = trainer.global_step, lost_worker(stop)
    if isinstance(stop, SIGTERMException) or (lost and trainer.received_sigterm):
        return 143, f"stopped at step {step}"
    if isinstance(stop, SystemExit):  # Lightning's answer to Ctrl-C
        return 130, f"stopped at step {step}"
    if not lost:
        raise stop
    sentence = (
        f"a process that reads photos is gone, killed for lack of memory perhaps ({one_line(stop)}); stopped at step "
        f"{step}"
    )
    print(f"error: {sentence}", file=sys.stderr)
    return 1, sentence


def _command() -> list[str]:
    """What stands before the settings where a process is started as this one was: `train`, unless by `train.py`."""
    return ["train"] if Path(sys.argv[0]).stem in ("__main__", "fast-style") else []


def _speak_of_this_run_alone(output: str) -> None:
    """Lightning starts the others with the command line of this process and the folder of a single run."""
    root: Any = HydraConfig.instance().cfg
    launcher = root.hydra.launcher["_target_"].rpartition(".")[2]
    if launcher != "BasicLauncher":
        raise ValueError(
            f"under hydra's {launcher} a training cannot start further processes: give trainer.devices=1, or leave "
            "hydra/launcher out"
        )
    quoted = output.replace("\\", "\\\\").replace('"', '\\"')
    sys.argv[1:] = [*_command(), *root.hydra.overrides.task, f'output="{quoted}"']
    with read_write(root.hydra):
        root.hydra.run.dir = root.hydra.runtime.output_dir
