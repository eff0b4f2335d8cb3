"""The wheel works away from the checkout."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint


def test_wheel_brings_configs_and_commands(root, tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(root)], check=True, cwd=tmp_path, timeout=120)
    (wheel,) = tmp_path.glob("fast_style-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = archive.namelist()
    assert {"fast_style/configs/train.yaml", "fast_style/assets/styles/starry_night.jpg"} <= set(names)
    assert "fast_style/assets/pretrained/starry_night.safetensors" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "checkpoints/"))]
    (entries,) = site.glob("fast_style-*.dist-info/entry_points.txt")
    commands = dict(line.split(" = ") for line in entries.read_text().splitlines() if " = " in line)
    assert commands.keys() == {"fast-style-train", "fast-style-stylize"}

    for name, arguments, expected in (
        ("fast-style-train", ["style=custom", "--cfg", "job"], "name: custom"),
        ("fast-style-stylize", ["--help"], "--model"),
    ):
        entry = EntryPoint(name, commands[name], "console_scripts")
        code = f"import sys; sys.argv[0] = {name!r}; from {entry.module} import {entry.attr}; {entry.attr}()"
        environment = os.environ | {"PYTHONPATH": str(site)}
        command = [sys.executable, "-c", code, *arguments]
        result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout
