import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image

from fast_style import images
from fast_style.__main__ import run as run_command
from fast_style.cli import optimizing as command
from fast_style.cli.config import CONFIGS
from fast_style.functional import luma

TINY = ("loss_network.weights=null", "loss.style_layers=[relu1_2,relu2_1]", "loss.content_layers=[relu2_1]")


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def content(tmp_path, photo) -> Path:
    path = tmp_path / "photo.png"
    images.write(path, images.to_float(photo(3, 36, 48))[None])
    return path


@pytest.fixture
def optimize(tmp_path, content, style_folder, capsys):
    """Run the command in this process with little to do; later options win."""

    def run(
        *arguments: object, content: object = content, settings: Sequence[str] = TINY, overwrite: bool = True
    ) -> Result:
        given = [] if content is None else ["--content", str(content)]
        given += [] if "--style" in arguments else ["--style", str(style_folder / "waves.png")]
        given += ["--output", str(tmp_path / "out.png"), "--size", "48"]
        given += ["--iterations", "6", "--coarsest", "32", "--device", "cpu", "--set", *settings]
        given += ["--overwrite"] if overwrite else []
        try:
            run_command("optimize", [*given, *map(str, arguments)])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *capsys.readouterr())

    return run


def test_a_picture_that_exists_is_kept(optimize, tmp_path):
    (tmp_path / "out.png").write_bytes(b"mine")
    result = optimize(overwrite=False)
    assert result.code == 2
    assert "out.png exists: choose another, or give --overwrite" in result.err
    assert (tmp_path / "out.png").read_bytes() == b"mine"


def picture(tmp_path) -> torch.Tensor:
    return images.to_float(images.read(tmp_path / "out.png"))


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_writes_a_picture_of_the_size_asked_for(optimize, tmp_path, optimizer):
    result = optimize("--optimizer", optimizer)
    assert result.code == 0, result.err
    assert picture(tmp_path).shape == (3, 36, 48)
    assert result.out.startswith("loss ")
    assert "after 9 iterations" in result.out  # six at 34×24, half as many at 48×36


@pytest.mark.parametrize(
    ("arguments", "size"),
    [((), (36, 48)), (("--size", "64"), (48, 64)), (("--size", "40x30"), (30, 40))],
)
def test_sizes(optimize, tmp_path, arguments, size):
    assert optimize("--iterations", "1", *arguments).code == 0
    assert picture(tmp_path).shape[1:] == size


@pytest.mark.parametrize("init", ["content", "style", "noise", "file"])
def test_starts_where_it_is_told(optimize, content, style_folder, init, monkeypatch):
    seen = []
    monkeypatch.setattr(command, "optimize", lambda *args: seen.append(args[3]) or iter([]))
    result = optimize("--init", content if init == "file" else init)
    assert result.code == 0, result.err
    photo, waves = (images.to_float(images.read(path)) for path in (content, style_folder / "waves.png"))
    expected = {"content": photo, "file": photo, "style": waves}
    if init in expected:
        assert torch.equal(seen[0][0], expected[init])
    else:
        assert (seen[0].shape[2:], seen[0].std() > 0.1) == ((25, 34), True)
    assert optimize("--init", content if init == "file" else init, "--match-histogram").code == 0
    torch.testing.assert_close(seen[1].mean((0, 2, 3)), waves.mean((1, 2)), atol=0.03, rtol=0)


def test_the_same_again(optimize, tmp_path):
    optimize("--init", "noise")
    first = picture(tmp_path)
    optimize("--init", "noise")
    assert torch.equal(picture(tmp_path), first)


def test_losses_are_set_as_in_training(optimize):
    plain, heavy = (optimize("--set", f"loss.style_weight={weight}").out for weight in (5, 500))
    assert float(plain.split()[1]) < float(heavy.split()[1])
    assert optimize("--set", "loss=wasserstein").code == 0
    assert optimize("--set", "loss_network=vgg16", "loss_network.pooling=avg").code == 0


@pytest.mark.parametrize("loss", sorted(path.stem for path in (CONFIGS / "loss").glob("*.yaml")))
@pytest.mark.parametrize("texture", [False, True])
def test_every_loss(optimize, content, loss, texture):
    settings = [TINY[0], "+loss_network.width=2"] if loss in ("jcjohnson", "pytorch_examples") else TINY
    given = None if texture else content
    result = optimize("--set", f"loss={loss}", "--iterations", 2, content=given, settings=settings)
    assert result.code == 0, result.err


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_without_total_variation(optimize, optimizer):
    result = optimize("--set", "loss.tv_weight=0", "--optimizer", optimizer)
    assert result.code == 0, result.err


