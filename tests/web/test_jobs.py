"""The queue of programs."""

import os
import signal
import sys
import time

import pytest

from fast_style.web import jobs, processes
from fast_style.web.jobs import Jobs
from fast_style.web.refusal import RefusedError

QUICK = "open('result', 'w')"
ENDLESS = """
import pathlib, signal, sys, time
def stop(*_):
    open('result', 'w')
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
open('ready', 'w')
time.sleep(60)
"""
STUBBORN = ENDLESS.replace("signal.signal(signal.SIGTERM, stop)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
FAILING = "import sys; sys.exit('error: the painting is damaged')"


class Code:
    """A kind of job that runs Python code; done once there is a file `result` and it was not stopped."""

    stop = signal.SIGTERM
    inside = True
    sources = ("source.*",)

    def command(self, job, folder):
        return [job.asked["code"]]

    def is_done(self, job, folder):
        return (folder / "result").is_file() and job.state != "stopping"

    def look(self, job, folder):
        return {"progress": None}

    def files(self, job, folder):
        return {}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make a queue over the same folder, as a server does that is started again."""
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c"))
    made = []

    def make(room=10):
        made.append(Jobs(tmp_path / "jobs", {"code": Code()}, room))
        return made[-1]

    yield make
    for queue in made:
        for job in queue.jobs.values():
            if processes.is_alive(queue.path(job)):
                processes.tell(job.pid, signal.SIGKILL)
        for child in queue._children.values():
            child.wait(10)


def add(queue, code=QUICK):
    job, _ = queue.new("code", "a", {"code": code})
    queue.add(job)
    return job


def until(condition, queue=None, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        if queue is not None:
            queue.tick()
        time.sleep(0.02)


def test_one_after_another(make):
    queue = make()
    first, second = add(queue), add(queue)
    assert [told["position"] for told in reversed(queue.told())] == [1, 2]
    assert [told["since"] for told in reversed(queue.told())] == [first.since, second.since]
    queue.tick()
    assert (first.state, second.state) == ("running", "queued")
    until(lambda: second.state == "done", queue)
    assert first.state == "done"


def test_what_fails_says_why(make):
    queue = make()
    job = add(queue, FAILING)
    until(lambda: job.state == "stopped", queue)
    assert job.message == "the painting is damaged"
    job.asked["code"] = QUICK
    queue.go_on(job)
    assert (job.state, job.message) == ("queued", "")
    until(lambda: job.state == "done", queue)
    assert job.message == ""


def test_what_an_earlier_run_said_is_no_reason(make):
    queue = make()
    job = add(queue, FAILING)
    until(lambda: job.state == "stopped", queue)
    job.asked["code"] = ENDLESS
    queue.go_on(job)
    until((queue.path(job) / "ready").exists, queue)
    processes.tell(job.pid, signal.SIGKILL)
    until(lambda: job.state == "stopped", queue)
    assert job.message == "its program was ended"


def test_stopped_and_gone_on(make):
    queue = make()
    job = add(queue, ENDLESS)
    until((queue.path(job) / "ready").exists, queue)
    with pytest.raises(RefusedError, match="stop it first"):
        queue.delete(job)
    with pytest.raises(RefusedError, match="only what has stopped"):
        queue.go_on(job)
    queue.stop(job)
    assert job.state == "stopping"
    until(lambda: job.state == "stopped", queue)
    assert job.message == ""
    with pytest.raises(RefusedError, match="not at work"):
        queue.stop(job)
    queue.delete(job)
    assert not queue.path(job).exists()
    with pytest.raises(RefusedError, match="no such job"):
        queue.get(job.id)


def test_what_waits_is_stopped_at_once(make):
    queue = make()
    _, job = add(queue, ENDLESS), add(queue)
    queue.tick()
    queue.stop(job)
    assert job.state == "stopped"


@pytest.mark.parametrize("how", ["twice", "late"])
def test_what_does_not_stop_is_ended(make, monkeypatch, how):
    queue = make()
    job = add(queue, STUBBORN)
    until((queue.path(job) / "ready").exists, queue)
    queue.stop(job)
    if how == "twice":
        queue.stop(job)
    else:
        monkeypatch.setattr(jobs, "PATIENCE", 0.1)
    until(lambda: job.state == "stopped", queue)


def test_what_is_ended_takes_its_own_programs_along(make):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], close_fds=False).wait()"
    queue = make()
    job = add(queue, code.replace("sys.argv[1]", repr(STUBBORN)))
    until((queue.path(job) / "ready").exists, queue)
    processes.tell(job.pid, signal.SIGKILL)
    until(lambda: not processes.is_alive(queue.path(job)))


def test_a_server_that_is_started_again_finds_what_works_on(make):
    before = make()
    running, waiting = add(before, ENDLESS), add(before)
    until((before.path(running) / "ready").exists, before)
    after = make()
    found, next_one = after.get(running.id), after.get(waiting.id)
    after.tick()
    assert (found.state, next_one.state) == ("running", "queued")
    os.kill(running.pid, signal.SIGKILL)
    before._children[running.id].wait(10)
    until(lambda: next_one.state == "done", after)
    assert (found.state, found.message) == ("stopped", "its program was ended")


def test_what_ended_while_no_server_was_there(make):
    before = make()
    job = add(before)
    before.tick()
    before._children[job.id].wait(10)
    after = make()
    after.tick()
    assert after.get(job.id).state == "done"


def test_a_server_that_ends_stops_what_is_at_work(make):
    before = make()
    job = add(before, ENDLESS)
    until((before.path(job) / "ready").exists, before)
    before.close()
    before._children[job.id].wait(10)
    after = make()
    after.tick()
    assert after.get(job.id).state == "stopped"


def test_what_works_already_is_not_begun_again(make):
    before = make()
    job = add(before, ENDLESS)
    until((before.path(job) / "ready").exists, before)
    after = make()
    found = after.get(job.id)
    found.state, found.pid = "queued", 0  # as after a server that was ended before it wrote down more
    after.tick()
    assert (found.state, found.pid, after._children) == ("running", job.pid, {})
    after.stop(found)
    before._children[job.id].wait(10)
    until(lambda: found.state == "stopped", after)


def test_what_is_not_needed_is_removed(make, tmp_path):
    queue = make()
    done, failed = add(queue), add(queue, FAILING)
    for job in (done, failed):
        (queue.path(job) / "source.mp4").touch()
    until(lambda: failed.state == "stopped", queue)
    assert not (queue.path(done) / "source.mp4").exists()
    assert (queue.path(failed) / "source.mp4").exists()
    half, _ = queue.new("code", "a", {})
    (tmp_path / "jobs" / "mine").mkdir()
    assert make().jobs.keys() == {done.id, failed.id}
    assert not queue.path(half).exists()
    assert (tmp_path / "jobs" / "mine").exists()


def test_where_a_program_runs(make, tmp_path, monkeypatch):
    queue = make()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(queue.kinds["code"], "inside", False)
    job = add(queue)
    until((tmp_path / "result").exists, queue)
    assert (queue.path(job) / "log.txt").is_file()
    assert not (queue.path(job) / "result").exists()
    until(lambda: job.state == "stopped", queue)


def test_damaged_notes_are_passed_over(make, tmp_path):
    queue = make()
    job = add(queue)
    (queue.path(job) / "job.json").write_text("{")
    (tmp_path / "jobs" / "other").mkdir()
    (tmp_path / "jobs" / "other" / "job.json").write_text("{}")
    assert make().jobs == {}


def test_only_so_many_wait(make):
    queue = make(room=2)
    job = add(queue)
    add(queue)
    with pytest.raises(RefusedError, match="2 jobs wait already") as refusal:
        queue.check_room()
    assert (refusal.value.status, refusal.value.retry) == (429, 60)
    queue.stop(job)
    queue.check_room()


def test_a_full_disk(make, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    queue = make()
    monkeypatch.setattr(jobs, "replacing", full)
    with pytest.raises(RefusedError, match="the disk is full"):
        add(queue)
    monkeypatch.undo()
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c"))
    job = add(queue)
    monkeypatch.setattr(jobs.processes, "start", full)
    queue.tick()
    assert (job.state, job.message) == ("stopped", "the disk is full: make room on the machine that serves this page")


def test_the_last_line_of_a_traceback_is_told(make):
    queue = make()
    job = add(queue, "raise ModuleNotFoundError('no module of that name')")
    until(lambda: job.state == "stopped", queue)
    assert job.message == "ModuleNotFoundError: no module of that name"


def test_nothing_in_the_folder_of_the_server_is_taken_for_a_library(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('this is no library')")
    monkeypatch.chdir(tmp_path)
    process = processes.start(["stylize", "--help"], tmp_path, inside=False)
    assert process.wait(120) == 0
    assert "usage" in (tmp_path / "log.txt").read_text()
