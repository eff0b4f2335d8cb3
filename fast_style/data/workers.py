"""Processes that read photos ahead: how they end, and how it is known that one ended too early."""

import os
import re
import signal
import threading

# What PyTorch says, when a batch is asked for, of a worker that is gone.
LOST = re.compile(r"DataLoader worker \(pid")


def outlive_signals(worker: int) -> None:
    """Ignore Ctrl-C and SIGTERM in this worker of a DataLoader, as its `worker_init_fn`.

    SLURM, systemd and `timeout` send SIGTERM to all processes of a run. Whoever trains then wants to finish the batch,
    and save; a worker that had gone before would end the run with an error. It ends when its parent does, and at a
    SIGTERM that its parent sends it, as PyTorch does to workers that are still busy at the end.

    Where a signal does not tell its sender, as on macOS and Windows, SIGTERM still ends the worker.

    Args:
        worker: number of the worker, which does not matter.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_at_word_of_parent, daemon=True).start()


def _end_at_word_of_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def tell_losses_between_batches() -> None:
    """Have PyTorch tell that a worker is gone when its next batch is asked for, instead of at once.

    At once would be in the middle of whatever the training does, an optimizer's step perhaps; between two batches the
    state of the training is whole and can be saved. To be called when the workers have been started.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD"):
        handler = signal.getsignal(signal.SIGCHLD)
        if getattr(handler, "__module__", "") == "torch.utils.data._utils.signal_handling":
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def lost_worker(error: BaseException) -> bool:
    """Tell whether an error says that a worker of a DataLoader is gone, killed for lack of memory perhaps."""
    return isinstance(error, RuntimeError) and LOST.search(str(error)) is not None
