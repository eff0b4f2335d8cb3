import pytest
import torch

from fast_style.inference.backends.eager import Eager

CPU = torch.device("cpu")


@pytest.fixture
def compiled(monkeypatch):
    """What torch.compile was given, which returns it as it is."""
    given = []
    monkeypatch.setattr(torch, "compile", lambda network, dynamic: given.append(network) or network)
    return given


def test_the_time_to_compile_is_told_for_each_size(network, compiled):
    backend = Eager(network, CPU, "fp32", compile=True)
    assert len(compiled) == 1
    assert backend.compile_seconds == 0
    backend(torch.rand(1, 3, 8, 8))
    first = backend.compile_seconds
    backend(torch.rand(1, 3, 8, 8))
    assert backend.compile_seconds == first > 0
    backend(torch.rand(1, 3, 8, 12))
    assert backend.compile_seconds > first


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_compiled_computes_the_same(network, compiled, precision):
    photos = torch.rand(2, 3, 21, 34)
    expected = Eager(network, CPU, precision)(photos)
    stylized = Eager(network, CPU, precision, compile=True)(photos)
    assert (stylized - expected).abs().mean() < {"fp32": 0.2, "bf16": 1.5}[precision] / 255
    assert compiled


def test_a_failure_to_compile_is_noted(network, monkeypatch):
    def fail(_photos):
        raise RuntimeError("no C++ compiler\nand a long explanation")

    monkeypatch.setattr(torch, "compile", lambda _network, dynamic: fail)
    backend = Eager(network, CPU, "fp32", compile=True)
    photos = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(backend(photos), Eager(network, CPU, "fp32")(photos))
    backend(photos)
    assert backend.notes == ["torch.compile failed, so it runs without (no C++ compiler)"]


def test_the_network_is_left_as_it_was(network):
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    Eager(network, CPU, "bf16")(torch.rand(1, 3, 8, 8))
    for key, tensor in network.state_dict().items():
        assert tensor.dtype == before[key].dtype
        assert torch.equal(tensor, before[key])
    assert not [hook for module in network.modules() for hook in module._forward_pre_hooks.values()]
