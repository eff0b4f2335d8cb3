"""Photos in an object store."""

import socket

import pytest

from fast_style import remote
from fast_style.data.photos import PhotoDataset
from fast_style.data.sources import ImageSource
from fast_style.remote import RemoteFolder, is_address


@pytest.fixture
def address(bucket, photo_folder):
    """The photos of `photo_folder` in a store."""
    bucket.put(str(photo_folder), "photos/train", recursive=True)
    return "s3://photos/train"


def test_addresses():
    assert is_address("s3://bucket/photos")
    assert not is_address("photos")


def test_the_same_photos_as_in_a_folder(address, photo_folder):
    here, there = ImageSource(photo_folder), ImageSource(address)
    assert there.names == here.names
    for index in range(len(here.names)):
        assert (there.read(index) == here.read(index)).all()


def test_a_training_from_a_bucket(address, tiny, train, tmp_path):
    assert train(tiny | {"data.root": address}) == 0
    assert (tmp_path / "out.safetensors").is_file()


def test_a_reading_that_fails_is_tried_again(address, monkeypatch, caplog):
    source = ImageSource(address)
    files, _ = source.roots[0]._connect()
    original, failures = files.cat_file, iter([OSError("connection reset by peer")] * 3)

    def sometimes(path):
        for failure in failures:
            raise failure
        return original(path)

    monkeypatch.setattr(files, "cat_file", sometimes)
    sample = PhotoDataset(source, 16)[0]
    assert sample["skipped"] == []
    assert caplog.text.count("connection reset by peer), trying again") == 3


def test_a_store_that_is_gone_is_no_broken_photo(address, monkeypatch):
    """To pass over the photo would lose it."""
    source = ImageSource(address)
    files, _ = source.roots[0]._connect()

    def gone(_path):
        raise OSError("connection refused")

    monkeypatch.setattr(files, "cat_file", gone)
    with pytest.raises(ConnectionError, match=r"cannot read .* of s3://photos/train after 5 attempts"):
        PhotoDataset(source, 16)[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("s3://photos/nowhere", "s3://photos/nowhere"),
        ("nonsense://a/b", "cannot open nonsense://a/b: Protocol not known: nonsense"),
    ],
)
def test_misuse_is_one_sentence(address, tiny, train, capsys, wrong, message):
    assert train(tiny | {"data.root": wrong}) == 2
    (error,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert message in error


def test_a_server_that_is_not_there(tiny, train, capsys, monkeypatch):
    monkeypatch.setattr(remote, "WAIT", 0.001)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/photos"
    assert train(tiny | {"data.root": address}) == 1
    assert f"cannot list {address} after 5 attempts" in capsys.readouterr().err


def test_a_package_that_is_missing(monkeypatch):
    def missing(_address):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(ValueError, match="Install s3fs to access S3; pip install s3fs"):
        RemoteFolder("s3://bucket/photos")
