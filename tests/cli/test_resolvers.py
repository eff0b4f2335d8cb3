from types import SimpleNamespace

import pytest
import torch

from fast_style.cli.resolvers import (
    batch_size,
    batches,
    compile_pays,
    either,
    precision,
    seconds,
    time_limit,
    workers,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), ("00:10:00", 600), ("1:02:03", 3723), ("02:00:00:01", 172801), (90, 90), ("1.5", 1.5)],
)
def test_seconds(given, expected):
    assert seconds(given) == expected
    assert expected is None or seconds({"seconds": expected}) == expected


@pytest.mark.parametrize("given", ["ten minutes", "10:00", "00:10:0", "-5", ""])
def test_no_length_of_time(given):
    with pytest.raises(ValueError, match=r"must be HH:MM:SS, DD:HH:MM:SS or a number of seconds, got"):
        seconds(given)


def test_no_time_at_all():
    with pytest.raises(ValueError, match="must be more than no time, got 00:00:00"):
        seconds("00:00:00")


def test_steps_and_batches():
    assert time_limit(-1, 510) == 510
    assert time_limit(800, 510) is None
    assert time_limit(-1, None) is None
    assert batches(800, 2) == 1600
    assert batches(-1, 2) == 1.0


def test_one_value_or_the_other():
    assert either("style", 1e-2, 1e-3) == 1e-2
    assert either(None, 1e-2, 1e-3) == 1e-3


@pytest.mark.parametrize(
    ("steps", "time", "pays"),
    [(3, None, False), (40_000, None, True), (-1, "01:00:00", True), (-1, "00:05:00", False), (3, "01:00:00", False)],
)
def test_compiling_pays_for_long_runs(steps, time, pays):
    assert compile_pays(steps, time, "cpu", "bf16-mixed") == pays
    assert not compile_pays(steps, time, "cpu", "32-true")


def test_compiling_pays_sooner_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert compile_pays(-1, "00:04:00", "gpu", "bf16-mixed")
    assert compile_pays(-1, "00:04:00", "gpu", "32-true")
    assert not compile_pays(-1, "00:03:00", "gpu", "32-true")


@pytest.mark.parametrize(
    ("memory", "size", "expected"),
    [(80e9, 256, 8), (80e9, 1024, 7), (25.3e9, 256, 8), (17e9, 256, 4), (1.5e9, 256, 2), (1e9, 1024, 1)],
)
def test_the_batch_fits_the_memory_of_a_gpu(monkeypatch, memory, size, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    properties = SimpleNamespace(total_memory=int(memory))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: properties)
    assert batch_size("gpu", size) == expected


def test_the_batch_of_a_cpu():
    assert batch_size("cpu", 256) == 2


@pytest.mark.parametrize(("cores", "devices", "expected"), [(64, 1, 16), (16, 4, 3), (8, 1, 7), (1, 1, 1)])
def test_the_workers_of_a_gpu_follow_the_cores(monkeypatch, cores, devices, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: range(cores))
    assert workers("gpu") == expected


def test_a_cpu_keeps_its_own():
    assert workers("cpu") == "auto"
    assert precision("cpu") in ("bf16-mixed", "32-true")
