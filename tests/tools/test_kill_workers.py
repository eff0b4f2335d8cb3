"""Workers that are killed while they stylize, by the script that does so for minutes."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def kill_workers(root):
    """Run the script."""
    script = str(root / "tools/kill_workers.py")
    return lambda *words: subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_counts_are_equal(ray, store, kill_workers, tmp_path):
    words = ("--seconds", "45", "--every", "15", "--pictures", "1600", "--side", "96", "--json", str(tmp_path / "told"))
    done = kill_workers(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "told").read_text())
    assert told["pictures_in"] == told["pictures_out"] == 1600 * told["commands"]
    assert told["kills"] >= 1
    assert (told["written_twice"], told["failures"], told["bad_ends"]) == (0, 0, 0)
    assert done.stdout.splitlines()[-1].startswith(
        f"pictures in {told['pictures_in']}, pictures out {told['pictures_out']}, written"
    )


def test_misuse(store, kill_workers):
    done = kill_workers("--every", "0")
    assert done.returncode == 2
    assert "all numbers must be above 0" in done.stderr
