"""The training command: compose, instantiate, fit, export."""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import hydra
import lightning as L
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from fast_style.cli import multirun
from fast_style.cli.budget import keep_choices
from fast_style.cli.checks import check_end, check_settings
from fast_style.cli.config import CONFIGS, build, prepared
from fast_style.cli.errors import Exit, in_one_sentence
from fast_style.cli.memory import keep_memory
from fast_style.cli.outputs import choose_output, refuse_taken, sheet_of, writing
from fast_style.cli.paths import settle, style_names
from fast_style.cli.processes import how_it_ended, processes_of
from fast_style.cli.report import relative, report, sample_photo, show, show_continuation
from fast_style.cli.resolvers import register_resolvers, seconds
from fast_style.cli.resume import alone_in, check_free, check_last
from fast_style.cli.start import follow_start
from fast_style.cli.words import check_words
from fast_style.data import shipped_styles
from fast_style.errors import one_line
from fast_style.terminal import accept_any_text
from fast_style.training import Task
from fast_style.training.callbacks import find_checkpoint
from fast_style.training.logs import log_settings, log_text


def main() -> None:
    """Run the command line; exits with 2 for misuse, 1 for a failed training, 130 after Ctrl-C, 143 after SIGTERM."""
    register_resolvers()
    given = sys.argv[1:]
    setting = os.environ.get("HYDRA_FULL_ERROR", "0")
    show_traceback = setting == "1"

    def task(config: DictConfig) -> None:
        os.environ["HYDRA_FULL_ERROR"] = setting  # what other processes of the same run inherit
        register_resolvers()  # a launcher may have started another process for this run
        accept_any_text()
        sys.argv[1:] = given  # what other processes of the same run are started with

        def run() -> dict[str, Any]:
            with in_one_sentence(show_traceback), alone_in(Path(HydraConfig.get().runtime.output_dir)):
                return train(config)

        hydra_config = HydraConfig.get()
        if hydra_config.mode is RunMode.MULTIRUN:
            name = multirun.run_name(hydra_config.overrides.task, hydra_config.callbacks["sweep"].varied)
            multirun.record(Path(hydra_config.runtime.output_dir), name, run)
        else:
            run()

    with in_one_sentence(show_traceback):
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's own errors pass through instead of being printed in its way
        multirun.Sweep.folder = None
        try:
            check_words(given)
            arguments = prepared(given)
            check_last(arguments)
            check_free(arguments)
            sys.argv[1:] = multirun.with_varied(keep_choices(arguments))
            _register_styles(sys.argv[1:])
            hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(task)()
        finally:
            os.environ["HYDRA_FULL_ERROR"] = setting
            sweep = multirun.Sweep
            code = multirun.report(sweep.folder, sweep.started) if sweep.folder else 0
    if code:
        sys.exit(code)


def train(config: DictConfig) -> dict[str, Any]:
    """Train as configured, then export the network; Ctrl-C exports what has been learned so far.

    Returns:
        Of the process of rank 0: held-out losses `before` and `after`, `seconds` and `output`, the file of the network.

    Raises:
        Exit: with exit code 130 after Ctrl-C, 143 after SIGTERM.
        RuntimeError: if another process of the same run is lost.
    """
    _quiet()
    keep_memory()
    settle(config)
    if (limit := seconds(config.trainer.max_time)) is not None:
        config.trainer.max_time = {"seconds": limit}  # as Lightning takes it
    check_settings(config)
    check_end(config.trainer)
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    resume = find_checkpoint(config.ckpt_path, run_dir / "checkpoints")
    given = any(override.startswith("output=") for override in HydraConfig.get().overrides.task)
    output = choose_output(config, given, resume, run_dir)
    follow_start(config, HydraConfig.get().overrides.task, resume)
    OmegaConf.resolve(config)  # once: what depends on the machine is decided here
    L.seed_everything(config.seed, verbose=False)
    data, task, trainer = (build(config[part]) for part in ("data", "model", "trainer"))
    refuse_taken(list(task.files(output).values())[1:], given and not config.overwrite)
    note = task.begin(config.init, resume)
    if trainer.is_global_zero:
        board = f"TensorBoard: tensorboard --logdir {relative(run_dir)}" if _has_board(trainer) else ""
        print(*filter(None, (note, board)), sep="\n", file=sys.stderr)

    exit_code, sentence = 0, ""
    started = time.perf_counter()
    with processes_of(trainer, config.output):
        try:
            if resume is None:
                task.heldout_before = _validate(trainer, task, data)
                log_text(trainer, "config", f"```yaml\n{OmegaConf.to_yaml(config, resolve=True)}```")
            trainer.fit(task, data, ckpt_path=resume, weights_only=True)
            after = _validate(trainer, task, data)
        except (SystemExit, RuntimeError) as stop:  # SIGTERM, Ctrl-C, or a worker that is gone
            exit_code, sentence = how_it_ended(stop, trainer)
            after = _measured(trainer, task)
    duration = time.perf_counter() - started
    if not exit_code and trainer.global_step == 0:
        raise ValueError(
            "the time, or the batches, that the settings leave end before a single step: give more of them"
        )
    if trainer.is_global_zero and trainer.global_step > 0:
        if not exit_code:
            log_settings(trainer, _flat(config), dict(sorted(after.items())))
        metadata = _metadata(config, trainer.global_step, task.heldout_before, after)
        output = _export(task, output, metadata, config.overwrite, run_dir)
        report(task.files(output), metadata, data.summary(), duration)
        show(output, task, trainer.callbacks, sample_photo(data.first_heldout), config.style.get("dir"))
    if exit_code:
        _tell_stop(trainer, resume, run_dir)
        raise Exit(exit_code, sentence)
    return {"before": task.heldout_before, "after": after, "seconds": duration, "output": str(output)}


