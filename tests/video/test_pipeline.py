"""Three threads and what goes through them."""

import threading
import time
from fractions import Fraction

import pytest
import torch

from fast_style.video.frame import Frame
from fast_style.video.pipeline import AHEAD, run


class Frames:
    """Numbers as frames, of which it knows how many are held."""

    def __init__(self, count: int, fail_at: int = -1, dtype: torch.dtype = torch.uint8):
        self.count, self.fail_at, self.dtype, self.begun = count, fail_at, dtype, 0

    def frames(self, skip=0):
        for number in range(skip, self.count):
            if number == self.fail_at:
                raise ValueError("cannot read film")
            self.begun = number + 1
            yield Frame(torch.full((3, 2, 2), number, dtype=self.dtype), None, Fraction(number, 25), Fraction(1, 25))


class Kept:
    """A target that keeps numbers."""

    def __init__(self, done=0, fail_at=-1, wait=0.0):
        self.done, self.fail_at, self.wait, self.numbers, self.finished = done, fail_at, wait, [], None
        self.memory, self.threads = {}, set()

    def write(self, number, frame):
        time.sleep(self.wait)
        if number == self.fail_at:
            raise OSError("no space")
        self.threads.add(threading.current_thread().name)
        self.numbers.append((number, int(frame.pixels[0, 0, 0])))

    def finish(self, complete):
        self.finished = complete


def same(photo, _time):
    return photo


def test_every_frame_in_order():
    target, seen = Kept(), []
    assert run(Frames(30), same, target, lambda done, total: seen.append((done, total))) == (30, True)
    assert target.numbers == [(n, n) for n in range(30)]
    assert (target.finished, seen[-1], target.threads) == (True, (30, 30), {"encode"})


def test_what_is_there_is_not_made_again():
    target = Kept(done=7)
    assert run(Frames(10), same, target) == (10, True)
    assert [number for number, _ in target.numbers] == [7, 8, 9]


def test_stopping_finishes_what_is_done():
    target, calls = Kept(), []
    assert run(Frames(30), same, target, stop=lambda: calls.append(1) or len(calls) > 5) == (5, False)
    assert (len(target.numbers), target.finished) == (5, False)


def test_few_frames_wait():
    frames, target = Frames(60), Kept(wait=0.002)
    held = []
    run(frames, lambda photo, _: held.append(frames.begun - len(target.numbers)) or photo, target)
    assert max(held) <= 2 * AHEAD + 4


@pytest.mark.parametrize(
    ("frames", "target", "error"),
    [(Frames(9, fail_at=4), Kept(), "cannot read film"), (Frames(90), Kept(fail_at=4), "no space")],
)
def test_errors_of_other_threads_are_raised(frames, target, error):
    with pytest.raises((ValueError, OSError), match=error):
        run(frames, same, target)
    assert target.finished is None
    assert not {"decode", "encode"} & {thread.name for thread in threading.enumerate()}


def test_deep_frames_are_float_for_the_network():
    seen, target = [], Kept()
    run(Frames(2, dtype=torch.uint16), lambda photo, _: seen.append(photo.dtype) or photo, target)
    assert (seen, target.numbers) == ([torch.float32] * 2, [(0, 0), (1, 1)])
