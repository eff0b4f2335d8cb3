"""Pictures that are made already, beside real ones."""

import json
import shutil
import sys

import pytest
import torch

from fast_style import images
from fast_style.metrics import frechet_distance

TINY = ("--size", "32", "--set", "loss_network.weights=null")


def fill(folder, count, seed=0, size=(40, 48)):
    generator = torch.Generator().manual_seed(seed)
    for number in range(count):
        coarse = torch.rand(1, 3, 4, 4, generator=generator)
        images.write(folder / f"{number}.png", torch.nn.functional.interpolate(coarse, size=size).clamp(0, 1))
    return folder


@pytest.fixture
def folders(tmp_path):
    real = fill(tmp_path / "real", 6)
    inputs = fill(tmp_path / "inputs", 6, seed=1)
    for number in range(6):
        pixels = images.to_float(images.read(real / f"{number}.png"))
        images.write(tmp_path / "pictures" / f"{number}.png", (pixels + 0.02).clamp(0, 1))
    return ["--pictures", tmp_path / "pictures", "--real", real, "--inputs", inputs]


def test_table_and_numbers(command, folders, tmp_path):
    code, out, err = command("evaluate", *folders, "--pairs", "--json", tmp_path / "scores.json", *TINY)
    assert code == 0, err
    assert "KID" in out
    assert "FID" not in out
    result = json.loads((tmp_path / "scores.json").read_text())
    half, pictures, untouched = result["rows"]
    assert (half["name"], half["l1"]) == ("half of the real, beside the other half", None)
    assert (pictures["name"], untouched["name"]) == ("pictures", "inputs, untouched")
    assert pictures["l1"] < 0.021 < untouched["l1"]
    assert pictures["psnr"] > untouched["psnr"]
    assert pictures["patch_distance"] < untouched["patch_distance"]
    assert list(pictures["patch_levels"]) == ["32", "16"]
    assert result["real_images"] == 6


def test_perfect_pictures_of_pairs_are_at_no_distance(command, folders, tmp_path):
    shutil.copytree(tmp_path / "real", tmp_path / "perfect")
    arguments = ["--pictures", tmp_path / "perfect", "--real", tmp_path / "real", "--pairs"]
    code, _, err = command("evaluate", *arguments, "--json", tmp_path / "scores.json", *TINY)
    assert code == 0, err
    _, pictures = json.loads((tmp_path / "scores.json").read_text())["rows"]
    assert pictures["kernel_distance"] == pytest.approx(0, abs=1e-6)
    assert pictures["patch_distance"] > 0


@pytest.fixture
def inception(tmp_path, monkeypatch):
    """A file of random weights of Inception."""
    extractors = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with monkeypatch.context() as patch:
        patch.setattr(extractors.torch, "load", lambda *_, **__: {})
        patch.setattr(extractors.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = extractors.FeatureExtractorInceptionV3("i", ["2048"], feature_extractor_weights_path="none")
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    return tmp_path / "inception.pth"


@pytest.mark.slow
def test_the_distance_of_papers(command, folders, inception, tmp_path):
    code, out, err = command("evaluate", *folders, "--inception", inception, "--json", tmp_path / "scores.json", *TINY)
    assert code == 0, err
    assert "FID" in out
    half, pictures, untouched = json.loads((tmp_path / "scores.json").read_text())["rows"]
    assert 0 < pictures["fid"] < untouched["fid"]
    assert half["fid"] > 0


def test_weights_that_are_not_of_inception(command, folders, tmp_path):
    pytest.importorskip("torch_fidelity")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name in ("other.pth", "text.pth"):
        code, out, err = command("evaluate", *folders, "--inception", tmp_path / name, *TINY)
        assert (code, out) == (2, "")
        assert f"{name} does not hold the weights of Inception" in err.splitlines()[-1]
    code, _, err = command("evaluate", *folders, "--inception", tmp_path / "none.pth", *TINY)
    assert (code, "there are no weights of Inception at" in err) == (2, True)


def test_without_the_package(command, folders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    code, _, err = command("evaluate", *folders, "--inception", tmp_path / "x.pth", *TINY)
    assert (code, err.splitlines()[-1]) == (
        1,
        "error: FID needs the package torch-fidelity: pip install 'fast-style[fid]'",
    )


def test_the_distance_by_hand():
    """Of independent features: the squares of the differences of means and of standard deviations."""
    pytest.importorskip("torch_fidelity")
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(4000, 3, generator=generator)
    other = one * torch.tensor([1.0, 2.0, 3.0]) + torch.tensor([0.0, 1.0, 2.0])
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, other) == pytest.approx(5 + 1 + 4, rel=0.1)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one))


def test_sets_of_other_numbers(command, folders, tmp_path):
    (tmp_path / "pictures" / "0.png").unlink()
    code, out, err = command("evaluate", *folders[:4], *TINY)
    assert code == 0, err
    assert "L1" not in out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--pairs",), "1 of 6 images in {real} have no partner of the same name in {pictures}: 0"),
        (("--real", "missing"), "there is no folder or zip file of photos at missing"),
        (("--inputs", "{real}"), "--real and --inputs are the same folder"),
        (("--size", "16"), "--size must be at least 32, got 16"),
        (("--model", "a"), "--model does not go with --pictures, which are made already"),
        (("--set", "loss_network=vgg20"), "vgg20"),
        (("--set", "loss_network=vgg19_slim"), "lack layer 'relu5_1'"),
    ],
)
def test_misuse_is_one_sentence(command, folders, tmp_path, more, message):
    (tmp_path / "pictures" / "0.png").unlink()
    places = {name: tmp_path / name for name in ("real", "pictures")}
    settings = TINY if "--set" not in more else TINY[:2]
    code, out, err = command("evaluate", *folders, *settings, *(text.format(**places) for text in more))
    assert (code, out) == (2, "")
    assert message.format(**places) in err.splitlines()[-1]


def test_too_few(command, tmp_path):
    folders = ["--pictures", fill(tmp_path / "a", 2), "--real", fill(tmp_path / "b", 3)]
    assert "at least four images" in command("evaluate", *folders, *TINY).err.splitlines()[-1]


def test_pairs_have_one_size(command, tmp_path):
    folders = ["--pictures", fill(tmp_path / "a", 4, size=(40, 40)), "--real", fill(tmp_path / "b", 4), "--pairs"]
    code, _, err = command("evaluate", *folders, *TINY)
    assert code == 2
    assert f"0 has 40×40 pixels in {tmp_path / 'a'} and 48×40 in {tmp_path / 'b'}" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pictures", "a"), "--pictures are measured beside real ones: give --real"),
        (("--real", "a"), "the following arguments are required: --model, or --pictures and --real"),
        (("--model", "a", "--pairs"), "--real, --inputs, --pairs and --inception go with --pictures"),
    ],
)
def test_what_goes_together(command, is_misuse, arguments, message):
    assert is_misuse(command("evaluate", *arguments), message)
