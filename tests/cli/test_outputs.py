"""Which network a training writes."""

import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fast_style.checkpoint import read_metadata
from fast_style.cli.outputs import NOTE, choose_output, new_folder, writing
from fast_style.training import FeedForward


def choose(output, given=False, resume=None, overwrite=False, run=None):
    config = OmegaConf.create({"output": str(output), "overwrite": overwrite})
    return choose_output(config, given, resume, output.parent if run is None else run)


def write(output, run, overwrite=False):
    with writing(output, overwrite, run) as path:
        path.write_text("network")
    return path


def test_a_default_name_gets_a_number(tmp_path):
    names = [write(tmp_path / "a.safetensors", tmp_path).name for _ in range(3)]
    assert names == ["a.safetensors", "a_2.safetensors", "a_3.safetensors"]
    assert (tmp_path / NOTE).read_text().splitlines()[0] == str(tmp_path / "a_3.safetensors")
    assert write(tmp_path / "a.safetensors", tmp_path, overwrite=True).name == "a.safetensors"


def test_nothing_is_left_of_what_could_not_be_written(tmp_path):
    with pytest.raises(OSError, match="disk full"), writing(tmp_path / "a.safetensors", False, tmp_path):
        raise OSError("disk full")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_under_the_run_is_told_and_the_network_stays(tmp_path, caplog):
    (tmp_path / "run" / NOTE).mkdir(parents=True)  # which cannot be written to
    assert write(tmp_path / "a.safetensors", tmp_path / "run").read_text() == "network"
    assert "if the run goes on, its network gets another name" in caplog.text


def test_runs_of_one_second_have_folders_of_their_own(tmp_path):
    assert [new_folder(str(tmp_path / "x" / "1-2")) for _ in range(2)] == [
        str(tmp_path / "x" / "1-2"),
        str(tmp_path / "x" / "1-2_2"),
    ]


def test_a_given_name_that_is_there_is_refused(tmp_path):
    output = tmp_path / "a.safetensors"
    assert choose(output, given=True) == output
    output.touch()
    assert choose(output) == output
    assert choose(output, given=True, overwrite=True) == output
    with pytest.raises(FileExistsError, match=r"a\.safetensors exists: choose another, or give overwrite=true"):
        choose(output, given=True)


def test_a_continued_run_replaces_its_own_network(tmp_path):
    own, other = tmp_path / "a_2.safetensors", tmp_path / "a.safetensors"
    other.touch()
    assert write(other, tmp_path) == own
    resume = tmp_path / "checkpoints" / "step-3.ckpt"
    assert choose(other, resume=resume) == own
    assert choose(own, given=True, resume=resume) == own
    with pytest.raises(FileExistsError, match=r"a\.safetensors exists"):
        choose(other, given=True, resume=resume)


