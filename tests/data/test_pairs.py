"""Pairs of images in three layouts, and what may be wrong with them."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from fast_style.data import PairSource
from fast_style.data.pairs import heldout_part
from fast_style.images import read_header


def draw(path, number, size=(40, 30), mode="RGB"):
    """Write an image of one colour, its number, that changes from left to right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.full((height, width, 3), number, np.uint8)
    pixels[..., 2] = np.arange(width)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def two_folders(tmp_path):
    """A/train and B/train; the number of B is that of A and 100."""
    for number, name in enumerate(["a.png", "b.png", "deep/c.png"]):
        draw(tmp_path / "pairs" / "A" / "train" / name, number)
        draw(tmp_path / "pairs" / "B" / "train" / name.replace("png", "webp" if number else "png"), 100 + number)
    return tmp_path / "pairs"


def numbers(source):
    """Return the colours of inputs and of targets."""
    pixels = [source.read(index) for index in range(len(source))]
    assert all(each.shape == (6, 30, 40) and each.dtype == torch.uint8 for each in pixels)
    return [(int(each[0].float().median()), int(each[3].float().median())) for each in pixels]


EXPECTED = [(0, 100), (1, 101), (2, 102)]


def close(found, expected):
    """Compare up to what a lossy codec changes."""
    return np.allclose(found, expected, atol=2)


def test_by_name(two_folders):
    source = PairSource(two_folders)
    assert (source.names, source.layout) == (["a", "b", "deep/c"], "A and B")
    assert close(numbers(source), EXPECTED)
    assert close(numbers(PairSource(two_folders, "BtoA")), [pair[::-1] for pair in EXPECTED])
    assert source.path(1) == two_folders / "A" / "train" / "b.png"
    assert PairSource(two_folders, "BtoA").path(1) == two_folders / "B" / "train" / "b.webp"


def test_without_a_folder_of_the_split(two_folders, tmp_path):
    for side in "AB":
        (two_folders / side / "train").rename(tmp_path / side)
    assert close(numbers(PairSource(tmp_path)), EXPECTED)


def test_pairs_to_measure_on_are_not_learned_from(two_folders, tmp_path):
    """Where those to learn from lie beside their folder."""
    for side in "AB":
        (two_folders / side / "train").rename(two_folders / "moved")
        shutil.rmtree(two_folders / side)
        (two_folders / "moved").rename(two_folders / side)
        (two_folders / side / "test").mkdir()
        next((two_folders / side).glob("a.*")).rename(two_folders / side / "test" / f"a.{'png'}")
    assert heldout_part(two_folders) == "test"
    assert PairSource(two_folders).names == ["b", "deep/c"]
    assert PairSource(two_folders, part="test").names == ["a"]
    flat = tmp_path / "flat"
    for number, name in enumerate(["0.png", "1.png", "val/2.png"]):
        draw(flat / name, number, (80, 30))
    assert heldout_part(flat) == "val"
    assert PairSource(flat).names == ["0.png", "1.png"]
    assert PairSource(flat, part="val").names == ["2.png"]
    for side in "AB":
        for path in [*(two_folders / side).glob("b.*"), *(two_folders / side).glob("deep/c.*")]:
            path.unlink()
    with pytest.raises(FileNotFoundError, match="holds no pair to learn from: A and B hold nothing but test and val"):
        PairSource(two_folders)


@pytest.mark.parametrize("folder", ["train", "."])
def test_side_by_side(tmp_path, folder):
    for number in range(3):
        pixels = np.full((30, 80, 3), number, np.uint8)
        pixels[:, 40:] += 100
        (tmp_path / "pairs" / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pairs" / folder / f"{number}.png")
    source = PairSource(tmp_path / "pairs")
    assert (source.names, source.layout) == (["0.png", "1.png", "2.png"], "side by side")
    assert numbers(source) == EXPECTED
    assert numbers(PairSource(tmp_path / "pairs", "BtoA")) == [pair[::-1] for pair in EXPECTED]
    assert source.path(0) is None


def test_what_is_hardly_two_halves_is_told(tmp_path):
    for number, width in enumerate([60, 44, 80]):
        draw(tmp_path / "photos" / f"{number}.png", number, (width, 40))
    assert re.match("2 of 3 images are less than 1.6 times as wide as high", PairSource(tmp_path / "photos").narrow)
    draw(tmp_path / "photos" / "more.png", 3, (80, 40))
    assert not PairSource(tmp_path / "photos").narrow


def test_two_folders_of_pairs_side_by_side(tmp_path):
    for number, name in enumerate(["cats/0.png", "cats/1.png", "dogs/0.png"]):
        draw(tmp_path / "pairs" / name, number, (80, 40))
    assert PairSource(tmp_path / "pairs").layout == "side by side"


def test_a_table(two_folders, tmp_path):
    rows = ["pairs/A/train/b.png,pairs/B/train/b.webp", "pairs/A/train/a.png,pairs/B/train/a.png"]
    (tmp_path / "pairs.csv").write_text("\n".join(["a,b", *rows]))
    source = PairSource(tmp_path / "pairs.csv")
    assert (source.names, source.layout) == (["pairs/A/train/a.png", "pairs/A/train/b.png"], "a table")
    assert close(numbers(source), EXPECTED[:2])


def test_a_subset(two_folders):
    chosen = PairSource(two_folders).subset([2, 0])
    assert chosen.names == ["deep/c", "a"]
    assert close(numbers(chosen), [(2, 102), (0, 100)])


def test_a_jpeg_beside_a_png_has_its_size(tmp_path):
    """A JPEG is decoded at a fraction of its size where that is allowed, a PNG is not."""
    draw(tmp_path / "A" / "x.jpg", 10, (640, 480))
    draw(tmp_path / "B" / "x.png", 20, (640, 480))
    assert PairSource(tmp_path).read(0, 60).shape == (6, 480, 640)
    draw(tmp_path / "B" / "x.jpg", 20, (640, 480))
    (tmp_path / "B" / "x.png").unlink()
    assert PairSource(tmp_path).read(0, 60).shape == (6, 60, 80)


@pytest.mark.parametrize(("width", "read"), [(416, (52, 52)), (412, (206, 206)), (414, (206, 207))])
def test_halves_that_would_meet_within_a_pixel_are_read_at_full_size(tmp_path, width, read):
    """At a quarter, of 104 columns each half has 52; 103 are odd, and of 414 columns 207 are not 52 at a quarter."""
    draw(tmp_path / "x.jpg", 10, (width, 208 if width == 416 else 206))
    assert PairSource(tmp_path).read(0, 25).shape[1:] == read


def test_what_is_converted_is_told(two_folders):
    draw(two_folders / "A" / "train" / "a.png", 5, mode="L")
    Image.fromarray(np.zeros((30, 40), np.uint16)).save(two_folders / "B" / "train" / "a.png")
    source = PairSource(two_folders)
    assert source.converted == "1 grey and 1 with 16 bits: read as RGB of 8 bits"
    assert source.read(0).shape == (6, 30, 40)


def test_a_header_is_that_of_the_upright_image(tmp_path):
    image, exif = Image.new("L", (40, 30)), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    header = read_header(tmp_path / "a.jpg")
    assert (header.size, header.is_grey, header.is_deep) == ((40, 30), True, False)


def test_an_unreadable_image_is_left_for_its_turn(two_folders):
    (two_folders / "A" / "train" / "a.png").write_bytes(b"no")
    source = PairSource(two_folders)
    with pytest.raises(ValueError, match="cannot read image"):
        source.read(0)


def wrong_size(folder):
    draw(folder / "B" / "train" / "a.png", 0, (30, 30))


def unmatched(folder):
    for number in range(6):
        draw(folder / "A" / "train" / f"x{number}.png", number)
    draw(folder / "B" / "train" / "y.png", 0)


def one_unmatched(folder):
    draw(folder / "B" / "train" / "y.png", 0)


def twice(folder):
    draw(folder / "A" / "train" / "a.jpg", 0)


def empty_side(folder):
    for path in (folder / "B" / "train").rglob("*.*"):
        path.unlink()


def same(folder):
    shutil.rmtree(folder / "B")
    (folder / "B").symlink_to(folder / "A")


def unpaired(folder):
    for side in "AB":
        (folder / side / "train").rename(folder / f"train{side}")
        shutil.rmtree(folder / side)


def without_b(folder):
    shutil.rmtree(folder / "B")


def without_a(folder):
    shutil.rmtree(folder / "A")


def one_side_to_measure_on(folder):
    draw(folder / "A" / "test" / "z.png", 0)


def one_side_to_learn_from(folder):
    for path in (folder / "B" / "train").iterdir():
        path.rename(folder / "B" / path.name)
    (folder / "B" / "train").rmdir()


def other_names(folder):
    (folder / "A").rename(folder / "input")
    (folder / "B").rename(folder / "target")


def odd(folder):
    for side in "AB":
        shutil.rmtree(folder / side)
    draw(folder / "train" / "a.png", 0, (41, 30))


def nothing(folder):
    shutil.rmtree(folder)


def empty(folder):
    for side in "AB":
        shutil.rmtree(folder / side)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (wrong_size, ValueError, "A/train/a.png has 40×30 pixels and .*/B/train/a.png has 30×30: a pair must be"),
        (unmatched, ValueError, "7 images have no partner of the same name: A/x0.png, .*, A/x4.png and 2 more; "),
        (one_unmatched, ValueError, "1 image has no partner of the same name: B/y.png; name both of a pair alike"),
        (twice, ValueError, "A/train holds a.jpg and a.png, which would be the same of a pair: rename one"),
        (empty_side, FileNotFoundError, "B/train holds no photo"),
        (same, ValueError, "A/train and .*/B/train are the same folder: A and B must be two"),
        (unpaired, ValueError, "holds trainA and trainB, two collections without pairs: give data=unpaired "),
        (without_b, FileNotFoundError, "there is .*/pairs/A and no .*/pairs/B: pairs need both, files of the same"),
        (without_a, FileNotFoundError, "there is .*/pairs/B and no .*/pairs/A: pairs need both"),
        (one_side_to_measure_on, FileNotFoundError, "there is .*/A/test and no .*/B/test: pairs need both"),
        (one_side_to_learn_from, FileNotFoundError, "there is .*/A/train and no .*/B/train: pairs need both"),
        (other_names, ValueError, "pairs holds input and target with images of the same names: for pairs name the two"),
        (odd, ValueError, "a.png is 41 pixels wide: two halves side by side need an even width"),
        (nothing, FileNotFoundError, "there is no folder or .csv file of pairs at"),
        (empty, FileNotFoundError, "holds no pairs: looked for the folders A and B, and for images that hold both"),
    ],
)
def test_bad_folders(two_folders, change, error, message):
    change(two_folders)
    with pytest.raises(error, match=message):
        PairSource(two_folders)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x,y\n1,2", ValueError, "must have the columns a and b in its first line, got x,y"),
        ("a,b", FileNotFoundError, "holds no pair: give a line a.jpg,b.jpg for each"),
        ("a,b\nA/train/a.png,nowhere.png", FileNotFoundError, "line 2: b is 'nowhere.png', which is no file"),
        ("a,b\nA/train/a.png,", FileNotFoundError, "line 2: b is '', which is no file"),
        ("a,b\nA/train/a.png,A/train/a.png", ValueError, "line 2: a and b are the same file, A/train/a.png"),
        ("a,b\nA/train/a.png,B/train/a.png\nA/train/a.png,B/train/b.webp", ValueError, "line 3: A/train/a.png comes"),
    ],
)
def test_bad_tables(two_folders, text, error, message):
    (two_folders / "pairs.csv").write_text(text)
    with pytest.raises(error, match=re.escape(message)):
        PairSource(two_folders / "pairs.csv")


def test_a_table_in_another_encoding(two_folders):
    path = two_folders / "pairs.csv"
    path.write_text("a,b\nA/train/a.png,B/train/a.png", "utf-16")
    with pytest.raises(ValueError, match=r"pairs.csv must be a table in UTF-8, .* can't decode byte"):
        PairSource(path)
    path.write_text("a,b\nA/train/a.png,B/train/a.png", "utf-8-sig")
    assert len(PairSource(path)) == 1


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no table of pairs at"):
        PairSource(tmp_path / "pairs.csv")


def test_a_direction_that_is_none(two_folders):
    with pytest.raises(ValueError, match="direction must be AtoB or BtoA, got 'A2B'"):
        PairSource(two_folders, "A2B")
