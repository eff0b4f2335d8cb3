"""Every command of the README, the guide and the experiments parses, and those that can be run are run, made tiny."""

import argparse
import importlib
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from fast_style.checkpoint import save_network
from fast_style.cli.parsers.stylize import parse
from fast_style.networks import SlimNetwork

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "checkpoints/README.md", *ROOT.glob("tools/*.md")]
)
EXPERIMENTS = sorted(file for folder in ("configs", "tools") for file in (ROOT / folder).rglob("experiment/*.yaml"))
TRAINING = ("python train.py", "python tools/distill.py")
# What no test runs, and why.
NOT_RUN = {
    "pip": "installs",
    "python -m http.server": "serves until it is stopped",
    "npm install": "installs",
    "python3 -m venv": "makes an environment",
    ". .venv": "enters it",
    "tensorboard": "serves until it is stopped",
    "fast-style serve": "serves until it is stopped",
    "python benchmarks/": "needs the photos, paintings and weights, and takes minutes",
    "python tools/": "takes minutes, or needs photos that are not part of the repository",
    "python train.py": "one of them is run below; tests/test_configs.py runs every file of configs/",
}
# Files that the commands name and readers have.
STAND_INS = {
    "A.safetensors": "checkpoints/pretrained/starry_night_slim.safetensors",
    "B.safetensors": "checkpoints/pretrained/the_scream_slim.safetensors",
    "checkpoints/starry_night.safetensors": "checkpoints/pretrained/starry_night_slim.safetensors",
    "checkpoints/colouring.safetensors": "checkpoints/pretrained/starry_night_slim.safetensors",
    "checkpoints/mine.safetensors": "checkpoints/pretrained/starry_night_slim.safetensors",
}
# What makes a command quick.
TINY = {
    "optimize": ["--iterations", "1", "--coarsest", "32", "--size", "32"],
    "evaluate": ["--size", "32", "--lbfgs", "1", "--backend", "torch"],
    "publish": [],
}


class ParsedError(BaseException):
    """Ends a command once its arguments are read."""


def fenced(text: str, language: str) -> list[str]:
    """Take the code of a language out of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def lines_of(code: str) -> Iterator[str]:
    """Yield the commands of a piece of shell, those that go over several lines as one."""
    for line in re.sub(r"\\\n\s*", "", code).splitlines():
        yield from (part.strip() for part in line.split("&&") if part.strip())


def commands() -> list[str]:
    """Read the commands of all pages, each once."""
    found = [line for page in PAGES for code in fenced(page.read_text("utf-8"), "bash") for line in lines_of(code)]
    return list(dict.fromkeys(found))


def experiments() -> list[str]:
    """Read the commands in the headers of the experiments."""
    headers = [
        re.sub(r"^# ?", "", path.read_text("utf-8").split("\ndefaults:")[0], flags=re.MULTILINE) for path in EXPERIMENTS
    ]
    return [line for header in headers for line in lines_of(header) if line.startswith(TRAINING)]


def reason(command: str) -> str | None:
    """Tell why a command is not run."""
    if "--preview" in command:
        return "waits for somebody to watch"
    if "data/paired" in command or "data/unpaired" in command:
        return "needs the symbols that tools/openmoji.py makes"
    if "data/optimised" in command or "VAN_GOGH" in command or "van_gogh" in command:
        return "needs photos and paintings that are not part of the repository"
    if "--backend openvino" in command:
        return "needs OpenVINO; tests/inference/backends/test_open_vino.py has it"
    if "--inception" in command:
        return "needs the weights of Inception; tests/cli/test_evaluate_sets.py makes random ones"
    if "--engine ray" in command and "//" not in command:
        return "starts a cluster; tests/cli/test_cluster_films.py has one"
    if "//" in command:
        return "reaches another machine; tests/cli/test_addresses.py, test_cluster.py and test_publish.py have one"
    return next((why for start, why in NOT_RUN.items() if command.startswith(start)), None)


def call(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run `python …` in this process and return its exit code."""
    _, script, *arguments = words
    try:
        if script == "-m":
            monkeypatch.setattr(sys, "argv", arguments)
            monkeypatch.delitem(sys.modules, f"{arguments[0]}.__main__", raising=False)  # that other tests imported
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        else:
            monkeypatch.setattr(sys, "argv", [script, *arguments])
            monkeypatch.syspath_prepend((ROOT / script).parent)
            runpy.run_path(str(ROOT / script), run_name="__main__")
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def single(settings: list[str]) -> list[str]:
    """Reduce the settings of several trainings to those of the first."""
    chosen = [word for word in settings if not word.startswith("-") and word != "job"]
    for override in OverridesParser.create().parse_overrides(chosen):
        if override.is_sweep_override():
            chosen.remove(override.input_line)
            chosen.append(f"{override.get_key_element()}={next(override.sweep_string_iterator())}")
    return chosen


