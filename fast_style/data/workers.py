"""Processes that read photos ahead: how they end, and how it is known that one ended too early."""

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any

from torch.utils.data import DataLoader

LOST = re.compile(r"DataLoader worker \(pid")  # what PyTorch says of a worker that is gone
WAIT = 5.0  # seconds between the first sign that a worker is gone and its end


class Loader(DataLoader):
    """A loader whose workers end with their parent, or at its word alone.

    SLURM, systemd and `timeout` send SIGTERM to all processes of a run, and a terminal does so with Ctrl-C. Whoever
    trains then wants to finish the batch, and save; a worker that had gone before would end the run with an error.
    Where a signal does not tell its sender, as on macOS and Windows, SIGTERM still ends a worker.

    That a worker is gone is told when the next batch is asked for, by an error that `lost_worker` knows. PyTorch would
    tell it in the middle of whatever the training does, an optimizer's step perhaps; between two batches the state of
    the training is whole and can be saved.

    By having the methods of a state, it tells Lightning that it can resume within an epoch; whoever makes it keeps the
    place.

    Args:
        dataset: as `torch.utils.data.DataLoader` takes it.
        options: of `torch.utils.data.DataLoader`, without `worker_init_fn`.
    """

    def __init__(self, dataset: Any, **options: Any) -> None:
        super().__init__(dataset, worker_init_fn=_outlive_signals, **options)

    def __iter__(self) -> Any:
        """Start the workers, and return an iterator of the batches."""
        main = threading.current_thread() is threading.main_thread()
        if self.num_workers == 0 or not main or not hasattr(signal, "sigwaitinfo"):
            return super().__iter__()
        handler = signal.getsignal(signal.SIGCHLD)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # for the workers, who begin with it
        try:
            return _Batches(super().__iter__())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.signal(signal.SIGCHLD, handler)  # PyTorch's is the one that tells at once

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing over."""


class _Batches(Iterator[Any]):
    """Batches of workers; what fails since a worker is gone is said to be just that."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def __next__(self) -> Any:
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except Exception as error:
            if str(error).startswith("Caught ") or lost_worker(error):  # the former is a worker's own error
                raise
            workers = {worker.sentinel: worker.pid for worker in self._batches._workers}
            gone = [str(workers[sentinel]) for sentinel in wait(list(workers), WAIT)]
            if not gone:
                raise
            raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(gone)}) exited unexpectedly") from error


def _outlive_signals(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # again, where workers are not forked
        threading.Thread(target=_end_at_word_of_parent, daemon=True).start()


def _end_at_word_of_parent() -> None:
    parent = multiprocessing.parent_process()  # the process above this one may be a server that forks
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != (parent and parent.pid):
        pass
    os._exit(0)


def lost_worker(error: BaseException) -> bool:
    """Tell whether an error says that a worker of a DataLoader is gone, killed for lack of memory perhaps."""
    return isinstance(error, RuntimeError) and LOST.search(str(error)) is not None
