"""What the stylizing command writes, and where."""

import runpy
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style import images
from fast_style.inference.jobs import plan
from fast_style.inference.stylizer import Stylizer
from tests.pictures import noise

SKIPPED = "what is there was skipped, whatever it was made with: --overwrite makes it anew\n"


def test_file(stylize, photos, model, tree, tally):
    assert stylize("--input", photos / "b.PNG", "--output", photos / "out" / "x.png") == (
        0,
        tally(1, 0, 0),
        "",
    )
    photo = images.to_float(images.read(photos / "b.PNG"))[None]
    expected = images.to_pil(Stylizer.from_checkpoint(model, "cpu", "fp32", "torch").stylize(photo))
    assert torch.equal(images.from_pil(expected)[0], images.to_float(images.read(photos / "out" / "x.png")))
    assert tree(photos / "out") == ["x.png"]


def test_default_output_of_a_file(stylize, photos, monkeypatch, size):
    assert stylize("--input", photos / "b.PNG").code == 0
    assert size(photos / "b-mosaic.PNG") == (9, 13)
    monkeypatch.chdir(photos / "sub" / "deep")
    assert stylize("--input", "c.webp").code == 0
    assert Path("c-mosaic.webp").exists()


def test_the_last_line_tells_where_pictures_are(stylize, photos, monkeypatch, tally):
    monkeypatch.chdir(photos.parent)
    assert stylize("--input", "photos/a.jpg").out == tally(1, 0, 0, "photos/a-mosaic.jpg")
    assert stylize("--input", "photos/a.jpg", "--output", "x.jpg").out == tally(1, 0, 0)
    assert stylize("--input", "photos/b.PNG", "photos/sub").out == tally(2, 0, 0, "beside each input")
    assert stylize("--input", "photos/sub").out == tally(0, 1, 0, "in photos/sub-mosaic")


def test_a_network_by_its_folder_or_by_its_name(stylize, photos, model, monkeypatch):
    monkeypatch.chdir(model.parent)
    assert stylize("--input", photos / "a.jpg", "--model", ".").code == 0
    assert (photos / "a-mosaic.jpg").is_file()
    assert stylize("--input", photos / "b.PNG", "--model", "mosaic").code == 0
    assert (photos / "b-mosaic.PNG").is_file()


def test_file_to_folder(stylize, photos, tmp_path, tree):
    assert stylize("--input", photos / "a.jpg", "--output", tmp_path / "out").code == 0
    (tmp_path / "looks_like.jpg").mkdir()
    assert stylize("--input", photos / "a.jpg", "--output", tmp_path / "looks_like.jpg").code == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "looks_like.jpg") == ["a.jpg"]


def test_file_to_a_folder_with_a_dot(stylize, photos, tmp_path, tree):
    (tmp_path / "out.v2").mkdir()
    assert stylize("--input", photos / "a.jpg", "--output", tmp_path / "out.v2").code == 0
    assert tree(tmp_path / "out.v2") == ["a.jpg"]


def test_several_inputs_to_a_folder_with_a_suffix(stylize, photos, tmp_path, tree):
    (tmp_path / "there.jpg").mkdir()
    for output in (tmp_path / "there.jpg", tmp_path / "out.v2"):
        assert stylize("--input", photos / "a.jpg", photos / "b.PNG", "--output", output).code == 0
        assert tree(output) == ["a.jpg", "b.PNG"]


def test_files_of_foreign_suffix_become_png(stylize, tmp_path, make):
    make(tmp_path / "a.jpg").rename(tmp_path / "a.photo")
    assert stylize("--input", tmp_path / "a.photo").code == 0
    assert (tmp_path / "a-mosaic.png").exists()


def test_folder(stylize, photos, tmp_path, tree, size, tally):
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert result == (0, tally(3, 0, 0), "")
    assert tree(tmp_path / "out") == ["a.jpg", "b.PNG", "sub/deep/c.webp"]
    for name in tree(tmp_path / "out"):
        assert size(tmp_path / "out" / name) == size(photos / name)


