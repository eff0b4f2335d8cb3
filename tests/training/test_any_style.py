from functools import partial

import pytest
import torch

from fast_style.checkpoint import load_network
from fast_style.losses import AnyPaintingLoss, PerceptualLoss
from fast_style.networks import VGG, AnyStyleNetwork, SlimNetwork, TransformerNetwork
from fast_style.training import AnyStyle, FeedForward, MultiStyle, warmup_constant

OPTIONS = {
    "optimizer": partial(torch.optim.Adam, lr=3e-3),
    "scheduler": partial(warmup_constant, warmup_steps=0),
}
SMALL = {"width": 8, "blocks": 1, "antialias": True}


@pytest.fixture(scope="module")
def vgg():
    torch.manual_seed(0)
    return VGG("vgg19", None, width=4)


@pytest.fixture
def build(vgg):
    def build(**changes):
        loss = AnyPaintingLoss(vgg, "relu2_2", "relu1_1, relu2_1", 0.5, 2.0, 1.0, torch.rand(2, 3, 32, 32))
        styles = {name: torch.rand(1, 3, 72, 64) for name in ("dots", "waves")}
        network = AnyStyleNetwork("slim", SMALL, encoder_width=4, code=8)
        return AnyStyle(**({"network": network, "loss": loss, "styles": styles} | OPTIONS | changes))

    return build


def batches(count, size=64):
    generator = torch.Generator().manual_seed(1)
    one = {name: torch.rand(4, 3, size, size, generator=generator) for name in ("image", "painting")}
    one["painting"] = one["painting"] ** torch.tensor([0.3, 1, 3, 6])[:, None, None, None]
    return [one | {"index": torch.arange(4)}] * count


def losses_of(task, batch):
    task.train()
    own, none, plain = torch.arange(4) % 4 != 0, torch.arange(0), torch.arange(1)
    with torch.no_grad():
        losses = task._losses(batch["image"], batch["painting"], batch["image"][:0], none, own, plain)[0]
    return {name: value.item() for name, value in losses.items()}


def test_it_learns(build, fit):
    task, data = build(equivariance_weight=1.0), batches(60)
    before = losses_of(task, data[0])
    fit(task, data)
    after = losses_of(task, data[0])
    for name in ("style_loss/relu1_1", "identity_loss", "code_loss"):
        assert after[name] < 0.7 * before[name], name


@pytest.mark.parametrize("size", [4, 8])
def test_which_code_paints_a_sample_depends_on_its_number_alone(build, size):
    task, seen = build(), []
    task.log = lambda *_, **__: None
    losses = task._losses
    task._losses = lambda *inputs: seen.append(inputs[4:]) or losses(*inputs)
    images = torch.rand(16, 3, 64, 64)
    for numbers in torch.arange(18, 34).split(size):
        batch = {"image": images[:size], "painting": images[size:][:size], "index": numbers}
        task.training_step(batch, 0)
    by_teacher = torch.cat([~own for own, _ in seen]).nonzero().flatten() + 18
    assert by_teacher.tolist() == [20, 24, 28, 32]
    plain = [18 + turn * size + int(place) for turn, (_, places) in enumerate(seen) for place in places]
    assert plain == ([24, 32] if size == 8 else [20, 24, 28, 32])


def test_codes_of_styles_differ_from_the_first_step(build):
    """Standardised they do; otherwise all came out nearly equal, and pictures did not depend on the style."""
    task = build().train()
    codes = task.teacher(task.loss.look_at(batches(1)[0]["painting"]))
    assert codes.var(0, correction=0).min() > 0.9


def test_without_a_teacher_the_encoder_learns_from_the_losses(build, fit):
    task, data = build(code_weight=0.0), batches(2)
    assert task.teacher is None
    standard = task.network.encoder.to_code[0].running_mean.clone()
    weight = task.network.encoder.to_code[1].weight.clone()
    fit(task, data)
    assert torch.equal(task.network.encoder.to_code[0].running_mean, standard)
    assert not torch.equal(task.network.encoder.to_code[1].weight, weight)
    assert "code_loss" not in losses_of(task, data[0])


def test_the_teacher_is_in_checkpoints_and_not_in_the_file(build, fit, tmp_path):
    task = build()
    fit(task, batches(1))
    checkpoint = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    assert {key.partition(".")[0] for key in checkpoint["state_dict"]} == {"network", "teacher"}
    task.save(tmp_path / "any.safetensors", {})
    assert load_network(tmp_path / "any.safetensors").arguments == task.network.arguments


def test_a_network_for_one_painting_starts_from_what_is_predicted(build, vgg):
    known = build().network.eval()
    painting = torch.rand(1, 3, 80, 64)
    loss = PerceptualLoss(vgg, painting, "relu2_2", "relu1_1", 1.0, 1.0, 0.0)
    task = FeedForward(SlimNetwork(**SMALL), loss, **OPTIONS)
    task.start_from(known)
    photo = torch.rand(1, 3, 32, 32)
    expected = known.of_images({"a": painting}).of_style({"a": 1})(photo)
    assert torch.equal(task.network(photo), expected)
    with pytest.raises(ValueError, match=r"it is a SlimNetwork, the model a TransformerNetwork: give"):
        FeedForward(TransformerNetwork(4, 0, antialias=True), loss, **OPTIONS).start_from(known)


@pytest.mark.parametrize("train_only", [None, "style"])
def test_a_network_for_several_starts_from_what_is_predicted(build, vgg, train_only):
    known = build().network.eval()
    paintings = {name: torch.rand(1, 3, 80, 64) for name in ("dots", "waves")}
    loss = partial(PerceptualLoss, vgg, content_layers="relu2_2", style_layers="relu1_1")
    loss = partial(loss, content_weight=1.0, style_weight=1.0, tv_weight=0.0)
    network = partial(SlimNetwork, **SMALL, norm="conditional")
    task = MultiStyle(network, loss, paintings, "several", **OPTIONS, train_only=train_only)
    task.start_from(known)
    assert task.network.styles == ["dots", "waves"]
    for name in paintings:
        photo = torch.rand(1, 3, 32, 32)
        expected = known.of_images(paintings).of_style({name: 1})(photo)
        assert torch.allclose(task.network.of_style({name: 1})(photo), expected, atol=1e-6)
    trained = {name for name, each in task.network.named_parameters() if each.requires_grad}
    assert (trained == set(task.network.style_parameters)) == (train_only == "style")


def test_misuse(build):
    with pytest.raises(ValueError, match="give style=any or style=gallery"):
        build(styles=torch.rand(1, 3, 64, 64))
    with pytest.raises(ValueError, match="the network must predict styles"):
        build(network=SlimNetwork(**SMALL))
    with pytest.raises(ValueError, match="code_weight must not be negative, got -1"):
        build(code_weight=-1.0)
