"""Where the configurations are, and how objects are made of them."""

from collections.abc import Sequence
from typing import Any

import hydra
from omegaconf import DictConfig, ListConfig

from fast_style import assets
from fast_style.cli.paths import quoted, settle

CONFIGS = assets.CONFIGS


def compose(name: str, overrides: Sequence[str]) -> DictConfig:
    """Read a configuration and change it.

    Args:
        name: of a file in configs/, without suffix.
        overrides: such as `loss.style_weight=10`; paths among them are taken as they stand, see `paths.quoted`.

    Raises:
        HydraException, OmegaConfBaseException: if one is misspelt.
        ValueError: if a path is empty.
    """
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra.compose(name, quoted(overrides))
    settle(config)
    return config


def build(config: DictConfig | ListConfig, **arguments: Any) -> Any:
    """Make the object that a part of a configuration describes, with further arguments."""
    return hydra.utils.instantiate(config, _convert_="all", **arguments)