@pytest.mark.parametrize("name", ["photos", "photos/", ".", "sub/.."])
def test_default_output_of_a_folder(stylize, photos, tmp_path, monkeypatch, name, tree):
    monkeypatch.chdir(tmp_path if name.startswith("photos") else photos)
    assert stylize("--input", name).code == 0
    assert tree(tmp_path / "photos-mosaic") == ["a.jpg", "b.PNG", "sub/deep/c.webp"]
    assert len(tree(photos)) == 4


def test_each_of_several_folders_is_mirrored_under_its_name(stylize, tmp_path, monkeypatch, make, tree, tally):
    for name in ("2023/a.jpg", "2024/a.jpg", "2024/sub/a.jpg", "b.jpg"):
        make(tmp_path / name)
    monkeypatch.chdir(tmp_path / "2023")
    inputs = (".", "../2024/", "../b.jpg", "--output", "../out")
    assert stylize("--input", *inputs) == (0, tally(4, 0, 0), "")
    assert tree(tmp_path / "out") == ["2023/a.jpg", "2024/a.jpg", "2024/sub/a.jpg", "b.jpg"]
    assert stylize("--input", *inputs).out == tally(0, 4, 0)


@pytest.mark.parametrize("pattern", ["20*", "2023*"])
def test_a_glob_of_folders_counts_as_several(stylize, tmp_path, pattern, make, tree):
    for name in ("2023/a.jpg", "2024/a.jpg"):
        make(tmp_path / name)
    assert stylize("--input", tmp_path / pattern, "--output", tmp_path / "out").code == 0
    assert "2023/a.jpg" in tree(tmp_path / "out")
    assert "a.jpg" not in tree(tmp_path / "out")


def test_hidden_files_are_left_out(stylize, photos, tmp_path, make, tally):
    make(photos / ".a.jpg")
    make(photos / ".thumbnails" / "d.jpg")
    assert stylize("--input", photos, "--output", tmp_path / "out").out == tally(3, 0, 0)


def test_folders_are_listed_as_training_lists_them(stylize, photos, tmp_path, monkeypatch, make, tree, tally):
    """Links are followed, what a system keeps beside photos is left out, and what cannot be read is counted."""
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "linked").symlink_to(photos, target_is_directory=True)
    make(tmp_path / "album" / "@eaDir" / "thumbnail.jpg")
    make(tmp_path / "album" / "#recycle" / "deleted.jpg")
    (tmp_path / "album" / "phone.HEIC").touch()
    for suffix in ("jfif", "jpe", "mpo"):
        make(tmp_path / "photo.jpg").rename(tmp_path / "album" / f"{suffix}.{suffix}")
    monkeypatch.chdir(tmp_path / "album")
    code, out, err = stylize("--input", ".", "--output", "../out")
    assert (code, out) == (0, tally(6, 0, 0))
    names = ["jfif.jfif", "jpe.jpe", "linked/a.jpg", "linked/b.PNG", "linked/sub/deep/c.webp", "mpo.mpo"]
    assert tree(tmp_path / "out") == names
    assert err.count("\n") == 1
    assert "HEIC" in err
    assert "2 hidden folders" in err


def test_globs_that_the_shell_left(stylize, photos, tmp_path, monkeypatch, tree):
    assert stylize("--input", photos / "*.*[gG]", "--output", tmp_path / "one").code == 0
    assert tree(tmp_path / "one") == ["a.jpg", "b.PNG"]
    monkeypatch.chdir(photos)
    assert stylize("--input", "**/*.webp", "a.jpg", "--output", tmp_path / "two").code == 0
    assert tree(tmp_path / "two") == ["a.jpg", "c.webp"]


def test_names_with_glob_characters(stylize, tmp_path, make):
    photo = make(tmp_path / "a [1].jpg")
    assert stylize("--input", photo).code == 0
    assert (tmp_path / "a [1]-mosaic.jpg").exists()


