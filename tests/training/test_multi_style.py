import weakref
from functools import partial

import pytest
import torch

from fast_style.data.photos import permutation
from fast_style.losses import equivariance_loss
from fast_style.networks import SlimNetwork, TransformerNetwork
from fast_style.training import FeedForward, MultiStyle, NonFiniteLossError, warmup_constant

ADAM = partial(torch.optim.Adam, lr=1e-2)
OPTIONS = {"optimizer": ADAM, "scheduler": partial(warmup_constant, warmup_steps=0), "name": "waves"}


@pytest.fixture
def build(loss):
    def build(**changes):
        network = partial(TransformerNetwork, 4, 1, norm="conditional")
        styles = {name: torch.rand(1, 3, 16, 20) for name in ("dots", "lines", "waves")}
        return MultiStyle(network, **({"loss": loss, "styles": styles} | OPTIONS | changes))

    return build


def batches(count, size=3):
    generator = torch.Generator().manual_seed(1)
    return [
        {"image": torch.rand(size, 3, 16, 16, generator=generator), "index": torch.arange(size) + size * step}
        for step in range(count)
    ]


def objective(task, photos):
    """Objective of each style, written out."""
    styles = zip(task.names, task.losses, strict=True)
    return [loss.summary(loss(task(photos, name), photos))["total_loss"].item() for name, loss in styles]


def test_the_reference_is_looked_at_once_and_forgotten(build, loss, monkeypatch):
    network, seen = loss.args[0], []
    forward = type(network).forward

    def note(self, images, layers):
        features = forward(self, images, layers)
        seen.extend((images.shape[-1], weakref.ref(each)) for each in features.values())
        return features

    monkeypatch.setattr(type(network), "forward", note)
    task = build(loss=partial(loss, reference=torch.rand(2, 3, 24, 24)))
    assert len(task.losses) == 3
    assert [width for width, _ in seen].count(24) == 2 * 2  # two images, two layers
    assert all(kept() is None for _, kept in seen)


def test_every_round_has_every_style(build):
    task = build(seed=4)
    rounds = [[task.style_of(3 * turn + place) for place in range(3)] for turn in range(20)]
    assert all(sorted(order) == [0, 1, 2] for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1
    assert rounds == [[build(seed=4).style_of(3 * turn + place) for place in range(3)] for turn in range(20)]


def test_the_loss_is_the_mean_of_each_image_under_its_style(build):
    task = build()
    task.log = lambda *_, **__: None
    batch = batches(1)[0]
    expected = []
    for sample, photo in zip(batch["index"].tolist(), batch["image"].split(1), strict=True):
        style = task.style_of(sample)
        loss = task.losses[style]
        expected.append(loss.summary(loss(task(photo, task.names[style]), photo))["total_loss"])
    assert task.training_step(batch, 0).item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-4)


def test_training_makes_every_style_better(build, fit):
    task, photos = build(optimizer=partial(torch.optim.Adam, lr=2e-3)), batches(1)[0]["image"]
    before = objective(task, photos)
    fit(task, batches(40))
    after = objective(task, photos)
    assert all(new < 0.9 * old for new, old in zip(after, before, strict=True)), (before, after)


def test_photos_do_not_keep_their_style(build):
    """As many photos as styles: in another round, a photo has another style."""
    task = build()
    order = [
        (int(permutation(3, 0, turn)[place]), task.style_of(3 * turn + place))
        for turn in range(9)
        for place in range(3)
    ]
    assert len(set(order)) == 9


def test_one_style_is_as_a_network_of_its_own(build, loss, fit):
    image = torch.rand(1, 3, 16, 20)
    several = build(styles=image)
    assert several.names == ["waves"]
    alone = FeedForward(several.network.of_style({"waves": 1}), loss(style=image), ADAM, OPTIONS["scheduler"])
    data = batches(4)
    fit(several, data)
    fit(alone, data)
    # Adam divides by the size of the gradient, which at first may be rounding alone.
    torch.testing.assert_close(several(data[0]["image"]), alone(data[0]["image"]), atol=0.02, rtol=0)


