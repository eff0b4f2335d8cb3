"""A folder of networks is a gallery."""

import pytest

from fast_style.assets import shipped_networks
from fast_style.checkpoint import save_network
from fast_style.networks import SlimNetwork


@pytest.fixture
def gallery(tmp_path):
    for seed, name in enumerate(("dunes", "waves")):
        save_network(tmp_path / "nets" / f"{name}.safetensors", SlimNetwork(width=4 + seed, blocks=1), {})
    return tmp_path / "nets"


def test_a_style_chooses_a_network(command, gallery, make, tmp_path):
    photo = make(tmp_path / "a.png")
    assert command("stylize", "--model", gallery, "--list-styles").out == "dunes\nwaves\n"
    outputs = tmp_path / "a-dunes.png", tmp_path / "direct.png"
    result = command("stylize", "--model", gallery, "--style", "dunes", "--input", photo)
    assert result.code == 0, result.err
    command("stylize", "--model", gallery / "dunes", "--input", photo, "--output", outputs[1])
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_several_are_laid_over_one_another(command, gallery, make, tmp_path):
    photo, mask = make(tmp_path / "a.png"), make(tmp_path / "mask.png")
    more = ("--mask", mask, "--input", photo, "--output", tmp_path / "out.png", "--overwrite")
    assert command("stylize", "--model", gallery, "--style", "dunes", "waves", *more).code == 0
    found = (tmp_path / "out.png").read_bytes()
    assert command("stylize", "--model", gallery / "dunes", gallery / "waves", *more).code == 0
    assert (tmp_path / "out.png").read_bytes() == found


def test_a_network_that_is_not_there(command, gallery, make, tmp_path, is_misuse):
    result = command("stylize", "--model", gallery, "--style", "wave", "--input", make(tmp_path / "a.png"))
    assert is_misuse(result, "holds no network wave (did you mean waves?): choose one of dunes, waves")


def test_networks_that_ship_are_listed(command):
    lines = command("stylize", "--list-styles").out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(shipped_networks())
    assert "the_scream_slim: the_scream" in lines
    assert any(line.startswith("gallery: composition_vii, ") for line in lines)
    assert any(line.startswith("any: (any image), ") for line in lines)


def test_there_may_be_no_networks_to_list(command, monkeypatch, tmp_path):
    monkeypatch.setattr("fast_style.assets.NETWORKS", tmp_path)
    result = command("stylize", "--list-styles")
    assert (result.code, result.err) == (2, "error: no networks ship with this installation: give --model\n")
