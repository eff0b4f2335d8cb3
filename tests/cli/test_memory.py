import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
import fast_style.training  # as a training has it
from fast_style.cli.memory import keep_memory
print(keep_memory() if sys.argv[1] == "kept" else None)
def touch():
    torch.ones(32, 2**20)
for _ in range(3):
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> tuple[str, int]:
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True, env=environment
    ).stdout.split()
    return printed[0], int(printed[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_memory_is_kept_from_step_to_step():
    told, kept = faults("kept")
    assert told == "True"
    assert kept < 0.3 * faults("given back")[1]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_settings_of_the_user_go_first():
    assert faults("kept", MALLOC_TRIM_THRESHOLD_="100000")[0] == "False"
