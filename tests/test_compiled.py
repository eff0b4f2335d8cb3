import weakref

import pytest
import torch

from fast_style.compiled import Compiled


def double(x):
    if x.shape[0] == 3:
        raise ValueError("three is too much")
    return 2 * x


@pytest.fixture
def broken(monkeypatch):
    """A torch.compile of which nothing comes."""

    def compiled(_function):
        def fail(*_args, **_kwargs):
            raise RuntimeError("no C++ compiler\nand a long explanation")

        return fail

    monkeypatch.setattr(torch, "compile", compiled)


@pytest.mark.usefixtures("broken")
def test_a_failure_to_compile_is_told_once():
    notes = []
    function = Compiled(double, notes.append)
    for _ in range(2):
        assert torch.equal(function(torch.ones(2)), torch.full((2,), 2.0))
    assert notes == ["torch.compile failed, so it runs without (no C++ compiler)"]


@pytest.mark.usefixtures("broken")
def test_an_error_of_the_function_is_its_own():
    notes = []
    with pytest.raises(ValueError, match="three is too much"):
        Compiled(double, notes.append)(torch.ones(3))
    assert not notes


def test_lack_of_memory_is_no_failure_to_compile(monkeypatch):
    def full(_x):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(torch, "compile", lambda _function: full)
    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        Compiled(double, pytest.fail)(torch.ones(2))


def test_a_failed_compilation_holds_no_memory_while_it_runs_without(monkeypatch):
    alive = []

    def failing(x):
        activations = x.new_zeros(8)
        alive.append(weakref.ref(activations))
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", lambda _function: failing)
    assert Compiled(lambda _x: alive[0]() is None, lambda _note: None)(torch.ones(2))
