"""Networks run by ONNX Runtime."""

import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from fast_style.checkpoint import read_onnx_metadata
from fast_style.errors import first_line
from fast_style.inference.backends.cache import cached, fingerprint
from fast_style.inference.backends.interface import Backend
from fast_style.inference.backends.onnx_file import export_onnx, run, session_of


class OnnxRuntime(Backend):
    """ONNX Runtime on the CPU.

    Args:
        model: a network, which is exported and the file kept for later processes; or a file of `export_onnx`.
        precision: `fp32`, or that of the file.
        style: the style image (1, 3, h, w) in [0, 1], for a file that takes one.

    Raises:
        ValueError: if the precision is another, a package is missing, or the file is damaged or not ours.
        RuntimeError: if the network cannot be exported.
        FileNotFoundError: if the file does not exist.
    """

    name = "onnx"

    def __init__(self, model: nn.Module | Path, precision: str, style: Tensor | None = None) -> None:
        own = read_onnx_metadata(model)["precision"] if isinstance(model, Path) else "fp32"
        if precision != own:
            which = f"{model} computes" if isinstance(model, Path) else "backend onnx computes networks"
            raise ValueError(f"{which} in {own}, not in {precision}: take precision {own} or another backend")
        super().__init__(torch.device("cpu"), precision)
        started = time.perf_counter()
        try:
            self._session = session_of(model if isinstance(model, Path) else _exported(model))
        except (ValueError, RuntimeError, OSError):
            raise
        except ImportError as error:
            raise ValueError("backend onnx is not installed: pip install 'fast-style[onnx]'") from error
        except Exception as error:  # ONNX Runtime's have no common class
            raise ValueError(f"{model} cannot be run by ONNX Runtime ({first_line(error)})") from error
        self._styles = [] if style is None else [style]
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, photos: Tensor) -> Tensor:
        """Stylise a batch, see `Backend`."""
        return run(self._session, photos, *self._styles)


def _exported(network: nn.Module) -> bytes:
    key = fingerprint(network, *map(version, ("onnx", "onnxscript")))
    make = partial(_export, network)
    return make() if key is None else cached(f"{key}.onnx", make)


def _export(network: nn.Module) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        export_onnx(path, network, {})
        return path.read_bytes()
