"""Where the configurations are, how a command's settings reach them, and how objects are made of them."""

import re
from collections.abc import Sequence
from typing import Any

import hydra
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf

from fast_style import assets
from fast_style.cli.checks import check_settings
from fast_style.cli.paths import quoted, settle

CONFIGS = assets.CONFIGS
PARTS = ("network", "optimizer", "scheduler")  # of the model, each a folder of configs/


def compose(name: str, overrides: Sequence[str]) -> DictConfig:
    """Read a configuration and change it.

    Args:
        name: of a file in configs/, without suffix.
        overrides: such as `loss.style_weight=10`, see `prepared`.

    Raises:
        HydraException, OmegaConfBaseException: if one is misspelt.
        ValueError: if a path is empty or a value is not of the type of its setting.
    """
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra.compose(name, prepared(overrides))
    settle(config)
    check_settings(config, overrides)
    return config


def prepared(arguments: Sequence[str]) -> list[str]:
    """Write the arguments of a command as Hydra reads them.

    Paths are taken as they stand, see `paths.quoted`. Options such as `-m` may stand anywhere. Layers are replaced,
    whether they were a list or a mapping, `loss.style_layers={relu1_1: 1, relu3_4: 2}`, where Hydra would merge them or
    fail. `network=slim` stands for `network@model.network=slim`, and
    `network.width=4` for `model.network.width=4`.

    Raises:
        ValueError: if a path is empty, or a sweep over styles names a file.
    """
    options_first = sorted(quoted(arguments), key=lambda argument: bool(re.match(r"[^-=][^=]*=|~", argument)))
    return [each for argument in options_first for each in _prepared(argument)]


def _prepared(argument: str) -> list[str]:
    name, equals, value = argument.partition("=")
    if equals and name in PARTS:
        return [f"{name}@model.{name}={value}"]
    if equals and (of_model := re.match(rf"([+~]*)({'|'.join(PARTS)})\.", name)):
        signs = of_model[1]
        return [f"{signs}model.{argument.removeprefix(signs)}"]
    if equals and re.fullmatch(r"\w.*_layers", name):
        return [f"{name}=null", f"++{name}={value}"]
    return [argument]


def build(config: DictConfig | ListConfig, **arguments: Any) -> Any:
    """Make the object that a part of a configuration describes, with further arguments.

    Raises:
        ValueError: if a constructor refuses a value; the sentence then begins with the whole name of the setting.
        Exception: whatever else the constructor raises, as the cause of an InstantiationException.
    """
    try:
        return hydra.utils.instantiate(config, _convert_="all", **arguments)
    except InstantiationException as error:
        raise _by_whole_name(error, config) or error from error.__cause__


def _by_whole_name(error: InstantiationException, config: DictConfig | ListConfig) -> ValueError | None:
    """Put the name of a part before that of its setting: `batch_size must …` becomes `data.batch_size must …`."""
    place = re.search(r"^full_key: (\S+)$", str(error), re.MULTILINE)
    name = re.match(r"\w+", str(error.__cause__))
    if not isinstance(error.__cause__, ValueError) or place is None or name is None:
        return None
    root: Any = config._get_root()
    part, last = OmegaConf.select(root, place[1]), place[1].rpartition(".")[2]
    if not isinstance(part, DictConfig) or name[0] not in part:
        return None
    chosen = last if root.get(last) == part else place[1]  # `loss`, which `model.loss` repeats
    return ValueError(f"{chosen}.{error.__cause__}")
