"""Which network a training writes."""

import pytest
from omegaconf import OmegaConf

from fast_style.cli.outputs import NOTE, choose_output, new_folder, writing


def choose(output, given=False, resume=None, overwrite=False):
    return choose_output(OmegaConf.create({"output": str(output), "overwrite": overwrite}), given, resume)


def write(output, run, overwrite=False):
    with writing(output, overwrite, run) as path:
        path.write_text("network")
    return path


def test_a_default_name_gets_a_number(tmp_path):
    names = [write(tmp_path / "a.safetensors", tmp_path).name for _ in range(3)]
    assert names == ["a.safetensors", "a_2.safetensors", "a_3.safetensors"]
    assert (tmp_path / NOTE).read_text() == str(tmp_path / "a_3.safetensors")
    assert write(tmp_path / "a.safetensors", tmp_path, overwrite=True).name == "a.safetensors"


def test_nothing_is_left_of_what_could_not_be_written(tmp_path):
    with pytest.raises(OSError, match="disk full"), writing(tmp_path / "a.safetensors", False, tmp_path):
        raise OSError("disk full")
    assert not list(tmp_path.iterdir())


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
