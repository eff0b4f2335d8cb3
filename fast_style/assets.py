"""Where what ships lies, and what it is called: trained networks, networks to start from, loss networks, styles."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _folder(installed: str, checkout: str) -> Path:
    """Find a folder that a wheel holds inside the package and a checkout beside it."""
    inside = PACKAGE / installed
    return inside if inside.is_dir() else PACKAGE.parent / checkout


CONFIGS = _folder("configs", "configs")
NETWORKS = _folder("assets/pretrained", "checkpoints/pretrained")
STYLES = PACKAGE / "assets" / "styles"
# What `weights: slim` stands for, by the name of the loss network.
LOSS_NETWORKS = {"vgg19": PACKAGE / "assets" / "loss_networks" / "vgg19_slim.safetensors"}
# Where a training begins by default, by the class of the network: networks for any style, which predict one for the
# painting.
BASES = {
    "TransformerNetwork": NETWORKS / "any_johnson.safetensors",
    "SlimNetwork": NETWORKS / "any.safetensors",
}


def shipped_networks() -> dict[str, Path]:
    """List the files of the trained networks that ship, by name, sorted.

    Returns:
        Such as {"starry_night": Path("…/starry_night.safetensors")}; empty where they were left out.
    """
    return {path.stem: path for path in sorted(NETWORKS.glob("*.safetensors"))}
