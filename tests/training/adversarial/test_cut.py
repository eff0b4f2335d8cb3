"""Patches are found again."""

import pytest
import torch

from fast_style.losses import patch_nce_loss
from fast_style.networks import ResnetGenerator, SlimNetwork, TransformerNetwork, UNet
from fast_style.training import CUT

SMALL = {"patches": 16, "head_width": 8}


@pytest.mark.parametrize(
    ("network", "places"),
    [
        (TransformerNetwork(2, 5, antialias=True), [3, 6, 9, 11]),
        (ResnetGenerator(2, 9), [3, 6, 9, 13]),  # the convolutions that go down, the first block and the fifth
        (SlimNetwork(4, 3), [0, 3, 4]),
        (TransformerNetwork(2, 0), [3, 6]),
    ],
    ids=["johnson", "resnet", "slim", "without blocks"],
)
def test_encoding_and_painting_are_the_network(make, network, places):
    task = make(CUT, network=network, **SMALL)
    assert task.places == places
    images = torch.rand(1, 3, 30, 33)
    features, x = task._encode(images)
    assert len(features) == 1 + len(places) == len(task.heads)
    torch.testing.assert_close(task._paint(x, images), network(images))


def test_the_losses_by_hand(make, batch, logged):
    task = make(CUT, nce_weight=2.0, **SMALL)
    found = logged(task, batch)
    a, b = batch["real_a"], batch["real_b"]
    for name, image in (("nce_loss", a), ("identity_nce_loss", b)):
        features = [task._encode(x)[0] for x in (task.network(image), image)]
        expected = []
        drawn = task._draw(features[0], batch["index"])
        for head, query, key, places in zip(task.heads.values(), *features, drawn, strict=True):
            side = query.shape[-1]
            rows, columns = places // side, places % side
            cut = [torch.stack([x[n, :, rows[n], columns[n]].T for n in range(2)]) for x in (query, key)]
            expected.append(patch_nce_loss(head(cut[0]), head(cut[1])))
        assert found[name] == pytest.approx(torch.stack(expected).mean().item(), rel=1e-4)
        assert found[f"weighted/{name}"] == pytest.approx(found[name])  # half of 2
    assert {"adversarial_loss", "discriminator_loss"} <= set(found)


def test_places_depend_on_seed_and_sample_alone(make):
    task, other = (make(CUT, seed=seed, **SMALL) for seed in (0, 1))
    layers = [torch.zeros(1, 3, 10, 10), torch.zeros(1, 8, 3, 3)]
    drawn, small = task._draw(layers, torch.tensor([3, 8]))
    assert (drawn.shape, small.shape) == ((2, 16), (2, 9))
    assert torch.equal(drawn[1:], task._draw(layers, torch.tensor([8]))[0])
    assert not torch.equal(drawn, other._draw(layers, torch.tensor([3, 8]))[0])
    assert small.sort().values.tolist() == [list(range(9))] * 2


def test_everything_that_is_trained_gets_a_gradient(make, batch):
    task = make(CUT, **SMALL)
    task.log = lambda *_, **__: None
    task.training_step(batch, 0).backward()
    assert all(parameter.grad is not None for parameter in task.trained)


def test_one_direction_without_identity_is_cheaper(make, batch, logged):
    found = logged(make(CUT, identity=False, nce_weight=10.0, **SMALL), batch)
    assert "identity_nce_loss" not in found
    assert found["weighted/nce_loss"] == pytest.approx(10 * found["nce_loss"])


def test_without_a_discriminator(make, batch, logged):
    found = logged(make(CUT, adversarial_weight=0.0, **SMALL), batch)
    assert not any("adversarial" in name or "discriminator" in name for name in found)


def test_what_is_measured_is_what_is_trained(make, batch):
    task, values = make(CUT, identity=False, nce_weight=10.0, **SMALL), {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    with torch.no_grad():
        sets = task.validation_step(batch | {"new": torch.tensor([[True, True], [True, False]])}, 0)["sets"]
    assert "heldout/identity_nce_loss" not in values
    assert values["heldout/total_loss"] == pytest.approx(10 * values["heldout/nce_loss"])
    assert [len(each) for each in sets[""]] == [2, 2, 1]


def test_projections_have_unit_length(make):
    head = make(CUT, **SMALL).heads["image"]
    torch.testing.assert_close(head(torch.rand(2, 5, 3)).norm(dim=2), torch.ones(2, 5))


def test_held_out_images_are_shown(make, batch):
    task, values = make(CUT, **SMALL), {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    with torch.no_grad():
        shown = task.validation_step(batch, 0)["grids"][""]
    assert torch.equal(shown[0], batch["real_a"])
    assert torch.equal(shown[2], batch["real_b"])
    assert values["heldout/total_loss"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": UNet(2, 2)}, "the network must be a chain of layers: network=johnson, slim or resnet, got UNet"),
        ({"patches": 1}, "patches must be at least 2, got 1"),
        ({"nce_weight": -1.0}, r"nce_weight must not be negative, got -1\.0"),
        ({"layers": [3, 6, 3]}, r"layers must name each position once, got \[3, 3, 6\]"),
        ({"layers": [99]}, r"layers must be 0 to 16, positions in the chain, got \[99\]"),
    ],
)
def test_bad_arguments(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(CUT, **arguments)


def test_nothing_to_learn(make):
    with pytest.raises(ValueError, match="there is nothing to learn: give adversarial_weight or nce_weight a value"):
        make(CUT, adversarial_weight=0.0, nce_weight=0.0)
