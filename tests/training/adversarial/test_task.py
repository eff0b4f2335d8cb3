"""Two sides, one optimizer: what is counted, what learns how fast, what is kept."""

import warnings
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from fast_style.checkpoint import save_network
from fast_style.losses import summarize
from fast_style.networks import PatchDiscriminator, TransformerNetwork
from fast_style.training import NonFiniteLossError, Trainer, warmup_constant
from fast_style.training.adversarial import AdversarialTask, Adversary
from fast_style.training.adversarial.direction import learned_direction

pytestmark = pytest.mark.filterwarnings("ignore")  # there is nothing to validate


class Toy(AdversarialTask):
    """A generator that is to make real_b of real_a."""

    def training_step(self, batch, batch_idx):
        fake = self.network(batch["real_a"])
        losses = {"l1_loss": F.l1_loss(fake, batch["real_b"])}
        losses |= self.play("B", batch["real_b"], fake, batch)
        return self.log_step(losses, summarize(losses, self.weights_of(losses)))


@pytest.mark.parametrize(
    "metadata", [{"config": {"data": {"direction": "BtoA"}}}, {"config": {"data": {}}, "direction": "BtoA"}]
)
def test_a_start_of_the_other_direction(tmp_path, metadata):
    """As data say it, or CycleGAN, which learns both."""
    path = tmp_path / "x.safetensors"
    save_network(path, TransformerNetwork(2, 0), metadata)
    task = toy()
    task.begin(str(path), None)
    for data in (SimpleNamespace(direction="BtoA"), None):  # None: data without two sides
        task.trainer = SimpleNamespace(datamodule=data)
        task.setup("fit")
    task.trainer = SimpleNamespace(datamodule=SimpleNamespace(direction="AtoB"))
    with pytest.raises(ValueError, match=r"init=.*x.safetensors was learned from B to A: give data.direction=BtoA, or"):
        task.setup("fit")


def test_a_checkpoint_tells_its_direction(tmp_path):
    task, kept = toy(), {}
    task.direction = "BtoA"
    kept["state_dict"] = task.state_dict()
    task.on_save_checkpoint(kept)
    torch.save(kept, tmp_path / "x.ckpt")
    assert learned_direction(tmp_path / "x.ckpt") == "BtoA"


BATCHES = [
    {"real_a": torch.rand(2, 3, 16, 16), "real_b": torch.rand(2, 3, 16, 16), "index": torch.arange(2) + 2 * step}
    for step in range(8)
]


def toy(optimizer=torch.optim.Adam, lr=1e-3, norm="instance", **arguments):
    torch.manual_seed(0)
    adversary = Adversary(PatchDiscriminator(2, 1, norm), pool=4, r1_weight=1.0, r1_every=3, augment=["translation"])
    schedule = partial(warmup_constant, warmup_steps=2)
    return Toy(TransformerNetwork(2, 0), {"B": adversary}, partial(optimizer, lr=lr), schedule, **arguments)


def trainer(steps, **arguments):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", max_steps=steps, enable_model_summary=False, **quiet, **arguments)


def train(task, batches, ckpt_path=None, steps=8, **arguments):
    used = trainer(steps, **arguments)
    with warnings.catch_warnings(action="ignore"):
        used.fit(task, DataLoader(batches, batch_size=None), ckpt_path=ckpt_path)
    return used


def test_steps_are_batches_and_both_sides_learn():
    task = toy()
    before = {key: value.clone() for key, value in task.named_parameters()}
    used = train(task, BATCHES)
    assert used.global_step == len(BATCHES)
    assert len(used.optimizers) == 1
    moved = {key.partition(".")[0] for key, value in task.named_parameters() if not torch.equal(value, before[key])}
    assert moved == {"network", "adversaries", "averages"}


def test_the_discriminator_may_learn_faster():
    task = toy(discriminator_lr=4.0)
    optimizer = task.configure_optimizers()["optimizer"]
    makers, judges = optimizer.param_groups
    assert judges["lr"] == pytest.approx(4 * makers["lr"])
    assert len(makers["params"]) == len(list(task.network.parameters()))
    assert len(judges["params"]) == len(list(task.adversaries.parameters()))


