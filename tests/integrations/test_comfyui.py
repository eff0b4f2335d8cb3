"""The nodes of ComfyUI, driven as ComfyUI drives them, without it."""

import importlib.util
import inspect
import sys

import pytest
import torch

from fast_style.checkpoint import save_network
from fast_style.networks import SlimNetwork, TransformerNetwork


@pytest.fixture(scope="module")
def pack(request):
    """The pack, imported from its folder as ComfyUI imports those in `custom_nodes`."""
    folder = request.getfixturevalue("root") / "integrations" / "comfyui"
    spec = importlib.util.spec_from_file_location(
        "fast_style_nodes", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["fast_style_nodes"] = module
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.startswith("fast_style_nodes")]:
        del sys.modules[name]


@pytest.fixture
def node(pack):
    """Run a node by its name, with the defaults of its inputs, as ComfyUI does."""

    def run(name, **given):
        kind = pack.NODE_CLASS_MAPPINGS[name]
        inputs = kind.INPUT_TYPES()
        values = {}
        for each, (_, *options) in inputs.get("optional", {}).items():
            values[each] = options[0]["default"]
        for each in inputs["required"]:
            assert each in given, each
        assert given.keys() <= values.keys() | inputs["required"].keys()
        result = getattr(kind(), kind.FUNCTION)(**values | given)
        assert isinstance(result, tuple)
        assert len(result) == len(kind.RETURN_TYPES)
        return result[0]

    return run


@pytest.fixture
def network(tmp_path, node):
    save_network(tmp_path / "waves.safetensors", SlimNetwork(width=4, blocks=1), {})
    return node("FastStyleLoad", network="", file=str(tmp_path / "waves.safetensors"), device="cpu")


def test_the_protocol(pack):
    assert pack.NODE_CLASS_MAPPINGS.keys() == pack.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for kind in pack.NODE_CLASS_MAPPINGS.values():
        inputs = kind.INPUT_TYPES()
        assert inputs.keys() <= {"required", "optional"}
        names = [*inputs["required"], *inputs.get("optional", {})]
        parameters = inspect.signature(getattr(kind, kind.FUNCTION)).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            assert set(names) == parameters.keys() - {"self"}
        for type_, *options in (inputs["required"] | inputs.get("optional", {})).values():
            assert isinstance(type_, str | list)
            if isinstance(type_, list):
                assert type_
                assert all(isinstance(choice, str) for choice in type_)
                assert not options or options[0]["default"] in type_
        assert kind.CATEGORY == "fast_style"
        assert isinstance(kind.RETURN_TYPES, tuple)


def test_shipped_networks_are_offered(pack):
    (offered,) = pack.NODE_CLASS_MAPPINGS["FastStyleLoad"].INPUT_TYPES()["required"]["network"]
    assert {"starry_night", "the_scream_slim", "gallery"} <= set(offered)
    assert "any" not in offered
    (any_style,) = pack.NODE_CLASS_MAPPINGS["FastStyleAny"].INPUT_TYPES()["required"]["network"]
    assert any_style[0] == "any"


@pytest.mark.parametrize("size", [(2, 20, 31, 3), (1, 17, 16, 4), (1, 8, 9, 1)])
def test_images_of_every_kind(node, network, size):
    image = torch.rand(size)
    before = image.clone()
    picture = node("FastStyleApply", network=network, image=image)
    assert picture.shape == (*size[:3], max(3, size[3]))
    assert picture.dtype == torch.float32
    assert picture.is_contiguous()
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert torch.equal(image, before)
    if size[3] == 4:
        assert torch.equal(picture[..., 3], image[..., 3])
    if size[3] == 3:
        expected = network.stylize(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert (picture - expected).abs().max() < 1e-5


def test_controls(node, network):
    image = torch.rand(1, 16, 16, 3)
    assert torch.equal(node("FastStyleApply", network=network, image=image, strength=0.0), image)
    styled = node("FastStyleApply", network=network, image=image)
    for control in ({"colours": "luminance"}, {"colours": "histogram"}, {"stroke_size": 2.0}):
        assert not torch.equal(node("FastStyleApply", network=network, image=image, **control), styled)
    with pytest.raises(ValueError, match="strength must be 0"):
        node("FastStyleApply", network=network, image=image, strength=2.0)


def test_one_of_several_styles(node, tmp_path):
    several = TransformerNetwork(width=2, blocks=1, norm="conditional", styles=["a", "b"])
    save_network(tmp_path / "two.safetensors", several, {})
    load = {"network": "", "file": str(tmp_path / "two.safetensors"), "device": "cpu"}
    mixed = node("FastStyleLoad", **load, style="a:0.5,b:0.5")
    assert node("FastStyleApply", network=mixed, image=torch.rand(1, 9, 9, 3)).shape == (1, 9, 9, 3)
    with pytest.raises(ValueError, match="has several styles: choose one"):
        node("FastStyleLoad", **load)


def test_any_style(node):
    image, paintings = torch.rand(1, 24, 20, 3), torch.rand(2, 40, 40, 3)
    first, second = (
        node("FastStyleAny", image=image, painting=each, network="any", device="cpu") for each in paintings.split(1)
    )
    assert first.shape == image.shape
    assert not torch.equal(first, second)
    both = node("FastStyleAny", image=image, painting=paintings, network="any", device="cpu")
    assert torch.equal(both, first)