def test_several_styles_with_weights_and_masks(optimize, tmp_path, style_folder, monkeypatch):
    seen, real = [], command.optimize
    monkeypatch.setattr(command, "optimize", lambda *args: seen.append(args[1]) or real(*args))
    styles = ("--style", style_folder / "waves.png", "--style", "mosaic")
    assert optimize(*styles).code == 0
    assert [style.weight for style in seen[0]] == [1, 1]
    assert optimize(*styles, "--weights", 3, 1).code == 0
    assert (seen[1][0].weight, seen[1][0].image.shape[2:]) == (3, (48, 64))
    Image.new("L", (24, 24), 255).save(tmp_path / "white.png")
    ramp = Image.linear_gradient("L")
    ramp.save(tmp_path / "ramp.png")
    result = optimize(*styles, "--mask", tmp_path / "ramp.png", tmp_path / "white.png")
    assert result.code == 0, result.err
    ramp, white = (style.region for style in seen[2])
    assert (white.min(), ramp[..., 0, 0], ramp[..., -1, 0]) == (1, 0, 1)


def test_luminance_alone_keeps_the_colours_of_the_content(optimize, tmp_path, content):
    assert optimize("--preserve-color", "luminance").code == 0
    result, photo = picture(tmp_path), images.to_float(images.read(content))
    inside = ((result > 0) & (result < 1)).all(0)
    chroma = [(image[None] - luma(image[None]))[0][:, inside] for image in (result, photo)]
    torch.testing.assert_close(chroma[0], chroma[1], atol=1.5 / 255, rtol=0)
    assert optimize("--preserve-color", "histogram").code == 0


def test_texture_of_any_size(optimize, tmp_path):
    result = optimize("--size", "50x40", content=None)
    assert result.code == 0, result.err
    assert picture(tmp_path).shape == (3, 40, 50)


def test_opposite_edges_of_a_tile_fit(optimize, tmp_path):
    assert optimize("--size", "60x44", "--iterations", "60", "--tileable", content=None).code == 0
    tile = picture(tmp_path)
    assert tile.shape == (3, 44, 60)
    for axis in (1, 2):
        across = (tile.select(axis, 0) - tile.select(axis, -1)).square().mean()
        inside = tile.diff(dim=axis).square().mean()
        assert across < 2 * inside
    assert optimize("--size", "60x44", "--iterations", "60", content=None).code == 0
    plain = picture(tmp_path)
    assert (plain[:, :, 0] - plain[:, :, -1]).square().mean() > 2 * plain.diff(dim=2).square().mean()


