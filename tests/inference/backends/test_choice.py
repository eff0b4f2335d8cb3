import sys
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from fast_style.inference.backends import choice, choose, find_device, open_vino
from fast_style.networks import SlimNetwork, TransformerNetwork


class Squared(nn.Module):
    """Something OpenVINO's tracing gets wrong: what it does depends on the size."""

    def forward(self, photos):
        return photos * photos if photos.shape[2] % 2 else photos


@pytest.fixture
def without(monkeypatch):
    """Hide packages, as if they were not installed."""

    def hide(*packages: str) -> None:
        for package in packages:
            monkeypatch.setitem(sys.modules, package, None)

    return hide


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize(
    ("missing", "expected"),
    [((), "openvino bf16 on cpu"), (("openvino",), "torch bf16 on cpu")],
)
def test_auto_on_a_processor_with_bf16(network, without, missing, expected):
    without(*missing)
    chosen = choose(network, "cpu")
    assert str(chosen) == expected
    assert chosen.notes == []


@pytest.mark.usefixtures("no_bf16")
@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ((), "openvino fp32 on cpu"),
        (("openvino",), "onnx fp32 on cpu"),
        (("openvino", "onnxscript"), "torch fp32 on cpu"),
        (("openvino", "onnx"), "torch fp32 on cpu"),
        (("openvino", "onnxruntime"), "torch fp32 on cpu"),
    ],
)
def test_auto_on_a_processor_without_bf16(network, without, missing, expected):
    without(*missing)
    assert str(choose(network, "cpu")) == expected


@pytest.mark.openvino
def test_auto_of_a_file(onnx_file, without):
    assert choose(onnx_file).name == "openvino"
    without("openvino", "onnx", "onnxscript")
    assert choose(onnx_file).name == "onnx"
    without("onnxruntime")
    with pytest.raises(ValueError, match=r"tiny\.onnx needs OpenVINO or ONNX Runtime: pip install 'fast-style\[open"):
        choose(onnx_file)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"precision": "fp32"}, "openvino fp32 on cpu"),
        ({"backend": "torch", "precision": "fp32"}, "torch fp32 on cpu"),
        ({"backend": "onnx"}, "onnx fp32 on cpu"),
        ({"backend": "openvino", "precision": "fp32", "device": "auto"}, "openvino fp32 on cpu"),
    ],
)
def test_what_is_asked_for_is_taken(network, asked, expected):
    chosen = choose(network, **{"device": "cpu"} | asked)
    assert str(chosen) == expected
    assert (chosen.compile_seconds > 0) == (chosen.name != "torch")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backend": "tensorrt"}, "^backend must be auto or one of torch, onnx, openvino, got 'tensorrt'$"),
        ({"precision": "int4"}, "^precision must be auto or one of fp32, bf16, fp16, int8, got 'int4'$"),
        ({"device": "tpu"}, "^device must be auto or one of those available here, cpu.*; got 'tpu'$"),
        ({"device": "cuda:99"}, "^device must be auto or one of those available here, cpu.*; got 'cuda:99'$"),
        ({"precision": "fp16"}, r"^fp16 is not available on cpu: take one of openvino .*, torch fp32$"),
        ({"precision": "fp16", "backend": "torch"}, r"^torch fp16 is not available on cpu: take one of"),
        ({"precision": "bf16", "backend": "onnx"}, r"^onnx bf16 is not available on cpu"),
        ({"backend": "openvino", "compile": True}, "^backend openvino always compiles: leave out compile, or take"),
    ],
)
def test_bad_input(network, asked, message):
    with pytest.raises(ValueError, match=message):
        choose(network, **{"device": "cpu"} | asked)


def test_eight_bits_without_what_computes_them(without):
    without("openvino")
    with pytest.raises(ValueError, match=r"^precision int8 needs OpenVINO: pip install 'fast-style\[openvino\]'$"):
        choose(SlimNetwork(width=4, blocks=1), "cpu", "int8")


@pytest.mark.usefixtures("no_bf16")
@pytest.mark.parametrize("backend", ["auto", "torch", "openvino"])
def test_bf16_where_unsupported(network, backend):
    message = (
        r"bf16 is not available on cpu \(which does not multiply it\): take one of openvino fp32, onnx fp32, torch"
    )
    with pytest.raises(ValueError, match=message):
        choose(network, "cpu", "bf16", backend)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("backend", ["auto", "torch", "onnx", "openvino"])
def test_cuda_where_there_is_none(network, backend):
    with pytest.raises(ValueError, match=r"^device must be auto or one of those available here, cpu.*; got 'cuda'$"):
        choose(network, "cuda", backend=backend)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_on_a_gpu_there_is_only_torch(network, onnx_file, monkeypatch, backend):
    monkeypatch.setattr(choice, "find_device", torch.device)
    with pytest.raises(
        ValueError, match=rf"^{backend} is not available on cuda: take one of torch .*fp32, torch fp16$"
    ):
        choose(network, "cuda", backend=backend)
    with pytest.raises(ValueError, match=r"^a backend is not available for .*tiny\.onnx on cuda: take device cpu$"):
        choose(onnx_file, "cuda")


def test_torch_runs_no_files(onnx_file):
    for asked in ({"backend": "torch"}, {"compile": True}):
        with pytest.raises(ValueError, match=r"^torch is not available for .*tiny\.onnx on cpu: take one of openvino"):
            choose(onnx_file, **asked)


@pytest.mark.parametrize(
    ("backend", "package", "extra"),
    [
        ("openvino", "openvino", "openvino"),
        ("onnx", "onnxruntime", "onnx"),
        ("onnx", "onnx", "onnx"),
        ("onnx", "onnxscript", "onnx"),
    ],
)
def test_a_backend_that_is_not_installed(without, backend, package, extra):
    without(package)
    with pytest.raises(ValueError, match=rf"{package} is not installed.*: pip install 'fast-style\[{extra}\]'$"):
        choose(TransformerNetwork(width=3, blocks=0), "cpu", backend=backend)


def test_a_backend_for_a_file_that_is_not_installed(onnx_file, without):
    without("onnxruntime")
    with pytest.raises(ValueError, match=r"^backend onnx is not installed: pip install 'fast-style\[onnx\]'$"):
        choose(onnx_file, backend="onnx")


def test_what_openvino_gets_wrong_is_left_to_another():
    chosen = choose(Squared(), "cpu", "fp32")
    assert chosen.name != "openvino"
    assert "backend openvino fp32 was passed over: OpenVINO computes something else than PyTorch" in chosen.notes[0]
    for side in (4, 5):
        photos = torch.rand(1, 3, side, 4)
        torch.testing.assert_close(chosen(photos), Squared()(photos))
    with pytest.raises(RuntimeError, match="OpenVINO computes something else than PyTorch at another size"):
        choose(Squared(), "cpu", backend="openvino")


@pytest.mark.openvino
def test_an_installed_backend_that_does_not_load_is_passed_over(network, monkeypatch):
    def fail():
        raise ValueError("backend openvino is not installed: its libraries are gone")

    monkeypatch.setattr(open_vino, "_import", fail)
    assert find_spec("openvino")
    chosen = choose(network, "cpu", "fp32")
    assert chosen.name == "onnx"
    assert chosen.notes == [
        "backend openvino fp32 was passed over: " + "backend openvino is not installed: its libraries are gone"
    ]


@pytest.mark.parametrize(("cuda", "mps", "kind"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_fastest_device(monkeypatch, cuda, mps, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert find_device("auto").type == kind
