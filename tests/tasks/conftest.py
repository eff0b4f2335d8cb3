from functools import partial

import pytest
import torch

from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG


@pytest.fixture(scope="module")
def loss():
    torch.manual_seed(0)
    return partial(
        PerceptualLoss,
        VGG("vgg19", None, width=4),
        content_layers=["relu2_1"],
        style_layers=["relu1_1", "relu2_1"],
        content_weight=1.0,
        style_weight=5.0,
        tv_weight=1.0,
    )
