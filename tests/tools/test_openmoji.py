"""Pairs from OpenMoji: what belongs together stays together."""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import openmoji
import pytest
from PIL import Image

FLAGS = ["1F1E6-1F1F2", "1F1E7-1F1EC", "1F3C1"]
TONES = [f"1F3F{digit}" for digit in "BCDEF"]


def symbol(code, base="", subgroup="person-role"):
    return {"hexcode": code, "skintone_base_hexcode": base, "subgroups": subgroup}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (symbol("1F468-200D-1F680"), symbol("1F469-1F3FD-200D-1F680", "1F469-200D-1F680"), True),
        (symbol("1F468-200D-1F680"), symbol("1F9D1-200D-1F680"), True),
        (symbol("1F468-200D-1F680"), symbol("1F468-200D-1F3A4"), False),
        (symbol("1F9D4-200D-2640-FE0F"), symbol("1F9D4"), True),
        (symbol("1F468-200D-1F9B0"), symbol("1F469-200D-1F9B3"), True),
        (symbol("1F3C3-200D-27A1-FE0F"), symbol("1F3C3-200D-2642-FE0F"), True),
        (symbol(FLAGS[0], subgroup="country-flag"), symbol(FLAGS[2], subgroup="flag"), True),
        (symbol("1F34E", subgroup="food-fruit"), symbol("1F34F", subgroup="food-fruit"), False),
        (symbol("1F3FB", subgroup="skin-tone"), symbol("1F3FF", subgroup="skin-tone"), False),
    ],
)
def test_variants_have_one_family(one, other, alike):
    assert (openmoji.family(one) == openmoji.family(other)) is alike


def test_the_same_line_art_joins_families():
    symbols = [symbol(code, subgroup="heart") for code in ("A", "B", "C", "D", "A-200D-E")]
    heights = {"A": 0.1, "B": 0.3, "C": 0.33, "D": 0.6, "A-200D-E": 0.6}
    lines = {code: np.full((32, 32), height, np.float32) for code, height in heights.items()}
    symbols[4]["skintone_base_hexcode"] = "A"
    assert sorted(openmoji.families(symbols, lines)) == [["A", "A-200D-E", "D"], ["B", "C"]]


def test_large_families_are_trained_on():
    groups = [[f"large{n}" for n in range(300)], *([f"small{n}"] for n in range(700))]
    train, test = openmoji.split(groups)
    assert sum(map(len, test)) == 100
    assert groups[0] in train
    halves = openmoji.halve(train)
    assert sorted(map(len, halves)) == [450, 450]


@pytest.fixture
def package(tmp_path) -> Path:
    """Forty symbols, three flags, and a person in all tones; the last has no colours."""
    symbols = [symbol(f"A{number:02}", subgroup="food-fruit") for number in range(41)]
    symbols += [symbol(code, subgroup="country-flag") for code in FLAGS]
    symbols += [symbol(f"1F468-{tone}", "1F468") for tone in TONES]
    folder = tmp_path / "package"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "openmoji.json").write_text(json.dumps(symbols))
    (folder / "LICENSE.txt").write_text("CC BY-SA 4.0")
    for kind in ("black", "color"):
        (folder / kind / "svg").mkdir(parents=True)
        for each in symbols:
            (folder / kind / "svg" / f"{each['hexcode']}.svg").write_text(f"{kind} {each['hexcode']}")
    (folder / "color" / "svg" / "A40.svg").unlink()
    return folder


def draw(path: Path, size: int) -> bytes:
    pixels = np.random.default_rng(list(path.read_bytes())).integers(0, 256, (size, size), np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(file, "PNG")
        return file.getvalue()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_layouts(package, tmp_path):
    counts = openmoji.make(package, tmp_path / "data", 64, draw)
    paired, unpaired = tmp_path / "data" / "paired", tmp_path / "data" / "unpaired"
    for part in ("train", "test"):
        assert names(paired / "A" / part) == names(paired / "B" / part)
    train, test = names(paired / "A" / "train"), names(paired / "A" / "test")
    assert not train & test
    assert len(train | test) == 48
    assert "A40.png" not in train | test  # it has no colours
    assert {f"{code}.png" for code in FLAGS} <= train
    assert counts["paired/A/test"] == len(test) == 5
    assert names(unpaired / "trainA") == names(unpaired / "hiddenB")
    assert names(unpaired / "trainB") == names(unpaired / "hiddenA")
    assert names(unpaired / "trainA") | names(unpaired / "trainB") == train
    assert not names(unpaired / "trainA") & names(unpaired / "trainB")
    assert names(unpaired / "testA") == names(unpaired / "testB") == test
    one = next(iter(test))
    assert (unpaired / "testB" / one).read_bytes() == draw(package / "color/svg" / one.replace(".png", ".svg"), 64)
    assert (tmp_path / "data" / "LICENSE.txt").read_text() == "CC BY-SA 4.0"


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["openmoji.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            openmoji.main()
        return stop.value.code, capsys.readouterr().err

    return run


def test_misuse_is_one_sentence(run, package, tmp_path, monkeypatch):
    code, err = run(package, tmp_path)
    assert code == 2
    assert err.endswith(f"{tmp_path} is not an empty folder\n")
    code, err = run(tmp_path, tmp_path / "data")
    assert code == 2
    assert err.endswith(f"{tmp_path} is not the npm package openmoji: it has no data/openmoji.json\n")
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    code, _ = run(package, tmp_path / "data")
    assert code == "error: SVG files are drawn by resvg-py, which is not installed: pip install resvg-py"


def test_reads_the_packed_package(package, tmp_path, monkeypatch, capsys):
    with tarfile.open(tmp_path / "openmoji.tgz", "w:gz") as archive:
        archive.add(package, "package")
        stray = tarfile.TarInfo("../stray")
        archive.addfile(stray, io.BytesIO())
    monkeypatch.setattr(openmoji, "make", lambda folder, output, size: {str(size): len(names(folder / "black/svg"))})
    monkeypatch.setattr(sys, "argv", ["openmoji.py", str(tmp_path / "openmoji.tgz"), str(tmp_path / "data")])
    openmoji.main()
    assert capsys.readouterr().out == "   49 128\n"
