import re
from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.trainer.states import TrainerFn

from fast_style.training.callbacks import ProgressBar


def trainer(step, max_steps=100, fn=TrainerFn.FITTING, callbacks=()):
    return SimpleNamespace(
        global_step=step, max_steps=max_steps, state=SimpleNamespace(fn=fn), callbacks=list(callbacks)
    )


@pytest.fixture
def bar(monkeypatch):
    """A run that began at step 20, 90 seconds ago."""
    bar = ProgressBar()
    bar._began = 20, 1000.0
    monkeypatch.setattr("time.monotonic", lambda: 1090.0)
    return bar


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (50, ", about 3 min left of 100 steps"),  # 30 steps in 90 s, 50 to go
        (80, ", about 1 min left of 100 steps"),
        (21, ", about 119 min left of 100 steps"),
    ],
)
def test_time_left(bar, step, text):
    assert bar._time_left(trainer(step)) == text


def test_a_limit_of_time(bar, monkeypatch):
    timer = Timer({"seconds": 300})
    monkeypatch.setattr(timer, "time_elapsed", lambda _stage: 90.0)
    assert bar._time_left(trainer(50, max_steps=-1, callbacks=[timer])) == ", about 4 min left"
    assert bar._time_left(trainer(80, callbacks=[timer])) == ", about 1 min left of 100 steps"


@pytest.mark.parametrize(
    "state",
    [trainer(20), trainer(100), trainer(50, max_steps=-1), trainer(50, fn=TrainerFn.VALIDATING)],
    ids=["before the first step", "after the last", "without an end", "not in training"],
)
def test_no_time_left_to_tell(bar, state):
    assert bar._time_left(state) == ""


def test_a_log_has_lines_of_progress(tiny, train, tmp_path):
    """pytest catches what is printed, so stdout is no terminal."""
    assert train(tiny | {"trainer.max_steps": "4"}, "callbacks.progress_bar.every=0") == 0
    (log,) = (tmp_path / "run").glob("*.log")
    told = [line.split(" - ", 1)[1] for line in log.read_text(encoding="utf-8").splitlines() if "images/s" in line]
    number = r"[\d.e+-]+"
    expected = rf"loss {number}, content {number}, style {number}, tv {number}, tone {number}, {number} images/s"
    for line, step in zip(told, (2, 3, 4), strict=True):
        left = "" if step == 4 else r", about 1 min left of 4 steps"
        assert re.fullmatch(rf"step {step}: {expected}{left}", line), line


def test_a_terminal_has_a_bar_and_no_lines(tiny, train, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert train(tiny, "callbacks.progress_bar.every=0") == 0
    (log,) = (tmp_path / "run").glob("*.log")
    assert "images/s" not in log.read_text(encoding="utf-8")


def test_a_run_tells_it_at_every_validation(tiny, train, tmp_path):
    assert train(tiny) == 0
    (log,) = (tmp_path / "run").glob("*.log")
    told = [line.split("step ", 1)[1] for line in log.read_text(encoding="utf-8").splitlines() if "held-out" in line]
    assert [line[0] for line in told] == ["0", "2", "3"]
    assert [line.endswith(", about 1 min left of 3 steps") for line in told] == [False, True, False]
