"""Which run goes on, and that nobody else is at work in its folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing tells that another training is at it
    fcntl = None  # type: ignore[assignment]

from fast_style.cli.budget import MULTIRUN
from fast_style.cli.outputs import first_process

LOCK = ".lock"  # in the folder of a run


def check_last(arguments: Sequence[str]) -> None:
    """Refuse `ckpt_path=last` without the folder of a run: a folder of the present time holds no checkpoint.

    Args:
        arguments: as `config.prepared` returns them.

    Raises:
        ValueError: naming the latest run there is in `runs/`.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    folder = "hydra.sweep.dir" if MULTIRUN & {*arguments} else "hydra.run.dir"
    if given.get("ckpt_path", "").strip("'\"") != "last" or folder in given:
        return
    runs = sorted(Path("runs").glob("*/*/checkpoints/step-*.ckpt"), key=lambda path: path.stat().st_mtime)
    latest = f", of which the latest is {runs[-1].parent.parent}" if runs and folder == "hydra.run.dir" else ""
    raise ValueError(f"ckpt_path=last goes on with the run in a folder: give {folder}=RUN{latest}")


def check_free(arguments: Sequence[str]) -> None:
    """Refuse a training in the folder of another that is at work, before anything is noted there.

    Args:
        arguments: as `config.prepared` returns them.

    Raises:
        ValueError: if there is one.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    folder = Path(given.get("hydra.run.dir", "").strip("'\""))
    if "hydra.run.dir" in given and (folder / LOCK).is_file():
        with alone_in(folder):
            pass


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of the folder of a run meanwhile; the end of the process lets them in as well.

    Raises:
        ValueError: if another training is at work there.
    """
    if fcntl is None or not first_process():
        yield
        return
    with (folder / LOCK).open("a") as file:
        try:
            # Unlike flock it is not inherited: processes that read photos may outlive a training that was killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise ValueError(
                f"another training is at work in {folder}: wait until it has ended, or choose another hydra.run.dir"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
