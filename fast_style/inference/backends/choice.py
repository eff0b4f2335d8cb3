"""Which backend, device and precision, from what was asked for and what is there."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from fast_style.checkpoint import read_onnx_metadata, takes_style_image
from fast_style.inference.backends.eager import Eager
from fast_style.inference.backends.eight_bits import FOR_WHICH, takes_eight_bits
from fast_style.inference.backends.interface import Backend
from fast_style.inference.backends.onnx_runtime import OnnxRuntime
from fast_style.inference.backends.open_vino import OpenVINO
from fast_style.inference.backends.precision import PRECISIONS, multiplies_bf16

BACKENDS = ("torch", "onnx", "openvino")
# Fastest first on the CPU, as benchmarks/inference.py measures; on GPUs there is only PyTorch.
BY_SPEED = (
    ("openvino", "bf16"),
    ("torch", "bf16"),
    ("openvino", "fp32"),
    ("onnx", "fp32"),
    ("onnx", "fp16"),
    ("torch", "fp32"),
    ("torch", "fp16"),
    ("openvino", "int8"),  # the fastest, but its pictures differ a little: only where it is asked for
)


def choose(
    model: nn.Module | Path,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    compile: bool = False,  # noqa: A002 - as PyTorch calls it
    style: Tensor | None = None,
) -> Backend:
    """Make a network ready to run, in the fastest way there is here unless something else is asked for.

    Args:
        model: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; or a file of `export_onnx`.
        device: `auto` (CUDA, else Apple's MPS, else CPU), `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto` (bf16 where the hardware multiplies it, else fp32), `fp32`, `bf16`, `fp16` on GPUs, or `int8`,
            in which OpenVINO computes a `SlimNetwork`. ONNX Runtime computes networks in fp32, files in what they were
            exported in.
        backend: `auto`, or one of `BACKENDS`. `onnx` and `openvino` run on the CPU, `torch` runs no files.
        compile: whether to have PyTorch compile the network.
        style: for a file that takes a style image this image, (1, 3, h, w) in [0, 1]; ONNX Runtime alone runs it.

    Returns:
        The backend; where one that is installed had to be passed over, its notes say why.

    Raises:
        ValueError: if a name is unknown, what is asked for is not to be had here, the file is damaged or not ours, or
            it takes a style image and there is none, or the other way round.
        FileNotFoundError: if the file does not exist.
        RuntimeError: if what is asked for cannot run the network.
    """
    _check_name("precision", precision, tuple(PRECISIONS))
    _check_name("backend", backend, BACKENDS)
    if compile and backend == "auto":
        backend = "torch"
    elif compile and backend != "torch":
        raise ValueError(f"backend {backend} always compiles: leave out compile, or take backend torch")
    own = read_onnx_metadata(model)["precision"] if isinstance(model, Path) else "fp32"
    takes_image = isinstance(model, Path) and takes_style_image(model)
    if takes_image and style is None:
        raise ValueError(f"{model} takes the style as a second input: give an image of it")
    if style is not None and not takes_image:
        raise ValueError("only an ONNX file of a network for any style takes a style image: leave it out")
    if style is not None and backend == "auto":
        backend = "onnx"
    on_cpu = isinstance(model, Path) or backend in ("onnx", "openvino") or precision == "int8"
    where = find_device("cpu" if on_cpu and device == "auto" else device)
    offers = [(name, number) for name, number in BY_SPEED if number in _offers(name, model, where.type, own)]
    wanted = [offer for offer in offers if backend in ("auto", offer[0]) and precision == offer[1]]
    if precision == "auto":
        wanted = [offer for offer in offers if backend in ("auto", offer[0]) and offer[1] != "int8"]
    if not wanted:
        asked = " ".join(value for value in (backend, precision) if value != "auto")
        what = f" for {model}" if isinstance(model, Path) else ""
        why = " (which does not multiply it)" if precision == "bf16" and not multiplies_bf16(where.type) else ""
        why = f" (it is for {FOR_WHICH})" if precision == "int8" and not takes_eight_bits(model) else why
        have = f"one of {', '.join(' '.join(offer) for offer in offers)}" if offers else "device cpu"
        raise ValueError(f"{asked or 'a backend'} is not available{what} on {where}{why}: take {have}")
    if backend == "auto":
        wanted = [offer for offer in wanted if _installed(offer[0], model)]
    if not wanted and precision == "int8":
        raise ValueError("precision int8 needs OpenVINO: pip install 'fast-style[openvino]'")
    if not wanted:
        raise ValueError(f"{model} needs OpenVINO or ONNX Runtime: pip install 'fast-style[openvino]'")
    return _first_that_runs(wanted, model, where, compile, backend == "auto", style)


def _first_that_runs(
    wanted: Sequence[tuple[str, str]],
    model: nn.Module | Path,
    device: torch.device,
    compile: bool,  # noqa: A002 - as PyTorch calls it
    forgiving: bool,
    style: Tensor | None,
) -> Backend:
    """Build the first backend that can run the model; where others are passed over, its notes say why."""
    notes: list[str] = []
    for name, number in wanted:
        try:
            chosen = _build(name, model, device, number, compile, style)
        except (RuntimeError, ValueError) as error:
            if not forgiving or (name, number) == wanted[-1]:
                raise
            notes.append(f"backend {name} {number} was passed over: {error}")
        else:
            chosen.notes = notes + chosen.notes
            return chosen
    raise AssertionError("the last one is built or raises")


def find_device(name: str) -> torch.device:
    """Find a device by name, `auto` being CUDA, else Apple's MPS, else the CPU.

    Raises:
        ValueError: if it is unknown, or not available here.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.append("mps")
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if kind in available))
    if name not in available:
        raise ValueError(f"device must be auto or one of those available here, {', '.join(available)}; got {name!r}")
    return torch.device(name)


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in ("auto", *known):
        raise ValueError(f"{what} must be auto or one of {', '.join(known)}, got {name!r}")


def _offers(name: str, model: nn.Module | Path, kind: str, own: str) -> set[str]:
    """Name the precisions in which a backend runs the model on a kind of device."""
    offered = {"fp32", "bf16"} if multiplies_bf16(kind) else {"fp32"}
    if name == "torch":
        return set() if isinstance(model, Path) else offered if kind == "cpu" else offered | {"fp16"}
    if kind != "cpu":
        return set()
    if name == "onnx":
        return {own}
    return offered | {"int8"} if takes_eight_bits(model) else offered


def _installed(name: str, model: nn.Module | Path) -> bool:
    packages = {"torch": [], "openvino": ["openvino"], "onnx": ["onnxruntime"]}[name]
    if name == "onnx" and isinstance(model, nn.Module):
        packages += ["onnx", "onnxscript"]  # to export it
    return all(find_spec(package) for package in packages)


def _build(
    name: str,
    model: nn.Module | Path,
    device: torch.device,
    precision: str,
    compile: bool,  # noqa: A002
    style: Tensor | None,
) -> Backend:
    if name == "openvino":
        return OpenVINO(model, precision)
    if name == "onnx":
        return OnnxRuntime(model, precision, style)
    assert isinstance(model, nn.Module)  # noqa: S101 - torch is offered for nothing else
    return Eager(model, device, precision, compile)
