from functools import partial

import pytest
import torch

from fast_style.networks import TransformerNetwork
from fast_style.training import warmup_constant
from fast_style.training.any_painting import AnyPainting

OPTIONS = {"optimizer": partial(torch.optim.SGD, lr=1e-4), "scheduler": partial(warmup_constant, warmup_steps=0)}


def test_held_out_photos_are_shown_in_the_styles(tmp_path):
    styles = {name: torch.rand(1, 3, 16, 16) for name in ("waves", "dots")}
    task = AnyPainting(styles, TransformerNetwork(2, 0), **OPTIONS, seed=3)
    assert (task.names, task.shown, task.seed) == (["waves", "dots"], styles, 3)
    assert task.stylize_arguments(None) == task.stylize_arguments(tmp_path) == ["--style", "waves"]
    file = tmp_path / "waves.png"
    file.touch()
    assert task.stylize_arguments(tmp_path) == ["--style", str(file)]


@pytest.mark.parametrize("styles", [{}, torch.rand(1, 3, 16, 16)], ids=["none", "one"])
def test_there_must_be_styles_to_show(styles):
    with pytest.raises(ValueError, match="several styles: give style=any or style=gallery"):
        AnyPainting(styles, TransformerNetwork(2, 0), **OPTIONS)
