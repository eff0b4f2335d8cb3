"""A newer processor stands for an older one: every library that can be told is told."""

import os
import subprocess
import sys

import pytest
import torch

from fast_style.inference.backends import multiplies_bf16
from fast_style.processor import KINDS, processor_kind, share_cores, tell_libraries

has_avx2 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="the processor does not have AVX2"
)


def answer(code: str, **variables: str) -> str:
    """Run code in a process of its own, in which nothing of torch has been read yet."""
    environment = {key: value for key, value in os.environ.items() if key not in KINDS["avx2"]} | variables
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return result.stdout.strip()


def test_the_own_processor_unless_told(monkeypatch):
    monkeypatch.delenv("FAST_STYLE_CPU", raising=False)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    assert processor_kind() is None
    tell_libraries()
    assert "ATEN_CPU_CAPABILITY" not in os.environ
    monkeypatch.setenv("FAST_STYLE_CPU", "")
    assert processor_kind() is None


def test_an_older_one_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert multiplies_bf16("cpu")
    monkeypatch.setenv("FAST_STYLE_CPU", "avx2")
    assert processor_kind() == "avx2"
    assert not multiplies_bf16("cpu")


def test_what_the_environment_says_stays(monkeypatch):
    for name in KINDS["avx2"]:
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("FAST_STYLE_CPU", "avx2")
    tell_libraries()
    assert {os.environ[name] for name in KINDS["avx2"]} == {"mine"}


def test_threads_sleep_while_they_wait(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    share_cores()
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    share_cores()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.slow
@has_avx2
def test_aten_is_told_before_it_asks():
    code = "import fast_style, torch; print(torch.backends.cpu.get_cpu_capability())"
    assert answer(code, FAST_STYLE_CPU="avx2") == "AVX2"
    assert answer(code) == torch.backends.cpu.get_cpu_capability() or os.environ.get("ATEN_CPU_CAPABILITY")


@pytest.mark.slow
@has_avx2
def test_onednn_is_told_before_it_asks():
    code = "import fast_style, torch; torch.conv2d(torch.rand(1, 32, 64, 64), torch.rand(32, 32, 3, 3))"
    assert "isa:Intel AVX2" in answer(code, FAST_STYLE_CPU="avx2", ONEDNN_VERBOSE="1")


@pytest.mark.slow
@has_avx2
def test_torch_compile_is_told_before_it_asks():
    code = "import fast_style; from torch._inductor.cpu_vec_isa import pick_vec_isa; print(pick_vec_isa().bit_width())"
    assert answer(code, FAST_STYLE_CPU="avx2") in ("256", "0")  # 0 without a compiler


@pytest.mark.slow
@pytest.mark.parametrize("words", [["train.py", "--cfg", "job"], ["-m", "fast_style", "stylize", "--help"]])
def test_an_unknown_kind_is_one_sentence(words, root):
    environment = os.environ | {"FAST_STYLE_CPU": "sse2"}
    command = [sys.executable, *words]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert result.returncode == 2
    expected = "error: FAST_STYLE_CPU must be one of avx2, or empty for all that is there, got 'sse2'\n"
    assert result.stderr == expected
