"""The wheel works away from the checkout."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint


def test_lightning_is_of_the_minor_version_whose_private_names_are_used(root):
    private = [
        path
        for path in (root / "fast_style").rglob("*.py")
        if re.search(r"^from lightning\S* import .*\b_[A-Z]", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    dependencies = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (limits,) = (each.removeprefix("lightning") for each in dependencies if each.startswith("lightning"))
    lowest, highest = (tuple(map(int, limit.split("."))) for limit in re.findall(r"[\d.]+", limits))
    assert private
    assert highest == (lowest[0], lowest[1] + 1)


def test_wheel_brings_configs_and_commands(root, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, check=True, cwd=root, timeout=120)
    (wheel,) = tmp_path.glob("fast_style-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = archive.namelist()
    assert {"fast_style/configs/train.yaml", "fast_style/assets/styles/starry_night.jpg"} <= set(names)
    assert "fast_style/assets/pretrained/starry_night.safetensors" in names
    assert {"fast_style/web/page/index.html", "fast_style/web/page/styles/starry_night.jpg"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "checkpoints/", "tools/"))]
    assert not [name for name in names if "distil" in name]
    (entries,) = site.glob("fast_style-*.dist-info/entry_points.txt")
    commands = dict(line.split(" = ") for line in entries.read_text().splitlines() if " = " in line)
    assert commands.keys() == {"fast-style"}

    entry = EntryPoint("fast-style", commands["fast-style"], "console_scripts")
    code = f"import sys; sys.argv[0] = 'fast-style'; from {entry.module} import {entry.attr}; {entry.attr}()"
    for arguments, expected in (
        (["train", "style=custom", "--cfg", "job"], "name: custom"),
        (["stylize", "--help"], "usage: fast-style stylize"),
    ):
        environment = os.environ | {"PYTHONPATH": str(site)}
        command = [sys.executable, "-c", code, *arguments]
        result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout
