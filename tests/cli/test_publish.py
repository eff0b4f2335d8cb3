"""The publishing command."""

import hashlib

import pytest

from fast_style.checkpoint import find_network


def test_a_folder_for_the_hub(command, model, make, tmp_path, tree):
    make(model.with_suffix(".png"))
    target = tmp_path / "hub"
    result = command("publish", model, target, "--license", "cc-by-4.0", "--repository", "me/nets")
    assert result.code == 0, result.err
    assert tree(target) == ["README.md", "mosaic.png", "mosaic.safetensors"]
    digest = hashlib.sha256((target / "mosaic.safetensors").read_bytes()).hexdigest()
    assert result.out == f"wrote mosaic.safetensors, mosaic.png, README.md in {target}; sha256:{digest}\n"
    card = (target / "README.md").read_text()
    assert f"hf://me/nets/mosaic.safetensors@sha256:{digest}" in card
    assert "](mosaic.png)" in card
    assert (target / "mosaic.png").read_bytes() == model.with_suffix(".png").read_bytes()


def test_what_is_published_can_be_fetched(command, model, server, monkeypatch, make, tmp_path):
    folder = server.folder / "me" / "nets" / "resolve" / "main"
    assert command("publish", model, folder, "--license", "mit").code == 0
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("FAST_STYLE_CACHE", str(tmp_path / "cache"))
    make(tmp_path / "a.png")
    address = "hf://me/nets/mosaic.safetensors"
    outputs = tmp_path / "first.png", tmp_path / "second.png"
    first, second = (command("stylize", "--model", address, "--input", tmp_path / "a.png", "--output", output)
                     for output in outputs)  # fmt: skip
    assert (first.code, second.code) == (0, 0), first.err
    digest = hashlib.sha256((folder / "mosaic.safetensors").read_bytes()).hexdigest()
    assert f"fetched mosaic.safetensors; give {address}@sha256:{digest} to take no other file" in first.err
    assert "fetched" not in second.err
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert find_network(address).read_bytes() == (folder / "mosaic.safetensors").read_bytes()


def test_nothing_is_replaced_unless_told(command, model, tmp_path, is_misuse):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "README.md").write_text("mine")
    arguments = ("publish", model, tmp_path / "hub", "--license", "mit")
    assert is_misuse(command(*arguments), "README.md exists")
    assert [path.name for path in (tmp_path / "hub").iterdir()] == ["README.md"]
    assert command(*arguments, "--overwrite").code == 0
    assert (tmp_path / "hub" / "README.md").read_text() != "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--license", "My own!"), "--license must be small letters, digits, dots and dashes"),
        (("--license", "mit", "--repository", "nets"), "--repository must be USER/REPO, got 'nets'"),
        (("--license", "mit", "--sheet", "none.png"), "none.png"),
        ((), "--license"),
    ],
)
def test_misuse(command, model, tmp_path, is_misuse, options, sentence):
    assert is_misuse(command("publish", model, tmp_path / "hub", *options), sentence)
    assert not (tmp_path / "hub").exists()


def test_the_network_itself_is_not_replaced(command, model, is_misuse, tree):
    """By one whose paths are shortened."""
    before = model.read_bytes()
    result = command("publish", model, model.parent, "--license", "mit", "--overwrite")
    assert is_misuse(result, f"input {model} would be replaced by an output: choose another folder")
    assert (model.read_bytes(), tree(model.parent)) == (before, ["mosaic.safetensors"])