@pytest.mark.parametrize("optimizer", [ADAM, partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.5)])
def test_a_style_is_added_and_the_others_stay_to_the_bit(build, optimizer, fit):
    first = fit(build(), batches(3)).network.eval()
    task = build(styles=torch.rand(1, 3, 16, 16), name="new", train_only="style", optimizer=optimizer)
    task.start_from(first)
    assert task.network.styles == ["dots", "lines", "waves", "new"]
    photos = batches(1)[0]["image"]
    before = task(photos, "new")
    fit(task, batches(5))
    network = task.network.eval()
    assert (task(photos, "new") - before).abs().max() > 0.01
    with torch.no_grad():
        for style in first.styles:
            shares = first.mixture({style: 1}).expand(3, -1)
            assert torch.equal(network(photos, network.mixture({style: 1}).expand(3, -1)), first(photos, shares))
    learned = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learned == set(network.style_parameters)


def test_a_style_that_is_there_is_refined_and_the_others_stay_to_the_bit(build, fit, caplog):
    first = fit(build(), batches(3)).network.eval()
    task = build(styles=torch.rand(1, 3, 16, 16), name="lines", train_only="style")
    with caplog.at_level("INFO"):
        task.start_from(first)
    assert "the network has a style lines, which is trained further" in caplog.text
    assert task.network.styles == ["dots", "waves", "lines"]
    photos = batches(1)[0]["image"]
    with torch.no_grad():
        before = first(photos, first.mixture({"lines": 1}).expand(3, -1))
        assert torch.equal(task(photos, "lines"), before)
        fit(task, batches(5))
        network = task.network.eval()
        assert (task(photos, "lines") - before).abs().max() > 0.01
        for style in ("dots", "waves"):
            shares = first.mixture({style: 1}).expand(3, -1)
            assert torch.equal(network(photos, network.mixture({style: 1}).expand(3, -1)), first(photos, shares))


def test_starts_from_a_network_of_one_style(build):
    start, task = TransformerNetwork(4, 1).eval(), build()
    task.start_from(start)
    photos = batches(1)[0]["image"]
    torch.testing.assert_close(task(photos, "lines"), start(photos), rtol=1e-4, atol=1e-5)


def test_starts_that_do_not_fit(build):
    single = TransformerNetwork(4, 1)
    for changes, start, message in (
        ({"train_only": "style"}, single, "adds to a network of several styles, this one has a single style"),
        ({}, TransformerNetwork(3, 1), "the model a TransformerNetwork"),
    ):
        with pytest.raises(ValueError, match=message):
            build(**changes).start_from(start)


def test_misuse(build):
    with pytest.raises(ValueError, match="there is no style to learn"):
        build(styles={})
    with pytest.raises(ValueError, match="train_only must be style, or null to train everything, got 'norms'"):
        build(train_only="norms")
    with pytest.raises(ValueError, match="must be a printable text without slash"):
        build(styles={"a/b": torch.rand(1, 3, 16, 16)})


def test_a_loss_that_is_not_finite_stops(build, fit):
    data = batches(2)
    data[1]["image"] = torch.full_like(data[1]["image"], float("nan"))
    with pytest.raises(NonFiniteLossError, match="training stopped at step 1"):
        fit(build(), data)


def test_compiled_gives_the_same(build, compiled_alike):
    styles = {name: torch.rand(1, 3, 16, 20) for name in ("dots", "lines", "waves")}
    compiled_alike(build(styles=styles), build(styles=styles, compile=True), batches(1)[0])


def test_the_network_that_a_style_is_added_to_is_told_if_it_is_another_kind(build, caplog):
    for start, told in ((build().network, False), (SlimNetwork(8, 1, norm="conditional", styles=["a"]), True)):
        caplog.clear()
        with caplog.at_level("INFO"):
            build(styles=torch.rand(1, 3, 16, 16), name="new", train_only="style").start_from(start)
        assert ("the network is that of init, SlimNetwork(" in caplog.text) == told


def test_equivariance_is_added_once(build):
    task = build(equivariance_weight=10.0)
    values = {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    batch = {"image": torch.rand(4, 3, 64, 64), "index": torch.arange(4)}
    total = task.training_step(batch, 0).item()
    moved, motion = task.moved(batch)
    name = task.names[task.style_of(0)]
    expected = equivariance_loss(task(batch["image"][:1], name), task(moved, name), *motion.ways[0]).item()
    assert values["train/equivariance_loss"] == pytest.approx(expected, rel=1e-4)
    task.motion_weights["equivariance_loss"] = 0.0
    assert total == pytest.approx(task.training_step(batch, 0).item() + 10 * expected, rel=1e-4)
