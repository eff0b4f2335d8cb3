"""The network of a training that starts from another one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from fast_style.checkpoint import find_network, load_network
from fast_style.networks import StyleNetwork, TakesImages

NAMED = ("johnson", "slim", "resnet", "unet")  # files of configs/model that say which network it is


def follow_start(config: DictConfig, overrides: Sequence[str], resume: Path | None) -> None:
    """Give the model the kind and the arguments of the network that `init` names, unless a network was asked for.

    A model of any style stays what it is; one of given styles takes those of the network to which styles are predicted.

    Args:
        config: of the run, with `init` and `model.network`.
        overrides: what was asked for, as Hydra has it.
        resume: a checkpoint that is continued, whose network it is then.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if the file is not a network, or is one of several styles where one is learned.
    """
    wanted = config.model.get("network")
    asked = any(_names_network(override) for override in overrides)
    if config.init in ("base", "scratch") or (asked and resume is not None) or not isinstance(wanted, DictConfig):
        return
    if hasattr(get_class(wanted["_target_"]), "of_images"):
        return
    found: Any = load_network(find_network(config.init) if resume is None else resume)
    start: Any = getattr(found, "transformer", found)  # of one that takes any style
    several = bool(wanted.get("_partial_"))
    if not isinstance(start, StyleNetwork):
        return  # told where it is taken over
    if found is start and start.styles and not several:
        raise ValueError(
            f"init={config.init} is a network of {len(start.styles)} styles, and this training learns one: give "
            "another network, or model=multi_style model.train_only=style, which adds a style to those"
        )
    if asked:
        return
    if isinstance(start, TakesImages):  # which predicts no other network's styles
        return
    arguments = {name: value for name, value in start.arguments.items() if name != "styles"}
    if several or start.styles:
        arguments["norm"] = "conditional" if several else "instance"
    kind = {"_target_": f"fast_style.networks.{type(start).__name__}"} | ({"_partial_": True} if several else {})
    config.model.network = OmegaConf.create(kind | arguments)


def _names_network(override: str) -> bool:
    name, _, value = override.lstrip("+~").partition("=")
    return (
        name.partition("@")[0] == "network" or name.startswith("model.network") or (name == "model" and value in NAMED)
    )
