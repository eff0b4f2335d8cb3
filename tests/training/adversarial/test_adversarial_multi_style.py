"""Several paintings, and a discriminator that tells the brushwork of each."""

from functools import partial

import pytest
import torch

from fast_style.losses import ADVERSARIAL_LOSSES
from fast_style.networks import PatchDiscriminator, TransformerNetwork
from fast_style.training import AdversarialMultiStyle, Adversary, MultiStyle, warmup_constant

LEARNING = {
    "optimizer": partial(torch.optim.Adam, lr=1e-3),
    "scheduler": partial(warmup_constant, warmup_steps=0),
    "name": "waves",
}
NETWORK = partial(TransformerNetwork, 4, 1, norm="conditional")


@pytest.fixture
def styles():
    return {name: torch.rand(1, 3, 40, 48) for name in ("dots", "lines", "waves")}


@pytest.fixture
def build(loss, styles):
    def build(**changes):
        arguments = {"adversary": Adversary(PatchDiscriminator(4, 1)), "negatives": []}
        return AdversarialMultiStyle(NETWORK, loss, styles, **LEARNING, **arguments | changes)

    return build


@pytest.fixture
def batch():
    return {"image": torch.rand(2, 3, 32, 32), "index": torch.arange(48, 50)}  # of round 16


@pytest.fixture(autouse=True)
def _first_step(monkeypatch):
    monkeypatch.setattr(AdversarialMultiStyle, "global_step", 0)


def test_each_style_has_logits_of_its_own(build, batch, logged, styles):
    task = build(equivariance_weight=0.0)
    found = logged(task, batch)
    chosen = [task.style_of(sample) for sample in (48, 49)]
    assert chosen[0] != chosen[1]
    pictures, real = task.network(batch["image"], shares_of(chosen)), task.crops(batch, chosen)
    body = task.adversaries["B"].discriminator.body
    made, true = (
        torch.stack([body(2 * x[None] - 1)[0, style] for x, style in zip(images, chosen, strict=True)])
        for images in (pictures, real)
    )
    assert found["discriminator_loss"] == pytest.approx(
        ADVERSARIAL_LOSSES["lsgan"].discriminator(true, made).item(), rel=1e-4
    )
    assert found["adversarial_loss"] == pytest.approx(
        ADVERSARIAL_LOSSES["lsgan"].generator(true, made).item(), rel=1e-4
    )
    for crop, style in zip(real, chosen, strict=True):
        windows = [*styles.values()][style].unfold(2, 32, 1).unfold(3, 32, 1)[0].permute(1, 2, 0, 3, 4)
        assert any((windows == each).flatten(2).all(-1).any() for each in (crop, crop.flip(-1)))


def shares_of(chosen, count=3):
    return torch.nn.functional.one_hot(torch.tensor(chosen), count).float()


def test_each_style_has_a_balance_of_its_own(build, batch, logged, loss):
    task = build()
    found = logged(task, batch)
    weights = []
    for place, sample in enumerate((48, 49)):
        style, photo = task.style_of(sample), batch["image"][place : place + 1]
        picture = task.network(photo, shares_of([style])).detach().requires_grad_()
        loss, losses = task.losses[style], task.losses[style](picture, photo)
        own = sum(loss.weights[name] * value for name, value in losses.items() if name.startswith("style"))
        one = {"image": photo, "index": torch.tensor([sample])}
        judged = task.play("B", task.crops(one, [style]), picture, one, kinds=[style])[f"adversarial_loss/{style}"]
        norms = [torch.autograd.grad(each, picture, retain_graph=True)[0].norm() for each in (own, judged)]
        name = task.names[style]
        weight = found[f"weighted/adversarial_loss/{name}"] / found[f"adversarial_loss/{name}"]
        assert weight * norms[1].item() == pytest.approx(0.25 * norms[0].item(), rel=1e-3)
        assert found[f"adversarial_weight/{name}"] == pytest.approx(weight, rel=1e-5)
        weights.append(weight)
    assert weights[0] != pytest.approx(weights[1], rel=1e-3)
    assert (task.adversarial_weight == 0).sum() == 1  # of the style that was not seen


