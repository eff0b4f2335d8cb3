"""Networks in ONNX files: written with everything that is known of them, and told from others."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.checkpoint import ONNX_FORMAT
from fast_style.checkpoint.onnx_metadata import STYLE
from fast_style.errors import first_line
from fast_style.files import replacing
from fast_style.inference.backends.interface import Clamped
from fast_style.inference.backends.precision import PRECISIONS, float32_norm, lowered
from fast_style.layers import ConditionalInstanceNorm, frozen
from fast_style.networks import AnyStyleNetwork

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18  # as old as the exporter writes, for old runtimes
INPUT, OUTPUT = "photos", "stylized"
LEAST = 65  # pixels of a side of a style image: two remain of it at the encoder's last scale
TRACED = (2, 3, 67, 79)  # odd, so that the padding is part of what is traced
CHECKED = ((1, 3, 37, 53), (2, 3, 64, 48), (1, 3, 5, 9), (1, 3, 1, 1))


@dataclass(frozen=True)
class Inputs:
    """What a network takes.

    Attributes:
        names: of the inputs.
        axes: for each the names of its dimensions that are open, by their places.
        traced: shapes that it is traced with.
        checked: shapes that it is checked with.
        doc: what the file says of inputs and output.
    """

    names: tuple[str, ...]
    axes: tuple[Mapping[int, str], ...]
    traced: tuple[tuple[int, ...], ...]
    checked: tuple[tuple[tuple[int, ...], ...], ...]
    doc: str


PHOTOS = Inputs(
    (INPUT,),
    ({0: "n", 2: "h", 3: "w"},),
    (TRACED,),
    tuple((shape,) for shape in CHECKED),
    "photos: float32 RGB of shape (n, 3, h, w) in [0, 1], of any size; "
    "stylized: float32 RGB of the same shape, clamped to [0, 1]",
)
PHOTOS_AND_STYLE = Inputs(
    (INPUT, STYLE),
    (*PHOTOS.axes, {2: "style_h", 3: "style_w"}),
    (TRACED, (1, 3, 201, 215)),
    tuple((shape, (1, 3, side, 97)) for shape, side in zip(CHECKED, (65, 128, 150, 384), strict=True)),
    PHOTOS.doc + "; style: float32 RGB of shape (1, 3, style_h, style_w) in [0, 1], the painting with a short side of "
    "384 pixels",
)


def inputs_of(network: nn.Module) -> Inputs:
    """Tell what a network takes: photos, and with an `AnyStyleNetwork` a style image."""
    return PHOTOS_AND_STYLE if isinstance(network, AnyStyleNetwork) else PHOTOS


TOLERANCE = {"fp32": 0.5 / 255, "fp16": 1.5 / 255}  # mean absolute difference


def export_onnx(path: str | Path, network: nn.Module, metadata: Mapping[str, Any], precision: str = "fp32") -> float:
    """Write a network as ONNX, of dynamic batch size, height and width; what is there is replaced.

    The file appears under its name only once ONNX's checker has accepted it and ONNX Runtime has computed with it what
    PyTorch computes, at sizes other than the traced one. Photos go in and pictures come out in float32 whatever the
    precision, since few clients have a type for 16 bits; with `fp16` the convolutions, their weights and what lies
    between layers are float16, normalisations are computed in float32.

    Args:
        path: the `.onnx` file.
        network: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; an `AnyStyleNetwork` takes a style image
            (1, 3, h, w) as well, the second input of the file.
        metadata: values by name, each kept as JSON in `metadata_props`; `format`, `precision` and `torch` are set here.
        precision: `fp32` or `fp16`.

    Returns:
        The largest mean absolute difference to PyTorch in float32 that was found.

    Raises:
        ValueError: if the precision is another, or a package of the extra `onnx` is missing.
        RuntimeError: if the export fails, or what it computes differs; nothing is written.
        OSError: if the file cannot be written; nothing is left behind.
    """
    if precision not in TOLERANCE:
        raise ValueError(f"the precision of an ONNX file must be one of {', '.join(TOLERANCE)}, got {precision!r}")
    require_onnx()
    described = {**metadata, "format": ONNX_FORMAT, "precision": precision, "torch": torch.__version__}
    inputs, network = inputs_of(network), _exportable(network).cpu().eval()
    try:
        with _quiet():
            content = _build(network, inputs, precision, {key: json.dumps(value) for key, value in described.items()})
            difference = _difference(content, network, inputs, precision)
    except Exception as error:  # the exporter's, the checker's and the runtime's have no common class
        raise RuntimeError(f"cannot export {path}: {first_line(error)}") from error
    if not difference <= TOLERANCE[precision]:  # nor NaN
        raise RuntimeError(
            f"cannot export {path}: in ONNX Runtime it differs from PyTorch by {difference * 255:.3g}/255 on average, "
            f"more than {TOLERANCE[precision] * 255:g}/255 in {precision}"
        )
    with replacing(path) as file:
        file.write(content)
    return difference


class _PredictedNorm(ConditionalInstanceNorm):
    """One row of scales and shifts, (1, C), which are predicted: in operators that stand for any size."""

    def forward(self, x: Tensor, styles: Tensor | None) -> Tensor:
        """Normalise (N, C, H, W), whatever the shares are."""
        return F.instance_norm(x, eps=self.eps) * self.weight[..., None, None] + self.bias[..., None, None]


class _ClampedInStyle(Clamped):
    """The same of a network that takes a style image as well."""

    def forward(self, photos: Tensor, style: Tensor) -> Tensor:  # type: ignore[override]
        """Map photos (N, 3, H, W) and a style image (1, 3, h, w), in [0, 1], to pictures of the photos' shape."""
        return self.network(photos, style).float().clamp(0, 1)


