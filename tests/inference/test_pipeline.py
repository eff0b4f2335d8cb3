import threading
import time
from pathlib import Path

import PIL.Image
import pytest
import torch

from fast_style import images
from fast_style.inference import pipeline
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import WORKERS, Settings, Tally, run
from tests.pictures import noise


@pytest.fixture
def make(tmp_path):
    """Make jobs for photos of the given sizes (width, height)."""

    def make(*sizes: tuple[int, int], suffix: str = "png") -> list[Job]:
        jobs = []
        for number, size in enumerate(sizes):
            path = tmp_path / f"{number}.{suffix}"
            noise(size).convert("RGB").save(path)
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
    assert run(jobs, Recorder(), Settings(batch_size=3)) == Tally(stylized=21)
    for job in jobs:
        assert torch.equal(images.read(job.target), 255 - images.read(job.source))


def test_equal_sizes_are_grouped(make):
    recorder = Recorder()
    assert run(make(*[(10, 8), (9, 13)] * 4), recorder, Settings(batch_size=4)).stylized == 8
    assert sorted(recorder.shapes) == [(4, 3, 8, 10), (4, 3, 13, 9)]


def held_at_most(monkeypatch, jobs, settings) -> int:
    """Run, and count the pictures that are decoded but not yet stylized."""
    opened, held, real = [], [], images.open_picture
    monkeypatch.setattr(images, "open_picture", lambda *options: (opened.append(1), real(*options))[1])
    done = []

    def stylize(photos):
        held.append(len(opened) - len(done))
        done.extend(photos)
        return photos

    assert run(jobs, stylize, settings).stylized == len(jobs)
    return max(held)


def test_pictures_of_many_sizes_do_not_pile_up(make, monkeypatch):
    jobs = make(*[(number, 8) for number in range(1, 41)])
    assert 8 <= held_at_most(monkeypatch, jobs, Settings(batch_size=2)) <= 4 * 2 + WORKERS


def test_large_pictures_wait_one_at_a_time(make, monkeypatch):
    monkeypatch.setattr(pipeline, "PIXELS", 100)
    jobs = make(*[(10, 8)] * 10)
    assert held_at_most(monkeypatch, jobs, Settings(batch_size=8)) <= 2 + WORKERS


def test_a_group_that_is_too_much_is_done_one_by_one(make):
    recorder = Recorder(most=1)
    assert run(make(*[(10, 8)] * 4), recorder, Settings(batch_size=4)) == Tally(stylized=4)
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


def test_damage_that_left_the_pixels_whole_is_noted_in_the_order_of_the_jobs(make):
    jobs = make(*[(10, 8)] * 8, suffix="jpg")
    for job in (jobs[1], jobs[6]):
        PIL.Image.new("RGB", (10, 8)).save(job.source)  # of noise a decoder may not miss the marker of the end
        job.source.write_bytes(job.source.read_bytes()[:-2])
    tally = run(jobs, Recorder())
    assert (tally.stylized, tally.failures) == (8, [])
    assert [str(jobs[1].source) in tally.notes[0], str(jobs[6].source) in tally.notes[1]] == [True, True]
    assert len(tally.notes) == 2


def test_what_is_done_is_skipped(make):
    jobs = make((10, 8), (10, 8))
    jobs[0].target.parent.mkdir()
    jobs[0].target.touch()
    assert run(jobs, Recorder()) == Tally(stylized=1, skipped=1)
    assert run(jobs, Recorder(), Settings(overwrite=True)) == Tally(stylized=2)


def test_8_bits_stay_integers_unless_16_are_wanted(make):
    jobs, recorder = make((10, 8)), Recorder()
    run(jobs, recorder)
    assert recorder.dtypes == {torch.uint8}
    run(jobs, recorder, Settings(images.Encoding(bits=16), overwrite=True))
    assert recorder.dtypes == {torch.uint8, torch.float32}


