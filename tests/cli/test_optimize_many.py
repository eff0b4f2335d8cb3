"""Pictures of many photos, optimised here and on a Ray cluster."""

import json
from pathlib import Path

import pytest

from fast_style.cli import config, optimize_many, optimizing
from fast_style.inference.manifest import NAME

TINY = ("loss_network.weights=null", "loss.style_layers=[relu1_2,relu2_1]", "loss.content_layers=[relu2_1]")
RAY = ("--engine", "ray", "--workers", "2")


@pytest.fixture
def optimize(command, style_folder):
    """Run the command with little to do."""
    little = ["--style", style_folder / "waves.png", "--size", "32", "--coarsest", "32", "--iterations", "2"]
    little += ["--device", "cpu", "--init", "noise"]
    return lambda *arguments: command("optimize", *little, *arguments, "--set", *TINY)


def test_a_folder_as_one_by_one(optimize, photos, tmp_path, tree):
    """Each is what the command makes of it alone; a second run makes what is missing."""
    arguments = ("--content", photos, "--output", tmp_path / "out")
    assert optimize(*arguments) == (0, "stylized 3, skipped 0, failed 0\n", "")
    assert tree(tmp_path / "out") == ["a.jpg", "b.PNG", "sub/deep/c.webp"]
    for name in tree(tmp_path / "out"):
        alone = tmp_path / "alone" / Path(name).name
        assert optimize("--content", photos / name, "--output", alone).code == 0
        assert alone.read_bytes() == (tmp_path / "out" / name).read_bytes()
    (tmp_path / "out" / "b.PNG").unlink()
    written = (tmp_path / "out" / "a.jpg").stat().st_mtime_ns
    assert optimize(*arguments) == (0, "stylized 1, skipped 2, failed 0\n", "")
    assert (tmp_path / "out" / "a.jpg").stat().st_mtime_ns == written
    assert optimize(*arguments, "--overwrite").out == "stylized 3, skipped 0, failed 0\n"


def test_losses_are_made_once_for_photos_of_a_size(optimize, photos, tmp_path, monkeypatch):
    """Their style images are of one size, and what the losses are relative to is looked at once."""
    made = []

    def build(settings, **arguments):
        made.extend(arguments)
        return config.build(settings, **arguments)

    monkeypatch.setattr(optimizing, "build", build)
    assert optimize("--content", photos, "--output", tmp_path / "out").out == "stylized 3, skipped 0, failed 0\n"
    assert made == ["loss_network", "style"]
    assert optimize("--content", photos, "--output", tmp_path / "other", "--preserve-color", "histogram").code == 0
    assert made.count("style") == 4  # each photo changes the colours of the painting


