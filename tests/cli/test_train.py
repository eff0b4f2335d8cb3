import errno
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from fast_style.assets import BASES
from fast_style.checkpoint import load_network, read_metadata, save_network
from fast_style.images import read, to_float
from fast_style.networks import TransformerNetwork
from fast_style.training import FeedForward


def events(run: Path) -> EventAccumulator:
    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    reader.Reload()
    return reader


def test_a_run_writes_a_network_a_board_and_checkpoints(tiny, train, tmp_path, capsys):
    assert train(tiny) == 0
    printed = capsys.readouterr()
    assert "tensorboard --logdir" in printed.err
    assert f"python stylize.py --model {tmp_path / 'out.safetensors'}" in printed.out

    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata["style"] == "waves"
    assert metadata["steps"] == 3
    assert metadata["config"]["model"]["loss"]["content_layers"] == ["relu2_1"]
    assert metadata["heldout_after"]["heldout/total_loss"] > 0
    network = load_network(tmp_path / "out.safetensors")
    assert network(torch.rand(1, 3, 20, 30)).shape == (1, 3, 20, 30)

    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir()) == ["step-2.ckpt", "step-3.ckpt"]
    check_board(events(tmp_path / "run"), tiny)
    resumed_network = load_network(tmp_path / "run" / "checkpoints" / "step-3.ckpt")
    for key, value in resumed_network.state_dict().items():
        torch.testing.assert_close(network.state_dict()[key], value, atol=1e-3, rtol=1e-3)


def check_board(board: EventAccumulator, tiny: dict[str, str]) -> None:
    scalars = set(board.Tags()["scalars"])
    for split in ("train", "heldout"):
        for name in ("content_loss", "style_loss", "style_loss/relu1_2", "style_loss/relu2_1", "tv_loss"):
            assert {f"{split}/{name}", f"{split}/weighted/{name}"} <= scalars
        assert f"{split}/total_loss" in scalars
    assert {"train/grad_norm", "train/images_per_second"} <= scalars
    assert any("learning_rate" in name for name in scalars)
    assert [event.step for event in board.Scalars("train/total_loss")] == [0, 1, 2]
    assert min(event.value for event in board.Scalars("train/images_per_second")) > 0
    for raw, weighted in zip(
        board.Scalars("train/style_loss/relu1_2"), board.Scalars("train/weighted/style_loss/relu1_2"), strict=True
    ):
        assert weighted.value != raw.value
    assert {"style", "heldout"} <= set(board.Tags()["images"])
    assert len(board.Images("style")) == 1
    assert sorted(event.step for event in board.Images("heldout"))[:2] == [0, 2]
    config = board.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert f"dir: {tiny['style.dir']}" in config


@pytest.mark.parametrize("logger", ["csv", "none"])
def test_another_logger_or_none(tiny, train, tmp_path, capsys, logger):
    assert train(tiny | {"logger": logger, "trainer.max_steps": "2"}) == 0
    printed = capsys.readouterr()
    assert "tensorboard" not in printed.err
    assert "next: " in printed.out
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == 2
    assert (tmp_path / "out.png").is_file()
    table = tmp_path / "run" / "csv" / "version_0" / "metrics.csv"
    assert table.exists() == (logger == "csv")
    if logger == "csv":
        assert {"train/total_loss", "heldout/weighted/style_loss"} <= set(table.read_text().splitlines()[0].split(","))


def test_hparams_can_be_compared(tiny, train, tmp_path):
    assert train(tiny) == 0
    parameters, metrics = {}, {}
    for file in (tmp_path / "run" / "tensorboard").glob("events*"):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                content = value.metadata.plugin_data.content
                if value.tag == "_hparams_/session_start_info":
                    start = HParamsPluginData.FromString(content).session_start_info
                    parameters = {key: item.number_value or item.string_value for key, item in start.hparams.items()}
                elif value.tag == "heldout/total_loss" and event.step == 3:
                    metrics[value.tag] = value.tensor.float_val[0]
    assert parameters["style.name"] == "waves"
    assert parameters["loss.style_weight"] == 2
    assert parameters["trainer.max_steps"] == 3
    final = read_metadata(tmp_path / "out.safetensors")["heldout_after"]["heldout/total_loss"]
    assert metrics["heldout/total_loss"] == pytest.approx(final)