@pytest.mark.parametrize(("side", "expected"), [(10, (10, 6)), (40, (40, 24)), (1, (1, 1))])
def test_size(stylize, photos, side, expected, size):
    assert stylize("--input", photos / "a.jpg", "--size", side).code == 0
    assert size(photos / "a-mosaic.jpg") == expected


def test_a_damaged_photo_whose_pixels_are_whole(stylize, photos, size, tally):
    PIL.Image.new("RGB", (20, 12)).save(photos / "a.jpg")  # of noise a decoder may not miss the marker of the end
    (photos / "a.jpg").write_bytes((photos / "a.jpg").read_bytes()[:-2])
    code, out, err = stylize("--input", photos / "a.jpg")
    assert (code, out, err.count("\n")) == (0, tally(1, 0, 0, photos / "a-mosaic.jpg"), 1)
    assert str(photos / "a.jpg") in err
    assert size(photos / "a-mosaic.jpg") == (20, 12)


def test_upright(stylize, tmp_path, size):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (20, 12)).save(tmp_path / "a.jpg", exif=exif)
    assert stylize("--input", tmp_path / "a.jpg").code == 0
    assert size(tmp_path / "a-mosaic.jpg") == (12, 20)


def test_output_of_a_file_exists(stylize, photos, tmp_path, size, is_misuse):
    out = tmp_path / "out.png"
    out.write_text("before")
    assert is_misuse(stylize("--input", photos / "a.jpg", "--output", out), "out.png exists: ")
    assert out.read_text() == "before"
    assert stylize("--input", photos / "a.jpg", "--output", out, "--overwrite").code == 0
    assert size(out) == (20, 12)


def test_default_output_of_a_file_exists(stylize, photos, is_misuse):
    assert stylize("--input", photos / "a.jpg").code == 0
    assert is_misuse(stylize("--input", photos / "a.jpg"), "a-mosaic.jpg exists: ")
    assert stylize("--input", photos / "a.jpg", "--overwrite").code == 0


def test_finished_outputs_are_skipped(stylize, photos, tmp_path, size, tally):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_text("before")
    assert stylize("--input", photos, "--output", out).out == tally(2, 1, 0)
    assert stylize("--input", photos, "--output", out) == (0, tally(0, 3, 0), SKIPPED)
    assert (out / "a.jpg").read_text() == "before"
    assert stylize("--input", photos, "--output", out, "--overwrite").out == tally(3, 0, 0)
    assert size(out / "a.jpg") == (20, 12)


def test_several_inputs_are_skipped_when_finished(stylize, photos, tally):
    inputs = (photos / "a.jpg", photos / "b.PNG")
    assert stylize("--input", *inputs).out == tally(2, 0, 0, "beside each input")
    assert stylize("--input", *inputs).out == tally(0, 2, 0, "beside each input")


@pytest.mark.parametrize("output", [[], ["--output", "out"]])
def test_a_glob_of_one_file_is_skipped_when_finished(stylize, photos, monkeypatch, output, tally):
    monkeypatch.chdir(photos)
    where = "" if output else "a-mosaic.jpg"
    assert stylize("--input", "*.jpg", *output) == (0, tally(1, 0, 0, where), "")
    assert stylize("--input", "a.j*", *output) == (0, tally(0, 1, 0, where), SKIPPED)


def test_a_glob_repeated_takes_no_outputs(stylize, photos, tmp_path, tree, tally):
    made = str(photos / "a-mosaic.jpg")
    assert stylize("--input", photos / "a*.jpg").out == tally(1, 0, 0, made)
    assert stylize("--input", photos / "a*.jpg").out == tally(0, 1, 0, made)
    assert stylize("--input", photos / "a*.jpg", "--overwrite").out == tally(1, 0, 0, made)
    assert len(tree(photos)) == 5


