"""The training command: compose, instantiate, fit, export."""

import logging
import math
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import lightning as L
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fast_style.callbacks import find_checkpoint
from fast_style.checkpoint import load_network, save_network

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parents[1]
# Installed from a wheel the configs lie in the package, in a checkout beside it.
CONFIGS = next(path for path in (PACKAGE / "configs", PACKAGE.parent / "configs") if path.is_dir())
MISUSE = (
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    MisconfigurationException,
    HydraException,
    OmegaConfBaseException,
)


def main() -> None:
    """Run the command line; exits with 2 for misuse, 1 for a failed training, 130 after Ctrl-C."""
    _register_resolvers()
    _register_styles(sys.argv[1:])
    setting = os.environ.get("HYDRA_FULL_ERROR", "0")
    show_traceback = setting == "1"

    def task(config: DictConfig) -> None:
        with _errors_in_one_sentence(show_traceback):
            train(config)

    with _errors_in_one_sentence(show_traceback):
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's own errors pass through instead of being printed in its way
        try:
            hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(task)()
        finally:
            os.environ["HYDRA_FULL_ERROR"] = setting


def train(config: DictConfig) -> None:
    """Train as configured, then export the network; Ctrl-C exports what has been learned so far."""
    _quiet()
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    L.seed_everything(config.seed, verbose=False)
    resume = find_checkpoint(config.ckpt_path, run_dir / "checkpoints")
    task, data, trainer = (
        hydra.utils.instantiate(config[part], _convert_="all") for part in ("model", "data", "trainer")
    )
    if config.init != "scratch":
        task.network.load_state_dict(load_network(config.init).state_dict())
    output = Path(config.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    print(f"TensorBoard: tensorboard --logdir {_relative(run_dir)}", file=sys.stderr)

    before: dict[str, float] = {}
    if resume is None:
        before = trainer.validate(task, data, verbose=False)[0]
        trainer.logger.experiment.add_text("config", f"```yaml\n{OmegaConf.to_yaml(config, resolve=True)}```")
    started = time.perf_counter()
    interrupted = False
    try:
        trainer.fit(task, data, ckpt_path=resume, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        interrupted = True
    seconds = time.perf_counter() - started
    steps = trainer.global_step
    after = {} if interrupted else trainer.validate(task, data, verbose=False)[0]
    if not trainer.is_global_zero:
        return
    if after:
        trainer.logger.log_hyperparams(_flat(config), {name: after[name] for name in sorted(after)}, step=steps)
        trainer.logger.finalize("success")
    save_network(output, task.network, _metadata(config, steps, before, after))
    if before and after:
        print(f"held-out objective {before['heldout/total_loss']:.4g} → {after['heldout/total_loss']:.4g}")
    print(f"trained to step {steps} in {seconds / 60:.1f} min; wrote {output}")
    print(f"next: python stylize.py --model {output} --input PHOTO.jpg")
    if interrupted:
        sys.exit(130)


def _metadata(config: DictConfig, steps: int, before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    return {
        "style": config.style.name,
        "steps": steps,
        "heldout_before": before,
        "heldout_after": after,
        "license_note": config.license_note,
        "config": {part: _plain(config[part]) for part in ("style", "model", "data")} | {"seed": config.seed},
    }


def _flat(config: DictConfig) -> dict[str, Any]:
    """Hyperparameters by dotted name, for TensorBoard's table of runs."""
    flat: dict[str, Any] = {}
    pending = [(part, _plain(config[part])) for part in ("style", "loss", "model", "data")]
    while pending:
        prefix, value = pending.pop(0)
        if isinstance(value, dict):
            pending += [(f"{prefix}.{key}", item) for key, item in value.items() if (prefix, key) != ("model", "loss")]
        else:
            flat[prefix] = value if isinstance(value, (int, float, str)) else str(value)
    return flat


def _plain(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=True)


def _register_resolvers() -> None:
    OmegaConf.register_new_resolver("precision", _precision, replace=True)
    OmegaConf.register_new_resolver("product", lambda *values: math.prod(values), replace=True)


def _precision(accelerator: str) -> str:
    """Choose bfloat16 autocast where the hardware multiplies bfloat16, else float32."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator in ("auto", "cpu") and not torch.backends.mps.is_available():
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "bf16-mixed" if fast else "32-true"
    return "32-true"


def _register_styles(arguments: list[str]) -> None:
    """Let style=NAME stand for any image NAME of style.dir, not only for names with a file in configs/style."""
    names = [name for arg in arguments if arg.startswith("style=") for name in arg.removeprefix("style=").split(",")]
    for name in names:
        if re.fullmatch(r"[\w.-]+", name) and not (CONFIGS / "style" / f"{name}.yaml").exists():
            ConfigStore.instance().store(name, {"defaults": ["custom", "_self_"], "name": name}, group="style")


@contextmanager
def _errors_in_one_sentence(show_traceback: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if show_traceback:
            raise
        cause: BaseException = error
        while isinstance(cause, HydraException) and cause.__cause__ is not None:  # what Hydra wraps
            cause = cause.__cause__
        message = " ".join(str(cause).split()) or type(cause).__name__
        if isinstance(cause, OverrideParseException):
            message += """; a value with a comma, a blank or = needs quotes: 'data.root="a=b"'"""
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2 if isinstance(cause, MISUSE) else 1)


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _quiet() -> None:
    """Silence what Lightning says of its own settings; keep every warning about the user's run."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        r"The '\w+' does not have many workers",
        r"Checkpoint directory .* exists and is not empty",
        r"The number of training batches .* is smaller than the logging interval",
        r"Found \d+ module\(s\) in eval mode",  # the loss network, on purpose
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    ):
        warnings.filterwarnings("ignore", message)
