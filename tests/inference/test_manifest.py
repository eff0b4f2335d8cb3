"""Whose pictures lie in a folder, and which of them are not of the job that came last."""

import json
from pathlib import Path

import pytest

from fast_style.inference.jobs import Job
from fast_style.inference.manifest import NAME, Manifest, due
from fast_style.inference.pipeline import Tally
from fast_style.remote import RemoteFolder

RECIPE = {"--strength": 0.5}


@pytest.fixture(params=["folder", "address"])
def output(request, tmp_path) -> Path | RemoteFolder:
    return tmp_path / "out" if request.param == "folder" else RemoteFolder(f"file://{tmp_path}/out")


@pytest.fixture
def jobs(tmp_path, output) -> list[Job]:
    """Three pictures, all of which are there."""
    names = ("a.jpg", "b.jpg", "sub/c.jpg")
    (tmp_path / "out" / "sub").mkdir(parents=True)
    for name in names:
        (tmp_path / "out" / name).touch()
    return [Job(tmp_path / "in" / name, output / name) for name in names]


def begun(output, overwrite: bool, recipe=RECIPE) -> Manifest:
    """The manifest as another command reads it."""
    manifest = Manifest(output / NAME, recipe)
    manifest.begin(overwrite)
    return manifest


def test_what_could_not_be_replaced_is_not_done(output, jobs, tmp_path):
    manifest = begun(output, overwrite=True)
    assert due(jobs, manifest, overwrite=True) == jobs
    failed = [job.target for job in jobs[1:]]
    manifest.end(Tally(1, failures=["cannot read b", "cannot read c"], failed=failed), overwrite=True)
    assert json.loads((tmp_path / "out" / NAME).read_text())["not_replaced"] == ["b.jpg", "sub/c.jpg"]
    manifest = begun(output, overwrite=False)
    assert due(jobs, manifest, overwrite=False) == jobs[1:]
    manifest = begun(output, overwrite=False)  # after a kill
    assert due(jobs, manifest, overwrite=False) == jobs[1:]
    manifest.end(Tally(1, 1, ["cannot read c"], failed=[jobs[2].target]), overwrite=False)
    assert due(jobs, begun(output, overwrite=False), overwrite=False) == jobs[2:]
    manifest.end(Tally(1, 2), overwrite=False)
    assert due(jobs, begun(output, overwrite=False), overwrite=False) == []
    assert "not_replaced" not in json.loads((tmp_path / "out" / NAME).read_text())


def test_what_failed_where_nothing_is_replaced_is_no_others(output, jobs):
    manifest = begun(output, overwrite=False)
    manifest.end(Tally(2, failures=["cannot read b"], failed=[jobs[1].target]), overwrite=False)
    assert due(jobs, begun(output, overwrite=False), overwrite=False) == []


def test_a_job_that_is_stopped_says_nothing(output, tmp_path):
    manifest = begun(output, overwrite=True)
    manifest.end(Tally(stopped=True), overwrite=True)
    with pytest.raises(ValueError, match="was replacing pictures: give --overwrite again"):
        begun(output, overwrite=False)


def test_another_job(output):
    begun(output, overwrite=False)
    with pytest.raises(ValueError, match="is of another job, which had other --strength: choose another --output"):
        begun(output, overwrite=False, recipe={"--strength": 1})


def test_names_do_not_depend_on_the_folder_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = begun(Path("out"), overwrite=True)
    manifest.end(Tally(failures=["cannot read a"], failed=[tmp_path / "out" / "a.jpg"]), overwrite=True)
    assert begun(Path("out"), overwrite=False).is_stale(Path("out/a.jpg"))
    monkeypatch.chdir(tmp_path / "out")
    assert begun(Path(), overwrite=False).is_stale(Path("a.jpg"))


@pytest.mark.parametrize("text", ["[]", '{"state": "ended", "recipe": {}, "not_replaced": 5}'])
def test_what_is_no_manifest(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ValueError, match="is no manifest of a job: remove it, or give --overwrite"):
        begun(tmp_path, overwrite=False)
