"""Networks as ONNX files, for browsers and other programs."""

import asyncio
import hashlib
import os
from pathlib import Path

from fast_style.web.processes import PROGRAM
from fast_style.web.refusal import RefusedError, of_disk
from fast_style.web.styles import Style


class Exports:
    """Writes networks as ONNX files when these are first asked for, one at a time.

    Args:
        folder: where those of styles are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._turn = asyncio.Lock()

    async def of(self, style: Style) -> Path:
        """Find the ONNX file of a style.

        Raises:
            RefusedError: with 404 if its network is no longer there, or it is a painting that was brought, 422 if it
                cannot be exported, and why, 507 if the disk is full.
        """
        if style.kind == "painting":
            raise RefusedError(404, "a painting that was brought has no network of its own: learn it first")
        path = self.folder / f"{hashlib.sha256(style.id.encode()).hexdigest()[:32]}.onnx"
        if style.id.startswith("job:"):
            path = style.model.with_suffix(".onnx")  # removed with the job
        try:
            self.folder.mkdir(exist_ok=True)
            await self.renew(style.model, path, style.key)
        except FileNotFoundError as error:
            raise RefusedError(404, "the style is no longer there") from error
        except OSError as error:
            raise of_disk(error) from error
        return path

    async def renew(self, network: Path, path: Path, key: str | None = None) -> None:
        """Write the ONNX file of a network, unless it is there and of the same time as the network.

        Args:
            network: its file.
            path: the file to write.
            key: of several styles, which one.

        Raises:
            RefusedError: with 422 if it cannot be exported, and why.
            FileNotFoundError: if there is no such network.
        """
        async with self._turn:
            changed = network.stat().st_mtime_ns
            if not path.is_file() or path.stat().st_mtime_ns != changed:
                await _export(network, path, key)
                os.utime(path, ns=(changed, changed))


async def _export(network: Path, path: Path, key: str | None) -> None:
    """Export in a program of its own, so that the page stays quick."""
    command = [*PROGRAM, "export", str(network), str(path), "--overwrite"]
    command += [] if key is None else ["--style", key]
    nowhere, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(*command, stdin=nowhere, stdout=nowhere, stderr=pipe)
    try:
        _, told = await program.communicate()
    finally:
        if program.returncode is None:  # the server ends
            program.kill()
            await program.wait()
    if program.returncode:
        lines = told.decode("utf-8", "replace").strip().splitlines() or ["error: it was ended"]
        sentence = lines[-1].removeprefix("error: ")
        for folder in {path.parent, network.parent}:
            sentence = sentence.replace(f"{folder}/", "")
        raise RefusedError(422, f"the network cannot be exported: {sentence}")
