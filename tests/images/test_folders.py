"""Which files of a folder are photos of the user's."""

import os

import pytest

from fast_style.images import list_images, sift


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_what_is_no_photo_of_the_users_is_left_out_and_counted(tmp_path):
    touch(tmp_path, "b.JPG", "sub/a.mpo", "sub/c.jpe", "d.jfif", "notes.txt", "x.HEIC", "y.bmp", "Thumbs.db", "._b.jpg")
    touch(tmp_path, "@eaDir/b.jpg", "#recycle/e.jpg", "$RECYCLE.BIN/f.jpg", "sub/__MACOSX/g.jpg", ".trash/h.jpg")
    found = list_images(tmp_path)
    assert found.names == ["b.JPG", "d.jfif", "sub/a.mpo", "sub/c.jpe"]
    assert str(found) == (
        "9 files and folders left out: 1 BMP (convert them first), 1 HEIC (convert them first), "
        "5 hidden folders or of the system, 2 hidden or of the system"
    )


def test_an_archive_is_sifted_as_a_folder_is(tmp_path):
    names = ["sub/a.jpg", ".c/b.jpg", ".c/d.jpg", "x.heic", "__MACOSX/._a.jpg", "e.png", "sub.jpg/", "n.txt", "._e.png"]
    touch(tmp_path, *(name for name in names if not name.endswith("/")))
    (tmp_path / "sub.jpg").mkdir()
    assert sift(names) == list_images(tmp_path)
    assert sift(names).names == ["e.png", "sub/a.jpg"]


def test_links_are_followed_without_loops(tmp_path):
    touch(tmp_path, "album/a.jpg", "links/b.jpg")
    (tmp_path / "links" / "album").symlink_to(tmp_path / "album")
    (tmp_path / "album" / "up").symlink_to(tmp_path / "links")
    (tmp_path / "links" / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    found = list_images(tmp_path / "links")
    assert found.names == ["album/a.jpg", "b.jpg"]
    assert str(found) == "1 file left out: 1 unreadable"


def test_a_folder_that_cannot_be_read_is_counted(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "lost+found/b.jpg")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list_images(tmp_path)
    assert found.names == ["a.jpg"]
    assert found.left_out == {"unreadable folders": 1}
    with pytest.raises(PermissionError, match="denied"):
        list_images(tmp_path / "lost+found")


def test_a_link_to_itself_is_left_out(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "a.jpg").touch()
    assert list_images(tmp_path).names == ["a.jpg"]
