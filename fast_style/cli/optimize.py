"""The optimising command: photos and style images in, a picture each out, no network trained."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from torch import Tensor

from fast_style.cli import optimize_many
from fast_style.cli.arguments import check_picture, check_spared
from fast_style.cli.errors import Exit, in_one_sentence
from fast_style.cli.memory import keep_memory
from fast_style.cli.optimizing import Materials, files_of, read
from fast_style.cli.watcher import Watcher, name_of
from fast_style.errors import first_line
from fast_style.files import as_path
from fast_style.inference.backends import find_device
from fast_style.optimize import NonFiniteError, Step


def run(options: argparse.Namespace) -> None:
    """Optimise a picture, or one for each of many photos.

    Args:
        options: see `fast_style.cli.parsers.optimize`.

    Raises:
        Exit: with 2 after misuse, with 1 if a loss is not finite or one of many pictures failed, with 130 after Ctrl-C;
            the best of a single picture is kept.
    """
    with in_one_sentence(os.environ.get("HYDRA_FULL_ERROR") == "1"):
        keep_memory()
        optimize_many.check(options)
        (optimize_many.run if optimize_many.is_asked_for(options) else _run)(options)


def _run(options: argparse.Namespace) -> None:
    output = Path(options.output)
    check_picture(output, options.overwrite)
    check_spared([output], [*(options.content or []), *files_of(options)])
    device = find_device(options.device)
    content = read(as_path(options.content[0])) if options.content else None
    problem = Materials.read(options).begin(content, device)
    write = partial(problem.write, output)
    with Watcher(problem.sizes, problem.iterations, options.logdir) as watcher:
        step, code, sentence = _follow(problem.steps, watcher, options.preview, write)
    if code:
        done = f"{step.total} iterations were done, up to {name_of(problem.sizes[step.scale])}" if step else ""
        print(f"{sentence} ({done or 'nothing was done'})", file=sys.stderr)
    if step is not None:
        write(step.picture)
        print(f"loss {step.best:.4g} after {step.total} iterations; wrote {output}")
    if code:
        raise Exit(code, sentence)


def _follow(
    steps: Iterator[Step], watcher: Watcher, preview: int, write: Callable[[Tensor], None]
) -> tuple[Step | None, int, str]:
    """Go through the iterations; return the last that was done, an exit code, and what ended them too early."""
    step = None
    try:
        for step in steps:
            watcher.see(step)
            if preview and step.total % preview == 0:
                write(step.picture)
    except KeyboardInterrupt:
        return step, 130, "interrupted"
    except NonFiniteError as error:
        return step, 1, f"error: {error}; lower loss.style_weight, or take --optimizer adam"
    except (RuntimeError, MemoryError) as error:  # mostly, that memory does not suffice for the next size
        if step is None:
            raise
        return step, 1, f"error: {first_line(error)}; take a smaller --size"
    return step, 0, ""
