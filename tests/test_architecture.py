"""The floors of the house: a file imports only from lower floors, and each library has its place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fast_style"
FLOORS = [
    {"remote"},
    {"archives", "assets", "files", "errors", "processor", "version"},
    {"terminal", "compiled", "devices"},
    {"functional"},
    {"layers"},
    {"images"},
    {"video"},
    {"networks"},
    {"losses", "metrics", "data"},
    {"checkpoint"},
    {"inference"},
    {"training", "optimize", "evaluate"},
    {"web"},
    {"cli"},
    {"__init__", "__main__"},
]
PLACES = {
    "PIL": {"images/"},
    "av": {"video/"},
    "fsspec": {"remote.py"},
    "lightning": {"training/", "data/endless.py", "cli/"},
    "hydra": {"cli/"},
    "omegaconf": {"cli/"},
    "onnx": {"inference/backends/"},
    "onnxruntime": {"inference/backends/"},
    "openvino": {"inference/backends/"},
    "pyarrow": {"inference/shards/"},
    "ray": {"inference/cluster/"},
    "starlette": {"web/"},
    "uvicorn": {"web/"},
}
FORBIDDEN_NAMES = {"utils", "util", "helper", "helpers", "manager", "base", "common", "misc"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def floor(part: str) -> int:
    return next((number for number, parts in enumerate(FLOORS) if part in parts), -1)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Yield dotted names, `from a import b` as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_is_something_to_check():
    assert len(MODULES) > 10


def test_the_guide_shows_the_floors():
    text = (PACKAGE.parent / "docs" / "develop.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", text.partition("| room |")[2], re.MULTILINE)
    assert [{name.removesuffix(".py").rstrip("/") for name in re.findall(r"`([^`]+)`", row)} for row in rows] == FLOORS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    own = part_of(path)
    assert floor(own) >= 0, f"{own} has no floor"
    for name in imports(path):
        package, *rest = name.split(".")
        if package == "fast_style" and rest and rest[0] != own:
            assert 0 <= floor(rest[0]) < floor(own), f"{own} (floor {floor(own)}) imports {name}"


def test_tasks_do_not_import_each_other():
    for path in (PACKAGE / "training").glob("*.py"):
        if path.name != "__init__.py":
            others = {name.split(".")[2] for name in imports(path) if name.startswith("fast_style.training.")}
            shared = {"task", "network_task", "one_painting", "many_paintings", "any_painting"}
            shared |= {"answer", "motion", "optimizers", "schedules", "logs", "adversarial"}
            assert others <= shared, path


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_in_their_place(path):
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        allowed = PLACES.get(name.split(".")[0])
        assert allowed is None or any(where.startswith(place) for place in allowed), f"{where} imports {name}"


def test_instantiate_is_called_in_one_place():
    calls = [path for path in MODULES for _ in range(path.read_text(encoding="utf-8").count("instantiate("))]
    assert [path.relative_to(PACKAGE).as_posix() for path in calls] == ["cli/config.py"]


def test_text_goes_to_a_terminal_in_one_place():
    """There it is neither refused by an encoding nor read as markup."""
    consoles = [path for path in MODULES if "rich.console.Console" in imports(path)]
    assert [path.relative_to(PACKAGE).as_posix() for path in consoles] == ["terminal.py"]


def test_no_drawer_modules():
    assert not {path.stem for path in MODULES} & FORBIDDEN_NAMES