@pytest.mark.parametrize(
    "limits",
    [
        {"trainer.max_steps": "-1", "trainer.max_time": "1", "trainer.val_check_interval": "100000"},
        {"trainer.max_steps": "2"},
    ],
    ids=["time", "steps"],
)
def test_held_out_photos_are_measured_once_at_the_end(tiny, train, tmp_path, monkeypatch, capsys, limits):
    """The measurement that the training ends with is that of the report."""
    measured = []
    original = FeedForward.validation_step

    def counting(self, batch, batch_idx):
        measured.append(self.global_step)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(FeedForward, "validation_step", counting)
    assert train(tiny | limits | {"callbacks.checkpoint.every_n_train_steps": "100000"}) == 0
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert measured == [0, metadata["steps"]]
    last = events(tmp_path / "run").Scalars("heldout/total_loss")[-1]
    after = metadata["heldout_after"]["heldout/total_loss"]
    assert (last.step, last.value) == (metadata["steps"], pytest.approx(after))
    assert f" → {after:.4g}\n" in capsys.readouterr().out


def test_the_style_is_learned(tiny, train, tmp_path):
    """Thirty steps lower the held-out objective, of photos the network never trained on."""
    steps = {"trainer.max_steps": "30", "trainer.val_check_interval": "30", "model.optimizer.lr": "1e-2"}
    assert train(tiny | steps, "callbacks.checkpoint.every_n_train_steps=30") == 0
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata["heldout_after"]["heldout/total_loss"] < 0.85 * metadata["heldout_before"]["heldout/total_loss"]


def test_the_contact_sheet_lies_beside_the_network(tiny, train, tmp_path, capsys):
    assert train(tiny) == 0
    assert f"photo | style | result: {tmp_path / 'out.png'}\n" in capsys.readouterr().out
    sheet = to_float(read(tmp_path / "out.png"))
    assert sheet.shape == (3, 32 + 8, 3 * (32 + 4) + 4)  # one photo is held out
    network, result = load_network(tmp_path / "out.safetensors"), sheet[None, :, 4:-4, 4 + 2 * 36 : -4]
    torch.testing.assert_close(network(sheet[None, :, 4:-4, 4:36]).clamp(0, 1), result, atol=0.02, rtol=0)


@pytest.mark.parametrize("heldout", [True, False], ids=["photo of a folder", "scene of the documentation"])
def test_the_next_command_can_be_typed(tiny, train, tmp_path, capsys, heldout):
    photos = tmp_path / "my photos"
    Path(tiny["data.root"]).rename(photos)
    if not heldout:
        photos = shutil.make_archive(tmp_path / "photos", "zip", photos)
    output = tmp_path / "my networks" / "out.safetensors"
    assert train(tiny | {"data.root": str(photos), "output": str(output)}) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("next: "))
    python, *arguments = shlex.split(line.removeprefix("next: "))
    assert python == "python"
    *_, reads, photo, writes, picture = arguments
    assert (reads, writes) == ("--input", "--output")
    assert Path(photo).is_file()
    assert Path(photo).is_relative_to(tmp_path) == heldout
    assert Path(picture).parent == output.parent, "among the photos it would be learned from"
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert Path(picture).is_file()


