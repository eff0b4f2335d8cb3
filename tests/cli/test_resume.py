"""Which run goes on, and in whose folder another is at work."""

import os
import re
import subprocess
import sys

import pytest

from fast_style.cli.resume import alone_in, check_free, check_last


def test_the_last_checkpoint_is_that_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sentence = "ckpt_path=last goes on with the run in a folder: give hydra.run.dir=RUN"
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        check_last(["style=mosaic", "ckpt_path=last"])
    for number, name in enumerate(("second", "first")):
        folder = tmp_path / "runs" / "mosaic" / name / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "step-3.ckpt").touch()
        os.utime(folder / "step-3.ckpt", (9 - number, 9 - number))
    with pytest.raises(ValueError, match=f"^{sentence}, of which the latest is runs/mosaic/second$"):
        check_last(["ckpt_path=last"])
    with pytest.raises(ValueError, match=r"give hydra\.sweep\.dir=RUN$"):
        check_last(["ckpt_path=last", "-m", "hydra.run.dir=a"])
    for given in (["ckpt_path=last", "hydra.run.dir=a"], ["ckpt_path=a.ckpt"], ["ckpt_path=null"], []):
        check_last(given)


WORK = "import sys; from pathlib import Path; from fast_style.cli.resume import alone_in\n"
WORK += "with alone_in(Path(sys.argv[1])): print('at work', flush=True); sys.stdin.read()"


def test_another_training_is_kept_out_of_the_folder_of_a_run(tmp_path):
    pytest.importorskip("fcntl")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path)], **pipes) as other:
        assert other.stdout.readline() == b"at work\n"
        expected = re.escape(f"another training is at work in {tmp_path}: wait until it has ended")
        with pytest.raises(ValueError, match=expected), alone_in(tmp_path):
            pass
        with pytest.raises(ValueError, match=expected):
            check_free(["style=mosaic", f"hydra.run.dir='{tmp_path}'"])
        other.kill()
    check_free([f"hydra.run.dir={tmp_path}"])  # it was killed
    with alone_in(tmp_path):
        pass