def test_previews_and_tensorboard(optimize, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(images, "write", lambda path, image: written.append(image))
    assert optimize("--preview", "4", "--logdir", tmp_path / "log").code == 0
    assert len(written) == 3  # after 4 and 8 iterations, and at the end
    assert list((tmp_path / "log").glob("events.*"))


def test_ctrl_c_keeps_the_best(content, style_folder, tmp_path):
    # Whatever runs the tests in the background may have Ctrl-C ignored, and so would this process.
    script = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    script += "from fast_style.__main__ import run; run('optimize', sys.argv[1:])"
    arguments = ["--content", content, "--style", style_folder / "waves.png", "--output", tmp_path / "out.png"]
    arguments += ["--size", "48", "--coarsest", "24", "--iterations", "1000000", "--preview", "200"]
    arguments += ["--set", *TINY]
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    try:
        while not (tmp_path / "out.png").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        (tmp_path / "out.png").unlink()
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("interrupted (")  # after a line of progress, where it took long
    assert "up to 24×18" in err
    assert picture(tmp_path).shape == (3, 36, 48)  # of the size asked for, though it was at the first


def test_a_loss_that_is_not_finite_keeps_the_best(optimize, tmp_path, monkeypatch):
    from fast_style.optimize import Objective

    forward, calls = Objective.forward, []

    def broken(self, image):
        calls.append(image)
        return forward(self, image) * (math.nan if len(calls) == 5 else 1)

    monkeypatch.setattr(Objective, "forward", broken)
    result = optimize("--optimizer", "adam")  # one evaluation an iteration
    assert result.code == 1
    assert "(4 iterations were done, up to 34×25)" in result.err
    assert "the loss became nan" in result.err
    assert "Traceback" not in result.err
    assert (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "/"), "its suffix must be one of"),
        (("--size", "0"), "--size must be N or WxH"),
        (("--size", "9000"), "of 16 to 8192 pixels a side, got 9000"),
        (("--size", "axb"), "--size must be N or WxH"),
        (("--coarsest", "2"), "coarsest size must be at least 16"),
        (("--iterations", "0"), "--iterations must be at least 1"),
        (("--style-scale", "0"), "--style-scale must be 0.05 to 20"),
        (("--weights", "1", "2"), "1 style images take 1 weights, got 2"),
        (("--weights", "-1"), "weight of a style must be above 0"),
        (("--mask", "nothing.png"), "nothing.png"),
        (("--style", "starry_nigth"), "did you mean starry_night?"),
        (("--style", "missing.png"), "missing.png"),
        (("--content", "missing.png"), "missing.png"),
        (("--init", "missing.png"), "missing.png"),
        (("--output", "out.txt"), "its suffix must be one of"),
        (("--tileable",), "leave out --content"),
        (
            ("--seed", str(2**64)),
            "--seed must be -9223372036854775808 to 18446744073709551615, got 18446744073709551616",
        ),
        (("--seed", str(-(2**63) - 1)), "--seed must be"),
        (("--set", "loss.stylo_weight=1"), "stylo_weight"),
        (("--set", "loss.style_loss=grom"), "style_loss must be one of gram"),
        (("--set", "loss_network.pooling=min"), "must be one of max, avg"),
        (("--device", "cuda:99"), "cuda:99"),
    ],
)
def test_misuse_is_one_sentence(optimize, tmp_path, arguments, message):
    result = optimize(*arguments)
    assert result.code == 2, result.err
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("way", ["luminance", "histogram"])
def test_a_texture_has_no_colours_to_keep(optimize, tmp_path, way):
    result = optimize("--preserve-color", way, content=None)
    assert result.code == 2
    sentence = "--preserve-color keeps the colours of a photo: give it as --content, or leave the option out"
    assert result.err == f"error: {sentence}\n"
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("seed", [-(2**63), 2**64 - 1])
def test_the_seeds_at_the_ends(optimize, seed):
    assert optimize("--seed", seed, "--init", "noise").code == 0


def test_memory_that_ends_at_a_size_keeps_what_there_is(optimize, tmp_path, monkeypatch):
    from fast_style.optimize import Objective

    forward = Objective.forward

    def hungry(self, image):
        if image.shape[2] > 70:  # with its margin
            raise torch.OutOfMemoryError("not enough memory")
        return forward(self, image)

    monkeypatch.setattr(Objective, "forward", hungry)
    result = optimize()
    assert result.code == 1
    assert "not enough memory; take a smaller --size (6 iterations were done, up to 34×25)" in result.err
    assert picture(tmp_path).shape == (3, 36, 48)


def test_a_folder_is_no_output(optimize, tmp_path):
    (tmp_path / "folder.png").mkdir()
    result = optimize("--output", tmp_path / "folder.png")
    assert result.code == 2
    assert "it is a folder" in result.err


def test_a_narrow_style(optimize, tmp_path):
    Image.new("RGB", (128, 8), "red").save(tmp_path / "narrow.png")
    result = optimize("--style", tmp_path / "narrow.png", "--style-scale", 0.05)
    assert result.code == 0, result.err


def test_a_style_with_transparency_is_told(optimize, tmp_path):
    Image.new("RGBA", (40, 40), (255, 0, 0, 9)).save(tmp_path / "s.png")
    done = optimize("--style", tmp_path / "s.png", "--iterations", "1")
    assert (done.code, done.err.count("has transparency: as a style it lies on white\n")) == (0, 1)
    assert "transparency" not in optimize("--iterations", "1").err


def test_content_is_asked_for_where_it_is_started_from(optimize):
    result = optimize("--init", "content", content=None)
    assert result.code == 2
    assert "--init content needs --content" in result.err


@pytest.mark.parametrize("option", ["--content", "--style", "--mask", "--init"])
def test_what_is_read_is_not_replaced(optimize, tmp_path, content, option):
    (tmp_path / "out.png").write_bytes(content.read_bytes())
    path = tmp_path / "out.png"
    result = optimize(content=path) if option == "--content" else optimize(option, path)
    assert result.code == 2
    assert result.err.endswith("out.png would be replaced by an output: choose another --output\n")
    assert (tmp_path / "out.png").read_bytes() == content.read_bytes()


def test_the_image_of_a_name_is_not_replaced(optimize, tmp_path, style_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (style_folder / "waves.png").read_bytes()
    result = optimize("--style", "waves", "--output", "styles/waves.png")
    assert result.code == 2
    assert "waves.png would be replaced by an output" in result.err
    assert (style_folder / "waves.png").read_bytes() == before
