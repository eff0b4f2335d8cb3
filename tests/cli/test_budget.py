"""What a training takes on by itself, and what becomes of it when the user decides or the run goes on."""

import re
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from fast_style.checkpoint import read_metadata
from fast_style.cli.budget import about, budget_here, keep_choices, network_here, precision_here
from fast_style.cli.config import compose
from fast_style.cli.resolvers import register_resolvers
from fast_style.training.callbacks.budget import MEASURED, WARMUP, Budget

OWN = ["output=out.safetensors", "trainer.default_root_dir=runs"]  # what only a run of Hydra's knows


@pytest.fixture
def machine(monkeypatch):
    """A CPU with or without bfloat16, and so many cores."""

    def pretend(bf16: bool, cores: int) -> None:
        monkeypatch.setattr("fast_style.cli.budget.find_device", lambda _name: torch.device("cpu"))
        monkeypatch.setattr("fast_style.cli.budget.multiplies_bf16", lambda _kind: bf16)
        monkeypatch.setattr("torch.get_num_threads", lambda: cores)
        register_resolvers()

    return pretend


@pytest.mark.parametrize(
    ("bf16", "cores", "budget", "network", "told"),
    [
        (True, 2, "cpu", "slim", "bfloat16 here"),
        (True, 1, "slow_cpu", "slim", "bfloat16 here, 1 core"),
        (False, 2, "slow_cpu", "slim", "no bfloat16 here"),
        (False, 16, "cpu", "slim", "no bfloat16 here, 16 cores"),
    ],
)
def test_the_machine_decides(machine, bf16, cores, budget, network, told):
    machine(bf16, cores)
    assert (budget_here(), network_here(), precision_here()) == (budget, network, told)


def test_a_gpu_has_a_budget_of_its_own(monkeypatch):
    monkeypatch.setattr("fast_style.cli.budget.find_device", lambda _name: torch.device("cuda"))
    assert (budget_here(), network_here()) == ("gpu", "johnson")


def chosen(*overrides: str):
    """Compose a training and return what a budget decides."""
    config = compose("train", [*OWN, *overrides])
    network = config.model.network["_target_"].rpartition(".")[2]
    return network, config.data.size, config.trainer.max_time, config.trainer.max_steps


def test_by_default_time_is_limited_and_not_steps(machine):
    machine(bf16=False, cores=2)
    network, size, seconds, steps = chosen()
    assert network == "SlimNetwork"
    assert size == 256
    assert 300 < seconds < 600
    assert steps == -1
    machine(bf16=True, cores=2)
    assert chosen()[2] < 300


def test_what_the_user_says_wins(machine):
    machine(bf16=False, cores=2)
    assert chosen("trainer.max_steps=7")[2:] == (None, 7)
    assert chosen("trainer.max_time=00:05:00")[2:] == ("00:05:00", -1)
    assert chosen("trainer.max_time=00:05:00", "trainer.max_steps=7")[2:] == ("00:05:00", 7)
    assert chosen("model=johnson", "data.size=96")[:2] == ("TransformerNetwork", 96)
    assert compose("train", ["loss=gram", *OWN]).loss.content_layers == "relu2_2, relu3_2"
    assert chosen("budget=cpu")[2] < 300


@pytest.mark.parametrize(("experiment", "network"), [("quality", "TransformerNetwork"), ("slim", "SlimNetwork")])
@pytest.mark.parametrize("bf16", [False, True])
def test_an_experiment_is_the_same_on_every_machine(machine, bf16, experiment, network):
    machine(bf16, cores=2)
    assert chosen(f"experiment={experiment}") == (network, 256, None, 4500)


def test_what_is_told():
    johnson, slim = "fast_style.networks.TransformerNetwork", "fast_style.networks.SlimNetwork"
    assert about("no bfloat16 here", slim, 128, 2) == "no bfloat16 here: slim network, 2 crops of 128 px a step"
    assert about("a GPU", johnson, 256, 1) == "a GPU: johnson network, 1 crop of 256 px a step"
    assert about("a GPU", "mine.Network", 256, 1) == "a GPU: own network, 1 crop of 256 px a step"
    assert about(None, johnson, 256, 1) == ""


def note(folder, **choices):
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save({"hydra": {"runtime": {"choices": choices}}}, folder / ".hydra" / "hydra.yaml")


def test_a_run_that_goes_on_keeps_what_was_chosen(tmp_path):
    note(tmp_path / "run", budget="slow_cpu", model="slim", style="mosaic")
    folder, kept = f"hydra.run.dir={tmp_path / 'run'}", ["budget=slow_cpu", "model=slim"]
    assert keep_choices(["ckpt_path=last", folder]) == ["ckpt_path=last", folder, *kept]
    (tmp_path / "run" / "checkpoints").mkdir()
    file = f"ckpt_path={tmp_path / 'run' / 'checkpoints' / 'step-3.ckpt'}"
    assert keep_choices([file]) == [file, *kept]
    assert keep_choices([file, "model=johnson"]) == [file, "model=johnson", "budget=slow_cpu"]
    for other in ([folder], ["ckpt_path=null", folder], ["ckpt_path=last"], ["ckpt_path=last", folder, "-m"]):
        assert keep_choices(other) == other