def test_the_next_command_works_from_elsewhere(tiny, train, root, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(tiny) == 0
    assert f"next: python {root / 'stylize.py'} --model " in capsys.readouterr().out


def test_starts_from_the_base(tiny, train, tmp_path, monkeypatch):
    assert train(tiny) == 0
    base = tmp_path / "base.safetensors"
    (tmp_path / "out.safetensors").rename(base)
    monkeypatch.setitem(BASES, "TransformerNetwork", base)
    second = {"init": "base", "model.optimizer.lr": "0.0", "hydra.run.dir": str(tmp_path / "second")}
    assert train(tiny | second) == 0
    first, second = load_network(base).state_dict(), load_network(tmp_path / "out.safetensors").state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "base"}, "there is no network at {folder}/base.safetensors"),
        ({"init": "{folder}/out.safetensors", "model.network.width": "5"}, "same arguments, or init=scratch"),
        ({"init": "{folder}/broken.safetensors"}, "{folder}/broken.safetensors is not a network"),
    ],
)
def test_a_start_that_does_not_fit_is_one_sentence(tiny, train, tmp_path, capsys, monkeypatch, changes, message):
    monkeypatch.setitem(BASES, "TransformerNetwork", tmp_path / "base.safetensors")
    save_network(tmp_path / "out.safetensors", TransformerNetwork(4, 1), {})
    (tmp_path / "broken.safetensors").write_bytes(b"no network")
    changes = {key: value.format(folder=tmp_path) for key, value in changes.items()}
    assert train(tiny | changes) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message.format(folder=tmp_path) in lines[0]


def test_activations_computed_again_train_the_same(tiny, train, tmp_path):
    assert train(tiny) == 0
    expected = load_network(tmp_path / "out.safetensors").state_dict()
    again = {"model.checkpoint_activations": "true", "hydra.run.dir": str(tmp_path / "second")}
    assert train(tiny | again) == 0
    found = load_network(tmp_path / "out.safetensors").state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_starts_from_another_network(tiny, train, tmp_path):
    assert train(tiny) == 0
    start = tmp_path / "start.safetensors"
    (tmp_path / "out.safetensors").rename(start)
    assert train(tiny, f"init={start}", "model.optimizer.lr=0.0", f"hydra.run.dir={tmp_path / 'second'}") == 0
    first, second = load_network(start).state_dict(), load_network(tmp_path / "out.safetensors").state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def run_and_kill(command: list[str], folder: Path, step: int, delay: float) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (folder / f"step-{step}.ckpt").exists():
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("damage", [False, True], ids=["killed", "killed and cut short"])
def test_a_killed_run_resumes_bitwise(tiny, train, tmp_path, monkeypatch, damage):
    steps = {"trainer.max_steps": "60", "trainer.val_check_interval": "20"}
    overrides = tiny | steps | {"callbacks.checkpoint.every_n_train_steps": "10"}
    whole = overrides | {"hydra.run.dir": str(tmp_path / "whole")}
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))  # as many in the other process
    assert train(whole) == 0

    killed = overrides | {"hydra.run.dir": str(tmp_path / "killed"), "data.num_workers": "1"}
    folder = tmp_path / "killed" / "checkpoints"
    command = [sys.executable, "-c", KILLED, *(f"{key}={value}" for key, value in killed.items())]
    run_and_kill(command, folder, step=20, delay=0.03)
    assert not (folder / "step-60.ckpt").exists()
    if damage:
        newest = max(folder.glob("step-*.ckpt"), key=lambda p: int(p.stem[5:]))
        newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    assert train(killed | {"data.num_workers": "0"}, "ckpt_path=last") == 0

    expected = torch.load(tmp_path / "whole" / "checkpoints" / "step-60.ckpt", weights_only=True)
    resumed = torch.load(folder / "step-60.ckpt", weights_only=True)
    assert_equal(resumed["state_dict"], expected["state_dict"])
    assert_equal(resumed["optimizer_states"], expected["optimizer_states"])
    assert_equal(resumed["lr_schedulers"], expected["lr_schedulers"])
    assert logged_losses(tmp_path / "killed") == logged_losses(tmp_path / "whole")
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata["heldout_before"]["heldout/total_loss"] > metadata["heldout_after"]["heldout/total_loss"] > 0


KILLED = "from fast_style.cli.train import main; main()"


def logged_losses(run: Path) -> dict[str, dict[int, float]]:
    """Values by tag and step; a step logged twice, before the kill and after, must have the same value twice."""
    losses: dict[str, dict[int, float]] = {}
    for file in (run / "tensorboard").glob("events*"):
        reader = EventAccumulator(str(file), size_guidance={"scalars": 0})
        reader.Reload()
        for tag in reader.Tags()["scalars"]:
            if "loss" in tag or "grad_norm" in tag:
                for event in reader.Scalars(tag):
                    assert losses.setdefault(tag, {}).setdefault(event.step, event.value) == event.value, tag
    return losses