def _exportable(network: nn.Module) -> nn.Module:
    """Copy a network for use, its pictures clamped; where scales and shifts are predicted, norms take these."""
    network = frozen(network)
    if not isinstance(network, AnyStyleNetwork):
        return Clamped(network)
    for module in network.modules():
        if isinstance(module, ConditionalInstanceNorm):
            module.__class__ = _PredictedNorm
    return _ClampedInStyle(network)


def require_onnx() -> None:
    """Raise ValueError if a package that writes or checks ONNX files is missing."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise ValueError(f"{package} is not installed, which writing ONNX takes: pip install 'fast-style[onnx]'")


def _build(network: nn.Module, inputs: Inputs, precision: str, texts: Mapping[str, str]) -> bytes:
    import onnx

    if precision != "fp32":
        network = lowered(network, PRECISIONS[precision], float32_norm)
    shapes = [
        {place: torch.export.Dim(name, min=LEAST if name.startswith(STYLE) else None) for place, name in axes.items()}
        for axes in inputs.axes
    ]
    program = torch.onnx.export(
        network,
        tuple(torch.rand(shape) for shape in inputs.traced),
        input_names=inputs.names,
        output_names=[OUTPUT],
        dynamic_shapes=tuple(shapes),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # for mypy: None is what the exporter before dynamo returns  # noqa: S101
    model = program.model_proto
    # Shapes within are formulas in h and w, by whose text runtimes share buffers; theirs are as good.
    del model.graph.value_info[:]
    for dimension, name in zip(model.graph.output[0].type.tensor_type.shape.dim, ("n", 3, "h", "w"), strict=True):
        dimension.Clear()
        if isinstance(name, int):
            dimension.dim_value = name
        else:
            dimension.dim_param = name
    model.producer_name, model.producer_version, model.doc_string = "fast_style", "", inputs.doc
    onnx.helper.set_model_props(model, dict(texts))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


@torch.inference_mode()
def _difference(content: bytes, network: nn.Module, inputs: Inputs, precision: str) -> float:
    """Run it beside PyTorch in float32; the largest mean absolute difference.

    In half precision that of one pixel does not count: a normalisation sees nothing but rounding there.
    """
    session = session_of(content)
    generator = torch.Generator().manual_seed(0)
    differences = []
    for shapes in inputs.checked:
        photos, *style = (torch.rand(shape, generator=generator) for shape in shapes)
        difference = (run(session, photos, *style) - network(photos, *style)).abs().mean()
        if precision == "fp32" or photos[0, 0].numel() > 1 or not difference.isfinite():
            differences.append(difference)
    return torch.stack(differences).max().item()


def session_of(model: bytes | Path) -> Any:
    """Open a session of ONNX Runtime on the CPU, with as many threads as PyTorch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what fails is raised, too
    source = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(session: Any, *images: Tensor) -> Tensor:
    """Run a session on photos (N, 3, H, W), and a style image if it takes one; RuntimeError if it fails."""
    names = (INPUT, STYLE)
    arrays = {name: each.detach().cpu().contiguous().numpy() for name, each in zip(names, images, strict=False)}
    try:
        return torch.from_numpy(session.run([OUTPUT], arrays)[0])
    except Exception as error:  # ONNX Runtime's have no common class
        raise RuntimeError(f"ONNX Runtime cannot run the network ({first_line(error)})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter and its passes say of their own code from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