def test_twice_in_a_row(tiny, train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = {key: value for key, value in tiny.items() if key not in ("hydra.run.dir", "output", "overwrite")}
    for _ in range(2):
        assert train(own | {"trainer.max_steps": "1"}) == 0
    assert len(list(tmp_path.glob("runs/waves/*"))) == 2
    names = sorted(path.name for path in tmp_path.glob("checkpoints/*.safetensors"))
    assert names == ["waves.safetensors", "waves_2.safetensors"]


def test_what_lies_in_the_place_of_its_own_network_stays(tmp_path):
    """Of another run, or of the same run that has gone on."""
    run, output = tmp_path / "run", tmp_path / "a.safetensors"
    run.mkdir()
    assert write(output, run) == output
    resume = run / "checkpoints" / "step-3.ckpt"
    with pytest.raises(FileExistsError, match=r"a\.safetensors exists"):
        choose(output, given=True, resume=resume, run=tmp_path / "branch")
    assert choose(output, given=True, resume=resume, run=run) == output
    output.write_text("another network")
    with pytest.raises(FileExistsError, match=r"a\.safetensors exists"):
        choose(output, given=True, resume=resume, run=run)
    output.unlink()
    assert choose(tmp_path / "b.safetensors", resume=resume, run=run) == output


def test_a_picture_that_is_there_is_not_replaced_by_examples(tiny, train, tmp_path, style_folder, monkeypatch, capsys):
    """The painting least of all, whatever it is called."""
    painting = tmp_path / "mine.png"
    shutil.copy(next(path for path in style_folder.iterdir() if path.stem == "waves"), painting)
    before = painting.read_bytes()
    own = {key: value for key, value in tiny.items() if key != "style.dir"}
    own |= {"style": "custom", "style.name": "mine", "style.image": str(painting)}
    own |= {"trainer.max_steps": "1", "output": str(tmp_path / "mine.safetensors"), "overwrite": "false"}
    assert train(own) == 2
    assert f"{painting}, where the pictures of output=" in capsys.readouterr().err
    assert train(own | {"overwrite": "true"}) == 2
    assert f"{painting}, where the pictures go, is of style.image=" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(painting, "checkpoints/mine.png")
    assert train({key: value for key, value in own.items() if key != "output"}) == 0
    assert sorted(path.name for path in Path("checkpoints").iterdir()) == [
        "mine.png",
        "mine_2.png",
        "mine_2.safetensors",
    ]
    assert Path("checkpoints/mine.png").read_bytes() == painting.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("a.onnx", r"a\.onnx is the file of a network: give .*a\.safetensors; `fast-style export` makes ONNX of it"),
        ("a.JPG", r"a\.JPG is the file of a network: give .*a\.safetensors; pictures go to .*a\.png"),
        ("file/a.safetensors", "a part of .*file is a file, not a folder"),
    ],
)
def test_files_that_cannot_be_networks(tmp_path, output, message):
    (tmp_path / "file").touch()
    with pytest.raises((ValueError, NotADirectoryError), match=message):
        choose(tmp_path / output, given=True)


def test_a_network_that_cannot_be_written_is_in_the_checkpoint(tiny, train, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fast_style.training.feed_forward.FeedForward.save", full)
        assert train(tiny) == 1
    told = capsys.readouterr().err
    assert f"what was learned is in {tmp_path / 'run' / 'checkpoints'}: the same command with hydra.run.dir=" in told
    assert not list(tmp_path.glob("out*"))
    assert train(tiny, "ckpt_path=last") == 0
    assert (tmp_path / "out.safetensors").stat().st_size


def test_a_folder_that_is_gone_is_made_again(tiny, train, tmp_path, monkeypatch):
    output = tmp_path / "new" / "out.safetensors"
    monkeypatch.setattr(
        "fast_style.cli.train._metadata", lambda *_: shutil.rmtree(output.parent) or {"steps": 3} | HELDOUT
    )
    assert train(tiny | {"output": str(output)}) == 0
    assert output.is_file()


HELDOUT = {"heldout_before": {}, "heldout_after": {}}


def test_a_run_without_a_step_fails(tiny, train, tmp_path, capsys):
    short = {"trainer.max_steps": "-1", "trainer.max_time": "0.001", "trainer.accumulate_grad_batches": "50"}
    assert train(tiny | short) == 2
    assert "end before a single step" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


def test_losses_of_an_earlier_step_are_not_those_of_the_network(tiny, train, tmp_path, monkeypatch, capsys):
    """After Ctrl-C at a step that was not measured."""
    steps = FeedForward.training_step

    def interrupted(self, batch, batch_idx):
        if self.global_step == 3:
            raise KeyboardInterrupt
        return steps(self, batch, batch_idx)

    monkeypatch.setattr(FeedForward, "training_step", interrupted)
    assert train(tiny | {"trainer.max_steps": "9"}) == 130
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert (metadata["steps"], metadata["heldout_after"]) == (3, {})
    assert "\nheld-out objective" not in capsys.readouterr().out
