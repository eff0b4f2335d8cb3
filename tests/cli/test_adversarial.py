"""Trainings with a discriminator, from the command to the picture."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_style.checkpoint import load_network, read_metadata
from fast_style.images import read, to_float
from fast_style.training import CycleGAN

LIMIT = 300  # seconds that anything here may take


def board(run: Path) -> EventAccumulator:
    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    reader.Reload()
    return reader


@pytest.mark.parametrize(
    ("model", "losses", "grids"),
    [
        ("pix2pix", {"l1_loss", "adversarial_loss", "discriminator_loss"}, {"heldout"}),
        ("cycle_gan", {"cycle_loss/A", "adversarial_loss/AtoB"}, {"heldout/AtoB", "heldout/BtoA"}),
        ("cut", {"nce_loss", "identity_nce_loss", "adversarial_loss"}, {"heldout"}),
        ("adversarial", {"style_loss", "adversarial_loss", "adversarial_weight"}, {"heldout", "style"}),
    ],
)
def test_a_network_is_trained_and_used(
    tiny_translation, tiny_adversarial, train, command, tmp_path, capsys, model, losses, grids
):
    run = tiny_translation.get(model, tiny_adversarial)
    assert train(run) == 0
    printed = capsys.readouterr()
    output = tmp_path / "out.safetensors"
    assert f"--model {output} --input" in printed.out
    metadata = read_metadata(output)
    assert metadata["steps"] == 3
    assert metadata["heldout_after"]["heldout/total_loss"] > 0
    shown = board(tmp_path / "run")
    assert {f"train/{name}" for name in losses} | {"heldout/total_loss"} <= set(shown.Tags()["scalars"])
    assert grids <= set(shown.Tags()["images"])
    assert [event.step for event in shown.Scalars("train/total_loss")] == [0, 1, 2]
    assert to_float(read(tmp_path / "out.png")).shape[0] == 3

    words = printed.out.split()
    photo = words[words.index("--input") + 1]
    result = command("stylize", "--model", output, "--input", photo, "--output", tmp_path / "picture.png")
    assert result.code == 0, result.err
    network = load_network(output)
    expected = network(to_float(read(photo))[None]).clamp(0, 1)
    torch.testing.assert_close(to_float(read(tmp_path / "picture.png"))[None], expected, atol=0.02, rtol=0)


def test_several_styles_against_a_discriminator(tiny_adversarial_styles, train, command, tmp_path, capsys):
    """What is written is the average, in every style; a checkpoint holds all that a run goes on from."""
    run = tiny_adversarial_styles | {"trainer.max_steps": "4"}
    assert train(run) == 0
    words = capsys.readouterr().out.split()
    output = tmp_path / "out.safetensors"
    photo, style = (words[words.index(option) + 1] for option in ("--input", "--style"))
    network = load_network(output)
    assert style in network.styles
    assert len(network.styles) == 2
    result = command(
        "stylize", "--model", output, "--style", style, "--input", photo, "--output", tmp_path / "picture.png"
    )
    assert result.code == 0, result.err
    expected = network(to_float(read(photo))[None], network.mixture({style: 1.0})).clamp(0, 1)
    torch.testing.assert_close(to_float(read(tmp_path / "picture.png"))[None], expected, atol=0.02, rtol=0)

    kept = torch.load(tmp_path / "run" / "checkpoints" / "step-4.ckpt", weights_only=True)["state_dict"]
    parts = {"network", "averages", "adversaries", "adversarial_weight"}
    assert {key.partition(".")[0] for key in kept} == parts
    assert train(run | {"trainer.max_steps": "5"}, "ckpt_path=last") == 0
    assert "step 5 after" in capsys.readouterr().out


def test_both_directions_are_written(tiny_translation, train, tmp_path, capsys):
    run = tiny_translation["cycle_gan"] | {"model.export": "both", "trainer.max_steps": "1", "overwrite": "false"}
    assert train(run) == 0
    there, back = tmp_path / "out.safetensors", tmp_path / "out_BtoA.safetensors"
    assert f"wrote {there} (AtoB), {back} (BtoA)" in capsys.readouterr().out
    assert [read_metadata(path)["direction"] for path in (there, back)] == ["AtoB", "BtoA"]
    there.unlink()
    there.with_suffix(".png").unlink()
    assert train(run | {"hydra.run.dir": str(tmp_path / "second")}) == 2
    assert f"{back}, which goes with output, exists: choose another" in capsys.readouterr().err


def sentences(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("cycle_gan", {"data": "pairs", "data.root": "{pairs}"}, "CycleGAN learns from two folders without pairs"),
        ("cycle_gan", {"data.root": "{pairs}"}, "pairs holds A and B, pairs: give data=pairs model=pix2pix"),
        ("pix2pix", {"data": "unpaired", "data.root": "{unpaired}"}, "Pix2Pix learns from pairs of images: give"),
        ("pix2pix", {"data.root": "{unpaired}"}, "holds trainA and trainB, two collections without pairs"),
        ("pix2pix", {"data": "procedural"}, "Pix2Pix learns from pairs of images: give data=pairs data.root=FOLDER"),
        ("pix2pix", {"data.root": "???"}, "data.root is not set: give data.root=VALUE"),
        (
            "cycle_gan",
            {"model.terms.tone_loss": "1"},
            "no setting model.terms.tone_loss, since model.terms has none yet",
        ),
        ("pix2pix", {"data.direction": "A2B"}, "data.direction must be AtoB or BtoA, got 'A2B'"),
        ("cut", {"network": "unet"}, "the network must be a chain of layers: network=johnson, slim or resnet"),
        ("cut", {"model.adversary.loss": "wgan"}, "loss must be one of lsgan, vanilla, hinge, relativistic"),
        ("cycle_gan", {"data.direction": "BtoA"}, "CycleGAN learns both directions: give model.export=BtoA"),
        (
            "pix2pix",
            {"model.adversary.discriminator.norm": "batch", "data.batch_size": "1"},
            "norm: batch needs several images a batch to learn from: give data.batch_size=4",
        ),
        (
            "pix2pix",
            {"model.adversary.discriminator.layers": "4"},
            "a discriminator of 4 layers needs images of at least 48 pixels, got 32×32: give data.size=48",
        ),
    ],
)
def test_misuse_is_one_sentence(tiny_translation, train, capsys, tmp_path, model, changes, message):
    run = tiny_translation[model] | {
        key: value.format(pairs=tmp_path / "pairs", unpaired=tmp_path / "unpaired") for key, value in changes.items()
    }
    dropped = {"unet": "model.network.blocks", "procedural": "data.root"}
    for choice in {*changes.values()} & {*dropped}:
        del run[dropped[choice]]
    assert train(run) == 2
    (line,) = sentences(capsys)
    assert message in line


def test_a_checkpoint_of_the_other_direction(tiny_translation, train, capsys):
    run = tiny_translation["pix2pix"]
    assert train(run) == 0
    assert train(run, "ckpt_path=last", "data.direction=BtoA", "trainer.max_steps=4") == 2
    assert "trained with another direction, AtoB and not BtoA: resume with the same settings" in sentences(capsys)[0]


ROOT = Path(__file__).resolve().parents[2]


def launch(overrides: dict[str, str], *more: str) -> subprocess.Popen:
    arguments = [f"{key}={value}" for key, value in overrides.items()]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> None:
    printed, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, printed


def test_a_killed_run_resumes_bitwise_in_the_middle_of_a_pool(tiny_translation, tmp_path):
    """With everything that remembers: the pool, spectral norms, R1 every few steps, augmentation, averages."""
    settings = {"augment": "[colour,translation,cutout]", "r1_weight": "1.0", "r1_every": "3", "pool": "7"}
    run = tiny_translation["cycle_gan"] | {f"model.adversary.{key}": value for key, value in settings.items()}
    run |= {"model.adversary.discriminator.spectral": "true", "trainer.max_steps": "24"}
    run |= {"trainer.val_check_interval": "8", "callbacks.checkpoint.every_n_train_steps": "2"}
    whole, killed = (run | {"hydra.run.dir": str(tmp_path / name)} for name in ("whole", "killed"))
    finish(launch(whole))
    folder = tmp_path / "killed" / "checkpoints"
    process = launch(killed | {"data.num_workers": "1"})
    try:
        deadline = time.monotonic() + LIMIT
        while not (folder / "step-6.ckpt").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not (folder / "step-24.ckpt").exists()
    newest = max(folder.glob("step-*.ckpt"), key=lambda path: int(path.stem[5:]))
    pool = torch.load(newest, weights_only=True)["state_dict"]["adversaries.AtoB._extra_state"]["pool"]
    assert len(pool) == 7  # it is full, and exchanged
    finish(launch(killed, "ckpt_path=last"))
    expected, found = (
        torch.load(tmp_path / name / "checkpoints" / "step-24.ckpt", weights_only=True) for name in ("whole", "killed")
    )
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    losses = [board(tmp_path / name).Scalars("train/total_loss") for name in ("whole", "killed")]
    values = [{event.step: event.value for event in events} for events in losses]
    assert values[1].items() <= values[0].items()
    assert values[1][23] == values[0][23]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resume_of_an_interrupted_run_equals_the_whole_run(
    tiny_translation, train, tmp_path, monkeypatch, accumulate
):
    """What the forward passes of the interrupted step have changed, pool and spectral norms, is made again."""
    run = tiny_translation["cycle_gan"] | {"model.adversary.pool": "3", "trainer.max_steps": "7"}
    run |= {"model.adversary.discriminator.spectral": "true", "callbacks.checkpoint.every_n_train_steps": "100"}
    run |= {"trainer.accumulate_grad_batches": str(accumulate), "trainer.val_check_interval": "100"}
    run |= {"trainer.precision": "32-true"}
    assert train(run | {"hydra.run.dir": str(tmp_path / "whole")}) == 0
    original = CycleGAN.training_step

    def interrupted(self, batch, batch_idx):
        total = original(self, batch, batch_idx)
        if self.global_step == 4 and batch_idx % accumulate == accumulate - 1:
            raise KeyboardInterrupt
        return total

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(CycleGAN, "training_step", interrupted)
        assert train(run) == 130
    signal.signal(signal.SIGINT, handler)
    assert train(run, "ckpt_path=last") == 0
    expected, found = (
        torch.load(tmp_path / name / "checkpoints" / "step-7.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "run")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_paintings_of_one_hand_are_asked_for(tiny_adversarial, train, capsys, tmp_path):
    run = tiny_adversarial | {"model.crops": "paintings"}
    for more in ({}, {"data.style_root": tiny_adversarial["data.root"]}):
        assert train(run | more) == 2
        (line,) = sentences(capsys)
        assert "give data.style_root=PAINTINGS data.recolored=0 for model.crops=paintings" in line


@pytest.mark.parametrize("model", ["pix2pix", "cycle_gan", "cut", "adversarial", "adversarial_multi_style"])
def test_two_processes_learn_what_one_learns(
    tiny_translation, tiny_adversarial, tiny_adversarial_styles, tmp_path, model
):
    """20 steps of plain gradient descent: the pool, the draws and the balance are those of the samples, whoever has
    them."""
    several = model == "adversarial_multi_style"
    run = tiny_translation.get(model, tiny_adversarial_styles if several else tiny_adversarial)
    run |= {"model.optimizer._target_": "torch.optim.SGD", "model.optimizer.lr": "1e-5"}
    run |= {"model.adversary.pool": "0" if several else "5"}
    run |= {"model.adversary.augment": "[colour,translation,cutout]"}
    run |= {"model.adversary.r1_weight": "1.0", "model.adversary.r1_every": "4", "trainer.precision": "32-true"}
    run |= {"trainer.max_steps": "20", "trainer.val_check_interval": "20", "data.batch_size": "2"}
    run |= {"callbacks.checkpoint.every_n_train_steps": "10"}
    devices = {"trainer": "ddp", "trainer.accelerator": "cpu", "trainer.devices": "2", "data.batch_size": "1"}
    one, two = (run | more | {"hydra.run.dir": str(tmp_path / name)} for name, more in (("one", {}), ("two", devices)))
    for each in (one, two):
        finish(launch(each, "~model.optimizer.betas"))
    kept = [tmp_path / name / "checkpoints" for name in ("one", "two")]
    expected, found = (torch.load(folder / "step-20.ckpt", weights_only=True)["state_dict"] for folder in kept)
    first = torch.load(kept[0] / "step-10.ckpt", weights_only=True)["state_dict"]
    moved = {}
    for key, value in expected.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            torch.testing.assert_close(
                found[key], value, atol=1e-5, rtol=1e-5, msg=lambda text, key=key: f"{key}: {text}"
            )
            part = key.partition(".")[0]
            moved[part] = max(moved.get(part, 0.0), (first[key] - value).abs().max().item())
    assert moved["network"] > 1e-5, moved
