"""The serving command: a page on this machine for people who do not code."""

import argparse
from importlib.util import find_spec

from fast_style.terminal import telling_errors


def run(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C.

    Args:
        options: see `fast_style.cli.parsers.serve`.

    Raises:
        SystemExit: with 2 if the port is taken, the folder cannot be written, or the extra `web` is not installed; with
            1 if another server has the folder.
    """
    with telling_errors("stopped"):
        for package in ("starlette", "uvicorn"):
            if find_spec(package) is None:
                raise ValueError(f"the page needs the package {package}: pip install 'fast-style[web]'")
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
            )
        )
