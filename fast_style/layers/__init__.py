"""Building blocks of the image-transformation networks."""

from fast_style.layers.blocks import Layer, ResidualBlock, apply
from fast_style.layers.conv import BlurredConv, ConvLayer, SubpixelConv, TransposedConv, UpsampleConv, frozen
from fast_style.layers.norm import ConditionalInstanceNorm, FilterResponseNorm, InstanceNorm, StyleMap, norm_layer

__all__ = [
    "BlurredConv",
    "ConditionalInstanceNorm",
    "ConvLayer",
    "FilterResponseNorm",
    "InstanceNorm",
    "Layer",
    "ResidualBlock",
    "StyleMap",
    "SubpixelConv",
    "TransposedConv",
    "UpsampleConv",
    "apply",
    "frozen",
    "norm_layer",
]