@pytest.mark.parametrize("size", [5, 20])
def test_resized_first(make, size):
    recorder = Recorder()
    run(make((10, 8)), recorder, Settings(size=size))
    assert recorder.shapes == [(1, 3, 8 * size // 10, size)]


def test_decoding_and_encoding_go_on_meanwhile(make, monkeypatch):
    events = []

    def slowed(name):
        real = getattr(images, name)

        def run_slowly(*arguments):
            time.sleep(0.04)  # so that what begins right before a picture's turn ends within it
            result = real(*arguments)
            events.append(name)
            return result

        return run_slowly

    for name in ("open_picture", "save_picture"):
        monkeypatch.setattr(images, name, slowed(name))
    seen = set()

    def stylize(photos):
        before = len(events)
        time.sleep(0.1)
        seen.update(events[before:])
        return photos

    assert run(make(*[(10, 8)] * 12), stylize).stylized == 12
    assert seen == {"open_picture", "save_picture"}


def test_one_picture_that_has_no_room_does_not_stop_the_others(make):
    """The tiles of a large picture may lie in a temporary file."""

    def stylize(photos):
        if photos.shape[-1] == 9:
            raise OSError("no space left for 4 GB of activations")
        return photos

    tally = run(make((10, 8), (9, 9), (10, 8)), stylize)
    assert (tally.stylized, tally.failures) == (2, ["no space left for 4 GB of activations"])


def test_one_picture_that_cannot_be_encoded_does_not_stop_the_others(make, monkeypatch):
    jobs, save = make((10, 8), (9, 9), (10, 8)), PIL.Image.Image.save

    def fail_at_9(image, *arguments, **options):
        if image.width == 9:
            raise OverflowError("int too big to convert")
        save(image, *arguments, **options)

    monkeypatch.setattr(PIL.Image.Image, "save", fail_at_9)
    tally = run(jobs, Recorder())
    assert (tally.stylized, tally.failures) == (2, [f"cannot write {jobs[1].target}: int too big to convert"])


def test_pictures_of_different_depth_are_not_mixed(make, tmp_path):
    jobs = make((10, 8), (10, 8))
    deep = images.Picture([images.Frame(torch.zeros(3, 8, 10, dtype=torch.uint16))], bits=16)
    images.save_picture(jobs[0].source, deep)
    recorder = Recorder()
    assert run(jobs, recorder, Settings(batch_size=2)).stylized == 2
    assert recorder.shapes == [(1, 3, 8, 10)] * 2
    assert images.open_picture(jobs[0].target).bits == 16


def test_what_has_one_size_after_resizing_is_grouped(make):
    recorder = Recorder()
    assert run(make((20, 16), (40, 32)), recorder, Settings(size=10, batch_size=2)).stylized == 2
    assert recorder.shapes == [(2, 3, 8, 10)]


def test_progress_is_told(make):
    jobs = make(*[(10, 8)] * 3)
    jobs[0].target.parent.mkdir()
    jobs[0].target.touch()
    told = []
    run(jobs, Recorder(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)
    assert told == sorted(told)


def test_nothing_is_printed(make, capfd):
    jobs = make((10, 8), (10, 8))
    jobs[0].source.write_text("no image")
    run(jobs, Recorder())
    assert capfd.readouterr() == ("", "")


def test_stopping_finishes_the_image_at_hand(make):
    jobs, calls = make(*[(10, 8)] * 20), []

    def stylize(photos):
        calls.append(photos)
        return photos

    assert run(jobs, stylize, stop=lambda: len(calls) == 2) == Tally(stylized=2, stopped=True)
    assert [job.target.exists() for job in jobs] == [True] * 2 + [False] * 18


def test_an_interrupt_gives_up_the_image_at_hand(make):
    jobs, calls = make(*[(10, 8)] * 5), []

    def stylize(photos):
        calls.append(photos)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return photos

    assert run(jobs, stylize) == Tally(stylized=2, stopped=True)
    assert sum(job.target.exists() for job in jobs) == 2


def test_an_interrupt_in_an_animation_loses_nothing_else(make):
    (job,) = make((10, 8), suffix="gif")
    frames = [noise((10, 8)) for _ in range(3)]
    frames[0].save(job.source, save_all=True, append_images=frames[1:])
    done = []

    def stylize(photos):
        done.append(photos)
        if len(done) == 2:
            raise KeyboardInterrupt
        return photos

    assert run([job], stylize) == Tally(stopped=True)
    assert not list(job.target.parent.glob("*"))


def test_runs_in_a_thread(make):
    jobs, found = make((10, 8)), []
    thread = threading.Thread(target=lambda: found.append(run(jobs, Recorder())))
    thread.start()
    thread.join(20)
    assert found == [Tally(stylized=1)]


def test_bad_batch_size():
    with pytest.raises(ValueError, match="batch size must be at least 1 image, got 0"):
        Settings(batch_size=0)


def test_jobs_with_one_target_folder_that_cannot_be(make, tmp_path):
    (job,) = make((10, 8))
    (tmp_path / "file").touch()
    tally = run([Job(job.source, Path(tmp_path / "file" / "a.png"))], Recorder())
    assert len(tally.failures) == 1
    assert "cannot write" in tally.failures[0]


def test_what_was_wrong_with_a_picture_is_noted(make):
    jobs = make((10, 8), (10, 8))
    content = jobs[0].source.read_bytes()
    text = b"\0\0\0\x0atEXtComment\0hi" + bytes(4)  # with a wrong checksum
    jobs[0].source.write_bytes(content[:33] + text + content[33:])
    tally = run(jobs, Recorder())
    assert (tally.stylized, tally.failures) == (2, [])
    assert tally.notes == [f"{jobs[0].source}: its text is damaged or too large, and left out"]
