"""Networks that are measured on a Ray cluster."""

import json

import pytest
import torch

from fast_style import images
from fast_style.checkpoint import save_network
from fast_style.cli import evaluate_cluster
from fast_style.cli.evaluate_cluster import Measuring
from fast_style.cli.evaluate_ways import Photos, ways_of
from fast_style.data import HeldOut, ImageSource
from fast_style.evaluate import evaluate, mean_scores
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG, TransformerNetwork

TINY = ("loss_network.weights=null", "loss.style_layers=[relu1_2,relu2_1]", "loss.content_layers=[relu2_1]")
RAY = ("--engine", "ray", "--workers", "2")


@pytest.fixture
def words(tmp_path, photo_folder, style_folder):
    save_network(tmp_path / "a.safetensors", TransformerNetwork(width=2, blocks=1), {})
    save_network(tmp_path / "b.safetensors", TransformerNetwork(width=3, blocks=1), {})
    given = ["--model", tmp_path / "a.safetensors", tmp_path / "b.safetensors", "--content", photo_folder, "--size", 48]
    given += ["--style", style_folder / "waves.png", "--style-size", 48, "--lbfgs", 2, "--device", "cpu"]
    return [*given, "--backend", "torch", "--precision", "fp32"]


@pytest.mark.slow
def test_the_same_numbers_as_without_a_cluster(ray, command, words, tmp_path):
    settings = ("--set", *TINY[1:])
    results, sheets = [], []
    for name, engine in (("plain", ()), ("ray", RAY)):
        files = ("--json", tmp_path / f"{name}.json", "--sheet", tmp_path / f"{name}.png")
        result = command("evaluate", *words, *files, *engine, *settings)
        assert result.code == 0, result.err
        results.append(json.loads((tmp_path / f"{name}.json").read_text()))
        sheets.append(images.read(tmp_path / f"{name}.png").float())
    plain, spread = ({row.pop("name"): row for row in result.pop("rows")} for result in results)
    assert results[0] == results[1]
    assert list(plain) == list(spread) == ["a", "b", "identity", "L-BFGS 2"]
    for name, row in plain.items():
        assert spread[name].pop("seconds") > 0
        row.pop("seconds")
        assert spread[name].pop("losses") == pytest.approx(row.pop("losses"), rel=1e-4, abs=1e-6)
        assert spread[name] == pytest.approx(row, rel=1e-4, abs=1e-6)
    torch.testing.assert_close(sheets[0], sheets[1], atol=1, rtol=0)


def test_what_workers_measure_comes_to_the_same(photo_folder):
    """Photo by photo, in whatever order."""
    torch.manual_seed(0)
    style = torch.rand(1, 3, 32, 32)
    loss = PerceptualLoss(VGG("vgg19", None, width=4), style, ["relu1_2"], ["relu1_1"], 1.0, 5.0, 1.0)
    photos = Photos(HeldOut(ImageSource(photo_folder), 32))
    network = TransformerNetwork(width=2, blocks=1)
    engine = {"device": "cpu", "precision": "fp32", "backend": "torch"}
    craft = Measuring([("a", network)], engine, photos, loss, style, 0)
    work, backends, _ = craft.begin()
    assert backends == ["torch fp32 on cpu"]
    assert craft.names() == ["identity"]
    rows = {number: work([(1, number)], False)[0] for number in reversed(range(len(photos)))}
    whole, _ = evaluate("identity", ways_of([], style, loss, 0)[0][1], photos, loss, style)
    spread = mean_scores("identity", [rows[number] for number in range(len(photos))])
    assert spread.losses == whole.losses
    assert (spread.ssim, spread.palette_distance) == (whole.ssim, whole.palette_distance)
    with pytest.raises(RuntimeError, match=f"cannot measure photo {photos.names[2]}: it dies"):
        craft.given_up((0, 2), "it dies")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--workers", "2"), "--workers is of a cluster: give --engine ray as well"),
        ((*RAY, "--device", "cuda:1"), "engine ray shares out GPUs itself"),
        ((*RAY, "--video", "clip.mp4"), "engine ray measures networks on photos: leave out --video"),
        ((*RAY, "--workers", "0"), "--workers must be at least 1, got 0"),
    ],
)
def test_misuse(command, words, is_misuse, arguments, sentence):
    assert is_misuse(command("evaluate", *words, *arguments, "--set", *TINY), sentence)


def test_photos_of_a_relative_folder_are_found_by_workers_in_others(command, words, photo_folder, monkeypatch):
    given = []

    def measure(options, photos, loss, style):
        given.extend([options.content, *photos._heldout.source.roots])
        raise ValueError("this is enough")

    monkeypatch.setattr(evaluate_cluster, "measure", measure)
    monkeypatch.chdir(photo_folder.parent)
    command("evaluate", *words, "--content", photo_folder.name, *RAY, "--set", *TINY)
    assert given == [str(photo_folder), photo_folder]


def test_pictures_that_are_made_already(command, is_misuse):
    result = command("evaluate", "--pictures", "a", "--real", "b", *RAY)
    assert is_misuse(result, "engine ray measures networks on photos: leave out --pictures")


def test_files_of_onnx(command, words, tmp_path, is_misuse):
    (tmp_path / "network.onnx").touch()
    result = command("evaluate", *words, *RAY, "--model", tmp_path / "network.onnx", "--set", *TINY)
    assert is_misuse(result, "network.onnx: give what it was exported from")