@pytest.mark.parametrize("command", [*commands(), *experiments()])
def test_a_command_parses(command, monkeypatch, tmp_path):
    words = shlex.split(command)
    if words[0] == "fast-style":
        words[:1] = ["python", "-m", "fast_style"]
    monkeypatch.chdir(tmp_path)
    if words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        assert set(re.findall(r"\w+", "".join(re.findall(r"\[(.*)\]", command)))) <= extras.keys()
    elif command.startswith(TRAINING):
        assert call([*words[:2], *single(words[2:]), "--cfg", "job"], monkeypatch) == 0
    elif words[0] == "python" and "http.server" not in words:
        parse = argparse.ArgumentParser.parse_args

        def parse_and_stop(*arguments: object, **options: object) -> None:
            raise ParsedError(parse(*arguments, **options))

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        if "--help" in words:
            assert call(words, monkeypatch) == 0
        else:
            with pytest.raises(ParsedError, match="Namespace"):
                call(words, monkeypatch)
    else:
        assert (
            words[0] in ("pytest", "tensorboard", "npm", ".")
            or "http.server" in words
            or command == "python3 -m venv .venv"
        )


def test_a_job_of_a_cluster_parses():
    """The manifest of KubeRay and the script of SLURM end with a command."""
    page = (ROOT / "docs/cluster.md").read_text("utf-8")
    manifest = yaml.safe_load(fenced(page, "yaml")[0])
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    groups = manifest["spec"]["rayClusterSpec"]
    for group in (groups["headGroupSpec"], *groups["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert {"name", "image", "resources", "envFrom"} == container.keys()
    for command in (manifest["spec"]["entrypoint"], fenced(page, "sh")[0].splitlines()[-1]):
        name, stylize, *words = shlex.split(command)
        assert (name, stylize, parse(words, "").engine) == ("fast-style", "stylize", "ray")


def test_a_misspelt_setting_is_found(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(["python", "train.py", "stile=mosaic", "--cfg", "job"], monkeypatch) != 0
    assert "stile" in capsys.readouterr().err


def test_what_benchmarks_train_is_pinned_and_can_be_varied(monkeypatch, tmp_path, capsys):
    """Their weights may end at relu3_4, and no budget decides what is trained."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    recipe = importlib.import_module("variants").RECIPE
    monkeypatch.chdir(tmp_path)
    words = ["python", "train.py", *recipe, "model=slim", "model.network.width=48", "--cfg", "job"]
    assert call(words, monkeypatch) == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    assert settings["loss"]["style_layers"].endswith("relu3_4")
    assert settings["data"]["batch_size"] == 2
    assert settings["budget"]["seconds"] is None
    assert settings["model"]["network"]["width"] == 48
    assert settings["model"]["network"]["_target_"].endswith("SlimNetwork")


@pytest.mark.parametrize("name", ["docs/index.md", "mkdocs.yml"])
def test_the_guide_lists_its_pages(name):
    text = (ROOT / name).read_text("utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in text] in ([], ["index.md"])


def film(path: Path) -> None:
    """Make a film of ten grey frames."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height = 48, 40
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((40, 48, 3), 20 * number, np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.fixture
def place(tmp_path, monkeypatch, photo) -> Path:
    """A folder with all that the commands name, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
    pictures = [
        "photo.jpg",
        "a.jpg",
        "b.png",
        "photos/c.jpg",
        "PAINTING.jpg",
        "HELDOUT/d.jpg",
        "PAINTINGS/klimt_adele.jpg",
    ]
    for number, name in enumerate(pictures):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = photo(number, 40, 48).permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(tmp_path / name)
    for number, folder in enumerate(["PICTURES", "REAL", "INPUTS"]):
        (tmp_path / folder).mkdir()
        for name in range(4):
            pixels = photo(4 * number + name, 40, 48).permute(1, 2, 0).contiguous().numpy()
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    Image.linear_gradient("L").save(tmp_path / "MASK.png")
    for name in ("clip.mp4", "MASK.mp4"):
        film(tmp_path / name)
    kept = SlimNetwork(8, 1, norm="conditional", styles=["PAINTING", "mosaic"])
    save_network(tmp_path / "mine.safetensors", kept, {})
    for name in ("mine", "other"):
        save_network(tmp_path / "NETWORKS" / f"{name}.safetensors", SlimNetwork(8, 1), {})
    return tmp_path


@pytest.mark.parametrize(
    "command", [line for line in commands() if reason(line) is None and "onnx" not in line and line != "pytest"]
)
def test_a_command_runs(command, place, monkeypatch, capsys):
    words = [STAND_INS.get(word, word) for word in shlex.split(command)]
    if "--save-style" in words:
        words[words.index("--save-style") + 1] = "kept.safetensors"  # that of the fixture is of another network
    before = set(place.rglob("*"))
    if "--video" in words:
        words += ["--frames", "3", "--style-size", "32", "--backend", "torch"]
    elif words[1] == "-m":
        words += TINY[words[3]] if "--size" not in words else ["--iterations", "1", "--coarsest", "512"]
    assert call(words, monkeypatch) == 0, capsys.readouterr().err
    silent = {"--help", "--list-styles"} & set(words)
    assert silent or "--save-style" in words or set(place.rglob("*")) - before


@pytest.mark.slow
def test_a_network_is_exported_and_used(place, monkeypatch):
    pytest.importorskip("onnxruntime")
    for command in (line for line in commands() if "onnx" in line and line.startswith("python")):
        assert call(shlex.split(command), monkeypatch) == 0
    assert (place / "photo-starry_night.jpg").exists()


@pytest.mark.slow
def test_a_network_is_trained_and_used(place, tiny, train, monkeypatch):
    settings = dict(word.split("=", 1) for word in ["style=custom", "style.name=mine", "style.image=PAINTING.jpg"])
    assert any(all(f"{key}={value}" in line for key, value in settings.items()) for line in commands())
    assert train(tiny | settings) == 0
    words = ["python", "stylize.py", "--model", tiny["output"], "--input", "photo.jpg"]
    assert call(words, monkeypatch) == 0
    assert (place / "photo-out.jpg").exists()


@pytest.mark.parametrize("name", ["README.md", "docs/stylize.md", "checkpoints/README.md"])
def test_python_runs(name, place, capsys):
    page = ROOT / name
    before = set(place.iterdir())
    for code in fenced(page.read_text("utf-8"), "python"):
        exec(compile(code, str(page), "exec"), {})
    written = set(place.iterdir()) - before
    assert written or capsys.readouterr().out
    for path in written:
        with Image.open(path) as image:
            assert image.size == (48, 40)


@pytest.mark.parametrize("start", NOT_RUN)
def test_what_is_not_run_is_in_the_pages(start):
    assert any(command.startswith(start) for command in commands())


def test_pages_name_files_that_exist():
    named = re.compile(r"`((?:benchmarks|configs|tools|fast_style|docs|tests)/[\w./-]+\.\w+)`")
    for page in (page for page in PAGES if page.name != "develop.md"):  # which tells of files to be made
        for path in named.findall(page.read_text("utf-8")):
            assert "NAME" in path or (ROOT / path).exists(), f"{page.name} names {path}"
