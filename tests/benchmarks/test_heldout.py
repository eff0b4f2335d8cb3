import importlib

import pytest
import torch

from fast_style.losses import PerceptualLoss, tone_loss
from fast_style.networks import VGG


def test_all_terms_add_up_to_the_objective():
    heldout = importlib.import_module("heldout")
    loss = PerceptualLoss(
        VGG("vgg19", None, width=4),
        torch.rand(1, 3, 32, 32),
        ["relu2_1"],
        ["relu1_1", "relu2_1"],
        1.0,
        5.0,
        1.0,
        terms={"tone_loss": tone_loss},
        term_weights={"tone_loss": 0.5},
    )
    photos = [{"image": torch.rand(3, 32, 32)} for _ in range(2)]
    with torch.inference_mode():
        found = heldout.objective(loss, lambda photo: 1 - photo, photos)
    assert list(found)[-1] == "total_loss"
    assert set(found) == {"content_loss", "style_loss", "tv_loss", "tone_loss", "total_loss"}
    assert sum(found.values()) - found["total_loss"] == pytest.approx(found["total_loss"], rel=1e-5)
