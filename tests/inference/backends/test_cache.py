import os

import pytest
import torch
from torch import nn

from fast_style.inference.backends import cache, choose, onnx_runtime
from fast_style.inference.backends.cache import KEPT, cached, fingerprint, forget
from fast_style.networks import TransformerNetwork


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FAST_STYLE_CACHE", str(tmp_path))
    return tmp_path / "backends"


def make(**arguments) -> TransformerNetwork:
    torch.manual_seed(0)
    return TransformerNetwork(**{"width": 2, "blocks": 0} | arguments)


def test_a_fingerprint_tells_networks_apart():
    assert fingerprint(make()) == fingerprint(make())
    other = make()
    other.conv4.bias.data[0] += 1e-3
    different = {fingerprint(make()), fingerprint(make(), "more"), fingerprint(make(output="tanh")), fingerprint(other)}
    assert len(different) == 4
    assert None not in different


def test_a_fingerprint_tells_versions_apart(monkeypatch, tmp_path):
    before = fingerprint(make())
    (tmp_path / "functional.py").write_text("# other code")
    with monkeypatch.context() as other:
        other.setattr(cache.functional, "__file__", str(tmp_path / "functional.py"))
        assert fingerprint(make()) != before
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    assert fingerprint(make()) != before


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_file_of_another_exporter_is_made_anew(monkeypatch, package):
    names = []
    monkeypatch.setattr(onnx_runtime, "cached", lambda name, _make: names.append(name) or b"")
    for number in ("1.0", "1.0", "2.0"):
        monkeypatch.setattr(onnx_runtime, "version", lambda name, number=number: number if name == package else "1.0")
        onnx_runtime._exported(make())
    assert names[0] == names[1] != names[2]


@pytest.mark.openvino
def test_networks_that_may_depend_on_anything_are_not_kept(folder):
    network = nn.Conv2d(3, 3, 1)
    assert fingerprint(network) is None
    choose(network, "cpu", backend="openvino")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("backend", "suffix"), [("onnx", ".onnx"), pytest.param("openvino", ".blob", marks=pytest.mark.openvino)]
)
def test_what_is_made_ready_once_is_kept(folder, backend, suffix, monkeypatch):
    first = choose(make(), "cpu", "fp32", backend)
    (path,) = folder.iterdir()
    assert path.suffix == suffix
    written = path.stat().st_ino
    monkeypatch.setattr(torch.onnx, "export", None)
    monkeypatch.setattr(torch.jit, "trace", None)
    second = choose(make(), "cpu", "fp32", backend)
    assert path.stat().st_ino == written
    photos = torch.rand(1, 3, 9, 13)
    assert torch.equal(first(photos), second(photos))


@pytest.mark.openvino
@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_damaged_file_is_made_anew(folder, content):
    expected = choose(make(), "cpu", "fp32", "openvino")(torch.ones(1, 3, 8, 8) / 2)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    stylized = choose(make(), "cpu", "fp32", "openvino")(torch.ones(1, 3, 8, 8) / 2)
    assert torch.equal(stylized, expected)


@pytest.mark.openvino
def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAST_STYLE_CACHE", str(tmp_path / "file"))
    assert cached("name", lambda: b"content") == b"content"
    assert choose(make(), "cpu", backend="openvino").name == "openvino"


def test_the_oldest_go(folder):
    for number in range(KEPT):
        cached(f"{number}", lambda: b"")
        os.utime(folder / f"{number}", (number, number))
    cached("0", lambda: b"read, hence no longer the oldest")
    cached("new", lambda: b"")
    assert not (folder / "1").exists()
    assert {path.name for path in folder.iterdir()} == {"new", "0", *map(str, range(2, KEPT))}
    forget("new")
    forget("new")
    assert not (folder / "new").exists()
