import gc
import json
import weakref
from pathlib import Path

import PIL.Image
import pytest
import torch

from fast_style import images
from fast_style.checkpoint import save_network
from fast_style.data import HeldOut
from fast_style.networks import TransformerNetwork

TINY = ("loss_network.weights=null", "loss.style_layers=[relu1_2,relu2_1]", "loss.content_layers=[relu2_1]")


@pytest.fixture
def models(tmp_path) -> list[Path]:
    paths = [tmp_path / "a.safetensors", tmp_path / "b" / "a.safetensors"]
    for path in paths:
        save_network(path, TransformerNetwork(width=2, blocks=1), {})
    return paths


@pytest.fixture
def evaluate(tmp_path, models, photo_folder, style_folder, command):
    def run(*arguments):
        given = [
            "--model",
            models[0],
            "--model",
            models[1],
            "--content",
            photo_folder,
            "--style",
            style_folder / "waves.png",
            "--size",
            48,
        ]
        given += ["--style-size", 48, "--lbfgs", 3, "--device", "cpu", "--backend", "torch", "--set", *TINY]
        return command("evaluate", *given, *arguments)

    return run


def test_table_numbers_and_pictures(evaluate, tmp_path, models):
    code, out, err = evaluate("--json", tmp_path / "scores.json", "--sheet", tmp_path / "sheet.png")
    assert code == 0, err
    result = json.loads((tmp_path / "scores.json").read_text())
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows) == [str(path.with_suffix("")) for path in models] + ["identity", "L-BFGS 3"]
    assert result["photos"] == 6
    identity = rows["identity"]
    assert identity["losses"]["content_loss"] == 0
    assert identity["ssim"] == pytest.approx(1)
    assert identity["feature_distance"] == 0
    assert rows["L-BFGS 3"]["losses"]["total_loss"] < identity["losses"]["total_loss"]
    for row in rows.values():
        total = sum(result["weights"][name] * row["losses"][name] for name in result["weights"])
        assert row["losses"]["total_loss"] == pytest.approx(total, rel=1e-4)
        assert row["seconds"] > 0
    assert "identity" in out
    assert "palette" in out
    sheet = images.read(tmp_path / "sheet.png")
    assert sheet.shape == (3, 4 * 52, 7 * 52)  # photos and three ways, the style and six photos


def test_a_style_with_transparency_is_told(evaluate, tmp_path):
    PIL.Image.new("RGBA", (60, 60), (255, 0, 0, 9)).save(tmp_path / "s.png")
    done = evaluate("--style", tmp_path / "s.png", "--lbfgs", 0)
    assert (done.code, done.err.count("s.png has transparency: as a style it lies on white\n")) == (0, 1)


def test_names_are_no_markup(evaluate, tmp_path, models):
    """The table comes before the numbers, which must not be lost to it."""
    odd = models[0].with_name("a[red].safetensors")
    models[0].rename(odd)
    models[0] = odd
    code, out, err = evaluate("--json", tmp_path / "scores.json", "--lbfgs", 0)
    assert code == 0, err
    assert "a[red]" in out
    assert json.loads((tmp_path / "scores.json").read_text())["rows"][0]["name"] == "a[red]"


def test_photos_are_read_when_they_are_measured(evaluate, monkeypatch):
    """And no more of them held than the contact sheet shows: the first six, and the one at hand."""
    alive, most = weakref.WeakSet(), []
    read = HeldOut.__getitem__

    def counted(heldout, index):
        sample = read(heldout, index % 6)
        alive.add(sample["image"])
        gc.collect()
        most.append(len(alive))
        return sample

    monkeypatch.setattr(HeldOut, "__getitem__", counted)
    monkeypatch.setattr(HeldOut, "__len__", lambda _: 30)
    code, _, err = evaluate("--lbfgs", 0)
    assert code == 0, err
    assert len(most) > 60
    assert max(most) <= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", 8), "--size must be at least 32"),
        (("--lbfgs", -1), "--lbfgs must be at least 0"),
        (("--model", "missing.safetensors"), "missing.safetensors"),
        (("--content", "missing"), "missing"),
        (("--style", "nowhere.png"), "nowhere.png"),
        (("--set", "loss=grom"), "grom"),
        (("--sheet", "sheet.txt"), "its suffix must be one of"),
        (("--set", "loss.content_weight=0", "loss.style_weight=0"), "neither content nor style layers"),
    ],
)
def test_misuse_is_one_sentence(evaluate, arguments, message):
    code, _, err = evaluate(*arguments)
    assert code == 2, err
    assert message in err
    assert "Traceback" not in err


