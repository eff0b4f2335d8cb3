"""Settings whose values are paths or names: taken as they stand, whatever Hydra's grammar would make of them.

On the command line `data.root=2017` would be a number, `style.image=a (1).jpg` an error, `style.image=${x}.jpg` another
setting. `quoted` writes such arguments the way Hydra reads as plain text, before Hydra parses them; `settle` checks
what came of them, and of the same settings in configuration files.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from fast_style.data.style import StyleSource
from fast_style.files import as_path, is_file

PATHS = [
    "style.image",
    "style.dir",
    "data.root",
    "data.root_a",
    "data.root_b",
    "data.heldout",
    "data.style_root",
    "data.clips",
    "init",
    "ckpt_path",
    "output",
    "loss_network.weights",
    "model.init_back",
    "model.network.encoder",
    "trainer.default_root_dir",
    "hydra.run.dir",
    "hydra.sweep.dir",
]
FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "trainer.default_root_dir")  # that are made
LISTS = ("data.root", "data.root_a", "data.root_b", "data.heldout", "data.style_root")  # that take several: [a,b]
NAME, GROUP = "style.name", "style"
# Texts that Hydra reads as they stand; quotes around them would only be in the way, in the names of folders and tables.
PLAIN = re.compile(r"(?!(?:null|true|false|inf|nan|on|off|yes|no)$)[A-Za-z_./-][\w./-]*", re.IGNORECASE | re.ASCII)
# What begins another setting, ${style.name} or ${now:%Y}, has a dot or a colon; anything else is part of a name.
NO_SETTING = re.compile(r"(\\*)\$\{(?!\w+[.:])")
FUNCTION = re.compile(r"(choice|sort|shuffle|glob|range|interval|tag)\(.*\)", re.DOTALL)


def quoted(arguments: Sequence[str]) -> list[str]:
    """Quote the values of paths and names among the arguments of a command, so that Hydra takes them as they stand.

    What exists as a file or a folder is that, whatever it looks like. Else `null` stays nothing, `[a,b]` is a list
    where several are taken, quotes around the whole are Hydra's, and `${style.name}` is the value of another setting.
    With `-m`, commas part the values of a sweep, and functions of Hydra's, such as `choice(a,b)`, are left to it. The
    file or URL of a style, `style=a.jpg`, becomes `style=custom style.image=a.jpg style.name=a`.

    Raises:
        ValueError: if a value is empty, a sweep over styles names a file, or a file is where a folder must be.
    """
    multirun = any(argument in ("-m", "--multirun", "hydra.mode=MULTIRUN") for argument in arguments)
    named = any(argument.startswith(f"{NAME}=") for argument in arguments)
    return [each for argument in arguments for each in _quoted(argument, multirun, named)]


def style_names(arguments: Sequence[str]) -> list[str]:
    """List the names that `style=` chooses among the quoted arguments, those of a sweep one by one."""
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{GROUP}=")]
    return [_bare(value) for text in chosen for value in _parts(text)]


def settle(config: DictConfig) -> None:
    """Check the paths and names of a configuration, and expand `~` in them, in place.

    Raises:
        ValueError: if one is empty.
    """
    for name in (*PATHS, NAME):
        value = None if name.startswith("hydra.") else OmegaConf.select(config, name)
        if value is None or isinstance(value, bool | DictConfig):
            continue
        several = OmegaConf.is_list(value)
        given = [str(each) for each in value] if several else [str(value)]
        paths = [as_path(text, name) for text in given]
        settled: list[str | Path] = []
        for text, path in zip(given, paths, strict=True):
            literal = name != NAME and text.startswith("~")
            # A Path, because OmegaConf would look for settings in a text whenever it is read.
            settled.append(path if "${" in text else str(path) if literal else text)
        if settled != (list(value) if several else [value]) or any(isinstance(each, Path) for each in settled):
            OmegaConf.update(config, name, settled if several else settled[0])


def _quoted(argument: str, multirun: bool, named: bool) -> list[str]:
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    if not equals or name not in (*PATHS, NAME, GROUP):
        return [argument]
    if not value.strip():
        raise ValueError(f"{name} is empty: give {name}=VALUE, or leave it out")
    if name == GROUP:
        return _choice(value, multirun, named)
    if multirun and FUNCTION.fullmatch(value):
        return [argument]
    if name in FOLDERS:
        _refuse_file(name, _bare(value))
    values = _parts(value) if multirun and not (name != NAME and _exists(value)) else [value]
    return [f"{key}={','.join(_value(name, each) for each in values)}"]


def _refuse_file(name: str, value: str) -> None:
    path = as_path(value, name)
    for place in (path, *path.parents):
        if is_file(place):
            where = "is a file" if place == path else f"would lie in {place}, which is a file"
            raise ValueError(f"{name}={value} {where}: give a folder")


def _choice(value: str, multirun: bool, named: bool) -> list[str]:
    """Quote the choice of a style, or make one of its file or URL."""
    if multirun and FUNCTION.fullmatch(value):
        return [f"{GROUP}={value}"]
    names = [_bare(each) for each in (_parts(value) if multirun else [value])]
    if multirun:
        if files := [name for name in names if not StyleSource(name).reads_as_name]:
            raise ValueError(f"style={value} is a sweep over names: for {files[0]}, sweep over style.image=FILE,FILE")
    elif not (source := StyleSource(names[0])).reads_as_name:
        name = [] if named else [f"{NAME}={_text(source.name)}"]
        return [f"{GROUP}=custom", f"style.image={_text(names[0])}", *name]
    return [f"{GROUP}={','.join(map(_text, names))}"]


def _value(name: str, value: str) -> str:
    """Quote one value, or the members of a list."""
    if not value:
        raise ValueError(f"one of the values of {name} is empty")
    if name != NAME and _exists(value):
        return _text(value, literal=True)
    if value in ("null", "???"):
        return value
    if name in LISTS and value.startswith("[") and value.endswith("]"):
        inside = value[1:-1].strip()
        return f"[{','.join(_value(name, each) for each in _parts(inside))}]" if inside else "[]"
    return _text(_bare(value))


def _parts(text: str) -> list[str]:
    """Part values at the commas that are neither within brackets nor within quotes around a value."""
    parts, depth, quote, before = [""], 0, "", ""
    for letter in text:
        if letter == "," and not depth and not quote:
            parts.append("")
            continue
        if quote:
            quote = "" if letter == quote and before != "\\" else quote
        elif letter in "'\"" and not parts[-1].strip(" [") and text.count(letter) > 1:
            quote = letter
        else:
            depth += (letter in "[{(") - (letter in "]})")
        parts[-1] += letter
        before = letter
    return [part.strip() for part in parts]


def _bare(value: str) -> str:
    """Take Hydra's quotes off a value that has them."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    try:
        parsed = OverridesParser.create().parse_override(f"{NAME}={value}").value()
    except HydraException:
        return value
    return parsed if isinstance(parsed, str) else value


def _text(text: str, literal: bool = False) -> str:
    """Write a text so that Hydra, and then OmegaConf, read it as it stands; `literal`: settings in it too."""
    if PLAIN.fullmatch(text):
        return text
    # OmegaConf takes \${ for ${, and two backslashes before it for one.
    pattern = re.compile(r"(\\*)\$\{") if literal else NO_SETTING
    return QuotedString(pattern.sub(lambda m: m[1] * 2 + "\\${", text), Quote.single).with_quotes()


def _exists(text: str) -> bool:
    try:
        return as_path(text).exists()
    except (OSError, ValueError, RuntimeError):
        return False
