import copy

import onnx
import pytest
import torch
from torch import nn

from fast_style.inference.backends import choose, export_onnx, read_onnx_metadata


class Settled(nn.Module):
    """What an exporter settles for good: a constant that depends on the size."""

    def forward(self, photos):
        return photos * float(photos.detach().sum() > 0) * (0.5 if int(photos.shape[2]) > 40 else 0.25)


@pytest.mark.parametrize("name", ["onnx_file", "onnx_file_fp16"])
def test_the_file(request, name):
    path = request.getfixturevalue(name)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shapes = [
        [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (model.graph.input[0], model.graph.output[0])
    ]
    assert shapes == [["n", 3, "h", "w"]] * 2
    kinds = {value.type.tensor_type.elem_type for value in (model.graph.input[0], model.graph.output[0])}
    assert kinds == {onnx.TensorProto.FLOAT}
    weights = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    half = {key for key, kind in weights.items() if kind == onnx.TensorProto.FLOAT16}
    inner = {key for key in weights if ("conv" in key or "up" in key) and not key.startswith("network.conv1.")}
    assert len(inner) == 14
    assert half == (inner if name.endswith("fp16") else set())
    assert "clamped to [0, 1]" in model.doc_string


def test_metadata(onnx_file, onnx_file_fp16):
    metadata = read_onnx_metadata(onnx_file)
    assert metadata == {
        "style": "tiny",
        "format": "fast_style/onnx/1",
        "precision": "fp32",
        "torch": torch.__version__,
    }
    assert read_onnx_metadata(onnx_file_fp16)["precision"] == "fp16"


def test_nothing_is_written_if_it_computes_something_else(tmp_path, network, monkeypatch):
    path = tmp_path / "out.onnx"
    with pytest.raises(RuntimeError, match=r"^cannot export .*out\.onnx: "):
        export_onnx(path, Settled(), {})
    real = torch.onnx.export
    monkeypatch.setattr(
        torch.onnx, "export", lambda network, *more, **options: real(changed(network), *more, **options)
    )
    message = (
        r"^cannot export .*out\.onnx: in ONNX Runtime it differs from PyTorch by .*/255 on average, more than 0\.5"
    )
    with pytest.raises(RuntimeError, match=message):
        export_onnx(path, network, {})
    assert list(tmp_path.iterdir()) == []


def changed(network: nn.Module) -> nn.Module:
    network = copy.deepcopy(network)
    network.network.conv4.bias.data += 0.1
    return network


def test_weights_beyond_float16(tmp_path, network):
    huge = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1))
    huge[1].weight.data = torch.tensor([1e6, -1e6]).repeat(6).view(3, 4, 1, 1)
    with pytest.raises(RuntimeError, match=r"differs from PyTorch by (nan|inf|\d+)/255 on average.* in fp16$"):
        export_onnx(tmp_path / "out.onnx", huge, {}, "fp16")
    assert list(tmp_path.iterdir()) == []


def test_unknown_precision(tmp_path, network):
    with pytest.raises(ValueError, match=r"^the precision of an ONNX file must be one of fp32, fp16, got 'bf16'$"):
        export_onnx(tmp_path / "out.onnx", network, {}, "bf16")


def test_there_is_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^there is no network at .*none\.onnx$"):
        choose(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match=r"is not a file: name an \.onnx file$"):
        choose(tmp_path)


@pytest.mark.parametrize(
    "content", [b"hello, I am no protocol buffer", b"\x08", b"\xff" * 40, "half", "all but a byte"]
)
def test_damaged_files(tmp_path, onnx_file, content):
    whole = onnx_file.read_bytes()
    path = tmp_path / "damaged.onnx"
    path.write_bytes({"half": whole[: len(whole) // 2], "all but a byte": whole[:-1]}.get(content, content))
    with pytest.raises(ValueError, match=r"damaged\.onnx is not a complete ONNX file$"):
        choose(path)


def test_files_of_others(tmp_path, onnx_file):
    model = onnx.load(onnx_file)
    path = tmp_path / "other.onnx"
    for entries in ({}, {"format": "coreml"}, {"format": '"fast_style/onnx/1"', "precision": '"int4"'}):
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, entries)
        onnx.save(model, path)
        with pytest.raises(ValueError, match=r"other\.onnx was not exported by fast_style: make it with python -m"):
            choose(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"other\.onnx was not exported by fast_style"):
        choose(path)


@pytest.mark.parametrize("backend", ["onnx", "openvino", "auto"])
def test_a_file_that_is_ours_but_cannot_be_run(tmp_path, onnx_file, backend):
    model = onnx.load(onnx_file)
    model.graph.node[3].op_type = "Nonsense"
    path = tmp_path / "damaged.onnx"
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"(damaged\.onnx cannot be run by|cannot compile .*damaged\.onnx)"):
        choose(path, backend=backend)


def test_a_file_names_no_file_to_read(onnx_file, tmp_path):
    model = onnx.load(onnx_file)
    tensor = next(each for each in model.graph.initializer if each.raw_data)
    onnx.external_data_helper.set_external_data(tensor, "/etc/hostname")
    tensor.ClearField("raw_data")
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"other\.onnx names other files to read, which no exported network does"):
        choose(tmp_path / "other.onnx")
