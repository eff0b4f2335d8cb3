"""Folders and zip files of photos."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fast_style.data import ImageSource

NAMES = ["nested/photo_5.png", *(f"photo_{number}.jpg" for number in range(5))]


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*"), reverse=True):
            file.write(path, path.relative_to(folder))
    return archive


def test_folder_lists_sorted_relative_names(photo_folder):
    source = ImageSource(photo_folder)
    assert source.names == NAMES
    assert len(source) == 6


def test_reads_the_pixels(photo_folder):
    source = ImageSource(str(photo_folder))
    with Image.open(photo_folder / NAMES[0]) as image:
        assert np.array_equal(source.read(0).permute(1, 2, 0), image)
    assert source.read(1).shape == (3, 64, 96)


def test_zip_gives_the_same_as_the_folder(photo_folder, tmp_path):
    folder, archive = ImageSource(photo_folder), ImageSource(zipped(photo_folder, tmp_path / "photos.zip"))
    assert archive.names == folder.names
    for index in range(len(folder)):
        assert torch.equal(archive.read(index), folder.read(index))
        assert torch.equal(archive.read(index, 16), folder.read(index, 16))


def test_names_do_not_depend_on_where_the_root_lies(photo_folder, tmp_path):
    names = ImageSource(photo_folder).names
    moved = photo_folder.rename(tmp_path / "elsewhere")
    assert ImageSource(moved).names == names


def test_several_roots(photo_folder, tmp_path):
    source = ImageSource([photo_folder, zipped(photo_folder, tmp_path / "photos.zip")])
    assert source.names == [f"0/{name}" for name in NAMES] + [f"1/{name}" for name in NAMES]
    assert torch.equal(source.read(0), source.read(6))
    assert ImageSource([photo_folder]).names == NAMES


def test_hidden_and_other_files_are_left_out(photo_folder, tmp_path):
    (photo_folder / ".hidden.jpg").touch()
    (photo_folder / ".cache").mkdir()
    (photo_folder / ".cache" / "a.jpg").touch()
    (photo_folder / "__MACOSX").mkdir()
    (photo_folder / "__MACOSX" / "._photo_0.jpg").touch()
    (photo_folder / "notes.txt").touch()
    (photo_folder / "folder.jpg").mkdir()
    (photo_folder / "UPPER.JPG").touch()
    os.mkfifo(photo_folder / "pipe.jpg")
    assert ImageSource(photo_folder).names == sorted([*NAMES, "UPPER.JPG"])
    (photo_folder / "pipe.jpg").unlink()
    assert ImageSource(zipped(photo_folder, tmp_path / "photos.zip")).names == sorted([*NAMES, "UPPER.JPG"])


def test_links_are_followed_but_not_in_circles(photo_folder, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    (links / "album").symlink_to(photo_folder)
    (links / "one.jpg").symlink_to(photo_folder / "photo_0.jpg")
    (links / "broken.jpg").symlink_to(tmp_path / "nothing.jpg")
    (photo_folder / "nested" / "up").symlink_to(links)
    assert ImageSource(links).names == [f"album/{name}" for name in NAMES] + ["one.jpg"]


def test_names_that_are_not_utf8(photo_folder):
    raw = os.fsencode(photo_folder) + b"/caf\xe9.jpg"
    Path(os.fsdecode(raw)).write_bytes((photo_folder / "photo_0.jpg").read_bytes())
    source = ImageSource(photo_folder)
    index = source.names.index(os.fsdecode(b"caf\xe9.jpg"))
    assert source.read(index).shape == (3, 64, 96)


def test_subset(photo_folder, tmp_path):
    source = ImageSource(zipped(photo_folder, tmp_path / "photos.zip"))
    subset = source.subset([4, 0])
    assert subset.names == [NAMES[4], NAMES[0]]
    assert torch.equal(subset.read(1), source.read(0))


def test_pickles_with_an_open_zip(photo_folder, tmp_path):
    source = ImageSource(zipped(photo_folder, tmp_path / "photos.zip"))
    photo = source.read(2)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.names == source.names
    assert torch.equal(copy.read(2), photo)


def test_each_process_opens_the_zip_itself(photo_folder, tmp_path):
    source = ImageSource(zipped(photo_folder, tmp_path / "photos.zip"))
    expected = [source.read(index) for index in range(6)]
    loader = torch.utils.data.DataLoader(_Everything(source), batch_size=None, num_workers=2)
    for _ in range(2):
        assert all(torch.equal(found, wanted) for found, wanted in zip(loader, expected, strict=True))


class _Everything(torch.utils.data.Dataset):
    def __init__(self, source: ImageSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.source.read(index)


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder or zip file of photos at .*nowhere"):
        ImageSource(tmp_path / "nowhere")


def test_root_without_photos(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"holds no photo: looked for .*\.jpeg, \.jpg, .*\.png"):
        ImageSource(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(FileNotFoundError, match=r"empty\.zip holds no photo"):
        ImageSource(tmp_path / "empty.zip")


def test_empty_list():
    with pytest.raises(ValueError, match="the list of photo folders is empty"):
        ImageSource([])


def test_incomplete_zip(photo_folder, tmp_path):
    archive = zipped(photo_folder, tmp_path / "photos.zip")
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"photos\.zip is neither a folder nor a complete zip file"):
        ImageSource(archive)


def test_file_that_is_neither(photo_folder):
    with pytest.raises(ValueError, match="neither a folder nor a complete zip file of photos"):
        ImageSource(photo_folder / "photo_0.jpg")


def test_damaged_image_names_its_file(photo_folder, tmp_path):
    (photo_folder / "photo_0.jpg").write_bytes(b"not an image")
    for root in (photo_folder, zipped(photo_folder, tmp_path / "photos.zip")):
        with pytest.raises(ValueError, match=r"cannot read image .*photo_0\.jpg"):
            ImageSource(root).read(1)


def test_damaged_zip_member(photo_folder, tmp_path):
    archive = zipped(photo_folder, tmp_path / "photos.zip")
    source = ImageSource(archive)
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("photo_0.jpg").header_offset
    content = bytearray(archive.read_bytes())
    content[start + 100] ^= 255
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read image photo_0\.jpg in .*photos\.zip: Bad CRC"):
        source.read(1)


def test_zip_bomb(photo_folder, tmp_path, monkeypatch):
    source = ImageSource(zipped(photo_folder, tmp_path / "photos.zip"))
    monkeypatch.setattr("fast_style.data.sources.MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"cannot read image photo_0\.jpg .*: it unpacks to \d+ bytes"):
        source.read(1)


def test_photo_deleted_since(photo_folder):
    source = ImageSource(photo_folder)
    (photo_folder / "photo_0.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"photo_0\.jpg does not exist"):
        source.read(1)


def test_what_was_left_out_is_told(photo_folder):
    (photo_folder / "a.HEIC").touch()
    assert ImageSource(photo_folder).left_out == "1 file left out: 1 HEIC (convert them first)"


def test_an_encrypted_zip(photo_folder, tmp_path):
    archive = zipped(photo_folder, tmp_path / "photos.zip")
    content = bytearray(archive.read_bytes())
    start = -1
    while (start := content.find(b"PK\1\2", start + 1)) >= 0:
        content[start + 8] |= 1  # the flag of an encrypted member
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"photos\.zip is encrypted: unpack it"):
        ImageSource(archive)


def test_an_empty_root():
    with pytest.raises(ValueError, match="a folder of photos is empty"):
        ImageSource("")
