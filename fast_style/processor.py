"""How the libraries use the processor: a newer one can stand for an older one, and cores are shared with others."""

import os
from collections.abc import Mapping

VARIABLE = "FAST_STYLE_CPU"
# What other libraries are told, by the kind of processor: oneDNN (convolutions, also those of OpenVINO), ATen and
# torch.compile, which has what ATen has, and MKL (matrix products, on Intel's processors).
KINDS = {"avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}}


def processor_kind() -> str | None:
    """Read the kind of processor that this one stands for: `avx2`, which has no bfloat16; None for itself.

    Raises:
        ValueError: if `$FAST_STYLE_CPU` is neither empty nor one of `KINDS`.
    """
    kind = os.environ.get(VARIABLE, "")
    if kind and kind not in KINDS:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(KINDS)}, or empty for all that is there, got {kind!r}")
    return kind or None


def tell_libraries() -> None:
    """Hand the kind of processor on to the libraries, which read it once; before PyTorch is imported.

    What the environment tells them already stays. ONNX Runtime cannot be told: its float32 takes what is there.
    """
    told: Mapping[str, str] = KINDS.get(os.environ.get(VARIABLE, ""), {})
    for name, value in told.items():
        os.environ.setdefault(name, value)


def share_cores() -> None:
    """Have OpenMP's threads sleep while they wait for one another; before PyTorch is imported.

    Otherwise they keep the cores busy waiting, also where another program wants them, perhaps the very thread that is
    waited for: two trainings at once on two cores then stand almost still. What the environment says of it stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