def test_flicker_on_a_film(command, models, tmp_path, style_folder):
    """Frames in a folder, which need no codec."""
    pytest.importorskip("cv2", reason="optical flow needs the package opencv")
    for number in range(4):
        images.write(tmp_path / "film" / f"{number}.png", torch.linspace(0, 1, 64).roll(number).expand(1, 3, 48, 64))
    arguments = ["--video", tmp_path / "film", "--model", models[0], "--device", "cpu", "--backend", "torch"]
    arguments += ["--style", style_folder / "waves.png", "--style-size", 48, "--set", *TINY]
    result = command("evaluate", *arguments, "--remedies", "best", "smooth", "--json", tmp_path / "scores.json")
    assert result.code == 0, result.err
    rows = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)["rows"]
    assert [row["name"] for row in rows] == ["the film itself", "a", "a best", "a smooth"]
    assert {row["long_term"] for row in rows} == {None}  # of four frames, none are ten apart
    assert all(row["objective"] > 0 for row in rows)
    assert rows[3]["stability"] < rows[1]["stability"]


@pytest.fixture
def flicker(command, tmp_path):
    """Measure a network of two styles on a film of two frames."""
    pytest.importorskip("cv2", reason="optical flow needs the package opencv")
    save_network(
        tmp_path / "two.safetensors",
        TransformerNetwork(width=2, blocks=1, norm="conditional", styles=["kept_alone", "mosaic"]),
        {},
    )
    for number in range(2):
        images.write(tmp_path / "film" / f"{number}.png", torch.linspace(0, 1, 64).roll(number).expand(1, 3, 48, 64))
    arguments = ["--video", tmp_path / "film", "--model", tmp_path / "two.safetensors", "--device", "cpu"]
    return lambda *more: command("evaluate", *arguments, "--backend", "torch", "--set", *TINY, *more)


def test_flicker_of_a_style_of_several(flicker, tmp_path):
    """Without an image of it, all but the objective is measured."""
    result = flicker("--style", "kept_alone", "--json", tmp_path / "scores.json")
    assert result.code == 0, result.err
    assert "there is no image of kept_alone: the objective is not measured" in result.err
    rows = json.loads((tmp_path / "scores.json").read_text())["rows"]
    assert [row["objective"] for row in rows] == [None, None]
    assert "nan" not in result.out
    shipped = flicker("--style", "mosaic", "--style-size", 48, "--json", tmp_path / "shipped.json")
    assert shipped.code == 0, shipped.err
    assert json.loads((tmp_path / "shipped.json").read_text())["rows"][1]["objective"] > 0


@pytest.mark.parametrize(("more", "text"), [((), "name one with --style"), (("--style", "cubist9"), "cubist9")])
def test_flicker_of_no_style(flicker, is_misuse, more, text):
    assert is_misuse(flicker(*more), text)


def test_photos_or_a_film(command, models, is_misuse):
    text = "the following arguments are required: --content and --style, or --video"
    assert is_misuse(command("evaluate", "--model", models[0], "--content", "photos"), text)


@pytest.mark.parametrize(
    ("option", "read"),
    [
        ("--json", "a.safetensors"),
        ("--json", "styles/waves.png"),
        ("--sheet", "styles/waves.png"),
        ("--sheet", "photos/photo_0.jpg"),
    ],
)
def test_what_is_read_is_not_replaced(evaluate, tmp_path, models, photo_folder, style_folder, option, read):
    folders = {"styles": style_folder, "photos": photo_folder}
    path = folders.get(read.partition("/")[0], tmp_path) / Path(read).name
    before = path.read_bytes()
    result = evaluate(option, path, "--overwrite")
    assert (result.code, result.out) == (2, "")
    assert f"error: input {path} would be replaced by an output: choose another {option}\n" in result.err
    assert path.read_bytes() == before
