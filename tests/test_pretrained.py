"""The networks that ship."""

from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from fast_style import Stylizer, images
from fast_style.checkpoint import load_network, read_metadata, styles_of, takes_style
from fast_style.data import load_style, procedural_image

PRETRAINED = Path(__file__).resolve().parents[1] / "checkpoints" / "pretrained"
STYLES = ["starry_night", "the_scream", "composition_vii"]
ANY = ["any", "any_johnson"]
VIDEOS = ["starry_night_video", "the_scream_video", "mosaic_video"]
NAMES = [*STYLES, "great_wave", *(f"{style}_slim" for style in STYLES), *VIDEOS]
COLOUR = {"great_wave": 0.1}  # at least, where it is not 0.12: the print itself has 0.147


@pytest.mark.parametrize("name", NAMES)
def test_file(name):
    path = PRETRAINED / f"{name}.safetensors"
    assert path.stat().st_size <= (4_000_000 if name in STYLES else 1_000_000)
    with safe_open(path, "pt") as file:
        assert {file.get_slice(key).get_dtype() for key in file.keys()} == {"F16"}  # noqa: SIM118 - not a dict
    metadata = read_metadata(path)
    assert metadata["style"] == name.removesuffix("_slim").removesuffix("_video")
    before, after = (metadata[key]["heldout/total_loss"] for key in ("heldout_before", "heldout_after"))
    if name not in VIDEOS:
        assert after < (0.9 if metadata["config"].get("init") in ("base", name) else 0.2) * before
        assert after < 4
    elif name != "mosaic_video":  # which began as another painting
        assert after < 1.1 * before
    assert "license_note" in metadata
    for place in ("/home", "/root", "/work", "/tmp", "../"):
        assert place not in str(metadata)


@pytest.mark.parametrize(("name", "share"), [("gallery", 0.8), ("gallery_video", 1.1)])
def test_file_of_several_styles(name, share):
    """The first begins with what the network for any style predicts, the second with the first."""
    path = PRETRAINED / f"{name}.safetensors"
    assert path.stat().st_size <= 1_000_000
    names, metadata = styles_of(path), read_metadata(path)
    assert len(names) >= 8
    for style in names:
        before, after = (metadata[key][f"heldout/total_loss/{style}"] for key in ("heldout_before", "heldout_after"))
        assert after < share * before
        assert after < 4
    for place in ("/home", "/root", "/work", "/tmp", "../"):
        assert place not in str(metadata)


@pytest.mark.parametrize("name", ANY)
def test_file_for_any_style(name):
    path = PRETRAINED / f"{name}.safetensors"
    assert path.stat().st_size <= 8_000_000
    assert takes_style(path)
    metadata = read_metadata(path)
    before, after = (metadata[key]["heldout/total_loss"] for key in ("heldout_before", "heldout_after"))
    assert after < 5 < before / 10  # of paintings it has not seen
    for place in ("/home", "/root", "/work", "/tmp", "../"):
        assert place not in str(metadata)


@pytest.mark.parametrize("name", ANY)
def test_any_style(name, root):
    scene = images.to_float(images.read(root / "docs" / "scene.jpg"))[None]
    scene = images.resize_long_side(scene, 320)
    styles = [load_style(name, size=256) for name in ("mosaic", "woodcut_sea", "gilded")]
    styles.append(procedural_image(7, 3, 256)[None].flip(1))  # in colours of no scene that it has seen
    network = load_network(PRETRAINED / f"{name}.safetensors").of_images(dict(zip("abcd", styles, strict=True)))
    pictures = [Stylizer(network.of_style({style: 1.0}), "cpu", backend="torch").stylize(scene) for style in "abcd"]
    for picture, style in zip(pictures, styles, strict=True):
        check(scene, picture, 0.6 * chroma(style).item())
        distances = [(picture.mean((2, 3)) - other.mean((2, 3))).norm() for other in (style, scene)]
        assert distances[0] < distances[1], "its colours are more the scene's than the style's"
    for one, other in combinations(pictures, 2):
        assert (one - other).abs().mean() > 0.05