def test_a_run_goes_on_on_another_machine(machine, tiny, train, tmp_path, monkeypatch):
    machine(bf16=False, cores=2)
    run = {key: value for key, value in tiny.items() if key not in ("model", "budget", "trainer.max_steps")}
    assert train(run, "trainer.max_steps=1") == 0
    assert read_metadata(tmp_path / "out.safetensors")["network"].endswith("SlimNetwork")
    monkeypatch.setattr("fast_style.cli.budget.find_device", lambda _name: torch.device("cuda"))
    assert network_here() == "johnson"
    assert train(run, "trainer.max_steps=2", "ckpt_path=last") == 0
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata["network"].endswith("SlimNetwork")
    assert metadata["steps"] == 2


@pytest.mark.parametrize("compiles", [False, True])
def test_no_time_for_a_single_step(tiny, train, tmp_path, capsys, monkeypatch, compiles):
    monkeypatch.setattr("fast_style.compiled.torch.compile", lambda function, **_: function)
    run = {key: value for key, value in tiny.items() if key != "trainer.max_steps"}
    assert train(run, "trainer.max_time=0.0001", f"model.compile={compiles}") == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert f"too short for {'compiling the step' if compiles else 'a single step'}, which took" in error[0]
    assert not (tmp_path / "out.safetensors").exists()


def told(tmp_path) -> str:
    (log,) = (tmp_path / "run").glob("*.log")
    return log.read_text(encoding="utf-8")


def test_a_slow_machine_is_told_beforehand(tiny, train, tmp_path, monkeypatch):
    """Told after a few steps, long before the end."""
    monkeypatch.setattr("fast_style.training.callbacks.budget.FEW", 10**6)
    run = {key: value for key, value in tiny.items() if key not in ("trainer.max_steps", "trainer.val_check_interval")}
    run |= {"trainer.max_time": "3", "callbacks.checkpoint.every_n_train_steps": "10000"}
    assert train(run | {"budget": "slow_cpu"}) == 0
    log = told(tmp_path)
    assert "network, 2 crops of 32 px a step, about " in log
    assert "this machine is slow for that: about " in log
    assert re.search(r"about \d+ steps in [1-3] s\n", log)


def test_the_length_of_a_number_of_steps_is_told(tiny, train, tmp_path):
    assert train(tiny | {"trainer.max_steps": "20", "budget": "cpu"}) == 0  # more than steps that are measured
    assert "johnson network, 2 crops of 32 px a step, about 20 steps in " in told(tmp_path)


def test_a_step_of_several_batches_takes_as_long_as_they(caplog):
    trainer = SimpleNamespace(accumulate_grad_batches=4, max_steps=-1, global_step=2)
    budget = Budget("here")
    budget._seconds = [9.0] * WARMUP + [1.0] * MEASURED
    with caplog.at_level("INFO"):
        budget._tell(trainer, 400.0)
    assert "here, about 100 steps in 7 min" in caplog.text


@pytest.mark.parametrize(
    ("limits", "left", "batches", "sentence"),
    [
        ({"max_steps": 7}, None, 2, "here, about 7 steps in 50 s"),
        ({"max_steps": 5}, None, 2, "here, about 5 steps in 30 s"),
        ({"max_steps": 3}, 400.0, 2, "here, about 3 steps in 10 s"),
        ({"max_steps": -1}, 25.0, 2, "this machine is slow for that: about 4 steps fit, a step takes 10 s"),
        ({"max_steps": -1}, 4000.0, 7, "here, about 410 steps in 67 min"),
    ],
)
def test_where_few_steps_come_it_is_told_before_they_are_over(caplog, monkeypatch, limits, left, batches, sentence):
    """As soon as it is known that no more will be measured."""
    clock = [0.0]
    monkeypatch.setattr("fast_style.training.callbacks.budget.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("fast_style.training.callbacks.budget._seconds_left", lambda _trainer: left)
    trainer = SimpleNamespace(accumulate_grad_batches=1, global_step=0, is_global_zero=True, **limits)
    budget = Budget("here")
    budget.on_train_start(trainer, None)
    with caplog.at_level("INFO"):
        for batch in range(batches):
            assert not caplog.text
            clock[0] += 10
            trainer.global_step += 1
            budget.on_train_batch_end(trainer, None, None, None, batch)
    assert sentence in caplog.text


def test_nothing_is_told_of_a_training_that_is_over(caplog):
    trainer = SimpleNamespace(accumulate_grad_batches=1, max_steps=2, global_step=2)
    budget = Budget("here")
    budget._seconds = [1.0, 1.0]
    with caplog.at_level("INFO"):
        budget._tell(trainer, None)
    assert not caplog.text
