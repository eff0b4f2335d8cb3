"""Several processes, and what may happen to them: each is a real process here."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from fast_style.checkpoint import read_metadata

LIMIT = 180  # seconds that anything here may take


@pytest.fixture
def start(root, monkeypatch) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start train.py as a process of its own; whatever is left of it ends with the test."""
    processes = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(overrides: dict[str, str], *more: str, before: tuple[str, ...] = ()) -> subprocess.Popen:
        arguments = [f"{key}={value}" for key, value in overrides.items()]
        command = [*before, sys.executable, str(root / "train.py"), *arguments, *more]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes.append(subprocess.Popen(command, start_new_session=True, **pipe))
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finish(process: subprocess.Popen) -> str:
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, printed
    return printed


def wait_for(there: Callable[[], object], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + LIMIT
    while not there():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / f"step-{step}.ckpt", weights_only=True)["state_dict"]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def twenty(tiny) -> dict[str, str]:
    steps = {"trainer.max_steps": "20", "trainer.val_check_interval": "20", "trainer.precision": "32-true"}
    return tiny | steps | {"callbacks.checkpoint.every_n_train_steps": "10"}


@pytest.fixture
def two(twenty, tmp_path) -> dict[str, str]:
    """Two processes with one photo each instead of one with two."""
    devices = {"trainer": "ddp", "trainer.accelerator": "cpu", "trainer.devices": "2", "data.batch_size": "1"}
    return twenty | devices | {"hydra.run.dir": str(tmp_path / "two")}


def endless(run: dict[str, str]) -> dict[str, str]:
    return run | {
        "model.compile": "false",
        "trainer.max_steps": "100000",
        "callbacks.checkpoint.every_n_train_steps": "3",
    }


def assert_close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    for key, value in a.items():
        torch.testing.assert_close(value, b[key], atol=1e-5, rtol=0)


def test_two_processes_learn_what_one_learns(two, twenty, start, train, tmp_path):
    """With plain gradient descent: Adam divides by the size of the gradient, which hides its scale and makes much of
    the rounding where it is zero, as for the biases before an instance normalisation."""
    descent = {"model.optimizer._target_": "torch.optim.SGD", "model.optimizer.lr": "1e-5"}
    twenty, two = twenty | descent, two | descent
    assert train(twenty) == 0
    printed = finish(start(two))
    assert printed.count("wrote") == 1  # by the first process alone
    first, last = weights(tmp_path / "run", 10), weights(tmp_path / "run", 20)
    assert max((first[key] - last[key]).abs().max() for key in first) > 1e-4
    assert_close(last, weights(tmp_path / "two", 20))
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == 20

    # and one process goes on where two stopped
    (tmp_path / "two" / "checkpoints" / "step-20.ckpt").unlink()
    assert train(twenty, f"hydra.run.dir={tmp_path / 'two'}", "ckpt_path=last") == 0
    assert_close(weights(tmp_path / "run", 20), weights(tmp_path / "two", 20))


def test_a_network_for_any_style_in_two_processes(tiny_adain, start, train, tmp_path):
    run = tiny_adain | {"trainer.max_steps": "4", "trainer.precision": "32-true", "data.size": "32"}
    run |= {"model.optimizer._target_": "torch.optim.SGD", "model.optimizer.lr": "3e-4"}
    run |= {"trainer.val_check_interval": "4", "callbacks.checkpoint.every_n_train_steps": "1"}
    run |= {"callbacks.checkpoint.keep": "4"}
    assert train(run) == 0
    devices = {"trainer": "ddp", "trainer.accelerator": "cpu", "trainer.devices": "2", "data.batch_size": "1"}
    finish(start(run | devices | {"hydra.run.dir": str(tmp_path / "two")}))
    first, last = weights(tmp_path / "run", 1), weights(tmp_path / "run", 4)
    assert max((first[key] - last[key]).abs().max() for key in first) > 1e-4
    assert_close(last, weights(tmp_path / "two", 4))