@pytest.mark.parametrize("output", [[], ["--output", "out"]])
@pytest.mark.parametrize("names", ["*.jpg", ".", "all"])
def test_results_of_other_styles_are_left_out(stylize, tmp_path, monkeypatch, make, names, output):
    made = ["a-cubist.jpg", "a-cubist60+gilded40.jpg", "a-the_scream-gilded.jpg", "a-mosaic+the_scream.jpg"]
    photos = ["a.jpg", "a-b.jpg", "a-2.jpg", "b-cubist.jpg", "cubist.jpg", "-cubist.jpg"]
    for name in (*photos, *made):
        make(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path / "in")
    inputs = [f"./{name}" for name in sorted(photos + made)] if names == "all" else [names]
    result = stylize("--input", *inputs, *output)
    assert result.code == 0
    assert result.out.startswith("stylized 6, skipped 0, failed 0")
    assert result.err == f"4 left out that were made of photos beside them, such as {sorted(made)[0]}\n"


def test_results_of_a_network_with_a_hyphen_are_left_out(tmp_path, make):
    for name in ("a.jpg", "a-my-net.jpg", "a-my-net60+old40.jpg", "a-net.jpg", "a-2.jpg"):
        make(tmp_path / name)
    planned = plan([str(tmp_path / "*.jpg")], None, "mosaic", known=lambda: {"my-net", "old"})
    assert [job.source.name for job in planned.jobs] == ["a-2.jpg", "a-net.jpg", "a.jpg"]
    assert len(plan([str(tmp_path / "*.jpg")], None, "mosaic").jobs) == 5


def test_photos_are_no_results_of_a_painting_called_by_a_number(tmp_path, make):
    names = ["DSC-1.jpg", "DSC-2.jpg", "DSC-23.jpg", "DSC.jpg"]
    for name in names:
        make(tmp_path / name)
    assert [job.source.name for job in plan([str(tmp_path)], None, "2", known=lambda: {"2"}).jobs] == names
    assert [job.source.name for job in plan([str(tmp_path)], None, "2", known=lambda: {"2", "any"}).jobs] == names


def test_a_result_is_stylized_where_it_is_named_alone(stylize, tmp_path, make, tally):
    for name in ("a.jpg", "a-cubist.jpg"):
        make(tmp_path / name)
    assert stylize("--input", tmp_path / "a-cubist.jpg").out == tally(1, 0, 0, tmp_path / "a-cubist-mosaic.jpg")


def test_output_inside_the_input(stylize, photos, tree):
    out = photos / "sub" / "out"
    for _ in range(2):
        assert stylize("--input", photos, "--output", out).code == 0
    assert tree(out) == ["a.jpg", "b.PNG", "sub/deep/c.webp"]


def test_output_inside_one_of_several_inputs(stylize, photos, tmp_path, make, tree, tally):
    other = make(tmp_path / "other" / "d.jpg").parent
    out = photos / "sub" / "out"
    for result in (
        tally(4, 0, 0),
        tally(0, 4, 0),
    ):
        assert stylize("--input", photos, other, "--output", out).out == result
    assert tree(out) == ["other/d.jpg", "photos/a.jpg", "photos/b.PNG", "photos/sub/deep/c.webp"]


def test_output_is_the_parent_of_the_input(stylize, photos, tally):
    assert stylize("--input", photos / "sub", "--output", photos).out == tally(1, 0, 0)
    assert (photos / "deep" / "c.webp").exists()


def test_one_input_named_twice_is_done_once(stylize, photos, tmp_path, tree, tally):
    inputs = (photos, photos / "sub" / "..", photos / "a.jpg", photos / "sub" / ".." / "a.jpg")
    assert stylize("--input", *inputs, "--output", tmp_path / "out").out == tally(4, 0, 0)
    assert tree(tmp_path / "out") == ["a.jpg", "photos/a.jpg", "photos/b.PNG", "photos/sub/deep/c.webp"]


