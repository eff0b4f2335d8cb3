"""Networks; those in `__all__` may be built from the metadata of a checkpoint, except the abstract ones and `VGG`."""

from fast_style.networks.adain import AdaIN
from fast_style.networks.chain import ChainNetwork
from fast_style.networks.resnet_generator import ResnetGenerator
from fast_style.networks.slim import SlimNetwork
from fast_style.networks.style_network import StyleNetwork
from fast_style.networks.transformer import TransformerNetwork
from fast_style.networks.unet import UNet
from fast_style.networks.vgg import VGG

__all__ = ["VGG", "AdaIN", "ChainNetwork", "ResnetGenerator", "SlimNetwork", "StyleNetwork", "TransformerNetwork"]
__all__ += ["UNet"]