def test_accumulated_batches_are_one_batch(twenty, train, tmp_path):
    twenty = twenty | {"model.optimizer._target_": "torch.optim.SGD", "model.optimizer.lr": "1e-5"}
    assert train(twenty) == 0
    folder = tmp_path / "accumulated"
    halves = {"data.batch_size": "1", "trainer.accumulate_grad_batches": "2", "hydra.run.dir": str(folder)}
    assert train(twenty | halves) == 0
    first, last = weights(tmp_path / "run", 10), weights(tmp_path / "run", 20)
    assert max((first[key] - last[key]).abs().max() for key in first) > 1e-4
    assert_close(last, weights(folder, 20))


def test_a_killed_process_ends_the_run_promptly(two, start, tmp_path):
    process = start(endless(two))
    wait_for(lambda: list((tmp_path / "two" / "checkpoints").glob("step-*.ckpt")), process)
    (other,) = (pid for pid in children(process.pid) if b"train.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(other, signal.SIGKILL)
    killed = time.monotonic()
    printed, _ = process.communicate(timeout=LIMIT)
    assert time.monotonic() - killed < 30
    assert process.returncode == 1
    assert "error: another process of this run ended" in printed
    assert "continue with ckpt_path=last" in printed
    assert "Traceback" not in printed
    newest = max(int(path.stem[5:]) for path in (tmp_path / "two" / "checkpoints").glob("step-*.ckpt"))
    steps = {"trainer.max_steps": str(newest + 2), "callbacks.checkpoint.every_n_train_steps": "1"}
    finish(start(two | steps, "ckpt_path=last"))
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == newest + 2


def test_several_styles_in_two_processes_each(two, start, tmp_path):
    """Each run starts its own second process, with its own command line."""
    run = {key: value for key, value in two.items() if key not in ("hydra.run.dir", "output")}
    run |= {"style": "waves,cubist", "trainer.max_steps": "2", "hydra.sweep.dir": str(tmp_path / "all")}
    assert "Trainings" in finish(start(run, "-m"))
    for number, name in enumerate(("waves", "cubist")):
        assert read_metadata(tmp_path / "all" / f"{number}_style={name}" / f"{name}.safetensors")["steps"] == 2


@pytest.mark.parametrize(
    ("launcher", "options"),
    [("joblib", {"hydra.launcher.n_jobs": "2"}), ("ray", {"+hydra.launcher.ray.init.num_cpus": "2"})],
)
def test_several_styles_side_by_side(twenty, start, tmp_path, launcher, options):
    """Hydra's launchers: each run is a process that knows neither our resolvers nor style=NAME by itself."""
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    run = {key: value for key, value in twenty.items() if key not in ("hydra.run.dir", "output")}
    run |= {"style": "waves,nowhere", "trainer.max_steps": "2", "hydra.sweep.dir": str(tmp_path / "all")}
    names = {"hydra/launcher": launcher, "hydra.sweep.subdir": "'${style.name}'"} | options
    process = start(run | names, "-m")
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, printed
    assert read_metadata(tmp_path / "all" / "waves" / "waves.safetensors")["steps"] == 2
    assert "no image for style 'nowhere'" in printed
    assert "Trainings" in printed


def test_sigterm_saves_and_says_so_to_the_scheduler(twenty, start, train, tmp_path):
    process = start(endless(twenty))
    folder = tmp_path / "run" / "checkpoints"
    wait_for(lambda: list(folder.glob("step-*.ckpt")), process)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 143, printed
    newest = max(int(path.stem[5:]) for path in folder.glob("step-*.ckpt"))
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == newest
    assert train(twenty | {"trainer.max_steps": str(newest + 1)}, "ckpt_path=last") == 0


def workers(process: subprocess.Popen) -> list[int]:
    return [pid for pid in children(process.pid) if b"resource_tracker" not in _command(pid)]


def test_sigterm_to_all_processes_saves_and_exports(twenty, start, tmp_path):
    """As SLURM, systemd and timeout send it: the workers are told as well, and outlive what they are needed for."""
    process = start(endless(twenty) | {"data.num_workers": "2", "callbacks.checkpoint.every_n_train_steps": "100000"})
    log = tmp_path / "run" / "train.log"
    wait_for(lambda: log.exists() and "step 20: " in log.read_text(), process)
    readers = workers(process)
    assert len(readers) == 2
    os.killpg(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 143, printed
    newest = newest_step(tmp_path / "run" / "checkpoints")
    assert newest > 0
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == newest
    assert not any(Path(f"/proc/{pid}").exists() for pid in readers)


def test_sigterm_to_all_processes_of_two_devices(two, start, tmp_path):
    process = start(endless(two) | {"data.num_workers": "1"})
    wait_for(lambda: list((tmp_path / "two" / "checkpoints").glob("step-*.ckpt")), process)
    os.killpg(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 143, printed
    newest = newest_step(tmp_path / "two" / "checkpoints")
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == newest


def test_sigterm_to_a_data_worker_alone_does_no_harm(twenty, start, tmp_path):
    process = start(endless(twenty) | {"data.num_workers": "1"})
    folder = tmp_path / "run" / "checkpoints"
    wait_for(lambda: list(folder.glob("step-*.ckpt")), process)
    os.kill(workers(process)[0], signal.SIGTERM)
    told = newest_step(folder)
    wait_for(lambda: newest_step(folder) > told + 20, process)


def test_data_workers_end_with_their_parent(twenty, start, tmp_path):
    process = start(endless(twenty) | {"data.num_workers": "1"})
    wait_for(lambda: list((tmp_path / "run" / "checkpoints").glob("step-*.ckpt")), process)
    (reader,) = workers(process)
    process.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{reader}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_dead_data_worker_ends_the_run_in_one_sentence(twenty, start, tmp_path):
    steps = {"callbacks.checkpoint.every_n_train_steps": "100000"}
    process = start(endless(twenty) | {"data.num_workers": "1"} | steps)
    log = tmp_path / "run" / "train.log"
    wait_for(lambda: log.exists() and "step 20: " in log.read_text(), process)
    (worker,) = workers(process)
    os.kill(worker, signal.SIGKILL)
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    (error,) = (line for line in printed.splitlines() if line.startswith("error: "))
    assert "a process that reads photos is gone" in error
    assert f"DataLoader worker (pid(s) {worker})" in error
    assert f" hydra.run.dir={tmp_path / 'run'} ckpt_path=last\n" in printed.partition("\ncontinue: ")[2]
    assert "Traceback" not in printed
    newest = newest_step(tmp_path / "run" / "checkpoints")
    assert newest > 0
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == newest


def newest_step(folder: Path) -> int:
    return max((int(path.stem[5:]) for path in folder.glob("step-*.ckpt")), default=0)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_killed_while_it_writes_checkpoints(twenty, start, train, tmp_path):
    """Whenever the kill comes, what is named *.ckpt is complete and the run goes on."""
    folder, steps = tmp_path / "run" / "checkpoints", 0
    for attempt in range(3):
        process = start(endless(twenty) | {"callbacks.checkpoint.every_n_train_steps": "1"}, "ckpt_path=last")
        wait_for(lambda steps=steps: newest_step(folder) >= steps + 3, process)
        wait_for(lambda: list(folder.glob(".*.tmp")), process)  # in the middle of one
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path in folder.glob("step-*.ckpt"):
            torch.load(path, weights_only=True)
        steps = newest_step(folder)
        assert steps >= 3 * (attempt + 1)
    assert train(twenty | {"trainer.max_steps": str(steps + 1)}, "ckpt_path=last") == 0
    assert not list(folder.glob(".*.tmp"))


def test_a_full_disk_does_not_stop_the_training(twenty, start, tmp_path):
    """The run's folder lies on a disk of 300 kB, which some checkpoints fill; there is room for the log."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare to make a small disk with")
    (tmp_path / "run").mkdir()
    mount = f"mount -t tmpfs -o size=300k tmpfs {tmp_path / 'run'}"
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no right to make a small disk: {probe.stderr.decode().strip()}")
    keep = {"callbacks.checkpoint.every_n_train_steps": "2", "callbacks.checkpoint.keep": "100"}
    script = f'{mount} && "$@"; code=$?; cp -r {tmp_path / "run"} {tmp_path / "copy"}; exit $code'
    process = start(twenty | keep, before=("unshare", "-rm", "sh", "-c", script, "sh"))
    printed = finish(process)
    assert "No space left on device; the training goes on without this checkpoint" in printed
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == 20
    complete = sorted((tmp_path / "copy" / "checkpoints").glob("step-*.ckpt"))
    assert complete
    for path in complete:
        torch.load(path, weights_only=True)
