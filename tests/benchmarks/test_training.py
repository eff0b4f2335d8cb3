import importlib

import pytest
from torch import nn

from fast_style.layers import winograd
from fast_style.layers.winograd import FrozenConv
from fast_style.networks import VGG


def fail(vgg):
    assert {type(conv) for conv in vgg.convs.values()} == {nn.Conv2d}
    raise RuntimeError("an error while it ran")


def test_what_is_computed_plainly_is_put_back_after_an_error():
    training = importlib.import_module("training")
    vgg, least = VGG("vgg19", None, width=4), winograd.TRAINED
    with pytest.raises(RuntimeError, match="while it ran"), training.plain(vgg):
        fail(vgg)
    assert {type(conv) for conv in vgg.convs.values()} == {FrozenConv}
    assert least == winograd.TRAINED