def assert_equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_equal(left, right)
    else:
        assert a == b


def test_resuming_with_another_network_is_refused(tiny, train, capsys):
    assert train(tiny) == 0
    assert train(tiny, "ckpt_path=last", "model.network.blocks=2", "trainer.max_steps=4") == 2
    assert "resume with the same model" in capsys.readouterr().err


def test_resuming_with_another_style_or_loss_network_is_refused(tiny, train, capsys, vgg_file, tmp_path):
    assert train(tiny) == 0
    more = ("ckpt_path=last", "trainer.max_steps=4")
    for style in ("mosaic", "gallery"):
        assert train(tiny | {"style": style}, *more) == 2, style
    error = capsys.readouterr().err
    assert "the checkpoint was trained with another style image: resume with the same settings" in error
    other = tmp_path / "other.safetensors"
    shutil.copy(vgg_file, other)
    assert train(tiny | {"loss_network.weights": str(other)}, *more) == 2
    expected = "another loss network, vgg19 with the weights vgg19.safetensors and not vgg19 with the weights other"
    assert expected in capsys.readouterr().err
    assert train(tiny, *more) == 0


def test_a_non_finite_loss_stops_the_run(tiny, train, tmp_path, capsys, monkeypatch):
    original = FeedForward._pass

    def poisoned(self, photos, moved):
        losses, *pictures = original(self, photos, moved)
        if self.global_step == 2:
            losses["style_loss/relu2_1"] = losses["style_loss/relu2_1"] * float("nan")
        return losses, *pictures

    monkeypatch.setattr(FeedForward, "_pass", poisoned)
    assert train(tiny) == 1
    error = capsys.readouterr().err
    assert "training stopped at step 2: style_loss/relu2_1 = nan is not finite" in error
    assert f"the last good checkpoint is {tmp_path / 'run' / 'checkpoints' / 'step-2.ckpt'}" in error
    assert not (tmp_path / "out.safetensors").exists()


def test_a_non_finite_gradient_stops_the_run(tiny, train, capsys, monkeypatch):
    original = FeedForward._pass

    def infinite_slope(self, photos, moved):
        losses, *pictures = original(self, photos, moved)
        if self.global_step == 1:  # the square root has the value 0 and no finite slope there
            losses["tv_loss"] = losses["tv_loss"] + (losses["tv_loss"] * 0).sqrt()
        return losses, *pictures

    monkeypatch.setattr(FeedForward, "_pass", infinite_slope)
    assert train(tiny) == 1
    assert "training stopped at step 1: the norm of the gradient = nan is not finite" in capsys.readouterr().err


def poison(monkeypatch, steps):
    """Make the loss not a number at some steps."""
    original = FeedForward._pass

    def poisoned(self, photos, moved):
        losses, *pictures = original(self, photos, moved)
        factor = float("nan") if self.training and self.global_step in steps else 1.0
        return {name: factor * value for name, value in losses.items()}, *pictures

    monkeypatch.setattr(FeedForward, "_pass", poisoned)


def test_non_finite_steps_can_be_skipped(tiny, train, tmp_path, monkeypatch):
    poison(monkeypatch, steps=(1, 3))
    weights = {}
    original = FeedForward.on_train_batch_end

    def keep(self, *args):
        weights[self.global_step] = [parameter.detach().clone() for parameter in self.network.parameters()]
        return original(self, *args)

    monkeypatch.setattr(FeedForward, "on_train_batch_end", keep)
    assert train(tiny | {"model.on_nonfinite": "skip", "trainer.max_steps": "5"}) == 0
    for before, skipped in ((1, True), (2, False), (3, True), (4, False)):
        assert all(map(torch.equal, weights[before], weights[before + 1])) == skipped
    (log,) = (tmp_path / "run").glob("*.log")
    told = log.read_text(encoding="utf-8")
    assert "skipped step 1: its gradient is not finite (1 skipped)" in told
    assert "skipped step 3: its gradient is not finite (2 skipped)" in told
    assert [event.value for event in events(tmp_path / "run").Scalars("train/skipped_steps")] == [0, 1, 1, 2, 2]
    assert all(parameter.isfinite().all() for parameter in load_network(tmp_path / "out.safetensors").parameters())