def _validate(trainer: L.Trainer, task: Task, data: L.LightningDataModule) -> dict[str, float]:
    """Measure the held-out losses, unless the training has measured those of its last step.

    Raises:
        SIGTERMException: after SIGTERM, which Lightning forgets when it comes with the last batch.
    """
    losses = _measured(trainer, task) or trainer.validate(task, data, verbose=False)[0]
    if trainer.received_sigterm:
        raise SIGTERMException
    return dict(losses)


def _measured(trainer: L.Trainer, task: Task) -> dict[str, float]:
    """Return the held-out losses of the network as it is; none if the last ones are of an earlier step."""
    metrics = trainer.callback_metrics if task.measured_at == trainer.global_step else {}
    return {name: value.item() for name, value in metrics.items() if name.startswith("heldout/")}


def _tell_stop(trainer: L.Trainer, resume: Path | None, run: Path) -> None:
    """Say how a training that was stopped goes on, or that there is nothing to go on from."""
    if not trainer.is_global_zero:
        return
    if trainer.global_step == 0 and resume is None:
        print("stopped before the end of the first step: there is nothing to keep", file=sys.stderr)
    else:
        show_continuation(run)


def _export(task: Task, output: Path, metadata: dict[str, Any], overwrite: bool, run: Path) -> Path:
    """Write what users keep; returns the first file.

    Raises:
        RuntimeError: if it cannot be written.
    """
    try:
        with writing(output, overwrite, run, lambda path: [*task.files(path).values(), sheet_of(path)]) as chosen:
            task.save(chosen, metadata)
    except OSError as error:
        again = f"the same command with hydra.run.dir={run} ckpt_path=last, and perhaps output=FILE, writes it"
        raise RuntimeError(f"{one_line(error)}; what was learned is in {run / 'checkpoints'}: {again}") from error
    return chosen


def _has_board(trainer: L.Trainer) -> bool:
    return any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers)


def _metadata(config: DictConfig, steps: int, before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    return {
        "style": config.style.name,
        "steps": steps,
        "heldout_before": before,
        "heldout_after": after,
        "license_note": config.license_note,
        "config": {part: _plain(config[part]) for part in ("style", "model", "data")}
        | {"seed": config.seed, "init": _name(str(config.init))},
    }


def _name(init: str) -> str:
    """Call what a training began from by its name, not by where it lay on this machine."""
    return Path(init).stem if Path(init).name != init else init


def _flat(config: DictConfig) -> dict[str, Any]:
    """Hyperparameters by dotted name, for TensorBoard's table of runs; each part once, where it is its own."""
    parts = ("style", "loss_network", "loss", "model", "data", "trainer")
    flat: dict[str, Any] = {"seed": config.seed, "init": config.init}
    own = config.model.get("loss") is not None and config.model.loss.get("_target_") != config.loss._target_
    pending = [(part, _plain(config[part])) for part in parts if part != "loss" or not own]
    shared = {*parts, "logger"} - ({"loss"} if own else set())
    while pending:
        prefix, value = pending.pop(0)
        if isinstance(value, dict):
            pending += [(f"{prefix}.{key}", item) for key, item in value.items() if key not in shared]
        elif not isinstance(value, list) or not any(isinstance(item, dict) for item in value):
            flat[prefix] = value if isinstance(value, (int, float, str)) else str(value)
    return flat


def _plain(config: DictConfig) -> Any:
    """Make plain values of a part of the configuration; paths become text."""
    return json.loads(json.dumps(OmegaConf.to_container(config, resolve=True), default=str))


def _register_styles(arguments: list[str]) -> None:
    """Let style=NAME stand for any image NAME, shipped or of style.dir, not only for names with a file."""
    for name in [*shipped_styles(), *style_names(arguments)]:
        if not (CONFIGS / "style" / f"{name}.yaml").exists():
            ConfigStore.instance().store(name, {"defaults": ["custom", "_self_"], "name": name}, group="style")


def _quiet() -> None:
    """Silence what Lightning says of its own settings; keep every warning about the user's run."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # that there is no CUDA, when compiling
    for message in (
        r"The '\w+' does not have many workers",
        r"The number of training batches .* is smaller than the logging interval",
        r"Found \d+ module\(s\) in eval mode",  # the loss network, on purpose
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    ):
        warnings.filterwarnings("ignore", message)