def test_several_photos_and_one_that_is_broken(optimize, photos, tmp_path, tree):
    (photos / "broken.jpg").write_text("no image")
    result = optimize("--content", photos / "a.jpg", photos / "broken.jpg", "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, "stylized 1, skipped 0, failed 1\n")
    assert result.err.startswith(f"cannot read image {photos / 'broken.jpg'}: ")
    assert result.err.count("\n") == 1
    assert tree(tmp_path / "out") == ["a.jpg"]


def test_addresses(optimize, photos, bucket):
    bucket.put(str(photos), "photos/in", recursive=True)
    arguments = ("--content", "s3://photos/in", "--output", "s3://photos/out")
    assert optimize(*arguments) == (0, "stylized 3, skipped 0, failed 0\n", "")
    assert json.loads(bucket.cat_file(f"photos/out/{NAME}"))["state"] == "ended"
    assert optimize(*arguments).out == "stylized 0, skipped 3, failed 0\n"
    result = optimize(*arguments, "--optimizer", "adam")
    assert result.code == 2
    assert "is of another job, which had other --optimizer" in result.err


def test_a_loss_that_is_not_finite(optimize, photos, tmp_path, monkeypatch):
    """It is told of the photo, and the others are made."""
    from fast_style.optimize import NonFiniteError

    real, calls = optimize_many.read, []

    def broken(source):
        calls.append(source)
        if len(calls) == 2:
            raise NonFiniteError("the loss became nan")
        return real(source)

    monkeypatch.setattr(optimize_many, "read", broken)
    result = optimize("--content", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, "stylized 2, skipped 0, failed 1\n")
    assert result.err == f"cannot optimise {photos / 'b.PNG'}: the loss became nan\n"


def test_ctrl_c_leaves_out_the_picture_at_hand(optimize, photos, tmp_path, tree, monkeypatch):
    real, calls = optimize_many.read, []

    def pressed(source):
        calls.append(source)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(source)

    monkeypatch.setattr(optimize_many, "read", pressed)
    result = optimize("--content", photos, "--output", tmp_path / "out")
    assert result.code == 130
    assert result.err == "interrupted: stylized 1, skipped 0, failed 0, of 3 images\n"
    assert tree(tmp_path / "out") == ["a.jpg"]


@pytest.mark.slow
def test_the_same_pictures_on_a_cluster(ray, optimize, photos, tmp_path, tree):
    from fast_style import images

    (photos / "broken.jpg").write_text("no image")
    result = optimize("--content", photos, "--output", tmp_path / "out", *RAY)
    assert (result.code, result.out) == (1, "stylized 3, skipped 0, failed 1\n")
    assert optimize("--content", photos, "--output", tmp_path / "here").code == 1
    made = tree(tmp_path / "here")
    assert tree(tmp_path / "out") == sorted([*made, NAME])
    for name in made:
        here, there = (images.read(tmp_path / folder / name).float() for folder in ("here", "out"))
        assert (here - there).abs().mean() < 2
    about = json.loads((tmp_path / "out" / NAME).read_text())
    assert (about["state"], about["stylized"], about["failed"]) == ("ended", 3, 1)
    (photos / "broken.jpg").unlink()
    assert optimize("--content", photos, "--output", tmp_path / "out", *RAY).out.startswith("stylized 0")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--content", "photos", "--output", "out", "--preview", "5"), "--preview is of a single picture"),
        (("--content", "photos", "--output", "out", "--logdir", "log"), "--logdir is of a single picture"),
        (("--content", "photos", "--output", "photos/out.jpg"), "is named like a file"),
        (("--content", "photos", "--output", "photos"), "outside photos"),
        (("--content", "missing", "--output", "out"), "does not exist"),
        (("--output", "s3://photos/out.jpg"), "a texture is written to a file of this machine"),
        (("--content", "photos/a.jpg", "--output", "x.jpg", *RAY), "engine ray is for many pictures: give a folder"),
        (("--output", "x.jpg", *RAY), "engine ray is for many pictures: give a folder"),
        (("--content", "photos", "--output", "x.jpg", *RAY), "engine ray writes to a folder that all workers see"),
        (("--content", "photos", "--output", "out", *RAY, "--device", "mps"), "engine ray shares out GPUs itself"),
        (("--content", "photos", "--output", "out", "--ray-address", "auto"), "--ray-address is of a cluster"),
        (("--content", "photos", "--output", "out", "--tileable"), "--tileable makes textures: leave out --content"),
    ],
)
def test_misuse(optimize, photos, tmp_path, is_misuse, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert is_misuse(optimize(*arguments), sentence)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--style", "--mask", "--init"])
def test_what_is_read_is_not_replaced(optimize, photos, make, tmp_path, tree, option):
    output = make(tmp_path / "out" / "a.jpg")
    before = output.read_bytes()
    result = optimize("--content", photos, "--output", tmp_path / "out", option, output, "--overwrite")
    assert result == (2, "", f"error: input {output} would be replaced by an output: choose another --output\n")
    assert (tree(tmp_path / "out"), output.read_bytes()) == (["a.jpg"], before)
