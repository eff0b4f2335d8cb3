"""The exporting command."""

import sys

import pytest
import torch

from fast_style.cli import export as module
from fast_style.inference.stylizer import Stylizer


@pytest.fixture
def exported(monkeypatch):
    """Write a few bytes instead of a network, and remember what was asked for."""
    asked = []

    def write(checkpoint, output, precision, style):
        asked.append((checkpoint, precision, style))
        output.write_bytes(b"onnx")
        return 0.25 / 255

    monkeypatch.setattr(module, "export", write)
    return asked


def test_says_what_was_written(exported, command, model, tmp_path):
    output = tmp_path / "out.onnx"
    result = command("export", model, output, "--precision", "fp16")
    assert result == (0, f"wrote {output} (0.0 MB); differs from PyTorch by 0.25/255 on average\n", "")
    assert exported == [(model, "fp16", None)]


def test_a_mixture_is_noted(exported, command, model, tmp_path):
    result = command("export", model, tmp_path / "out.onnx", "--style", "a:1,b:3")
    assert result.err == "the weights of a:1,b:3 sum to 4, taken as a 0.25, b 0.75\n"
    assert exported == [(model, "fp32", {"a": 1.0, "b": 3.0})]


def test_nothing_is_replaced_unless_told(exported, command, model, tmp_path, is_misuse):
    output = tmp_path / "out.onnx"
    output.write_text("before")
    assert is_misuse(command("export", model, output), f"output {output} exists: choose another")
    assert output.read_text() == "before"
    assert command("export", model, output, "--overwrite").code == 0
    assert output.read_text() == "onnx"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (MemoryError(), 1, "error: MemoryError\n"),
        (RuntimeError("cannot export\nit"), 1, "error: cannot export it\n"),
        (OSError("no space"), 2, "error: no space\n"),
    ],
)
def test_what_fails_is_one_line(command, model, tmp_path, monkeypatch, error, code, sentence):
    def fail(*_):
        raise error

    monkeypatch.setattr(module, "export", fail)
    assert command("export", model, tmp_path / "out.onnx") == (code, "", sentence)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.safetensors", "out.onnx"], "nowhere.safetensors"),
        (["models/mosaic.safetensors", "out.pb"], "cannot write out.pb: its suffix must be .onnx"),
        (["notes.txt", "out.onnx"], "notes.txt is not a network"),
        (["models/mosaic.safetensors"], "the following arguments are required: OUT.onnx"),
        (["models/mosaic.safetensors", "out.onnx", "--precision", "int8"], "invalid choice: 'int8'"),
        (["models/mosaic.safetensors", "notes.txt/out.onnx"], "cannot write notes.txt/out.onnx"),
        (["", "out.onnx"], "the path is empty"),
    ],
)
def test_misuse(command, is_misuse, model, tmp_path, monkeypatch, tree, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no network")
    assert is_misuse(command("export", *arguments), message)
    assert tree(tmp_path) == ["models/mosaic.safetensors", "notes.txt"]


def test_what_is_not_installed_is_named(command, is_misuse, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert is_misuse(command("export", model, tmp_path / "out.onnx"), "pip install 'fast-style[onnx]'")


def test_what_the_exporter_says_is_one_line(command, model, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")

    def fail(*_, **__):
        raise TypeError("an operator\nis unknown")

    monkeypatch.setattr(torch.onnx, "export", fail)
    result = command("export", model, tmp_path / "out.onnx")
    assert result == (1, "", f"error: cannot export {tmp_path}/out.onnx: an operator\n")
    assert not (tmp_path / "out.onnx").exists()


def test_what_is_written_stylizes(command, model, tmp_path):
    pytest.importorskip("onnxscript")
    output = tmp_path / "out.onnx"
    assert command("export", model, output, "--precision", "fp16").code == 0
    photos = torch.rand(1, 3, 13, 27)
    expected = Stylizer.from_checkpoint(model, "cpu", "fp32", "torch").stylize(photos)
    assert (Stylizer.from_checkpoint(output, backend="onnx").stylize(photos) - expected).abs().mean() < 1.5 / 255
