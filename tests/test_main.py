"""The commands behind one name."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from fast_style.__main__ import COMMANDS, main
from fast_style.cli.processes import _command
from fast_style.inference.control import COLOURS
from fast_style.optimize import OPTIMIZERS

HEAVY = ("torch", "lightning", "hydra", "fsspec", "tensorboard", "PIL", "numpy", "rich")


@pytest.fixture
def start(monkeypatch, capsys):
    """Run `python -m fast_style` in this process: exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["…/fast_style/__main__.py", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


def test_help_names_every_command(start):
    for flag in ("-h", "--help"):
        code, out, err = start(flag)
        assert (code, err) == (0, "")
        assert "usage: python -m fast_style COMMAND" in out
        assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stylise"], "there is no command 'stylise' (did you mean stylize?): give one of train, stylize,"),
        (["[bold]"], "there is no command '[bold]': give one of"),
        ([], "which command?: give one of"),
        (["--model", "a.safetensors"], "there is no command '--model'"),
    ],
)
def test_an_unknown_command(start, arguments, sentence):
    code, out, err = start(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


@pytest.mark.parametrize("name", ["stylize", "optimize", "evaluate", "export", "serve"])
def test_misuse_is_one_line(start, name):
    code, out, err = start(name, "--nonsense")
    assert (code, out, err.count("\n")) == (2, "", 1)


HELP = f"""
import runpy, sys
for command in ("", "stylize", "optimize", "evaluate", "export", "serve", "train", "stylize.py"):
    sys.argv = [command, "--help"] if command == "stylize.py" else ["-m", *command.split(), "--help"]
    try:
        if command == "stylize.py":
            runpy.run_path(command, run_name="__main__")
        else:
            runpy.run_module("fast_style", run_name="__main__")
    except SystemExit as stop:
        assert not stop.code, command
found = sys.modules.keys() & set({HEAVY})
assert not found, found
"""


def test_help_imports_nothing_heavy(root):
    """In one process for all commands, since each start of Python costs."""
    command = [sys.executable, "-c", HELP]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: ") == 8
    assert "usage: python stylize.py" in done.stdout


@pytest.mark.parametrize(
    ("name", "given", "option", "choices"),
    [
        ("stylize", ["--model", "m", "--input", "i"], "preserve_color", COLOURS),
        ("optimize", ["--content", "c", "--style", "s", "--output", "o"], "preserve_color", COLOURS),
        ("optimize", ["--style", "s", "--output", "o"], "optimizer", OPTIMIZERS),
    ],
)
def test_choices_are_those_of_the_code(name, given, option, choices):
    """Parsers write them out, since they import nothing heavy."""
    parse = import_module(f"fast_style.cli.parsers.{name}").parse
    for choice in choices:
        options = parse([*given, f"--{option.replace('_', '-')}", choice], "")
        assert getattr(options, option) == choice


@pytest.mark.parametrize(
    ("script", "expected"),
    [("/a/fast_style/__main__.py", ["train"]), ("/bin/fast-style", ["train"]), ("/a/train.py", [])],
)
def test_further_processes_are_started_by_the_same_command(monkeypatch, script, expected):
    monkeypatch.setattr(sys, "argv", [script, "style=mosaic"])
    assert _command() == expected


def test_importing_the_package_is_light_and_gives_the_stylizer():
    import fast_style

    assert fast_style.Stylizer.__name__ == "Stylizer"
    with pytest.raises(AttributeError, match="has no attribute 'Stylizr'"):
        fast_style.Stylizr  # noqa: B018
