from functools import partial

import pytest
import torch

from fast_style.losses import AdaINLoss
from fast_style.networks import VGG, AdaIN, TransformerNetwork
from fast_style.training import AdaINStyle, NonFiniteLossError, warmup_constant

OPTIONS = {
    "optimizer": partial(torch.optim.Adam, lr=1e-3),
    "scheduler": partial(warmup_constant, warmup_steps=0),
}


@pytest.fixture
def build():
    def build(**changes):
        loss = AdaINLoss(VGG("vgg19", "slim"), ["relu1_1", "relu2_1"], 1.0, 10.0, identity_weight=5.0)
        styles = {name: torch.rand(1, 3, 24, 20) for name in ("dots", "waves")}
        return AdaINStyle(**({"network": AdaIN(), "loss": loss, "styles": styles} | OPTIONS | changes))

    return build


def batches(count):
    generator = torch.Generator().manual_seed(1)
    one = {name: torch.rand(2, 3, 32, 32, generator=generator) for name in ("image", "painting")}
    return [one] * count


def total(task, batch):
    with torch.no_grad():
        return task.loss.summary(task._losses(batch["image"], batch["painting"]))["total_loss"].item()


def test_learns_the_decoder_alone(build, fit):
    task, data = build(), batches(24)
    before, state = total(task, data[0]), {name: value.clone() for name, value in task.network.state_dict().items()}
    fit(task, data)
    assert total(task, data[0]) < 0.75 * before
    for name, value in task.network.state_dict().items():
        assert torch.equal(value, state[name]) != name.startswith("decoder.")


def test_a_new_network_is_standardised_once(build):
    network = build().network
    assert network.standardized
    network.center.fill_(3.0)
    assert build(network=network).network.center.eq(3).all()


def test_photos_as_they_are_cost_nothing_where_they_have_no_weight(build):
    task, decoded = build(), []
    decode = task.network.decode
    task.network.decode = lambda *arguments: decoded.append(1) or decode(*arguments)
    batch = batches(1)[0]
    assert task._losses(batch["image"], batch["painting"])["identity_loss"] > 0
    assert len(decoded) == 2
    task.loss = AdaINLoss(VGG("vgg19", "slim"), ["relu1_1"], 1.0, 10.0)
    assert "identity_loss" not in task._losses(batch["image"], batch["painting"])
    assert len(decoded) == 3


def test_shows_each_style(build):
    task, photos = build(), torch.rand(3, 3, 20, 28)
    logged = {}
    task.log = lambda name, value, **_: logged.update({name: value.item()})
    outputs = task.validation_step({"image": photos}, 0)
    assert list(outputs["stylized"]) == task.names == ["dots", "waves"]
    each = [logged[f"heldout/total_loss/{name}"] for name in task.names]
    assert logged["heldout/total_loss"] == pytest.approx(sum(each) / 2)
    for name, picture in outputs["stylized"].items():
        assert torch.equal(picture, task(photos, name))
    assert torch.equal(task(photos), outputs["stylized"]["dots"])
    plain = task.network.of_images({"1": task._shown["waves"]}).of_style({"1": 1})
    torch.testing.assert_close(plain(photos), outputs["stylized"]["waves"], rtol=1e-4, atol=1e-4)


def test_a_loss_that_is_not_finite_stops(build, fit):
    data = batches(1)
    data[0]["painting"] = data[0]["painting"] * float("nan")
    with pytest.raises(NonFiniteLossError, match="style_loss/relu1_1 = nan"):
        fit(build(), data)


def test_compiled_gives_the_same(build, compiled_alike):
    compiled_alike(build(), build(compile=True), batches(1)[0])


def test_refusals(build):
    with pytest.raises(ValueError, match="give style=any or style=gallery"):
        build(styles=torch.rand(1, 3, 16, 16))
    for network in (AdaIN(norm="instance"), TransformerNetwork(2, 0)):
        with pytest.raises(ValueError, match=r"must take any style: an AdaIN with norm=adaptive, got \w+\("):
            build(network=network)


def test_checkpointed_activations_change_what_is_kept_alone(build):
    batch, states, kept = batches(1)[0], [], []
    for again in (False, True):
        torch.manual_seed(0)
        task, seen = build(checkpoint_activations=again), []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, seen=seen: seen.append(x.numel()) or x, lambda x: x):
            losses = task._losses(batch["image"], batch["painting"])
        kept.append(sum(seen))
        task.loss.summary(losses)["total_loss"].backward()
        states.append([p.grad for p in task.network.decoder.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*states, strict=True))
    assert kept[1] < 0.9 * kept[0]


def test_each_pair_counts_alike(build):
    # A faint painting beside a strong one.
    task, batch = build(), batches(1)[0]
    batch["painting"][1] = 0.5 + 0.01 * batch["painting"][1]
    with torch.no_grad():
        together = task._losses(batch["image"], batch["painting"])
        alone = [task._losses(batch["image"][i : i + 1], batch["painting"][i : i + 1]) for i in range(2)]
    for name, value in together.items():
        assert value.item() == pytest.approx(sum(each[name].item() for each in alone) / 2, rel=1e-3)


def test_what_half_precision_does_not_hold(build):
    task = build()
    task.network.register_buffer("steps", torch.tensor(10**6))  # as batch normalisation counts them
    assert task.fits_half()
    task.network.spread[0] = 1e5
    assert not task.fits_half()
