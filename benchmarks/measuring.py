"""What several benchmarks measure and tell alike: the machine, memory in MB of 10⁶ bytes, and runs that take turns."""

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def machine() -> dict[str, Any]:
    """Tell on what was measured, for JSON."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}


def megabytes(kibibytes: float) -> float:
    """Convert what Linux counts memory in, `ru_maxrss` too, to MB of 10⁶ bytes."""
    return kibibytes * 1024 / 1e6


def held_mb(process: int | str = "self", peak: bool = True) -> float:
    """Read the resident memory of a process of Linux in MB of 10⁶ bytes.

    Args:
        process: its number; `self`: this one.
        peak: whether the most that it has held is meant, in place of what it holds now.

    Returns:
        The memory; 0 for one that has ended.

    Raises:
        OSError: if there is no such process.
    """
    key = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next((megabytes(int(line.split()[1])) for line in lines if line.startswith(key)), 0.0)


def alternating(runs: Mapping[str, Callable[[], object]], rounds: int, warm: int = 0) -> dict[str, list[float]]:
    """Time runs that take turns, so that what else the machine does meets all of them.

    Args:
        runs: by name.
        rounds: how often each is timed.
        warm: rounds before them that are not counted.

    Returns:
        Seconds of each run in each round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(warm + rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: each[warm:] for name, each in seconds.items()}
