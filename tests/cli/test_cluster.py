"""Pictures of the stylizing command that a Ray cluster makes."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from fast_style.inference.manifest import NAME
from tests.cli.conftest import ON_CPU

RAY = ("--engine", "ray", "--workers", "2")
COUNT = 200
LIMIT = 120  # seconds


@pytest.fixture
def many(bucket, make, tmp_path):
    """Two hundred photos at s3://photos/in, and one file that is none."""
    for number in range(COUNT):
        make(tmp_path / "many" / f"{number:03}.jpg", (300 + number % 3, 300))  # so that it takes some seconds
    (tmp_path / "many" / "broken.jpg").write_text("no image")
    bucket.put(str(tmp_path / "many"), "photos/in", recursive=True)
    return bucket


def written(store):
    """When each picture was written."""
    return {
        name: about["LastModified"]
        for name, about in store.find("photos/out", detail=True).items()
        if about["type"] == "file" and NAME not in name
    }


@pytest.mark.slow
def test_a_driver_that_is_killed_and_started_anew(ray, many, model, command):
    """What was done before is not done again, and nothing is lost."""
    words = ("--model", str(model), *ON_CPU, "--input", "s3://photos/in", "--output", "s3://photos/out", *RAY)
    driver = [sys.executable, "-m", "fast_style", "stylize", *words]
    with subprocess.Popen(driver, start_new_session=True) as process:
        try:
            deadline = time.monotonic() + LIMIT
            while len(before := written(many)) < 3:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.kill()
    assert len(before) < COUNT
    assert json.loads(many.cat_file(f"photos/out/{NAME}"))["state"] == "begun"
    result = command("stylize", *words)
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("cannot read image s3://photos/in/broken.jpg: ")
    after = written(many)
    assert sorted(after) == [f"photos/out/{number:03}.jpg" for number in range(COUNT)]
    assert {name: after[name] for name in before} == before
    about = json.loads(many.cat_file(f"photos/out/{NAME}"))
    assert (about["state"], about["failed"]) == ("ended", 1)
    assert about["stylized"] + about["skipped"] == COUNT
    assert about["skipped"] >= len(before)
    many.rm("photos/in/broken.jpg")
    result = command("stylize", *words)
    assert (result.code, result.out) == (0, f"stylized 0, skipped {COUNT}, failed 0, with no worker\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--workers", "2"), "--workers is of a cluster: give --engine ray as well"),
        (("--ray-address", "auto"), "--ray-address is of a cluster: give --engine ray as well"),
        ((*RAY, "--device", "cuda:1"), "engine ray shares out GPUs itself: --device is one of auto, cpu, cuda with it"),
        (RAY, "engine ray writes to a folder that all workers see: give it, or an address, as --output"),
        ((*RAY, "--output", "x.jpg"), "engine ray writes to a folder that all workers see"),
        ((*RAY, "--output", "out", "--workers", "0"), "--workers must be at least 1, got 0"),
        (("--engine", "spark"), "invalid choice: 'spark'"),
    ],
)
def test_misuse(stylize, photos, is_misuse, arguments, sentence):
    result = stylize("--input", photos, *arguments)
    assert is_misuse(result, sentence), result


def test_files_of_onnx(stylize, photos, tmp_path, is_misuse):
    (tmp_path / "network.onnx").touch()
    result = stylize("--input", photos, "--output", tmp_path / "out", *RAY, "--model", tmp_path / "network.onnx")
    assert is_misuse(result, "network.onnx: give what it was exported from")


def test_ray_is_missing(stylize, photos, tmp_path, is_misuse, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = stylize("--input", photos, "--output", tmp_path / "out", *RAY)
    assert is_misuse(result, "engine ray is not installed: pip install 'fast-style[ray]'")
    assert not (tmp_path / "out").exists()


def test_no_cluster_at_an_address(ray, stylize, photos, tmp_path):
    result = stylize("--input", photos, "--output", tmp_path / "out", *RAY, "--ray-address", "127.0.0.1:1")
    assert result.code == 1
    assert result.err.startswith("error: no Ray cluster is at 127.0.0.1:1: ")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_a_cluster_began(stylize, photos, tmp_path, is_misuse):
    """Its manifest keeps others from taking its pictures for theirs, also without a cluster."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).write_text('{"state": "begun", "recipe": {"--input": ["elsewhere"]}}')
    assert is_misuse(
        stylize("--input", photos, "--output", tmp_path / "out"), "is of another job, which had other --input"
    )


@pytest.fixture
def two_machines(ray, tmp_path_factory):
    """The address of a cluster that runs already, and the environment of its commands; both its machines are this."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    about = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    about |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    temporary = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # its sockets must have short names
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
    start += ["--min-worker-port=0", "--max-worker-port=0", "--object-store-memory=100000000"]
    head = ["--head", f"--port={address.rpartition(':')[2]}", f"--temp-dir={temporary}"]
    machines = []
    try:
        for words in ([*head, "--include-dashboard=false"], [f"--address={address}"]):
            log = tmp_path_factory.mktemp("ray") / "log"
            with log.open("w") as out:
                machines.append(
                    subprocess.Popen([*start, *words], env=about, stdout=out, stderr=out, start_new_session=True)
                )
            deadline = time.monotonic() + LIMIT
            while "Ray runtime started" not in log.read_text():
                assert machines[-1].poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield address, about
    finally:
        for machine in machines[::-1]:
            machine.terminate()  # which ends all that it has started
            machine.wait(LIMIT)
        shutil.rmtree(temporary, ignore_errors=True)


@pytest.mark.slow
def test_a_cluster_that_runs_already(two_machines, make, model, tmp_path):
    """One worker on each of its machines; it goes on for the next command."""
    address, environment = two_machines
    for number in range(40):
        make(tmp_path / "photos" / f"{number:02}.jpg", (30, 20))
    for folder in ("out", "again"):
        words = ["--model", model, *ON_CPU, "--input", tmp_path / "photos", "--output", tmp_path / folder, *RAY]
        command = [sys.executable, "-m", "fast_style", "stylize", *map(str, words), "--ray-address", address]
        ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=LIMIT)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "stylized 40, skipped 0, failed 0, with torch fp32 on cpu\n"
        assert len(list((tmp_path / folder).glob("*.jpg"))) == 40
    command[command.index("--output") + 1] = str(tmp_path / "none")
    stranger = environment | {"RAY_AUTH_TOKEN": "0" * 64}
    ended = subprocess.run(command, check=False, env=stranger, capture_output=True, text=True, timeout=LIMIT)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: the Ray cluster at {address} asks for its token: set RAY_AUTH_MODE=token")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()