def test_the_gradient_of_each_side_is_clipped_by_its_own_norm():
    task, values = toy(torch.optim.SGD, lr=1.0), {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    sides = task.network, task.adversaries
    before = [torch.nn.utils.parameters_to_vector(side.parameters()).detach() for side in sides]
    train(task, BATCHES[:1], steps=1, gradient_clip_val=0.01)
    for side, was in zip(sides, before, strict=True):
        moved = torch.nn.utils.parameters_to_vector(side.parameters()).detach() - was
        assert moved.norm().item() == pytest.approx(0.01 / 3, rel=1e-3)  # the rate rises in three steps
    assert values["train/grad_norm"] > 0.02


@pytest.mark.parametrize("side", ["network", "adversaries"])
def test_a_gradient_of_either_side_that_is_not_finite_stops(side):
    task = toy()
    next(getattr(task, side).parameters()).register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NonFiniteLossError, match="the norm of the gradient = nan is not finite"):
        train(task, BATCHES[:2])


def test_a_checkpoint_holds_all_that_goes_on(tmp_path):
    """Eight steps at once are four, and four more of another process: the pool is full from the second on."""
    whole = toy()
    train(whole, BATCHES)
    first = train(toy(), BATCHES[:4], steps=4)
    first.save_checkpoint(tmp_path / "four.ckpt", weights_only=False)
    kept = torch.load(tmp_path / "four.ckpt", weights_only=True)
    assert kept["state_dict"]["adversaries.B._extra_state"]["pool"].dtype == torch.uint8
    assert kept["state_dict"]["averages.network.steps"] == 4
    second = toy()
    torch.nn.init.zeros_(second.network.conv1.weight)
    used = train(second, BATCHES[4:] * 2, tmp_path / "four.ckpt")
    assert used.global_step == len(BATCHES)
    expected, found = whole.state_dict(), second.state_dict()
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)


def test_the_average_is_used_and_written(tmp_path):
    task = toy(average=0.9)
    train(task, BATCHES)
    task.save(tmp_path / "average.safetensors", {})
    from fast_style.checkpoint import load_network

    photo = torch.rand(1, 3, 16, 16)
    written = load_network(tmp_path / "average.safetensors")(photo)
    torch.testing.assert_close(written, task.use()(photo), atol=1e-2, rtol=0)
    assert (task.use()(photo) - task.network.eval()(photo)).abs().max() > 1e-4
    assert toy(average=0.0).use().training  # the network itself


@pytest.mark.parametrize("average", [0.9, 0.0])
def test_a_checkpoint_is_used_as_what_would_be_written(tmp_path, average):
    from fast_style.checkpoint import load_network

    task = toy(average=average)
    train(task, BATCHES).save_checkpoint(tmp_path / "eight.ckpt")
    photo = torch.rand(1, 3, 16, 16)
    found = load_network(tmp_path / "eight.ckpt")(photo)
    torch.testing.assert_close(found, task.use().eval()(photo))
    assert (found - task.network.eval()(photo)).abs().max() > 1e-4 or not average


def test_without_a_painting_there_is_no_base(monkeypatch):
    monkeypatch.setattr("fast_style.training.network_task.load_network", None)
    found = toy().begin("base", None)
    assert found == "the base that ships is for a painting, Toy learns none: it starts from scratch"


def test_a_start_is_where_the_average_begins():
    task, start = toy(), TransformerNetwork(2, 0)
    task.start_from(start)
    assert torch.equal(task.use().conv1.weight, start.conv1.weight)


def test_another_discriminator_or_direction_is_another_training():
    task = toy()
    kept = {"identity": task.identity()}
    task.direction = "BtoA"
    with pytest.raises(ValueError, match="trained with another direction, AtoB and not BtoA: resume with the same"):
        task.on_load_checkpoint(kept | {"network": task._describe_network()})
    other = toy(norm="none")
    with pytest.raises(ValueError, match="trained with another discriminator"):
        other.on_load_checkpoint(kept | {"network": other._describe_network()})


def test_batch_norm_needs_a_batch():
    task = toy(norm="batch")
    task.trainer = used = trainer(1)
    used.datamodule = type("Data", (), {"batch_size": 1})()
    with pytest.raises(ValueError, match=r"norm: batch needs several images a batch to learn from: give data.batch"):
        task.setup("fit")
    used.datamodule.batch_size = 2
    task.setup("fit")


def test_a_rate_of_nothing():
    with pytest.raises(ValueError, match="discriminator_lr must be more than 0 times the generators', got 0"):
        toy(discriminator_lr=0.0)
