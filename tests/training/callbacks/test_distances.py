import pytest
import torch

from fast_style.metrics import describe_images, set_distances
from fast_style.networks import VGG
from fast_style.training.callbacks import Distances


class Log:
    """A task that keeps what is logged."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.values = {}

    def log(self, name, value, sync_dist):
        self.values[name] = value


@pytest.fixture
def made():
    """Networks that were made."""
    return []


@pytest.fixture
def distances(made):
    def make():
        made.append(VGG("vgg19", weights=None, width=2))
        return made[-1]

    return Distances(make)


def validate(distances, task, *batches):
    distances.on_validation_epoch_start(None, task)
    for number, outputs in enumerate(batches):
        distances.on_validation_batch_end(None, task, outputs, {}, number)
    distances.on_validation_epoch_end(None, task)


def test_what_is_logged_is_what_is_measured(distances, made):
    inputs, pictures, real = torch.rand(3, 5, 3, 32, 32)
    task, state = Log(), torch.random.get_rng_state()
    parts = [{"sets": {"AtoB": (inputs[part], pictures[part], real[part])}} for part in (slice(0, 3), slice(3, 5))]
    validate(distances, task, *parts)
    assert torch.equal(torch.random.get_rng_state(), state)  # a run goes on as it would without
    described = (describe_images(images.split(1), made[0], seed) for seed, images in enumerate((pictures, real)))
    kernel, levels = set_distances(*described)
    assert task.values["heldout/kernel_distance/AtoB"] == pytest.approx(kernel)
    assert task.values["heldout/patch_distance/AtoB"] == pytest.approx(sum(levels.values()) / len(levels))
    assert {name for name in task.values if "kernel" in name} == {
        f"heldout/kernel_distance/AtoB{kind}" for kind in ("", "/untouched", "/halves")
    }
    again = Log()
    validate(distances, again, *parts)
    assert len(made) == 1
    assert again.values.keys() == {"heldout/kernel_distance/AtoB", "heldout/patch_distance/AtoB"}


@pytest.mark.parametrize(
    "outputs", [None, {}, {"sets": {"": torch.rand(3, 1, 3, 32, 32)}}, {"sets": {"": torch.rand(3, 4, 3, 8, 8)}}]
)
def test_where_there_is_nothing_to_compare_no_network_is_made(distances, made, outputs):
    task = Log()
    validate(distances, task, outputs)
    assert not task.values
    assert not made


def test_perfect_pictures_of_pairs(distances):
    real, task = torch.rand(4, 3, 32, 32), Log()
    task.wants = ("pair",)
    validate(distances, task, {"sets": {"": (real / 2, real, real)}})
    assert task.values["heldout/kernel_distance"] == pytest.approx(0, abs=1e-6)
    assert 0 < task.values["heldout/patch_distance"] < task.values["heldout/patch_distance/untouched"] / 2