def test_skipping_ends_where_nothing_else_is_left(tiny, train, monkeypatch, capsys):
    poison(monkeypatch, steps=range(1, 100))
    assert train(tiny | {"model.on_nonfinite": "skip", "trainer.max_steps": "100"}) == 1
    assert "training stopped at step 21: " in capsys.readouterr().err


def test_a_limit_of_time(tiny, train, tmp_path):
    """The learning rate falls to its end within the time, and the run stops there."""
    limited = {
        key: value for key, value in tiny.items() if key not in ("trainer.max_steps", "trainer.val_check_interval")
    }
    limited |= {"trainer.max_time": "00:00:10", "callbacks.checkpoint.every_n_train_steps": "10000"}
    started = time.monotonic()
    assert train(limited) == 0
    assert time.monotonic() - started < 120
    rates = [event.value for event in events(tmp_path / "run").Scalars("learning_rate")]
    assert len(rates) > 5  # as many as a busy machine has time for
    assert rates[-1] < 0.1 * max(rates)
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == len(rates)


def test_a_run_is_not_mixed_up_with_another(tiny, train, capsys):
    assert train(tiny) == 0
    assert train(tiny) == 2
    assert "continue it with ckpt_path=last, or choose another hydra.run.dir" in capsys.readouterr().err


def test_init_from_another_architecture_is_refused(tiny, train, tmp_path, capsys):
    assert train(tiny) == 0
    second = {"init": str(tmp_path / "out.safetensors"), "hydra.run.dir": str(tmp_path / "second")}
    assert train(tiny | second, "model.network.output=tanh") == 2
    assert "give model.network the same arguments" in capsys.readouterr().err


@pytest.mark.parametrize("network", [{"model.network.width": "6"}, {"model": "slim", "model.network.width": "8"}])
def test_a_network_to_start_from_tells_which_it_is(tiny, train, tmp_path, network):
    """Unless another is asked for; so too where several styles go on with one, and when the run goes on."""
    assert train(tiny | network | {"model.optimizer.lr": "0.0"}) == 0
    first = load_network(tmp_path / "out.safetensors")
    free = {key: value for key, value in tiny.items() if not key.startswith("model")}
    free |= {"init": str(tmp_path / "out.safetensors"), "model.optimizer.lr": "0.0"}
    folder = {"hydra.run.dir": str(tmp_path / "one"), "output": str(tmp_path / "one.safetensors")}
    assert train(free | folder | {"model": "video"}) == 0
    second = load_network(tmp_path / "one.safetensors")
    assert (type(second), second.arguments) == (type(first), first.arguments)
    assert torch.equal(second(torch.ones(1, 3, 16, 16)), first(torch.ones(1, 3, 16, 16)))
    assert train(free | folder | {"model": "video", "trainer.max_steps": "4"}, "ckpt_path=last") == 0
    several = {
        "model": "multi_style",
        "style": "gallery",
        "style.names": "[waves]",
        "hydra.run.dir": str(tmp_path / "n"),
    }
    assert train(free | several | {"output": str(tmp_path / "several.safetensors")}) == 0
    third = load_network(tmp_path / "several.safetensors")
    assert third.arguments == first.arguments | {"norm": "conditional", "styles": ["waves"]}


def test_accumulated_gradients_resume(tiny, train, tmp_path):
    overrides = tiny | {"trainer.accumulate_grad_batches": "2", "trainer.max_steps": "4"}
    assert train(overrides | {"hydra.run.dir": str(tmp_path / "whole")}) == 0
    assert train(overrides) == 0
    folder = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-3.ckpt", "step-4.ckpt"]
    (folder / "step-4.ckpt").unlink()
    assert train(overrides, "ckpt_path=last") == 0
    expected = torch.load(tmp_path / "whole" / "checkpoints" / "step-4.ckpt", weights_only=True)
    assert_equal(torch.load(folder / "step-4.ckpt", weights_only=True)["state_dict"], expected["state_dict"])


