"""Several trainings from one command."""

import json
from io import StringIO

import pytest
from rich.console import Console

from fast_style.checkpoint import read_metadata
from fast_style.cli.errors import Exit
from fast_style.cli.multirun import RESULT, Sweep, record, report, run_folder, run_name, table, with_varied


@pytest.fixture
def several(tiny, tmp_path):
    """Overrides of a run that takes a second, for several of them."""
    overrides = {key: value for key, value in tiny.items() if key not in ("hydra.run.dir", "output")}
    return overrides | {
        "hydra.sweep.dir": str(tmp_path / "all"),
        "hydra.sweep.subdir": "'${style.name}_${loss.tv_weight}'",
    }


def results(folder):
    return {path.parent.name: json.loads(path.read_text()) for path in folder.rglob(RESULT)}


def test_every_style_is_trained(several, train, tmp_path, capsys):
    assert train(several | {"style": "waves,cubist"}, "-m") == 0
    for name in ("waves", "cubist"):
        assert read_metadata(tmp_path / "all" / f"{name}_5.0" / f"{name}.safetensors")["style"] == name
    printed = capsys.readouterr().out
    assert "Trainings" in printed
    assert f"tensorboard --logdir {tmp_path / 'all'}" in printed
    assert len(results(tmp_path / "all")) == 2


def test_runs_that_differ_in_something_else_keep_their_own_network(several, train, tmp_path):
    assert train(several | {"loss.tv_weight": "0.0,5.0"}, "-m") == 0
    files = [tmp_path / "all" / f"waves_{weight}" / "waves.safetensors" for weight in ("0.0", "5.0")]
    assert files[0].read_bytes() != files[1].read_bytes()


def test_one_that_fails_does_not_stop_the_others(several, train, tmp_path, capsys):
    assert train(several | {"style": "nowhere,waves"}, "-m") == 2
    both = results(tmp_path / "all")
    assert both["nowhere_5.0"]["exit_code"] == 2
    assert both["nowhere_5.0"]["error"].startswith("no image for style 'nowhere'")
    assert both["waves_5.0"]["after"]["heldout/total_loss"] > 0
    assert (tmp_path / "all" / "waves_5.0" / "waves.safetensors").is_file()
    assert "no image for style" in capsys.readouterr().err


def test_a_name_hydra_does_not_know_is_told_before_anything_is_trained(several, train, tmp_path, capsys):
    assert train(several | {"loss": "gram,nonsense"}, "-m") == 2
    assert "nonsense" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_failure_goes_before_misuse_in_the_exit_code(tmp_path):
    def fail(code):
        raise Exit(code, "it broke")

    record(tmp_path / "a", "a", lambda: fail(2))
    assert report(tmp_path) == 2
    record(tmp_path / "b", "b", lambda: fail(1))
    assert report(tmp_path) == 1


def test_ctrl_c_stops_all(tmp_path, monkeypatch):
    monkeypatch.setattr(Sweep, "folder", tmp_path)

    def interrupted():
        raise Exit(130, "stopped at step 3")

    with pytest.raises(Exit) as end:
        record(tmp_path, "a", interrupted)
    assert end.value.code == 130
    assert json.loads((tmp_path / RESULT).read_text())["error"] == "stopped at step 3"


def test_the_table():
    losses = {"heldout/total_loss": 1.25, "heldout/weighted/content_loss": 0.5}
    losses |= {"heldout/weighted/tone_loss": 0.3, "heldout/weighted/content_loss/relu1_2": 0.5}
    rows = [
        {"run": "style=a", "before": {"heldout/total_loss": 20.0}, "after": losses, "seconds": 90, "output": "a.st"},
        {"run": "style=b", "error": "it broke"},
    ]
    text = StringIO()
    Console(file=text, width=160).print(table(rows))
    for word in ("style=a", "20", "1.25", "content", "0.5", "tone", "0.3", "1.5", "a.st", "style=b", "error: it broke"):
        assert word in text.getvalue()
    assert "tv" not in text.getvalue()


def test_settings_that_differ_name_the_runs():
    varied = with_varied(
        ["-m", "style=a,b", "data.size=64", "++loss.style_layers=[relu1_2],[relu2_2]", "network@x=s,t"]
    )
    assert varied[-1] == "hydra.callbacks.sweep.varied=['style','++loss.style_layers','network@x']"
    assert with_varied(["style=a"]) == ["style=a"]
    run = ["style=a", "data.size=64", "loss.style_layers=null", "++loss.style_layers=[relu1_2]"]
    assert run_name(run, ["style", "++loss.style_layers"]) == "style=a, loss.style_layers=[relu1_2]"
    assert run_name(run[:2], []) == "style=a, data.size=64"


def test_one_file_for_all_runs_is_refused():
    with pytest.raises(ValueError, match=r"output=a\.safetensors would be the file of all runs: leave it out"):
        with_varied(["-m", "style=a,b", "output=a.safetensors"])
    for output in ("output=x/${style.name}.safetensors", "output=a.safetensors,b.safetensors"):
        assert with_varied(["-m", "style=a,b", output])[2] == output
    assert with_varied(["-m", "style=a", "output=a.safetensors"])[2] == "output=a.safetensors"


def test_the_folder_of_a_run_has_a_name_on_every_system():
    assert run_folder(3, ["data.root=C:\\photos\\a", "style=é b"], []) == "3_root=C_photos_a_style=_b"
    assert run_folder(0, ["data.root=../../nowhere"], []) == "0_root=.._.._nowhere"
    assert run_folder(1, [], []) == "1"
    assert len(run_folder(7, ["loss.style_weight=5"] * 20, [])) < 64


def test_twenty_overrides_and_folders_of_their_own(tiny, train, tmp_path, monkeypatch, capsys):
    """Settings may stand before -m, rows of different layers differ, and nothing leaves the folder of the sweep."""
    monkeypatch.chdir(tmp_path)
    own = {key: value for key, value in tiny.items() if key not in ("hydra.run.dir", "output", "loss.style_layers")}
    own |= {"data.root": "../nowhere", "trainer.max_steps": "1"}
    assert len(own) > 20
    assert train(own, "-m", "loss.style_layers=[relu1_2],{relu1_1: 1, relu2_1: 2}") == 2
    names = sorted(path.parent.name for path in tmp_path.glob("runs/multirun/*/*/result.json"))
    assert names == ["0_style_layers=_relu1_2", "1_style_layers=_relu1_1_1_relu2_1_2"]
    shown = capsys.readouterr().out
    assert "loss.style_layers=[relu1_2]" in shown
    assert "loss.style_layers={relu1_1:1,relu2_1:2}" in shown
    assert train(own, "-m") == 2
    assert len(list(tmp_path.glob("runs/multirun/*"))) == 2


def test_a_sweep_without_results_has_failed(tmp_path, capsys):
    assert report(tmp_path) == 1
    assert "no run left a result" in capsys.readouterr().err
