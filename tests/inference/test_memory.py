import pytest
import torch

from fast_style.inference.memory import spare_memory
from fast_style.inference.tiling import stylize

CUDA = torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of which the driver calls 10 bytes free, while PyTorch keeps 90 of 140 for later."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10, 200))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 140)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 50)


@pytest.mark.usefixtures("gpu")
def test_what_pytorch_keeps_for_later_is_spare():
    assert spare_memory(CUDA) == 100


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("needed", "home"), [(69, CUDA), (71, torch.device("cpu"))])
def test_activations_stay_beside_the_network_where_there_is_room(needed, home):
    assert stylize._home(CUDA, needed) == home


def test_on_the_cpu_nobody_asks_a_gpu():
    assert stylize._home(torch.device("cpu"), 1 << 60) == torch.device("cpu")
