"""Joining a Ray cluster, and sharing out its cores and GPUs."""

import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from fast_style.errors import one_line

CORES = 4  # of a worker without a GPU, as far as there are
STORE = 256 << 20  # bytes of shared memory of a cluster of this machine alone: networks pass through it, no pictures
PATIENCE = 5.0  # seconds until a cluster answers


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process has joined.

    Attributes:
        workers: how many there are to be.
        cores: of each.
        gpus: of each, 0 or 1.
    """

    workers: int
    cores: int
    gpus: int


@contextmanager
def joined(address: str | None, workers: int | None, device: Literal["auto", "cpu", "cuda"]) -> Iterator[Cluster]:
    """Join a Ray cluster, or start one of this machine alone, and leave it after the body; workers end with it.

    Args:
        address: `auto`, the cluster of this machine; `HOST:PORT`; None: one that ends with the body.
        workers: how many there shall be; None: one a GPU, or where there is none, one for every 4 cores.
        device: `cpu` leaves GPUs alone, `cuda` demands one for each worker, `auto` takes them where there are any.

    Yields:
        The cluster, and how it is shared out.

    Raises:
        ValueError: if Ray is not installed, there are to be less than one worker or more than GPUs that are demanded.
        ConnectionError: if there is no cluster at the address, or none of its machines has a CPU.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"--workers must be at least 1, got {workers}")
    if address is None:
        os.environ.setdefault("RAY_worker_niceness", "0")  # this command's own work, not somebody's beside it
        if "ray" not in sys.modules:  # which reads this once
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # nobody else runs what he likes on it
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = import_ray()
    cores = max(os.cpu_count() or 1, workers or 1)
    alone = {"num_cpus": cores, "object_store_memory": STORE, "include_dashboard": False}
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    with _overheard() as said:
        try:
            if address is None:
                ray.init(address="local", **alone, **quiet)
            else:
                _probe(address)
                ray.init(address=address, **quiet)
        except (OSError, RuntimeError, ValueError, ImportError, ray.exceptions.RayError) as error:
            raise _refused(address, error, said()) from error
    try:
        yield _shared_out(ray, workers, device)
    finally:
        ray.shutdown()


def import_ray() -> Any:
    """Import Ray, which then tells nobody that it is used."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # GPUs are hidden from workers that asked for none
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ValueError("engine ray is not installed: pip install 'fast-style[ray]'") from error
    ray._private.worker._worker_logs_enabled = False  # it would speak of dead workers on stdout
    return ray


@contextmanager
def _overheard() -> Iterator[Callable[[], str]]:
    """Keep from the terminal what Ray's own threads write there; yields what tells it."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def said() -> str:
            file.seek(0)
            return file.read().decode(errors="replace")

        try:
            yield said
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)


def _refused(address: str | None, error: Exception, said: str) -> ConnectionError:
    """Say in a sentence why a cluster cannot be joined or started."""
    if address is not None and "authentication token" in f"{said} {error}".lower():
        return ConnectionError(
            f"the Ray cluster at {address} asks for its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH, or put it into ~/.ray/auth_token"
        )
    if address == "auto":
        return ConnectionError("no Ray cluster is on this machine: ray start --head, or give HOST:PORT")
    what = "no Ray cluster starts on this machine" if address is None else f"no Ray cluster is at {address}"
    return ConnectionError(f"{what}: {one_line(error)}")


def _probe(address: str) -> None:
    """Raise an OSError unless something listens at HOST:PORT; Ray itself would wait long for it."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not (host and port.isdecimal()):
        raise ValueError("an address is auto or HOST:PORT")
    socket.create_connection((host, int(port)), PATIENCE).close()


def _shared_out(ray: Any, workers: int | None, device: str) -> Cluster:
    """Share out a cluster's cores and GPUs; ConnectionError if there are none yet."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not machines:
        raise ConnectionError("no machine of the Ray cluster has a CPU for workers yet: add one, or try again later")
    cores = int(sum(machine["CPU"] for machine in machines))
    gpus = int(sum(machine.get("GPU", 0) for machine in machines)) if device != "cpu" else 0
    if device == "cuda" and (workers or 1) > gpus:
        raise ValueError(f"{workers or 1} workers need as many GPUs, the cluster has {gpus}: give --device cpu")
    count = workers or gpus or max(1, cores // CORES)
    each = min(cores // count, *(int(machine["CPU"]) for machine in machines))
    return Cluster(count, max(1, each), int(count <= gpus))
