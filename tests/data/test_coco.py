"""COCO's zip files, served from this machine."""

import functools
import http.server
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fast_style.data import ImageSource, download_coco


class _Server(http.server.ThreadingHTTPServer):
    requests: list[str]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        assert isinstance(self.server, _Server)
        self.server.requests.append(self.path)


@pytest.fixture
def server(tmp_path: Path, photo_folder: Path) -> Iterator[_Server]:
    """Serves val2017.zip, and half of it as train2017.zip."""
    folder = tmp_path / "served" / "zips"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "val2017.zip", "w") as archive:
        for path in photo_folder.glob("*.jpg"):
            archive.write(path, f"val2017/{path.name}")
    content = (folder / "val2017.zip").read_bytes()
    (folder / "train2017.zip").write_bytes(content[: len(content) // 2])
    with _Server(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder.parent)) as running:
        running.requests = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def url_of(server: _Server, folder: str = "zips") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{folder}"


def test_downloads_once(server, tmp_path, capsys):
    root = tmp_path / "data" / "coco"
    path = download_coco(root, "val2017", url_of(server))
    assert path == root / "val2017.zip"
    assert [file.name for file in root.iterdir()] == ["val2017.zip"]
    assert "100%" in capsys.readouterr().err
    assert ImageSource(path).names == [f"val2017/photo_{number}.jpg" for number in range(5)]
    requests = len(server.requests)
    assert download_coco(root, "val2017", url_of(server)) == path
    assert len(server.requests) == requests


def test_uses_a_folder_that_is_there(server, tmp_path, photo_folder):
    shutil.copytree(photo_folder, tmp_path / "coco" / "train2017")
    assert download_coco(tmp_path / "coco", base_url=url_of(server)) == tmp_path / "coco" / "train2017"
    assert not server.requests


def test_missing_file(server, tmp_path):
    root = tmp_path / "coco"
    sentence = (
        r"could not download COCO from http://127\.0\.0\.1:\d+/nowhere/val2017\.zip \(HTTP Error 404: File not found\)"
        r": put that file at .*coco/val2017\.zip, or train on your own photos with data=photos data\.root=DIR"
    )
    with pytest.raises(RuntimeError, match=sentence):
        download_coco(root, "val2017", url_of(server, "nowhere"))
    assert not list(root.iterdir())


def test_incomplete_file(server, tmp_path):
    root = tmp_path / "coco"
    with pytest.raises(RuntimeError, match=r"could not download COCO from .* \(File is not a zip file\)"):
        download_coco(root, "train2017", url_of(server))
    assert not list(root.iterdir())


def test_no_server(server, tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), _Quiet) as unused:
        port = unused.server_address[1]
    with pytest.raises(RuntimeError, match=r"could not download COCO from .* \(<urlopen error .*refused"):
        download_coco(tmp_path, "val2017", f"http://127.0.0.1:{port}/zips")


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="the COCO split must be one of train2017, val2017, got 'train2014'"):
        download_coco(tmp_path, "train2014")
