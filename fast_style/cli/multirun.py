"""Several trainings from one command, `train.py -m style=a,b,c`: each goes on its own, one table tells of all."""

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.table import Table

from fast_style.cli.errors import Exit
from fast_style.files import replacing
from fast_style.terminal import show

RESULT = "result.json"  # in the folder of each run; a launcher may have run it on another machine
LENGTH = 60  # characters of what the name of a folder tells; Windows bears 260 in a whole path


class Sweep(Callback):
    """Hydra callback that remembers where the runs of this command lie.

    Args:
        varied: names of the settings in which the runs differ, see `with_varied`; for the names of the runs.

    Attributes:
        folder: the folder of all runs; None unless several were asked for.
        started: when they were, in seconds since the epoch.
    """

    folder: Path | None = None
    started = 0.0

    def __init__(self, varied: Sequence[str] = ()) -> None:
        self.varied = varied

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Take the folder from Hydra, which alone knows the date in its name."""
        Sweep.folder, Sweep.started = Path(config.hydra.sweep.dir), time.time()


def with_varied(arguments: Sequence[str]) -> list[str]:
    """Tell Hydra, by a further argument, in which settings the runs of `-m` differ.

    Raises:
        ValueError: if all of them would write the same file.
    """
    if not {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(arguments):
        return list(arguments)
    names = [name for argument in arguments if (name := _varied(argument)) is not None]
    for argument in arguments if names and "output" not in names else ():
        if argument.startswith("output=") and "${" not in argument:
            raise ValueError(
                f"{argument} would be the file of all runs: leave it out, each then has its own, or give "
                "output='FOLDER/${style.name}.safetensors'"
            )
    quoted = (QuotedString(name, Quote.single).with_quotes() for name in names)
    return [*arguments, f"hydra.callbacks.sweep.varied=[{','.join(quoted)}]"]


def _varied(argument: str) -> str | None:
    try:
        override = None if argument.startswith("-") else OverridesParser.create().parse_override(argument)
    except HydraException:  # told when Hydra reads it
        return None
    return override.get_key_element() if override is not None and override.is_sweep_override() else None


def run_name(overrides: Sequence[str], varied: Sequence[str]) -> str:
    """Tell a run from the others, as `style=mosaic, loss.tv_weight=5`.

    Args:
        overrides: all settings of the run.
        varied: names of those that differ between the runs; if there are none, all are told.
    """
    return ", ".join(_told(overrides, varied))


def run_folder(number: int, overrides: Sequence[str], varied: Sequence[str]) -> str:
    """Name the folder of a run: its number, and of its settings what fits into a name on every system."""
    short = (re.sub(r"^[\w@.]*\.(?=\w+=)", "", each) for each in _told(overrides, varied))
    safe = re.sub(r"[^\w.=-]+", "_", "_".join(short), flags=re.ASCII)
    return f"{number}_{safe[:LENGTH]}".rstrip("._")


def _told(overrides: Sequence[str], varied: Sequence[str]) -> list[str]:
    chosen = [override for override in overrides if not varied or override.partition("=")[0] in varied]
    return [override.lstrip("+") for override in chosen]


def record(folder: Path, name: str, run: Callable[[], dict[str, Any]]) -> None:
    """Run one training of several, and keep in `folder` what came of it; an error is told and does not stop the rest.

    Args:
        folder: the folder of this run.
        name: what tells it from the others, such as `style=mosaic`.
        run: trains and returns what the table shows, see `table`.

    Raises:
        Exit: after Ctrl-C or SIGTERM, which are meant for all of them.
    """
    result: dict[str, Any] = {"run": name}
    _write(folder, result | {"error": "did not end", "exit_code": 1})
    try:
        result |= run()
    except Exit as end:
        result |= {"error": end.sentence, "exit_code": end.code}
        if end.code not in (1, 2) and Sweep.folder is not None:  # else it was meant for the process of a launcher
            raise
    except BaseException as error:
        result |= {"error": repr(error), "exit_code": 1}
        raise
    finally:
        _write(folder, result)


def report(folder: Path, since: float = 0.0) -> int:
    """Print the table of all runs in `folder`.

    Args:
        folder: of all runs.
        since: in seconds since the epoch; results from before belong to another command.

    Returns:
        The exit code: 0, or that of a run that failed, 1 before 2 before others.
    """
    paths = [path for path in sorted(folder.rglob(RESULT)) if path.stat().st_mtime >= since]
    results = [json.loads(path.read_text()) for path in paths]
    if results:
        show(table(results))
        print(f"compare: tensorboard --logdir {folder}")
    else:
        print(f"error: no run left a result in {folder}", file=sys.stderr)
    codes = [result["exit_code"] for result in results if result.get("exit_code")]
    return min(codes, default=0 if results else 1)


def table(results: list[dict[str, Any]]) -> Table:
    """Lay out the results, one a row.

    Args:
        results: with `run`, and either `error`, or `before` and `after` (held-out losses by name), `seconds` and
            `output`, the file of the network.
    """
    rows = Table(title="Trainings")
    prefix = "heldout/weighted/"
    keys = dict.fromkeys(key for result in results for key in result.get("after", ()) if key.startswith(prefix))
    terms = [key for key in keys if "/" not in key.removeprefix(prefix)]
    short = [key.removeprefix(prefix).removesuffix("_loss") for key in terms]
    for name in ("run", "held-out before", "after", *short, "minutes", "network"):
        rows.add_column(name, overflow="fold")
    for result in results:
        if "error" in result:
            rows.add_row(result["run"], *["–"] * (3 + len(terms)), f"error: {result['error']}")
            continue
        after, before = result["after"], result["before"]
        losses = [before.get("heldout/total_loss"), after.get("heldout/total_loss")]
        losses += [after.get(key) for key in terms]
        shown = ["–" if value is None else f"{value:.4g}" for value in losses]
        rows.add_row(result["run"], *shown, f"{result['seconds'] / 60:.1f}", result["output"])
    return rows


def _write(folder: Path, result: dict[str, Any]) -> None:
    with replacing(folder / RESULT) as file:
        file.write(json.dumps(result, indent=2).encode())