@pytest.mark.parametrize("accumulate", [1, 2], ids=["after a batch", "between two batches of a step"])
def test_a_resume_of_an_interrupted_run_equals_the_whole_run(tiny, train, tmp_path, monkeypatch, accumulate):
    overrides = tiny | {"trainer.max_steps": "8", "callbacks.checkpoint.every_n_train_steps": "100"}
    overrides |= {"trainer.accumulate_grad_batches": str(accumulate), "trainer.val_check_interval": str(2 * accumulate)}
    assert train(overrides | {"hydra.run.dir": str(tmp_path / "whole")}) == 0
    original = FeedForward.training_step

    def interrupted(self, batch, batch_idx):
        if self.global_step == 3 and batch_idx % accumulate == accumulate - 1:
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(FeedForward, "training_step", interrupted)
        assert train(overrides) == 130
    signal.signal(signal.SIGINT, handler)
    assert train(overrides, "ckpt_path=last") == 0
    assert logged_losses(tmp_path / "run") == logged_losses(tmp_path / "whole")
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == 8


def test_a_checkpoint_of_an_interrupted_step_is_a_network(tiny, train, tmp_path, monkeypatch):
    """Of the commonest network, whose blurs have taps that no checkpoint keeps."""
    original = FeedForward.training_step

    def interrupted(self, batch, batch_idx):
        total = original(self, batch, batch_idx)
        if self.global_step == 2:
            raise KeyboardInterrupt
        return total

    monkeypatch.setattr(FeedForward, "training_step", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    try:
        assert train(tiny | {"model.network.antialias": "true"}) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    network = load_network(tmp_path / "run" / "checkpoints" / "step-2.ckpt")
    assert network(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)


@pytest.fixture
def interrupt(monkeypatch):
    """Have Ctrl-C pressed in the step that follows another one."""
    original = FeedForward.training_step

    def at(step: int) -> None:
        def interrupted(self, batch, batch_idx):
            if self.global_step == step:
                raise KeyboardInterrupt
            return original(self, batch, batch_idx)

        monkeypatch.setattr(FeedForward, "training_step", interrupted)
        signal.signal(signal.SIGINT, handler)  # which Lightning takes away

    handler = signal.getsignal(signal.SIGINT)
    yield at
    signal.signal(signal.SIGINT, handler)


def test_ctrl_c_exports_what_was_learned(tiny, train, tmp_path, interrupt):
    interrupt(2)
    assert train(tiny) == 130
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata["steps"] == 2
    assert metadata["heldout_after"]["heldout/total_loss"] > 0


def test_the_command_to_continue_can_be_typed(tiny, train, tmp_path, capsys, interrupt):
    """Also when it is stopped again, before the pictures of held-out photos have been seen."""
    long = tiny | {"trainer.max_steps": "9", "trainer.val_check_interval": "9"}
    output = tmp_path / "my networks" / "out.safetensors"
    interrupt(2)
    assert train(long | {"output": str(output)}, "model.optimizer.lr=0.1") == 130
    first = output.with_suffix(".png").read_bytes()
    command = continuation(capsys.readouterr().out)
    assert command[-2:] == [f"hydra.run.dir={tmp_path / 'run'}", "ckpt_path=last"]
    interrupt(4)
    assert train({}, *command) == 130
    assert read_metadata(output)["steps"] == 4
    assert output.with_suffix(".png").read_bytes() != first
    assert continuation(capsys.readouterr().out) == command


def continuation(printed: str) -> list[str]:
    """Return the settings of the last line, which says how to continue."""
    line = printed.splitlines()[-1]
    assert line.startswith("continue: python train.py ")
    return shlex.split(line)[3:]


def test_ctrl_c_in_the_first_step(tiny, train, tmp_path, capsys, interrupt):
    interrupt(0)
    assert train(tiny) == 130
    printed = capsys.readouterr()
    assert "stopped before the end of the first step: there is nothing to keep\n" in printed.err
    assert "continue: " not in printed.out
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"style.dir": "nowhere"}, r"no image for style 'waves': looked for nowhere/waves with .jpg"),
        ({"style.image": "nowhere.jpg"}, "nowhere.jpg"),
        ({"style.image": "/"}, "style image / is a folder: give an image in it"),
        ({"data.root": "nowhere"}, "nowhere"),
        ({"loss.content_layers": "[relu9_9]"}, "unknown layer 'relu9_9'"),
        ({"loss.content_layers": "[relu3_1]"}, "lack layer 'relu3_1'"),
        ({"loss.style_weight": "-1"}, "style_weight must not be negative, got -1"),
        ({"loss_network.weights": "nowhere.pth"}, "'nowhere.pth' are neither a file nor one of"),
        ({"trainer.max_stepz": "3"}, "max_stepz"),
        ({"loss": "nonsense"}, "nonsense"),
        ({"init": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"ckpt_path": "nowhere.ckpt"}, "nowhere.ckpt"),
        ({"style.size": "3"}, "style.size must be at least 16"),
        ({"model.network.width": "0"}, "width must be 1 to 512"),
        (
            {"trainer.max_time": "soon"},
            "trainer.max_time must be HH:MM:SS, DD:HH:MM:SS or a number of seconds, got soon",
        ),
        ({"model.on_nonfinite": "ignore"}, "on_nonfinite must be stop or skip, got ignore"),
        ({"output": "out.png"}, "output=out.png is the file of a network: give out.safetensors"),
        ({"data.root": "???"}, "data.root is not set: give data.root=VALUE"),
        ({"init": "null"}, "init is not set: give init=FILE, a network to start from"),
        ({"license_note": "a=b"}, """needs quotes: 'data.root="a=b"'"""),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(tiny, train, capsys, overrides, message, tmp_path):
    assert train(tiny | overrides) == 2
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, error
    assert message in lines[0]
    assert "Traceback" not in error
    assert not (tmp_path / "out.safetensors").exists()


