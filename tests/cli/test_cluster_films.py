"""Films of the stylizing command that the workers of a Ray cluster make."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

pytest.importorskip("av", reason="films need the package av")
pytest.importorskip("ray")

from fast_style import terminal
from fast_style.checkpoint import save_network
from fast_style.inference import cluster
from fast_style.inference.cluster import Cluster, crew, films
from fast_style.networks import TransformerNetwork
from fast_style.video import parts
from tests.cli.conftest import ON_CPU
from tests.cli.test_film import interrupting, several
from tests.inference.cluster.test_films import Ray
from tests.pictures import noise
from tests.video.conftest import clip, times_of

__all__ = ["clip", "several"]  # fixtures

RAY = ("--engine", "ray", "--workers", "2")
LIMIT = 300  # seconds
FRAMES = 200  # of the slow film, in ten parts
SHORT = "from fast_style.video import parts; parts.FRAMES = 20; from fast_style.__main__ import main; main()"


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """Nothing is said of what takes long on a machine that has much to do."""
    monkeypatch.setattr(terminal, "FIRST", LIMIT)
    monkeypatch.setattr(crew, "TELL", LIMIT)


@pytest.fixture
def short_parts(monkeypatch):
    """Parts of five frames; workers are told which these are."""
    monkeypatch.setattr(parts, "FRAMES", 5)


@pytest.fixture
def workers(monkeypatch, short_parts):
    """Three workers that are no processes."""
    monkeypatch.setattr(cluster, "joined", lambda *_: nullcontext(Cluster(3, 1, 0)))
    monkeypatch.setattr(films, "import_ray", Ray)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


@pytest.fixture
def alike(stylize, tmp_path):
    """Tell whether a cluster makes the same film as one process, and return what it says."""

    def alike(*words, name: str = "o.mkv"):
        assert stylize(*words, "--output", tmp_path / "plain" / name).code == 0
        result = stylize(*words, "--output", tmp_path / "ray" / name, *RAY)
        assert result.code == 0, result.err
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
        assert [path.name for path in (tmp_path / "ray").iterdir()] == [name]
        return result

    return alike


@pytest.mark.slow
@pytest.mark.usefixtures("short_parts")
def test_the_film_is_as_one_process_makes_it(ray, alike, clip, tmp_path):
    source = clip("a.mkv", 23, sound="aac", words=True, options={"g": "8"})
    result = alike("--input", source)
    assert result.out.startswith(f"stylized 23 frames of {source} into {tmp_path}/ray/o.mkv, ")
    assert result.out.endswith(" frames/s, with torch fp32 on cpu\n")
    assert not result.err


@pytest.mark.usefixtures("workers")
def test_controls_masks_and_times(alike, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = clip("a.ts", 40, options={"g": "10"})
    mask = clip("mask.mp4", 40, options={"g": "10"})
    part = ("--start", "0.2", "--end", "1.2", "--fps", "30", "--work-size", "32", "--strength", "0.7")
    result = alike("--input", source.name, *part, "--mask", mask.name, name="o.mp4")
    assert "masks of another size than the picture are resized to it" in result.err


@pytest.mark.usefixtures("workers")
def test_a_style_that_changes_over_time(alike, clip, several):
    alike("--model", several, "--input", clip(frames=12), "--style-over-time", "0:waves, 0.4:dots")


@pytest.mark.usefixtures("workers")
def test_styles_in_a_map_and_frames_in_a_folder(alike, several, tmp_path):
    for number in range(12):
        path = tmp_path / "frames" / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        noise((64, 48)).convert("RGB").save(path)
    styles = ("--style", "waves", "dots", "--style-map", "horizontal", "--backend", "auto")
    alike("--model", several, "--input", path.parent, *styles)


@pytest.fixture
def slow_film(clip, tmp_path, monkeypatch):
    """A film whose parts take about a second, the command that makes it, the film and the folder of its parts."""
    monkeypatch.setattr(parts, "FRAMES", 20)
    path = tmp_path / "models" / "slow.safetensors"
    save_network(path, TransformerNetwork(width=8, blocks=1), {})
    source = clip("long.mkv", FRAMES, size=(144, 192), sound="aac", options={"g": "50"})
    words = ("--model", str(path), *ON_CPU, "--input", str(source), "--output", str(tmp_path / "o.mkv"))
    return words, tmp_path / "o.mkv", tmp_path / ".o.mkv.parts"


def whole_parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[0-9]*.json"))


def wait_for(there, process) -> None:
    deadline = time.monotonic() + LIMIT
    while not there():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(words) -> subprocess.Popen:
    command = [sys.executable, "-c", SHORT, "stylize", *words, *RAY]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_driver_that_is_killed_and_a_worker_as_well(ray, slow_film, command):
    """What was done before is not done again, and the film is the same."""
    words, output, folder = slow_film
    assert command("stylize", *words).code == 0
    plain = output.read_bytes()
    output.unlink()
    process = start(words)
    try:
        wait_for(lambda: whole_parts(folder), process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    before = {name: json.loads((folder / name).read_text()) for name in whole_parts(folder)}
    assert not output.exists()
    assert 0 < len(before) < 10
    written = {name: (folder / name).stat().st_mtime_ns for name in before}
    stale = set(folder.glob("*.tmp"))
    process = start(words)
    try:
        wait_for(lambda: workers_of(process.pid), process)
        assert {name: (folder / name).stat().st_mtime_ns for name in before} == written
        wait_for(lambda: set(folder.glob("*.tmp")) - stale, process)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        _, told = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, told
    assert output.read_bytes() == plain
    assert not folder.exists()


@pytest.mark.slow
def test_ctrl_c_leaves_the_leading_parts(ray, slow_film, command):
    words, output, folder = slow_film
    process = start(words)
    wait_for(lambda: whole_parts(folder), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, told
    count = len(times_of(output))
    assert count % 20 == 0
    assert 20 <= count < FRAMES
    assert told.endswith(
        f"interrupted after {count} frames: {output} holds them, and the same command goes on from there\n"
    )
    result = command("stylize", *words)  # in one process
    assert (result.code, f"{output}: {count} frames are there, going on from there\n" in result.err) == (0, True)
    continued = output.read_bytes()
    assert command("stylize", *words, "--overwrite").code == 0
    assert output.read_bytes() == continued
    assert len(times_of(output)) == FRAMES


@pytest.mark.usefixtures("workers")
def test_what_one_process_has_begun_goes_on(stylize, clip, tmp_path, monkeypatch):
    source = clip("a.mkv", 23, sound="aac")
    assert stylize("--input", source, "--output", tmp_path / "whole.mkv").code == 0
    command = ("--input", source, "--output", tmp_path / "o.mkv")
    with monkeypatch.context() as patch:
        interrupting(patch, 13)
        assert stylize(*command).code == 130
    result = stylize(*command, *RAY)
    assert (result.code, result.err) == (0, f"{tmp_path}/o.mkv: 10 frames are there, going on from there\n")
    assert (tmp_path / "o.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


@pytest.mark.usefixtures("workers")
def test_several_films_of_which_one_fails(stylize, clip, tmp_path):
    sources, folder = [clip(f"{name}.mkv", 12) for name in "abc"], tmp_path / "out"
    folder.mkdir()
    (folder / ".b.mkv.parts").write_text("no folder")
    result = stylize("--input", *sources, "--output", folder, *RAY)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert ".b.mkv.parts" in result.err
    assert result.err.count("\n") == 1
    assert [len(times_of(folder / f"{name}.mkv")) for name in "ac"] == [12, 12]
    (folder / ".b.mkv.parts").unlink()
    assert stylize("--input", *sources, "--output", folder, *RAY).code == 0
    again = stylize("--input", *sources, "--output", folder, *RAY)
    assert again == (0, "skipped 3, which are there already\n", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--workers", "2"), "--workers is of a cluster: give --engine ray as well"),
        (("--ray-address", "auto"), "--ray-address is of a cluster: give --engine ray as well"),
        ((*RAY, "--smooth", "0.5"), "--smooth makes each frame of the one before, which takes one process: leave out"),
        ((*RAY, "--preview"), "--preview shows a film where it is made, which takes one process: leave out --engine"),
        ((*RAY, "--output", "o.gif"), "o.gif is none: leave out --engine ray"),
        ((*RAY, "--output", "frames/%05d.png"), "frames/%05d.png is none: leave out --engine ray"),
        ((*RAY, "--device", "cuda:1"), "engine ray shares out GPUs itself: --device is one of auto, cpu, cuda with it"),
        ((*RAY, "--workers", "0"), "--workers must be at least 1, got 0"),
        ((*RAY, "--strength", "7"), "strength must be 0 (the photo) to 1"),
        ((*RAY, "--style", "waves"), "has a single style"),
        ((*RAY, "--batch-size", "2"), "--batch-size is of pictures"),
    ],
)
def test_misuse(stylize, clip, tmp_path, is_misuse, tree, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    clip(frames=4)
    before = tree(tmp_path)
    result = stylize("--input", "clip.mp4", *arguments)
    assert is_misuse(result, sentence), result
    assert tree(tmp_path) == before


def test_files_of_onnx(stylize, clip, tmp_path, is_misuse):
    (tmp_path / "network.onnx").touch()
    result = stylize("--input", clip(frames=2), *RAY, "--model", tmp_path / "network.onnx")
    assert is_misuse(result, "network.onnx: give what it was exported from")


def test_a_map_in_another_backend(stylize, clip, several, is_misuse):
    styles = ("--style", "waves", "dots", "--style-map", "horizontal", "--backend", "onnx")
    result = stylize("--model", several, "--input", clip(frames=2), *styles, *RAY)
    assert is_misuse(result, "backend onnx does not run a map of styles: take backend torch")


def test_ray_is_missing(stylize, clip, is_misuse, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = stylize("--input", clip(frames=2), *RAY)
    assert is_misuse(result, "engine ray is not installed: pip install 'fast-style[ray]'")


def test_no_cluster_at_an_address(ray, stylize, clip, tmp_path):
    result = stylize("--input", clip(frames=2), "--output", tmp_path / "o.mp4", *RAY, "--ray-address", "127.0.0.1:1")
    assert result.code == 1
    assert result.err.startswith("error: no Ray cluster is at 127.0.0.1:1: ")
    assert not (tmp_path / "o.mp4").exists()


def workers_of(root: int) -> list[int]:
    """List the processes of workers that a command has started, which call themselves so."""
    parents, named = {}, []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if (folder / "cmdline").read_bytes().startswith(b"ray::FilmWorker"):
                    named.append(int(folder.name))
            except OSError:  # it has ended
                continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return [pid for pid in named if pid in family]
