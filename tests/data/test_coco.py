"""COCO's zip files, served from this machine."""

import shutil
import zipfile

import pytest

from fast_style.data import ImageSource, download_coco


@pytest.fixture
def zips(server, photo_folder):
    """The URL of val2017.zip, and of half of it as train2017.zip."""
    folder = server.folder / "zips"
    folder.mkdir()
    with zipfile.ZipFile(folder / "val2017.zip", "w") as archive:
        for path in photo_folder.glob("*.jpg"):
            archive.write(path, f"val2017/{path.name}")
    content = (folder / "val2017.zip").read_bytes()
    (folder / "train2017.zip").write_bytes(content[: len(content) // 2])
    return f"{server.url}/zips"


def test_downloads_once(server, zips, tmp_path, capsys):
    root = tmp_path / "data" / "coco"
    path = download_coco(root, "val2017", zips)
    assert path == root / "val2017.zip"
    assert [file.name for file in root.iterdir()] == ["val2017.zip"]
    assert "100%" in capsys.readouterr().err
    assert ImageSource(path).names == [f"val2017/photo_{number}.jpg" for number in range(5)]
    assert download_coco(root, "val2017", zips) == path
    assert len(server.requests) == 1


def test_uses_a_folder_that_is_there(server, zips, tmp_path, photo_folder):
    shutil.copytree(photo_folder, tmp_path / "coco" / "train2017")
    assert download_coco(tmp_path / "coco", base_url=zips) == tmp_path / "coco" / "train2017"
    assert not server.requests


def test_missing_file(server, tmp_path):
    root = tmp_path / "coco"
    sentence = (
        r"^could not download http://127\.0\.0\.1:\d+/nowhere/val2017\.zip \(HTTP Error 404: File not found\)"
        r": put that file at .*coco/val2017\.zip, or train on your own photos with data=photos data\.root=DIR$"
    )
    with pytest.raises(RuntimeError, match=sentence):
        download_coco(root, "val2017", f"{server.url}/nowhere/")
    assert not list(root.iterdir())


def test_incomplete_file(zips, tmp_path):
    root = tmp_path / "coco"
    with pytest.raises(RuntimeError, match=r"/train2017\.zip \(it is not a complete zip file\): put that"):
        download_coco(root, "train2017", zips)
    assert not list(root.iterdir())


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="the COCO split must be one of train2017, val2017, got 'train2014'"):
        download_coco(tmp_path, "train2014")
