"""Which network a training has that starts from another one."""

import pytest
from omegaconf import OmegaConf

from fast_style.checkpoint import save_network
from fast_style.cli.start import follow_start
from fast_style.networks import AdaIN, AnyStyleNetwork, SlimNetwork

SMALL = {"width": 4, "blocks": 1, "antialias": True}
STARTS = {
    "one": SlimNetwork(**SMALL),
    "several": SlimNetwork(**SMALL, norm="conditional", styles=["a", "b"]),
    "any": AnyStyleNetwork(network="slim", arguments=SMALL, encoder_width=2, code=4),
    "adain": AdaIN(),
}
FREE = {"_target_": "fast_style.networks.TransformerNetwork", "width": 32, "norm": "instance"}
FOLLOWED = {"_target_": "fast_style.networks.SlimNetwork", **SMALL}
ANY = {"_target_": "fast_style.networks.AnyStyleNetwork", "network": "johnson"}


@pytest.mark.parametrize(
    ("start", "network", "overrides", "expected"),
    [
        ("one", FREE, [], FOLLOWED | {"norm": "instance"}),
        ("any", FREE, ["model=video"], FOLLOWED | {"norm": "instance"}),
        ("several", FREE | {"_partial_": True}, [], FOLLOWED | {"norm": "conditional", "_partial_": True}),
        ("any", FREE | {"_partial_": True}, [], FOLLOWED | {"norm": "conditional", "_partial_": True}),
        ("adain", FREE, [], FREE),
        ("any", ANY, [], ANY),
        ("one", FREE, ["network=johnson"], FREE),
        ("one", FREE, ["network@network=johnson"], FREE),
        ("one", FREE, ["+model.network.blocks=2"], FREE),
        ("one", FREE, ["model=johnson"], FREE),
    ],
)
def test_the_network_of_a_model(tmp_path, start, network, overrides, expected):
    file = tmp_path / "start.safetensors"
    save_network(file, STARTS[start], {})
    config = OmegaConf.create({"init": str(file), "model": {"network": network}})
    follow_start(config, overrides, None)
    assert OmegaConf.to_container(config.model.network) == expected


@pytest.mark.parametrize("overrides", [[], ["model=johnson"]])
def test_a_network_of_several_is_no_start_for_one(tmp_path, overrides):
    file = tmp_path / "start.safetensors"
    save_network(file, STARTS["several"], {})
    config = OmegaConf.create({"init": str(file), "model": {"network": FREE}})
    with pytest.raises(ValueError, match=r"start.safetensors is a network of 2 styles, and this training learns one: "):
        follow_start(config, overrides, None)
