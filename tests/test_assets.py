"""What ships inside the package, so that a first training needs nothing else."""

import socket

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from fast_style.assets import BASES, CONFIGS, LOSS_NETWORKS
from fast_style.checkpoint import load_network
from fast_style.data import shipped_styles
from fast_style.networks import VGG


def test_the_slim_loss_network_is_small_and_reaches_relu4_1():
    assert LOSS_NETWORKS["vgg19"].stat().st_size <= 1_000_000
    features = VGG("vgg19", "slim")(torch.rand(1, 3, 32, 32), ["relu1_1", "relu2_1", "relu3_1", "relu4_1"])
    assert [feature.shape[1] for feature in features.values()] == [16, 48, 96, 128]
    assert all(feature.isfinite().all() and feature.std() > 0 for feature in features.values())


def test_the_model_card_stands_beside_it():
    card = LOSS_NETWORKS["vgg19"].with_suffix(".md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in card
    assert "Oxford" in card


@pytest.mark.parametrize(("model", "kind"), [("johnson", "TransformerNetwork"), ("slim", "SlimNetwork")])
def test_the_base_is_for_any_style_and_of_the_model(model, kind):
    base = BASES[kind]
    assert base.stat().st_size <= 8_000_000
    network = OmegaConf.to_container(OmegaConf.load(CONFIGS / "network" / f"{model}.yaml"))
    network.pop("_target_")
    of_one = load_network(base).of_images({"scene": torch.rand(1, 3, 80, 100)}).of_style({"scene": 1})
    assert of_one.arguments == network
    with torch.inference_mode():
        assert of_one(torch.rand(1, 3, 64, 64)).isfinite().all()


def test_at_least_eight_styles():
    assert len(shipped_styles()) >= 8
    assert "starry_night" in shipped_styles()


def test_the_first_training_needs_no_network_and_no_files(tmp_path, train, monkeypatch, capsys):
    def refuse(*_):
        pytest.fail("the training opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    short = {"style": "starry_night", "trainer": "cpu", "trainer.max_steps": "2", "data.num_workers": "0"}
    small = {"data.size": "64", "data.heldout_size": "64", "data.heldout_count": "2", "style.size": "64"}
    assert train(short | small) == 0
    assert (tmp_path / "checkpoints" / "starry_night.safetensors").is_file()
    with Image.open(tmp_path / "checkpoints" / "starry_night.png") as sheet:
        assert sheet.size == (3 * 68 + 4, 2 * 68 + 4)
    assert "next: " in capsys.readouterr().out