@pytest.mark.parametrize(("first", "due"), [(6, False), (47, True), (51, False), (94, False), (95, True)])
def test_the_balance_is_measured_in_every_sixteenth_round(build, logged, first, due):
    """Rounds of three: 48 is the first sample of round 16, 96 that of round 32."""
    task = build()
    logged(task, {"image": torch.rand(2, 3, 32, 32), "index": torch.arange(first, first + 2)})
    assert bool(task.adversarial_weight.any()) == due


def test_r1_of_several(build, batch, logged):
    task = build(adversary=Adversary(PatchDiscriminator(4, 1), r1_weight=2.0, r1_every=1))
    assert logged(task, batch)["weighted/r1_loss"] > 0


def test_without_a_discriminator_it_is_multi_style(build, batch, logged, loss, styles, monkeypatch):
    monkeypatch.setattr(MultiStyle, "global_step", 0)
    task = build(adversarial_weight=0.0)
    plain = MultiStyle(NETWORK, loss, styles, **LEARNING)
    plain.network.load_state_dict(task.network.state_dict())
    assert logged(task, batch) == logged(plain, batch)
    assert len(task.configure_optimizers()["optimizer"].param_groups) == 1


def test_the_total_has_every_term(build, batch, logged):
    batch["image"] = torch.rand(2, 3, 64, 64)
    found = logged(build(equivariance_weight=2.0, negatives=["grey", "blurred"]), batch)
    terms = ("content_loss", "style_loss", "tv_loss", "equivariance_loss", "adversarial_loss", "discriminator_loss")
    assert found["total"] == pytest.approx(sum(found[f"weighted/{name}"] for name in terms), rel=1e-4)


def test_the_average_is_measured_shown_and_written(build, batch, logged, fit, tmp_path):
    task = build()
    fit(task, [batch, batch])
    photo, name = batch["image"][:1], task.names[1]
    average = task.averages["network"].network
    torch.testing.assert_close(task(photo, name), average(photo, average.mixture({name: 1.0})))
    assert not torch.equal(task(photo, name), task.network(photo, task.network.mixture({name: 1.0})))
    assert task.used == "averages.network.network."


def test_it_starts_from_a_network_of_some_of_the_styles(build):
    start = TransformerNetwork(4, 1, norm="conditional", styles=["waves", "lines"])
    task = build()
    task.start_from(start)
    photo = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(task(photo, "lines"), start(photo, start.mixture({"lines": 1.0})))


def test_it_follows_motion(build, logged):
    found = logged(build(temporal_weight=3.0), {"image": torch.rand(2, 3, 64, 64), "index": torch.arange(2)})
    assert found["weighted/temporal_loss"] == pytest.approx(3 * found["temporal_loss"])


def test_few_crops_are_told_once(build, batch, logged, caplog):
    batch["image"] = torch.rand(2, 3, 40, 40)
    task = build()
    with caplog.at_level("INFO"):
        logged(task, batch)
        logged(task, batch)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("40 pixels on the short side, where photos are 40: style.size=60 gives it more")


def test_compiled(build, batch, compiled_alike):
    plain, compiled = build(), build(compile=True)
    compiled.adversaries.load_state_dict(plain.adversaries.state_dict())
    compiled_alike(plain, compiled, batch)


def test_one_style_alone(loss, batch, logged):
    adversary = Adversary(PatchDiscriminator(4, 1))
    task = AdversarialMultiStyle(NETWORK, loss, torch.rand(1, 3, 40, 40), adversary=adversary, **LEARNING)
    assert task.names == ["waves"]
    assert logged(task, batch)["adversarial_loss"] > 0


def test_pictures_are_not_remembered(build):
    with pytest.raises(ValueError, match=r"a pool does not tell the styles of its pictures: give model.adversary.pool"):
        build(adversary=Adversary(PatchDiscriminator(4, 1), pool=2))


def test_a_grey_painting_is_named(build, styles):
    styles["lines"] = torch.rand(1, 1, 40, 40).expand(-1, 3, -1, -1)
    with pytest.raises(
        ValueError,
        match=r"the painting lines is grey, .* give model.negatives=\[blurred\], or leave lines out of style.names",
    ):
        build(negatives=["grey"])


def test_no_style(build, loss):
    with pytest.raises(ValueError, match="there is no style to learn"):
        AdversarialMultiStyle(NETWORK, loss, {}, adversary=Adversary(PatchDiscriminator(4, 1)), **LEARNING)
