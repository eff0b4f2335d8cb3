"""The serving command: a page on this machine for people who do not code."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fast_style.terminal import progress_bar, telling_errors

if TYPE_CHECKING:
    from fast_style.web.runtime import Runtime


def run(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, or write it as files.

    Args:
        options: see `fast_style.cli.parsers.serve`.

    Raises:
        SystemExit: with 2 if the port is taken, a folder cannot be written or has not what it should, or an extra is
            not installed; with 1 if another server has the folder, or a network cannot be exported.
    """
    with telling_errors("stopped"):
        for package in ("starlette", "uvicorn"):
            if find_spec(package) is None:
                raise ValueError(f"the page needs the package {package}: pip install 'fast-style[web]'")
        from fast_style.web.runtime import find_runtime

        runtime = None if options.runtime is None else find_runtime(options.runtime.absolute())
        if options.static is not None and runtime is not None:
            _write(options.static, options.networks, runtime)
            return
        from fast_style.web.server import serve
        from fast_style.web.settings import Settings

        serve(
            Settings(
                folder=options.folder.absolute(),
                networks=options.networks.absolute(),
                host=options.host,
                port=options.port,
                token=options.token,
                training=tuple(options.train),
                engine={"device": options.device, "backend": "torch"},  # others take seconds for each style
                runtime=runtime,
            )
        )


def _write(folder: Path, networks: Path, runtime: "Runtime") -> None:
    """Write the page as files, and tell how to look at it."""
    from fast_style.web.alone import write

    with progress_bar("exporting", "networks") as tell:
        styles = write(folder, networks, runtime, tell)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    print(f"wrote {folder}: {len(styles)} style{'s' if len(styles) > 1 else ''}, {size:.0f} MB")
    own = sorted({style.model.name for style in styles if style.kind == "own"})
    if own:
        print(f"your own networks are among them: {', '.join(own)}", file=sys.stderr)
    print(f"look at it: python -m http.server --bind 127.0.0.1 --directory {folder}", file=sys.stderr)
