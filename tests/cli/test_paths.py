"""Paths on the command line are taken as they stand."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from fast_style.cli.paths import PATHS, quoted, settle, style_names

PARSER = OverridesParser.create()
NAMES = [
    "é.jpg",
    "a (1).jpg",
    "a'b.jpg",
    "[1].jpg",
    "a&b.jpg",
    "a,b.jpg",
    "a=b.jpg",
    "${x}.jpg",
    'a"b.jpg',
    "C:\\pics\\",
]
NAMES += [
    "2017",
    "true",
    "1e3",
    "C:\\p\\${x}\\",
    "\\${x}",
    "a}b${c",
    "{a}",
    "#a",
    "a:b",
    " a",
    "a\\'b",
    "$x",
    "plain/a.jpg",
]


def value_of(arguments: list[str]) -> object:
    """What Hydra and OmegaConf read."""
    (argument,) = quoted(arguments)
    config = OmegaConf.create({"style": {"name": "night", "image": None}, "data": {"root": None}})
    override = PARSER.parse_override(argument)
    OmegaConf.update(config, override.key_or_group, override.value())
    settle(config)
    OmegaConf.resolve(config)
    OmegaConf.resolve(config)
    return OmegaConf.select(config, override.key_or_group)


@pytest.mark.parametrize("name", NAMES)
def test_taken_as_they_stand(name):
    assert str(value_of([f"data.root={name}"])) == name
    for path in PATHS:
        (argument,) = quoted([f"{path}={name}"])
        assert argument.startswith(f"{path}=")


def test_home_null_quotes_lists_and_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert value_of(["style.image=~/a b.jpg"]) == f"{tmp_path}/a b.jpg"
    assert value_of(['style.image="~/a.jpg"']) == f"{tmp_path}/a.jpg"
    assert value_of(["data.root=null"]) is None
    assert value_of(["data.root=[a b, 'c, d',~/e]"]) == ["a b", "c, d", f"{tmp_path}/e"]
    assert value_of(["style.image=x/${style.name}.jpg"]) == "x/night.jpg"
    Path("[a,b]").mkdir()
    assert value_of(["data.root=[a,b]"]) == "[a,b]"
    assert quoted(["data.size=[a, b]", "--cfg", "~data.root"]) == ["data.size=[a, b]", "--cfg", "~data.root"]


def test_sweeps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert quoted(["-m", "data.root=[a,b],[c d]"])[1] == "data.root=[a,b],['c d']"
    assert quoted(["-m", "data.root=a,b (1),choice"])[1] == "data.root=a,'b (1)',choice"
    assert quoted(["-m", "data.root=choice(a,b)"])[1] == "data.root=choice(a,b)"
    Path("a,b").mkdir()
    assert quoted(["-m", "data.root=a,b"])[1] == "data.root='a,b'"
    assert style_names(quoted(["-m", "style=a,my painting"])) == ["a", "my painting"]
    with pytest.raises(ValueError, match=r"sweep over style\.image=FILE,FILE"):
        quoted(["-m", "style=a,b.jpg"])


def test_a_style_may_be_a_file():
    assert quoted(["style=p/my a.jpg"]) == ["style=custom", "style.image='p/my a.jpg'", "style.name='my a'"]
    assert quoted(["style=a.jpg", "style.name=b"]) == ["style=custom", "style.image=a.jpg", "style.name=b"]
    assert quoted(["style=my painting"]) == ["style='my painting'"]
    assert quoted(["style=2017"]) == ["style='2017'"]


@pytest.mark.parametrize("name", ["data.root", "data.heldout", "style.name", "style.image", "output", "style"])
def test_empty_is_refused(name):
    with pytest.raises(ValueError, match=rf"^{name} is empty: give {name}=VALUE"):
        quoted([f"{name}="])


def test_empty_in_a_file_is_refused():
    with pytest.raises(ValueError, match=r"data\.root is empty"):
        settle(OmegaConf.create({"data": {"root": ""}}))


def test_a_name_with_capitals_or_blanks_trains(tiny, train, tmp_path, style_folder):
    (style_folder / "waves.png").rename(style_folder / "my ${x} wave.PNG")
    assert (
        train(tiny | {"style": "custom", "style.name": "a", "style.image": str(style_folder / "my ${x} wave.PNG")}) == 0
    )
    (style_folder / "my ${x} wave.PNG").rename(style_folder / "my wave.PNG")
    again = {"style": "my wave", "hydra.run.dir": str(tmp_path / "2"), "output": str(tmp_path / "2.safetensors")}
    assert train(tiny | again) == 0
