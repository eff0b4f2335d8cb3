import copy
from functools import partial

import pytest
import torch

from fast_style.checkpoint import load_network, read_metadata
from fast_style.networks import TransformerNetwork
from fast_style.training import FeedForward, Reptile, warmup_constant

SGD = partial(torch.optim.SGD, lr=1e-4, momentum=0.9)
CONSTANT = partial(warmup_constant, warmup_steps=0)
OPTIONS = {"optimizer": SGD, "scheduler": CONSTANT, "inner_steps": 2, "outer_rate": 0.5, "seed": 3}


@pytest.fixture
def build(loss):
    def build(network=None, **changes):
        styles = {name: torch.rand(1, 3, 16, 20) for name in ("dots", "lines", "waves")}
        return Reptile(network or TransformerNetwork(2, 0), loss, **({"styles": styles} | OPTIONS | changes))

    return build


def batches(count):
    generator = torch.Generator().manual_seed(1)
    return [{"image": torch.rand(2, 3, 16, 16, generator=generator)} for _ in range(count)]


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_base_follows_by_the_formula(build, accumulate, fit):
    task = build()
    network = copy.deepcopy(task.network)
    data = batches(7 * accumulate)
    fit(task, data, accumulate)

    optimizer = SGD(network.parameters())
    base = weights(network)
    for step in range(7):
        loss = task.losses[task.style_of(step)]
        optimizer.zero_grad()
        for batch in data[step * accumulate : (step + 1) * accumulate]:
            photos = batch["image"]
            (loss.summary(loss(network(photos), photos))["total_loss"] / accumulate).backward()
        optimizer.step()
        if step % 2 == 1:  # the end of a turn
            base = [old + 0.5 * (new - old) for old, new in zip(base, weights(network), strict=True)]
            for parameter, value in zip(network.parameters(), base, strict=True):
                parameter.data.copy_(value)
    for found, expected in zip(task._base, base, strict=True):
        torch.testing.assert_close(found, expected)
    for found, expected in zip(weights(task.network), weights(network), strict=True):
        torch.testing.assert_close(found, expected)
    assert any(not torch.equal(a, b) for a, b in zip(task._base, weights(task.network), strict=True))


def test_turns_of_one_step_and_the_whole_way_are_plain_training(build, loss, fit):
    network, style = TransformerNetwork(2, 0), torch.rand(1, 3, 16, 20)
    plain = fit(FeedForward(copy.deepcopy(network), loss(style=style), SGD, CONSTANT), batches(4))
    turns = fit(build(network, styles={"only": style}, inner_steps=1, outer_rate=1.0), batches(4))
    for found, expected in zip(weights(turns.network), weights(plain.network), strict=True):
        assert torch.equal(found, expected)


def test_the_base_is_what_is_saved(build, tmp_path, fit):
    task = fit(build(), batches(5))
    base = [value.clone() for value in task._base]
    task.save(tmp_path / "base.safetensors", {"steps": 5})
    assert read_metadata(tmp_path / "base.safetensors")["steps"] == 5
    for found, expected in zip(weights(load_network(tmp_path / "base.safetensors")), base, strict=True):
        assert torch.equal(found, expected.half().float())


def test_every_round_visits_every_style_for_a_whole_turn(build):
    styles = {str(number): torch.rand(1, 3, 16, 16) for number in range(6)}
    task = build(styles=styles, inner_steps=4)
    turns = [{task.style_of(step) for step in range(start, start + 4)} for start in range(0, 10 * 6 * 4, 4)]
    assert all(len(turn) == 1 for turn in turns)
    order = [turn.pop() for turn in turns]
    rounds = [tuple(order[start : start + 6]) for start in range(0, len(order), 6)]
    assert all(sorted(visited) == list(range(6)) for visited in rounds)
    assert len(set(rounds)) > 5
    others = build(styles=styles, inner_steps=4, seed=4)
    assert [others.style_of(4 * turn) for turn in range(12)] != order[:12]


@pytest.mark.parametrize("steps", [5, 6], ids=["at the end of a turn", "within a turn"])
def test_resuming_is_exact(tiny_reptile, train, tmp_path, steps):
    overrides = tiny_reptile | {"trainer.max_steps": str(steps), "trainer.val_check_interval": "3"}
    assert train(overrides | {"hydra.run.dir": str(tmp_path / "whole")}) == 0
    assert train(overrides) == 0
    folder = tmp_path / "run" / "checkpoints"
    (folder / f"step-{steps}.ckpt").unlink()
    assert train(overrides, "ckpt_path=last") == 0
    resumed, whole = (
        torch.load(tmp_path / run / "checkpoints" / f"step-{steps}.ckpt", weights_only=True) for run in ("run", "whole")
    )
    assert {key.partition(".")[0] for key in whole["state_dict"]} == {"network"}
    for key, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][key], value)
    for found, expected in zip(resumed["base"], whole["base"], strict=True):
        assert torch.equal(found, expected)


def test_a_run_logs_every_style_and_exports_a_network(tiny_reptile, train, tmp_path):
    assert train(tiny_reptile) == 0
    metadata = read_metadata(tmp_path / "out.safetensors")
    after = metadata["heldout_after"]
    names = {f"heldout/total_loss/{name}" for name in ("cubist", "gilded")}
    assert after.keys() == names | {"heldout/total_loss"} == metadata["heldout_before"].keys()
    assert after["heldout/total_loss"] == pytest.approx(sum(after[name] for name in names) / 2)
    assert load_network(tmp_path / "out.safetensors")(torch.rand(1, 3, 20, 30)).shape == (1, 3, 20, 30)


def test_resuming_with_another_network_is_refused(tiny_reptile, tiny, train, capsys, tmp_path):
    sentence = "the checkpoint holds no base of this network: resume with the same model"
    assert train(tiny_reptile) == 0
    assert train(tiny_reptile, "ckpt_path=last", "model.network.width=3", "trainer.max_steps=4") == 2
    assert sentence in capsys.readouterr().err
    assert train(tiny | {"hydra.run.dir": str(tmp_path / "plain")}) == 0
    plain = {"hydra.run.dir": str(tmp_path / "plain"), "trainer.max_steps": "4"}
    assert train(tiny_reptile | plain, "ckpt_path=last") == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inner_steps": 0}, "inner_steps must be at least 1 and outer_rate above 0, up to 1, got 0 and 0.5"),
        ({"outer_rate": 0.0}, "outer_rate above 0, up to 1, got 2 and 0.0"),
        ({"outer_rate": 1.5}, "outer_rate above 0, up to 1, got 2 and 1.5"),
        ({"outer_rate": float("nan")}, "outer_rate above 0, up to 1, got 2 and nan"),
        ({"styles": {}}, "there is no style to learn from: give at least one"),
    ],
)
def test_bad_arguments(build, changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)