def test_progress_on_a_terminal(stylize, photos, tmp_path, monkeypatch, tally):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _file: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert result.code == 0
    assert "stylizing" in result.err
    assert result.out == tally(3, 0, 0)


def test_the_script(root, model, photos, size, tally, monkeypatch, capsys):
    arguments = ["--device", "cpu", "--precision", "fp32", "--backend", "torch"]
    monkeypatch.setattr(
        sys, "argv", ["stylize.py", "--model", str(model), "--input", str(photos / "a.jpg"), *arguments]
    )
    runpy.run_path(str(root / "stylize.py"), run_name="__main__")
    assert capsys.readouterr() == (tally(1, 0, 0, photos / "a-mosaic.jpg"), "")
    assert size(photos / "a-mosaic.jpg") == (20, 12)


@pytest.fixture
def transparent(tmp_path) -> Path:
    """A PNG with every opacity, at 300 dots per inch."""
    image = noise((16, 16)).convert("RGB")
    image.putalpha(PIL.Image.frombytes("L", (16, 16), bytes(range(256))))
    image.save(tmp_path / "transparent.png", dpi=(300, 300))
    return tmp_path / "transparent.png"


def test_transparency_and_metadata_are_kept(stylize, transparent, tmp_path):
    assert stylize("--input", transparent, "--output", tmp_path / "out.png").code == 0
    with PIL.Image.open(tmp_path / "out.png") as result:
        assert result.getchannel("A").tobytes() == bytes(range(256))
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_metadata_left_out(stylize, transparent, tmp_path):
    assert stylize("--input", transparent, "--output", tmp_path / "out.png", "--drop-metadata").code == 0
    with PIL.Image.open(tmp_path / "out.png") as result:
        assert "dpi" not in result.info


def test_transparency_that_a_format_cannot_hold(stylize, transparent, tmp_path, tally):
    code, out, err = stylize("--input", transparent, "--output", tmp_path / "out.jpg")
    assert (code, out) == (1, tally(0, 0, 1))
    assert "JPEG holds no transparency: take " in err
    assert "or give a background colour" in err
    assert not (tmp_path / "out.jpg").exists()
    assert stylize("--input", transparent, "--output", tmp_path / "out.jpg", "--background", "white").code == 0


@pytest.mark.parametrize(("bits", "depth"), [([], 16), (["--bits", "8"], 8)])
def test_depth(stylize, tmp_path, bits, depth):
    pixels = np.arange(64 * 64 * 3, dtype=np.uint16).reshape(64, 64, 3) * 5
    picture = images.Picture([images.Frame(torch.from_numpy(pixels).permute(2, 0, 1))], bits=16)
    images.save_picture(tmp_path / "deep.png", picture)
    assert stylize("--input", tmp_path / "deep.png", "--output", tmp_path / "out.png", *bits).code == 0
    result = images.open_picture(tmp_path / "out.png")
    (frame,) = result.frames
    assert (result.bits, frame.size) == (depth, (64, 64))
    assert frame.pixels.long().unique().numel() > 256 or depth == 8


def test_animation(stylize, tmp_path):
    first, *others = (noise((20, 10)) for _ in range(3))
    first.save(tmp_path / "film.gif", save_all=True, append_images=others, duration=[50, 60, 70], loop=0)
    assert stylize("--input", tmp_path / "film.gif", "--output", tmp_path / "out.gif", "--size", "10").code == 0
    result = images.open_picture(tmp_path / "out.gif")
    assert [frame.duration for frame in result.frames] == [50, 60, 70]
    assert result.size == (5, 10)
    refused = stylize("--input", tmp_path / "film.gif", "--output", tmp_path / "out.jpg")
    assert refused.code == 1
    assert "JPEG is written with one frame, not 3" in refused.err
    assert stylize("--input", tmp_path / "film.gif", "--output", tmp_path / "out.jpg", "--still").code == 0
