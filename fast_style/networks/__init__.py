"""Networks: those that make pictures, those that judge them, and the loss network.

`Generator` makes pictures of photos; a `StyleNetwork` is one that may hold several styles; what `TakesImages` gets its
style from images.
"""

from fast_style.networks.adain import AdaIN
from fast_style.networks.any_style import AnyStyleNetwork
from fast_style.networks.chain import ChainNetwork
from fast_style.networks.generator import Generator
from fast_style.networks.patch_discriminator import PatchDiscriminator
from fast_style.networks.resnet_generator import ResnetGenerator
from fast_style.networks.slim import SlimNetwork
from fast_style.networks.style_network import StyleNetwork, TakesImages
from fast_style.networks.transformer import TransformerNetwork
from fast_style.networks.unet import UNet
from fast_style.networks.unet_generator import UnetGenerator
from fast_style.networks.vgg import VGG

PREFIX = "fast_style.networks."  # of import paths, by which files name networks
# What may be built from the metadata of a file.
LOADABLE: tuple[type[Generator], ...] = (
    AdaIN,
    AnyStyleNetwork,
    ResnetGenerator,
    SlimNetwork,
    TransformerNetwork,
    UNet,
    UnetGenerator,
)

__all__ = [
    "LOADABLE",
    "PREFIX",
    "VGG",
    "AdaIN",
    "AnyStyleNetwork",
    "ChainNetwork",
    "Generator",
    "PatchDiscriminator",
    "ResnetGenerator",
    "SlimNetwork",
    "StyleNetwork",
    "TakesImages",
    "TransformerNetwork",
    "UNet",
    "UnetGenerator",
]
