"""Every file of configs/ is composed and run for a step."""

import inspect
import re
import sys
from contextlib import suppress

import pytest
import torch
from hydra.utils import get_object
from PIL import Image

from fast_style.cli.config import CONFIGS
from fast_style.cli.train import main

FULL = {"loss_network": None, "loss_network.weights": "null", "loss.style_layers": None, "loss.content_layers": None}


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def choose(tiny: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """Change overrides; None takes one back."""
    return {key: value for key, value in (tiny | changes).items() if value is not None}


@pytest.mark.parametrize("option", options("style"))
def test_style(option, tiny, tiny_multi_style, tiny_any, tiny_translation, train):
    one = tiny | {"style": option, "style.image": f"{tiny['style.dir']}/waves.png"}
    several = {"gallery": tiny_multi_style, "any": tiny_any, "none": tiny_translation["pix2pix"]}
    assert train(several.get(option, one) | {"trainer.max_steps": "1"}) == 0


@pytest.mark.parametrize("option", options("model"))
def test_model(option, tiny, tiny_adain, tiny_any, tiny_translation, tiny_adversarial, tiny_adversarial_styles, train):
    network = {"model.network": "{_target_: fast_style.networks.SlimNetwork, width: 4, blocks: 1}"}
    own = choose(tiny, {"model.network.width": None, "model.network.blocks": None} | network)
    runs = {"adain": tiny_adain, "any_style": tiny_any, "feed_forward": own}
    runs |= tiny_translation | {"adversarial": tiny_adversarial}
    runs["adversarial_multi_style"] = tiny_adversarial_styles
    runs["unet"] = choose(tiny, {"model.network.blocks": None, "model.network.depth": "2"})
    compiles = {} if option in {*tiny_translation, "adversarial"} else {"model.compile": "false"}
    assert train(runs.get(option, tiny) | {"model": option, "trainer.max_steps": "1"} | compiles) == 0


@pytest.mark.parametrize("option", options("model"))
def test_a_model_tells_what_it_takes(option):
    """Else a setting that it does not have is refused by whatever it is passed on to."""
    target = re.search(
        r"^_target_: (\S+)$", (CONFIGS / f"model/{option}.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    if target:
        parameters = inspect.signature(get_object(target[1])).parameters
        assert not [name for name, each in parameters.items() if each.kind is each.VAR_KEYWORD]


@pytest.mark.parametrize("option", options("loss"))
def test_loss(option, tiny, train):
    assert train(choose(tiny, FULL | {"loss": option, "trainer.max_steps": "1"})) == 0


@pytest.mark.parametrize("option", options("loss_network"))
def test_loss_network(option, tiny, train):
    assert train(tiny | {"loss_network": option, "loss_network.weights": "null", "trainer.max_steps": "1"}) == 0


@pytest.mark.parametrize("option", ["auto", "cpu", "ddp"])
def test_trainer(option, tiny, train):
    overrides = {"trainer": option, "trainer.max_steps": "1", "trainer.devices": "1"}
    try:
        assert train(tiny | overrides, "trainer.accelerator=cpu") == 0
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def test_gpu_where_there_is_none(tiny, train, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert train(tiny | {"trainer": "gpu"}) == 2
    assert "error: No supported gpu backend found" in capsys.readouterr().err


def test_data_coco_with_an_existing_copy(tiny, train, photo_folder):
    photo_folder.rename(photo_folder.parent / "val2017")
    overrides = {"data": "coco", "data.coco": "val2017", "data.root": str(photo_folder.parent)}
    assert train(tiny | overrides | {"trainer.max_steps": "1"}) == 0


def test_data_procedural_needs_no_photos(tiny, train):
    assert train(choose(tiny, {"data": "procedural", "data.root": None, "trainer.max_steps": "1"})) == 0


@pytest.mark.parametrize("option", options("experiment"))
def test_experiment(option, tiny, tiny_multi_style, tiny_adain, tiny_any, tiny_translation, train):
    translations = {"pix2pix": "pix2pix", "cyclegan": "cycle_gan", "cut": "cut"}
    if model := translations.get(option.partition("_")[0].removesuffix("2017")):
        run = tiny_translation[model]
        changes = {"model": None, "budget": None, "experiment": option, "data.size": "32", "trainer.max_steps": "1"}
        assert train(choose(run, changes)) == 0
        return
    runs = {"gallery": tiny_multi_style, "adain": tiny_adain, "any": tiny_any, "any_johnson": tiny_any}
    changes = FULL | {
        "model": None,
        "callbacks": None,
        "experiment": option,
        "style": None,
        "style.image": None if option in runs else f"{tiny['style.dir']}/waves.png",
        "data.heldout": tiny["data.root"],
        "trainer.max_steps": "1",
        "init": "scratch",
        "model.compile": "false",
    }
    if option == "animegan":
        changes |= {"data.style_root": tiny["style.dir"], "model.compile": None}
    assert train(choose(runs.get(option, tiny), changes)) == 0


@pytest.mark.parametrize("option", options("budget"))
def test_budget(option, tiny, train):
    assert train(tiny | {"budget": option, "trainer.max_steps": "1"}) == 0


def test_every_group_is_covered():
    groups = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    runs = {"style", "model", "loss", "loss_network", "trainer", "data", "experiment", "budget"}
    # Models take network, optimizer, scheduler and adversary; every run callbacks, and a logger: see also test_logger.
    assert groups == runs | {"network", "optimizer", "scheduler", "adversary", "logger", "callbacks"}


@pytest.mark.parametrize("model", ["johnson", "multi_style"])
@pytest.mark.parametrize("option", options("network"))
def test_network(option, model, tiny, tiny_multi_style, train):
    run = {"johnson": tiny, "multi_style": tiny_multi_style | {"style.names": "[waves]"}}[model]
    changes = {"model.network.blocks": None, "model.network.depth": "2"} if option.startswith("unet") else {}
    changes |= {"model": model, "network": option, "model.optimizer.lr": "2e-3", "trainer.max_steps": "1"}
    assert train(choose(run, changes)) == 0


@pytest.mark.parametrize("option", options("logger"))
def test_logger(option, tiny, train):
    assert train(tiny | {"logger": option, "trainer.max_steps": "1"}) == 0


@pytest.mark.parametrize("option", options("callbacks"))
def test_callbacks(option, tiny, train):
    assert train(tiny | {"callbacks": option, "trainer.max_steps": "1"}) == 0


@pytest.mark.parametrize("arguments", [["--cfg", "job"], ["style=monet", "--cfg", "job"], ["--help"]])
def test_the_configuration_is_shown_without_data(arguments, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    with suppress(SystemExit):  # --help ends so
        main()
    shown = capsys.readouterr().out
    assert f"name: {'monet' if 'style=monet' in arguments else 'custom'}" in shown
    assert "style_weight: 2.0" in shown


def test_a_preset_brings_its_loss_network(capsys, monkeypatch):
    for preset, weights in (("pytorch_examples", "IMAGENET1K_V1"), ("jcjohnson", "IMAGENET1K_FEATURES")):
        monkeypatch.setattr(sys, "argv", ["train.py", f"loss={preset}", "--cfg", "job"])
        main()
        shown = capsys.readouterr().out
        assert "name: vgg16" in shown
        assert f"weights: {weights}" in shown


def test_no_style_is_one_sentence(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "a.png")
    monkeypatch.setattr(sys, "argv", ["train.py", "data.root=photos", "loss_network.weights=null"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert "no painting is named: give style=NAME" in message
    assert "or style.image=FILE_OR_URL" in message
