"""Parts of a film that are made in whatever order."""

from fractions import Fraction

import pytest

from fast_style.files import digest_of
from fast_style.video import Parts, Timing
from fast_style.video import parts as module

TIMES = [Timing(Fraction(number, 25), Fraction(1, 25)) for number in range(4)]


@pytest.fixture
def parts(tmp_path):
    """Parts that are begun."""
    parts = Parts(tmp_path / "o.mkv", {})
    parts.begin()
    return parts


def keep(parts: Parts, number: int, times: list[Timing] = TIMES, complete: bool = True) -> None:
    parts.path(number).write_bytes(b"packets of %d" % number)
    parts.keep(number, [0, 1, 2, 3], times, complete, {})


def again(parts: Parts) -> Parts:
    return Parts(parts.output, {})


def test_those_up_to_the_first_that_is_missing_count(parts):
    for number, done in ((1, 0), (3, 0), (0, 2), (2, 4)):
        keep(parts, number)
        assert parts.done == done
    assert [path.name for path, _, _ in parts.timings()] == [f"{number:05d}.mkv" for number in range(4)]


def test_parts_are_compared_with_what_was_written_once(parts, monkeypatch):
    """Joining them takes several passes."""
    for number in range(3):
        keep(parts, number)
    read = []
    monkeypatch.setattr(module, "digest_of", lambda path: read.append(path.name) or digest_of(path))
    for _ in range(3):
        assert len(list(parts.timings())) == 3
    assert read == ["00000.mkv", "00001.mkv", "00002.mkv"]


def test_one_that_was_damaged_since_is_told(parts):
    keep(parts, 0)
    parts.path(0).write_bytes(b"other packets")
    with pytest.raises(OSError, match=r"00000\.mkv is gone or damaged: repeat the command"):
        list(parts.timings())


def test_those_after_it_are_found_again(parts):
    for number in (0, 2):
        keep(parts, number)
    found = again(parts)
    assert found.done == 1
    assert [found.has(number, TIMES) for number in range(4)] == [True, False, True, False]
    keep(found, 1)
    assert found.done == 3


def test_a_part_of_other_frames_is_not_found(parts):
    keep(parts, 1, TIMES[:3])
    assert not again(parts).has(1, TIMES)
    assert again(parts).has(1, TIMES[:3])


def test_a_part_that_is_damaged_is_not_found(parts):
    keep(parts, 1)
    parts.path(1).write_bytes(b"other packets")
    assert not again(parts).has(1, TIMES)


def test_parts_of_another_film_are_not_found(parts):
    keep(parts, 1)
    assert not Parts(parts.output, {"input": "another"}, overwrite=True).has(1, TIMES)


@pytest.mark.parametrize(("complete", "there"), [(True, True), (False, False)])
def test_a_folder_with_a_whole_part_is_not_dropped(parts, complete, there):
    keep(parts, 2, complete=complete)
    again(parts).drop()
    assert parts.folder.exists() == there
