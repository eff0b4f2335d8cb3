"""Real processes, and the signals that reach them."""

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import islice

import pytest
from torch.utils.data import IterableDataset

from fast_style.data import workers
from fast_style.data.workers import Loader, lost_worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a signal does not tell its sender")


class Endless(IterableDataset):
    """Tells by which process it is read."""

    def __iter__(self):
        while True:
            yield os.getpid()


@pytest.fixture(autouse=True)
def as_in_a_training():
    """Without the handler that a `DataLoader` of PyTorch's own leaves behind, perhaps in a test before."""
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGCHLD, handler)


@pytest.fixture
def late(monkeypatch):
    """Workers that take a second to start."""

    def outlive_signals(worker: int) -> None:
        time.sleep(1)
        original(worker)

    original = workers._outlive_signals
    monkeypatch.setattr(workers, "_outlive_signals", outlive_signals)


def start():
    loader = Loader(Endless(), num_workers=1, persistent_workers=True)
    batches = iter(loader)
    (process,) = loader._iterator._workers
    return batches, process


def send(name: str, worker: int) -> None:
    """From another process than the parent."""
    subprocess.run(["kill", f"-{name}", str(worker)], check=True)


def test_a_worker_outlives_what_is_meant_for_the_training():
    batches, process = start()
    next(batches)
    for name in ("TERM", "INT"):
        send(name, process.pid)
    assert [batch.item() for batch in islice(batches, 20)] == [process.pid] * 20


@pytest.mark.usefixtures("late")
def test_a_worker_outlives_it_while_it_starts():
    batches, process = start()
    send("TERM", process.pid)
    assert [batch.item() for batch in islice(batches, 20)] == [process.pid] * 20


def test_a_worker_ends_at_the_word_of_its_parent():
    batches, process = start()
    next(batches)
    process.terminate()
    process.join(20)
    assert process.exitcode == 0


def test_the_loss_of_a_worker_is_told_where_the_next_batch_is_asked_for():
    """Not wherever the training is, in the middle of a step."""
    batches, process = start()
    next(batches)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid\(s\) {process.pid}\)") as raised:
        list(islice(batches, 20))
    assert lost_worker(raised.value)


class Broken:
    """Batches that cannot be had, of one worker."""

    def __init__(self, worker):
        self._workers = [worker]

    def __next__(self):
        raise ConnectionResetError(104, "Connection reset by peer")


@pytest.fixture
def process():
    """A process that ends when its stdin is closed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        process.sentinel = os.pidfd_open(process.pid)
        yield process
    os.close(process.sentinel)


def test_the_loss_of_a_worker_is_told_as_such_whatever_it_leads_to(process):
    """The connection to it breaks before it has ended."""
    threading.Timer(0.3, process.stdin.close).start()
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid\(s\) {process.pid}\)") as raised:
        next(workers._Batches(Broken(process)))
    assert lost_worker(raised.value)


def test_an_error_that_comes_of_no_loss_stays_as_it_is(process, monkeypatch):
    monkeypatch.setattr(workers, "WAIT", 0.1)
    with pytest.raises(ConnectionResetError, match="reset by peer"):
        next(workers._Batches(Broken(process)))


def test_the_signals_of_the_parent_stay_as_they_are():
    handler, mask = signal.getsignal(signal.SIGCHLD), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    batches, _ = start()
    next(batches)
    assert signal.getsignal(signal.SIGCHLD) is handler
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
