import signal
import threading
import time
from pathlib import Path

import PIL.Image
import pytest
import torch

from fast_style import images
from fast_style.cli.jobs import Job
from fast_style.cli.pipeline import WORKERS, Tally, Writing, run


@pytest.fixture
def make(tmp_path):
    """Make jobs for photos of the given sizes (width, height)."""

    def make(*sizes: tuple[int, int], suffix: str = "png") -> list[Job]:
        jobs = []
        for number, size in enumerate(sizes):
            path = tmp_path / f"{number}.{suffix}"
            PIL.Image.effect_noise(size, 90).convert("RGB").save(path)
            jobs.append(Job(path, tmp_path / "out" / path.name))
        return jobs

    return make


class Recorder:
    """A stylizer that inverts, and remembers the shapes and types it was given."""

    def __init__(self, most: int = 100):
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: set[torch.dtype] = set()
        self.most = most

    def __call__(self, photos):
        if len(photos) > self.most:
            raise RuntimeError("not enough memory")
        self.shapes.append(tuple(photos.shape))
        self.dtypes.add(photos.dtype)
        return 1 - photos if photos.is_floating_point() else 255 - photos


def test_every_picture_gets_its_own_result(make):
    jobs = make(*[(10, 8), (9, 13), (10, 8), (10, 8), (1, 1), (9, 13), (10, 8)] * 3)
    assert run(jobs, Recorder(), Writing(batch_size=3)) == Tally(stylized=21)
    for job in jobs:
        assert torch.equal(images.read(job.target), 255 - images.read(job.source))


def test_equal_sizes_are_grouped(make):
    recorder = Recorder()
    assert run(make(*[(10, 8), (9, 13)] * 4), recorder, Writing(batch_size=4)).stylized == 8
    assert sorted(recorder.shapes) == [(4, 3, 8, 10), (4, 3, 13, 9)]


def test_pictures_of_many_sizes_do_not_pile_up(make):
    threads = []

    def stylize(photos):
        threads.append(threading.active_count())
        return photos

    assert run(make(*[(number, 8) for number in range(1, 31)]), stylize, Writing(batch_size=2)).stylized == 30
    assert max(threads) <= threading.active_count() + 2 * WORKERS


def test_a_group_that_is_too_much_is_done_one_by_one(make):
    recorder = Recorder(most=1)
    assert run(make(*[(10, 8)] * 4), recorder, Writing(batch_size=4)) == Tally(stylized=4)
    assert recorder.shapes == [(1, 3, 8, 10)] * 4


def test_failures_are_told_in_the_order_of_the_jobs(make):
    jobs = make((10, 8), (9, 9), (10, 8), (9, 9))
    for job in (jobs[0], jobs[3]):
        job.source.write_text("no image")

    def fail_at_9(photos):
        if photos.shape[-1] == 9:
            raise RuntimeError("no kernel")
        return photos

    tally = run(jobs, fail_at_9)
    assert (tally.stylized, len(tally.failures)) == (1, 3)
    assert [
        str(job.source) in failure for job, failure in zip((jobs[0], jobs[1], jobs[3]), tally.failures, strict=True)
    ]
    assert tally.failures[1] == f"cannot stylize {jobs[1].source}: no kernel"


def test_what_is_done_is_skipped(make):
    jobs = make((10, 8), (10, 8))
    jobs[0].target.parent.mkdir()
    jobs[0].target.touch()
    assert run(jobs, Recorder()) == Tally(stylized=1, skipped=1)
    assert run(jobs, Recorder(), Writing(overwrite=True)) == Tally(stylized=2)


def test_8_bits_stay_integers_unless_16_are_wanted(make):
    jobs, recorder = make((10, 8)), Recorder()
    run(jobs, recorder)
    assert recorder.dtypes == {torch.uint8}
    run(jobs, recorder, Writing(images.Encoding(bits=16), overwrite=True))
    assert recorder.dtypes == {torch.uint8, torch.float32}


@pytest.mark.parametrize("size", [5, 20])
def test_resized_first(make, size):
    recorder = Recorder()
    run(make((10, 8)), recorder, Writing(size=size))
    assert recorder.shapes == [(1, 3, 8 * size // 10, size)]


def test_decoding_and_encoding_go_on_meanwhile(make, monkeypatch):
    lazy = 0.05
    for name in ("open_picture", "save_picture"):
        real = getattr(images, name)
        monkeypatch.setattr(images, name, lambda *args, real=real: (time.sleep(lazy), real(*args))[1])

    def stylize(photos):
        time.sleep(lazy)
        return photos

    started = time.perf_counter()
    assert run(make(*[(10, 8)] * 12), stylize).stylized == 12
    assert time.perf_counter() - started < 12 * 3 * lazy * 0.7


def test_ctrl_c_finishes_the_image_at_hand(make, capsys):
    jobs = make(*[(10, 8)] * 20)
    calls = []

    def stylize(photos):
        calls.append(photos)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return photos

    before = signal.getsignal(signal.SIGINT)
    assert run(jobs, stylize) == Tally(stylized=2, interrupted=True)
    assert [job.target.exists() for job in jobs] == [True] * 2 + [False] * 18
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopping after the images at hand" in capsys.readouterr().err


def test_ctrl_c_twice_stops_at_once(make):
    jobs = make(*[(10, 8)] * 5)

    def stylize(photos):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return photos

    assert run(jobs, stylize) == Tally(interrupted=True)
    assert not jobs[0].target.parent.exists()


def test_runs_in_a_thread(make):
    jobs, found = make((10, 8)), []
    thread = threading.Thread(target=lambda: found.append(run(jobs, Recorder())))
    thread.start()
    thread.join(20)
    assert found == [Tally(stylized=1)]


def test_bad_batch_size():
    with pytest.raises(ValueError, match="batch size must be at least 1 image, got 0"):
        Writing(batch_size=0)


def test_jobs_with_one_target_folder_that_cannot_be(make, tmp_path):
    (job,) = make((10, 8))
    (tmp_path / "file").touch()
    tally = run([Job(job.source, Path(tmp_path / "file" / "a.png"))], Recorder())
    assert len(tally.failures) == 1
    assert "cannot write" in tally.failures[0]