def test_an_experiment_that_needs_a_network_to_start_from(tiny, train, capsys):
    """Though the experiment that it is made of starts from scratch."""
    changes = {"experiment": "video", "model": None, "budget": None, "init": None, "trainer.max_steps": "1"}
    run = {key: value for key, value in (tiny | changes).items() if value is not None}
    assert train(run) == 2
    assert "error: init is not set: give init=FILE, a network to start from\n" in capsys.readouterr().err


def test_style_image_that_is_no_image(tiny, train, capsys, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    assert train(tiny, f"style.image={tmp_path / 'text.jpg'}") == 2
    assert f"error: cannot read image {tmp_path / 'text.jpg'}" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["file/out.safetensors", "folder"])
def test_output_that_cannot_be_written_is_told_before_training(tiny, train, capsys, tmp_path, output):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    assert train(tiny | {"output": str(tmp_path / output)}) == 2
    error = capsys.readouterr().err
    assert "error: " in error
    assert output.split("/")[0] in error
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(("place", "why"), [("", "is a file"), ("/run", "would lie in FILE, which is a file")])
@pytest.mark.parametrize("name", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_file_where_the_folder_of_a_run_must_be(tiny, train, capsys, tmp_path, name, place, why):
    file = tmp_path / "a file"
    file.touch()
    assert train(tiny | {name: f"{file}{place}"}) == 2
    told = why.replace("FILE", str(file))
    assert capsys.readouterr().err == f"error: {name}={file}{place} {told}: give a folder\n"


def test_an_empty_folder_of_photos(tiny, train, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert train(tiny | {"data.root": str(tmp_path / "empty")}) == 2
    assert f"{tmp_path / 'empty'}" in capsys.readouterr().err


def test_a_full_disk_at_the_export_leaves_nothing_half_written(tiny, train, capsys, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert train(tiny) == 0
    before = (tmp_path / "out.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert train(tiny | {"hydra.run.dir": str(tmp_path / "second")}) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "out.safetensors").read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


def test_command_line_from_elsewhere(tiny, root, tmp_path):
    """The thin script at the top finds package and configs wherever it is called from."""
    command = [sys.executable, str(root / "train.py"), *(f"{k}={v}" for k, v in tiny.items()), "--cfg", "job"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 0, result.stderr
    assert "name: waves" in result.stdout