@pytest.mark.parametrize("file", ["gallery", "gallery_video"])
def test_styles_of_one_network(file, root):
    scene = images.to_float(images.read(root / "docs" / "scene.jpg"))[None]
    scene = images.resize_long_side(scene, 320)
    network = load_network(PRETRAINED / f"{file}.safetensors")
    pictures = {
        name: Stylizer(network.of_style({name: 1.0}), "cpu", backend="torch").stylize(scene) for name in network.styles
    }
    for name, picture in pictures.items():
        check(scene, picture, burnt=0.003 if name == "delaunay_metzinger" else 0.002)  # whose ground is white
    for one, other in combinations(pictures, 2):
        assert (pictures[one] - pictures[other]).abs().mean() > 0.05, f"{one} looks as {other}"


@pytest.mark.parametrize("name", NAMES)
def test_stylizes_the_scene_of_the_docs(name, root):
    scene = images.to_float(images.read(root / "docs" / "scene.jpg"))[None]
    scene = images.resize_long_side(scene, 320)
    stylizer = Stylizer.from_checkpoint(PRETRAINED / f"{name}.safetensors", "cpu")
    check(scene, stylizer.stylize(scene), COLOUR.get(name, 0.12))


@pytest.mark.parametrize("name", NAMES)
def test_stylizes_real_photos(name, shared):
    network = load_network(PRETRAINED / f"{name}.safetensors")
    stylizer = Stylizer(network, "cpu")
    for path in sorted((shared / "data" / "photos" / "heldout").glob("*.jpg"))[::4]:
        photo = images.resize_long_side(images.to_float(images.read(path))[None], 320)
        check(photo, stylizer.stylize(photo), COLOUR.get(name, 0.12))


@pytest.mark.parametrize("model", ANY)
def test_stylizes_real_photos_by_paintings_it_has_not_seen(model, shared):
    network = load_network(PRETRAINED / f"{model}.safetensors")
    for name in ("houses", "olive", "self"):
        style = load_style("painting", str(shared / "data" / "van_gogh" / f"{name}.jpg"), size=512)
        stylizer = Stylizer(network.of_images({"a": style}).of_style({"a": 1.0}), "cpu", backend="torch")
        for path in sorted((shared / "data" / "photos" / "heldout").glob("*.jpg"))[::4]:
            photo = images.resize_long_side(images.to_float(images.read(path))[None], 320)
            # The brightest painting burns out 1.4 % of a kitchen, where that is light itself.
            check(photo, stylizer.stylize(photo), 0.6 * chroma(style).item(), burnt=0.02)


def chroma(picture: torch.Tensor) -> torch.Tensor:
    return (picture.amax(dim=1) - picture.amin(dim=1)).mean()


def check(photo: torch.Tensor, stylized: torch.Tensor, colour: float = 0.12, burnt: float = 0.002) -> None:
    """No blobs, no grey mush, no border, and the photo still to be seen."""
    assert stylized.shape == photo.shape
    saturated = ((stylized.amax(dim=1) < 0.02) | (stylized.amin(dim=1) > 0.99)).float()
    solid = torch.nn.functional.avg_pool2d(saturated, 9, stride=1)
    assert (solid == 1).float().mean() < burnt, "solid black or white areas: blobs"
    assert chroma(stylized) > colour, "hardly any colour"
    assert stylized.std(dim=(2, 3)).mean() > 0.1, "hardly any contrast"
    assert edges(photo, stylized) > 0.25, "the photo cannot be recognised"
    inner, rim = stylized[..., 8:-8, 8:-8].mean(), stylized[..., :4, :].mean()
    assert abs(inner - rim) < 0.35, "a border"


def edges(photo: torch.Tensor, stylized: torch.Tensor) -> float:
    """Correlation of the strength of edges at a quarter of the size."""
    strengths = []
    for picture in (photo, stylized):
        grey = torch.nn.functional.avg_pool2d(picture.mean(dim=1, keepdim=True), 4)
        vertical, horizontal = grey.diff(dim=2)[..., :, 1:], grey.diff(dim=3)[..., 1:, :]
        strengths.append((vertical.square() + horizontal.square()).sqrt().flatten())
    return torch.corrcoef(torch.stack(strengths))[0, 1].item()
