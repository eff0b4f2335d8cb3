"""Files that arrive, and what they are called."""

import asyncio
import os
from dataclasses import replace

import pytest

from fast_style.web.refusal import RefusedError, of_disk
from fast_style.web.uploads import Kept, Shelf, new_id, plain_name


def arriving(*chunks, pause=0.0):
    async def stream():
        for chunk in chunks:
            await asyncio.sleep(pause)
            yield chunk

    return stream()


def write(shelf, stream, limit=10**6):
    asyncio.run(shelf._write(shelf.folder / "a.part", stream, limit))
    return (shelf.folder / "a.part").read_bytes()


@pytest.fixture
def shelf(settings):
    return Shelf(replace(settings, patience=0.05))


def test_a_file_arrives(shelf):
    assert write(shelf, arriving(b"ab", b"", b"c")) == b"abc"


@pytest.mark.parametrize(
    ("stream", "status", "text"),
    [
        (lambda: arriving(b"a", pause=5), 408, "the file stopped on its way"),
        (lambda: arriving(*[b"a"] * 100, pause=0.02), 408, "the file comes too slowly"),
        (lambda: arriving(bytes(600), bytes(600)), 413, "larger than"),
        (lambda: arriving(b""), 422, "the file is empty"),
    ],
)
def test_a_file_that_does_not(shelf, stream, status, text):
    with pytest.raises(RefusedError, match=text) as refusal:
        write(shelf, stream(), 1000)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\b.png", "b.png"),
        ("星夜 (1).jpg", "星夜 (1).jpg"),
        ("a\0b\n\u202ec.jpg", "abc.jpg"),
        ("", "photo"),
        ("..", "photo"),
        ("x" * 500, "x" * 100),
    ],
)
def test_names_are_for_showing(given, shown):
    assert plain_name(given, "photo") == shown


def test_only_names_of_the_server_are_found(shelf):
    kept = Kept(new_id(), "image", "a.jpg", ".jpg", 0)
    shelf.path(kept).write_bytes(b"a")
    shelf.note(kept)
    assert shelf.get(kept.id, "image") == kept
    for name, kind in ((kept.id, "film"), (kept.id.upper(), "image"), (f"../{kept.id}", "image"), (None, "image")):
        with pytest.raises(RefusedError, match="there is no such"):
            shelf.get(name, kind)


def test_jobs_take_room(settings):
    shelf = Shelf(replace(settings, stored_bytes=100))
    job = settings.folder / "jobs" / new_id()
    job.mkdir(parents=True)
    film = shelf.folder / "film.mp4"
    film.write_bytes(bytes(60))
    os.link(film, job / "source.mp4")  # counts once
    shelf.check_room(40)
    (job / "film.mp4").write_bytes(bytes(50))
    with pytest.raises(RefusedError, match="no room is left"):
        shelf.check_room()


class Upload:
    """A request whose body comes when it is let go; what it does not tell of its size is taken from the limit."""

    def __init__(self, content, told=True):
        self.content, self.go = content, asyncio.Event()
        self.headers = {"content-length": str(len(content))} if told else {}

    async def stream(self):
        await self.go.wait()
        yield self.content


@pytest.mark.parametrize("told", [True, False])
def test_what_arrives_has_its_room(settings, told):
    shelf = Shelf(replace(settings, stored_bytes=100))

    async def arrive():
        first = Upload(bytes(60), told)
        arriving = asyncio.create_task(shelf.receive(first, 60))
        await asyncio.sleep(0.01)
        with pytest.raises(RefusedError, match="no room is left"):
            await shelf.receive(Upload(bytes(50)), 60)
        first.go.set()
        (await arriving).unlink()
        shelf.check_room(100)

    asyncio.run(arrive())


def test_all_that_the_server_writes_takes_room(settings):
    shelf = Shelf(replace(settings, stored_bytes=100))
    (settings.folder / "onnx").mkdir()
    (settings.folder / "onnx" / "network.onnx").write_bytes(bytes(101))
    with pytest.raises(RefusedError, match="no room is left"):
        shelf.check_room()


def test_other_errors_of_the_disk_tell_no_path():
    assert "/secret" not in of_disk(PermissionError(13, "Permission denied", "/secret")).sentence
