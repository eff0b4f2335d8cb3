"""Networks run by OpenVINO."""

import sys
import threading
import time
import warnings
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fast_style.checkpoint import read_onnx_metadata
from fast_style.errors import first_line
from fast_style.inference.backends.cache import cached, fingerprint, forget
from fast_style.inference.backends.eight_bits import FOR_WHICH, eight_bit_model, takes_eight_bits
from fast_style.inference.backends.interface import Backend, Clamped
from fast_style.inference.backends.open_vino_model import keep_stem
from fast_style.inference.backends.precision import multiplies_bf16
from fast_style.layers import frozen
from fast_style.networks import Generator, SlimNetwork

PRECISIONS = ("fp32", "bf16", "int8")
TRACED = (1, 3, 17, 19)  # no multiples of four, so that padding inside the network is part of what is traced
CHECKED = (2, 3, 22, 33)
TOLERANCE = 0.05  # mean absolute difference, of noise in bfloat16; a wrong size or a wrong constant exceeds it


class OpenVINO(Backend):
    """OpenVINO on the CPU, compiled once for all sizes; compiled networks are kept for later processes.

    One call at a time: others wait.

    Args:
        model: a network, or a file of `export_onnx`.
        precision: `fp32`, `bf16`, or for a `SlimNetwork` `int8`, see `eight_bit_model`.

    Raises:
        ValueError: if the precision is another or not for this network, OpenVINO is missing, or the file is damaged or
            not ours.
        RuntimeError: if OpenVINO cannot convert the network, or computes something else than PyTorch.
        FileNotFoundError: if the file does not exist.
    """

    name = "openvino"

    def __init__(self, model: nn.Module | Path, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"backend openvino computes in {', '.join(PRECISIONS)}, not in {precision}")
        if precision == "int8" and not takes_eight_bits(model):
            raise ValueError(f"precision int8 is for {FOR_WHICH}")
        super().__init__(torch.device("cpu"), precision)
        started = time.perf_counter()
        if isinstance(model, Path):
            read_onnx_metadata(model)
        else:
            model = frozen(model).cpu()
        ov = _import()
        self._core = ov.Core()
        lowered = precision == "bf16" or (precision == "int8" and multiplies_bf16("cpu"))
        self._config = {
            "INFERENCE_PRECISION_HINT": "bf16" if lowered else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._lock = threading.Lock()
        self._pad = model.pad if isinstance(model, Generator) else torch.nn.Identity()
        try:
            compiled = self._compile(self._core.read_model(model)) if isinstance(model, Path) else self._load(model)
        except Exception as error:  # its frontends raise what they like
            what, kind = (str(model), ValueError) if isinstance(model, Path) else ("the network", RuntimeError)
            raise kind(f"OpenVINO cannot compile {what} ({first_line(error)})") from error
        self._request = compiled.create_infer_request()
        if isinstance(model, nn.Module):
            self._check(model)
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, photos: Tensor) -> Tensor:
        """Stylise a batch, see `Backend`."""
        h, w = photos.shape[-2:]
        padded = self._pad(photos.detach().cpu()).contiguous().numpy()
        with self._lock:
            # OpenVINO 2026.4.1, also without ONNX Runtime, fails glibc's check of the heap in some processes, and with
            # shared inputs in more of them.
            pictures = self._request.infer([padded], share_inputs=False, share_outputs=True)[0]
            return torch.from_numpy(pictures)[..., :h, :w].clamp(0, 1)

    def _load(self, network: nn.Module) -> Any:
        version = _import().get_version()
        processor = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        key = fingerprint(network, version, processor, self.precision, *map(str, self._config.values()))
        make = partial(self._convert, network)
        if key is None:
            return make()
        name = f"{key}.blob"
        for _ in range(2):
            content = cached(name, lambda: make().export_model().getvalue())
            try:
                return self._core.import_model(BytesIO(content), "CPU", self._config)
            except RuntimeError:  # damaged, or compiled for another processor
                forget(name)
        return make()

    def _compile(self, model: Any) -> Any:
        if self._config["INFERENCE_PRECISION_HINT"] != "f32":
            model = keep_stem(self._core, model)
        return self._core.compile_model(model, "CPU", self._config)

    def _convert(self, network: nn.Module) -> Any:
        ov = _import()
        if self.precision == "int8":
            assert isinstance(network, SlimNetwork)  # noqa: S101 - checked when this was built
            return self._compile(eight_bit_model(network))
        with warnings.catch_warnings(action="ignore"):  # that tracing is deprecated, and that it settles sizes: checked
            example, inner = torch.rand(TRACED), network
            if isinstance(network, Generator):
                example, inner = network.pad(example), _OfPadded(network)
            shape = ov.PartialShape([-1, 3, -1, -1])
            traced = ov.convert_model(inner, example_input=example, input=[shape])
        return self._compile(traced)

    @torch.inference_mode()
    def _check(self, network: nn.Module) -> None:
        """Raise RuntimeError if a decision on the size was settled when the network was traced."""
        photos = torch.rand(CHECKED, generator=torch.Generator().manual_seed(0))
        expected = Clamped(network)(photos)
        try:
            found = self(photos)
        except RuntimeError as error:
            raise RuntimeError(f"OpenVINO cannot run the network at all sizes ({first_line(error)})") from error
        if found.shape != expected.shape or not (found - expected).abs().mean() <= TOLERANCE:
            raise RuntimeError("OpenVINO computes something else than PyTorch at another size than the traced one")


class _OfPadded(nn.Module):
    """A network between its padding and its cropping, which take time in a compiled graph even when they do nothing."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, padded: Tensor) -> Tensor:
        """Stylise photos of padded sides."""
        return self.network.of_padded(padded)


def _import() -> Any:
    # Unless this package is missing, the import of OpenVINO reports itself to a server.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ValueError("backend openvino is not installed: pip install 'fast-style[openvino]'") from error
    return openvino
