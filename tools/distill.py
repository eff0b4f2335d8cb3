"""Distil a loss network: the training command, which also knows the configurations of tools/distillation/configs.

    python tools/distill.py experiment=distill_vgg19 data.root=PHOTOS data.heldout=HELDOUT …

`tools/distillation/configs/experiment/distill_vgg19.yaml` has the whole command of the network that ships, and what
came of it; what else can be set is told by `--help`, as of `train.py`.
"""

import sys
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from fast_style.__main__ import run
from fast_style.cli.paths import PATHS

CONFIGS = Path(__file__).resolve().parent / "distillation" / "configs"
PATHS_OF_MODEL = ("network.weights", "teachers.vgg19.weights", "teachers.narrow.weights", "styles.dir")


class DistillationConfigs(SearchPathPlugin):
    """Lets Hydra find the configurations of the distillation beside those of the package."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add their folder, after the others."""
        search_path.append("distillation", f"file://{CONFIGS}")


def main() -> None:
    """Run the command; exits as `train.py` does."""
    Plugins.instance().register(DistillationConfigs)
    PATHS.extend(f"model.{name}" for name in PATHS_OF_MODEL)
    run("train", sys.argv[1:])


if __name__ == "__main__":
    main()
