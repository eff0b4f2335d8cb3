import importlib
import os
import resource
import sys

import pytest


@pytest.fixture
def measuring():
    return importlib.import_module("measuring")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_in_millions_of_bytes(measuring):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in units of 1024 bytes, perhaps the parent's
    assert measuring.megabytes(1000) == pytest.approx(1.024)
    assert 0 < measuring.held_mb(peak=False) <= measuring.held_mb() <= measuring.megabytes(peak) + 100
    assert measuring.held_mb(os.getpid()) == pytest.approx(measuring.held_mb(), rel=0.1)


def test_runs_take_turns(measuring):
    calls = []
    seconds = measuring.alternating({name: lambda name=name: calls.append(name) for name in "ab"}, 2, warm=1)
    assert calls == ["a", "b"] * 3
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}
