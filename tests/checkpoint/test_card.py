"""What a model card tells."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from fast_style.checkpoint import load_network, save_network
from fast_style.checkpoint.card import Card, published, without_places
from fast_style.networks import SlimNetwork, TransformerNetwork

METADATA = {
    "style": "waves",
    "steps": 12,
    "license_note": "Weights of mine.",
    "config": {
        "data": {"root": "/home/me/my photos", "size": 256, "batch_size": 4},
        "init": "base",
        "model": {
            "temporal_weight": 400.0,
            "equivariance_weight": 0.0,
            "loss": {"content_weight": 0.5, "term_weights": {"tone_loss": 2}, "loss_network": {"name": "vgg19"}},
        },
    },
    "heldout_before": {"heldout/total_loss": 4.0, "heldout/weighted/style_loss": 3.0},
    "heldout_after": {
        "heldout/total_loss": 1.23456,
        "heldout/weighted/style_loss": 1.0,
        "heldout/weighted/style_loss/relu1_1": 0.5,
        "heldout/style_loss": 9.0,
    },
}


def card(path, **more) -> str:
    content, metadata = published(path)
    return Card("cc-by-4.0", **more).text(path.name, metadata, "ab" * 32, len(content))


@pytest.fixture
def path(tmp_path):
    save_network(tmp_path / "waves.safetensors", SlimNetwork(width=4, blocks=1), METADATA)
    return tmp_path / "waves.safetensors"


def test_all_that_is_known(path):
    text = card(path, painting="The Great Wave\nHokusai", repository="me/waves", sheet="waves.png")
    header, rest = text.removeprefix("---\n").split("\n---\n")
    assert "license: cc-by-4.0" in header.splitlines()
    for line in (
        "# waves",
        "A network of fast_style that paints photos in the style of The Great Wave Hokusai, in one forward pass.",
        "![photo, style, result](waves.png)",
        f"fast-style stylize --model hf://me/waves/waves.safetensors@sha256:{'ab' * 32} --input photo.jpg",
        "| trained on | my photos, crops of 256 px, batches of 4 |",
        "| steps | 12 |",
        "| losses | temporal 400, content 0.5, tone_loss 2, under vgg19 |",
        "| total_loss | 4 | 1.235 |",
        "| style_loss | 3 | 1 |",
        "Licence of this file: cc-by-4.0. Weights of mine.",
    ):
        assert line in rest.splitlines(), line
    assert "relu1_1" not in rest


def test_names_that_a_shell_or_markdown_would_part(tmp_path):
    network = TransformerNetwork(width=2, blocks=1, norm="conditional", styles=["the $wave", "b"])
    save_network(tmp_path / "my (two).safetensors", network, {})
    text = card(tmp_path / "my (two).safetensors", sheet="my (two).png")
    assert "![photo, style, result](my%20%28two%29.png)" in text
    assert "--model 'my (two).safetensors' --style 'the $wave' --input photo.jpg" in text
    text = card(tmp_path / "my (two).safetensors", repository="me/two")
    assert f"--model 'hf://me/two/my (two).safetensors@sha256:{'ab' * 32}' --style" in text


def test_little_is_known(tmp_path):
    save_network(tmp_path / "bare.safetensors", SlimNetwork(width=4, blocks=1), {})
    text = card(tmp_path / "bare.safetensors")
    assert "in the style of bare" in text
    assert "| steps" not in text
    assert "held-out" not in text


def test_several_styles_and_any(tmp_path, root):
    network = TransformerNetwork(width=2, blocks=1, norm="conditional", styles=["a", "b"])
    save_network(tmp_path / "two.safetensors", network, {})
    assert "--model two.safetensors --style a --input photo.jpg" in card(tmp_path / "two.safetensors")
    text = card(root / "checkpoints" / "pretrained" / "any.safetensors")
    assert "paints photos in any style, in one forward pass" in text
    assert "--model any.safetensors --style painting.jpg --input" in text


def test_places_of_this_machine_are_not_told(path, tmp_path):
    content, metadata = published(path)
    assert metadata["config"]["data"]["root"] == "my photos"
    (tmp_path / "out.safetensors").write_bytes(content)
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert json.loads(file.metadata()["config"]) == metadata["config"]
    for key, value in load(path.read_bytes()).items():
        assert torch.equal(load(content)[key], value)
    before, after = load_network(path), load_network(tmp_path / "out.safetensors")
    photo = torch.rand(1, 3, 32, 32)
    assert torch.equal(before(photo), after(photo))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/home/me/photos", "photos"),
        ("~/photos/", "photos"),
        ("C:\\Users\\me\\photos", "photos"),
        ("../shared/photos", "photos"),
        ("data/photos", "data/photos"),
        ("https://host/a/b", "https://host/a/b"),
        ("file:///home/me/photos", "photos"),
        ("zip://*.jpg::file:///home/me/photos.zip", "photos.zip"),
        ("s3://bucket/file:/a", "s3://bucket/file:/a"),
        ({"a": ["/b/c", 1, None, True]}, {"a": ["c", 1, None, True]}),
    ],
)
def test_what_a_place_is(before, after):
    assert without_places(before) == after


def test_other_files_are_not_published(tmp_path, path):
    (tmp_path / "net.pth").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"net\.pth: it must be the \.safetensors that training exported"):
        published(tmp_path / "net.pth")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="is not a complete safetensors file"):
        published(path)


@pytest.mark.parametrize(
    ("weights", "told"),
    [("slim", "under vgg19 with the weights slim"), ("/a b/v|19.pth", r"under vgg19 with the weights v\|19.pth")],
)
def test_the_weights_of_the_loss_network_are_told(tmp_path, weights, told):
    """Those of the slim one make other losses than the whole."""
    model = METADATA["config"]["model"]
    loss = model["loss"] | {"loss_network": {"name": "vgg19", "weights": weights}}
    metadata = METADATA | {"config": METADATA["config"] | {"model": model | {"loss": loss}}}
    save_network(tmp_path / "waves.safetensors", SlimNetwork(width=4, blocks=1), metadata)
    assert f"| losses | temporal 400, content 0.5, tone_loss 2, {told} |" in card(tmp_path / "waves.safetensors")
