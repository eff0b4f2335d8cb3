"""Two networks that undo each other."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from fast_style.checkpoint import load_network, read_metadata, save_network
from fast_style.losses import ADVERSARIAL_LOSSES, tone_loss
from fast_style.networks import TransformerNetwork
from fast_style.training import CycleGAN

LSGAN = ADVERSARIAL_LOSSES["lsgan"]


@pytest.mark.parametrize("norm", ["instance", "batch"])  # a batch norm must not see both sides at once
def test_the_losses_by_hand(make, batch, logged, norm):
    task = make(CycleGAN, network=TransformerNetwork(4, 1, norm=norm))
    found = logged(task, batch)
    there, back, a, b = task.network, task.further["back"], batch["real_a"], batch["real_b"]
    judges = [task.adversaries[name].discriminator for name in ("AtoB", "BtoA")]
    expected = {
        "cycle_loss/A": F.l1_loss(back(there(a)), a),
        "cycle_loss/B": F.l1_loss(there(back(b)), b),
        "identity_loss/A": F.l1_loss(there(b), b),
        "identity_loss/B": F.l1_loss(back(a), a),
        "adversarial_loss/AtoB": LSGAN.generator(judges[0](b), judges[0](there(a))),
        "adversarial_loss/BtoA": LSGAN.generator(judges[1](a), judges[1](back(b))),
        "discriminator_loss/AtoB": LSGAN.discriminator(judges[0](b), judges[0](there(a))),
        "discriminator_loss/BtoA": LSGAN.discriminator(judges[1](a), judges[1](back(b))),
    }
    weights = {"cycle_loss": 20, "identity_loss": 10, "adversarial_loss": 1, "discriminator_loss": 1}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value.item(), rel=1e-4), name
    total = sum(weights[name.partition("/")[0]] * value.item() for name, value in expected.items())
    assert found["total"] == pytest.approx(total, rel=1e-4)


def test_two_of_each_begin_apart(make):
    task = make(CycleGAN)
    assert not torch.equal(task.network.conv1.weight, task.further["back"].conv1.weight)
    first, second = (task.adversaries[name].discriminator for name in ("AtoB", "BtoA"))
    assert not torch.equal(first.body[0].weight, second.body[0].weight)
    assert set(task.averages) == {"network", "back"}


def test_without_identity(make, batch, logged):
    assert not any("identity" in name for name in logged(make(CycleGAN, identity_weight=0.0), batch))


def test_without_discriminators(make, batch, logged):
    task = make(CycleGAN, adversarial_weight=0.0)
    assert {name.partition("/")[0] for name in logged(task, batch)} == {
        "total",
        "total_loss",
        "cycle_loss",
        "identity_loss",
        "weighted",
    }
    assert len(task.configure_optimizers()["optimizer"].param_groups) == 1


def test_further_terms_hold_pictures_to_what_they_were_made_of(make, batch, logged):
    task = make(CycleGAN, terms={"tone_loss": tone_loss}, term_weights={"tone_loss": 3.0})
    found = logged(task, batch)
    expected = tone_loss(task.network(batch["real_a"]), batch["real_a"]).item()
    assert found["tone_loss/AtoB"] == pytest.approx(expected, rel=1e-4)
    assert found["weighted/tone_loss/AtoB"] == pytest.approx(3 * expected, rel=1e-4)


def test_held_out_images_are_shown_with_their_cycles(make, batch):
    task, values = make(CycleGAN), {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    with torch.no_grad():
        grids = task.validation_step(batch, 0)["grids"]
    real_a, fake_b, rec_a = grids["AtoB"]
    assert torch.equal(real_a, batch["real_a"])
    torch.testing.assert_close(rec_a, task.use("back")(fake_b))
    assert grids["BtoA"][0] is not grids["AtoB"][0]
    expected = 20 * values["heldout/cycle_loss"] + 10 * values["heldout/identity_loss"]
    assert values["heldout/total_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("export", "files"),
    [
        ("AtoB", {"AtoB": "x.safetensors"}),
        ("BtoA", {"BtoA": "x.safetensors"}),
        ("both", {"AtoB": "x.safetensors", "BtoA": "x_BtoA.safetensors"}),
    ],
)
def test_what_is_exported(make, tmp_path, export, files):
    task = make(CycleGAN, export=export)
    output = tmp_path / "x.safetensors"
    assert {name: path.name for name, path in task.files(output).items()} == files
    task.save(output, {"steps": 3})
    assert {path.name for path in tmp_path.iterdir()} == set(files.values())
    image = torch.rand(1, 3, 16, 16)
    for direction, name in files.items():
        expected = task.use("network" if direction == "AtoB" else "back")(image)
        torch.testing.assert_close(load_network(tmp_path / name)(image), expected, atol=1e-2, rtol=0)
        assert read_metadata(tmp_path / name)["direction"] == direction
    torch.testing.assert_close(load_network(output)(image), task(image), atol=1e-2, rtol=0)


@pytest.mark.parametrize("average", [0.9, 0.0])
@pytest.mark.parametrize(("export", "used"), [("AtoB", "network"), ("both", "network"), ("BtoA", "back")])
def test_what_a_checkpoint_is_used_as(make, tmp_path, export, used, average):
    task = make(CycleGAN, export=export, average=average)
    kept = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(kept)
    torch.save(kept, tmp_path / "x.ckpt")
    if export == "BtoA":
        with pytest.raises(ValueError, match=r"init=.*x.ckpt was learned from B to A: give it as model.init_back"):
            make(CycleGAN).begin(str(tmp_path / "x.ckpt"), None)
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(load_network(tmp_path / "x.ckpt")(image), task.use(used)(image))


def test_held_out_images_that_come_again_are_not_compared(make, batch):
    task = make(CycleGAN)
    task.log = lambda *_, **__: None
    new = torch.tensor([[True, True], [False, True]])
    with torch.no_grad():
        sets = task.validation_step(batch | {"new": new}, 0)["sets"]
    assert [len(each) for each in sets["AtoB"]] == [1, 1, 2]
    assert [len(each) for each in sets["BtoA"]] == [2, 2, 1]


def test_nothing_to_learn(make):
    weights = {"cycle_weight": 0.0, "identity_weight": 0.0, "adversarial_weight": 0.0}
    with pytest.raises(ValueError, match="there is nothing to learn: give cycle_weight or adversarial_weight a value"):
        make(CycleGAN, **weights)
    make(CycleGAN, **weights, terms={"tone_loss": tone_loss}, term_weights={"tone_loss": 3.0})


def test_a_start_of_the_other_direction(make, tmp_path):
    make(CycleGAN, export="both").save(tmp_path / "x.safetensors", {})
    task = make(CycleGAN, init_back=str(tmp_path / "x_BtoA.safetensors"))
    assert task.begin(str(tmp_path / "x.safetensors"), None) == ""
    with pytest.raises(ValueError, match=r"init=.*x_BtoA.safetensors was learned from B to A: give it as model.init_b"):
        make(CycleGAN).begin(str(tmp_path / "x_BtoA.safetensors"), None)
    with pytest.raises(ValueError, match=r"model.init_back=.*x.safetensors was learned from A to B: give it as init"):
        make(CycleGAN, init_back=str(tmp_path / "x.safetensors")).begin("scratch", None)
    config = {"data": {"direction": "AtoB"}}  # as CUT writes it
    save_network(tmp_path / "cut.safetensors", TransformerNetwork(4, 1), {"config": config})
    with pytest.raises(ValueError, match=r"model.init_back=.*cut.safetensors was learned from A to B: give it as init"):
        make(CycleGAN, init_back=str(tmp_path / "cut.safetensors")).begin("scratch", None)


def test_the_way_back_has_a_start_of_its_own(make, tmp_path):
    start = TransformerNetwork(4, 1)
    save_network(tmp_path / "back.safetensors", start, {}, torch.float32)
    task = make(CycleGAN, init_back=str(tmp_path / "back.safetensors"))
    task.begin("scratch", None)
    assert torch.equal(task.further["back"].conv1.weight, start.conv1.weight)
    assert torch.equal(task.use("back").conv1.weight, start.conv1.weight)
    assert not torch.equal(task.network.conv1.weight, start.conv1.weight)
    save_network(tmp_path / "back.safetensors", TransformerNetwork(2, 1), {})
    with pytest.raises(ValueError, match=r"cannot start from model.init_back=.*: it is a TransformerNetwork"):
        task.begin("scratch", None)
    assert task.begin("scratch", Path("resumed.ckpt")) == ""


def test_data_that_is_turned_around(make):
    task = make(CycleGAN)
    task.trainer = type("Trainer", (), {"datamodule": type("Data", (), {"direction": "BtoA", "batch_size": 1})()})()
    with pytest.raises(ValueError, match=r"CycleGAN learns both directions: give model.export=BtoA"):
        task.setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"export": "A"}, "export must be one of AtoB, BtoA, both, got 'A'"),
        ({"cycle_weight": -1.0}, r"cycle_weight must not be negative, got -1\.0"),
        ({"term_weights": {"tone_loss": 1.0}}, "the term tone_loss has no function"),
    ],
)
def test_bad_arguments(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(CycleGAN, **arguments)
