from pathlib import Path

import pytest
import torch

from fast_style.inference.backends import export_onnx
from fast_style.networks import TransformerNetwork


@pytest.fixture(scope="session")
def network() -> TransformerNetwork:
    torch.manual_seed(0)
    return TransformerNetwork(width=2, blocks=1).eval()


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory, network) -> Path:
    """The network in float32."""
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export_onnx(path, network, {"style": "tiny"})
    return path


@pytest.fixture(scope="session")
def onnx_file_fp16(tmp_path_factory, network) -> Path:
    """The network in float16."""
    path = tmp_path_factory.mktemp("onnx") / "tiny16.onnx"
    export_onnx(path, network, {}, "fp16")
    return path


@pytest.fixture
def no_bf16(monkeypatch) -> None:
    """A processor without bfloat16."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)


@pytest.fixture
def bf16(monkeypatch) -> None:
    """A processor with bfloat16, at least by its own account."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
