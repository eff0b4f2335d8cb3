"""Words of the training command that are no settings: refused before Hydra answers them in terms of its own."""

import re
from collections.abc import Sequence
from pathlib import Path

from fast_style.cli.config import CONFIGS
from fast_style.data import shipped_styles
from fast_style.errors import nearest
from fast_style.images import SUFFIXES

ALONE = ["--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"]
ALONE += ["--shell-completion", "-sc"]
WITH_VALUE = ["--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"]
WITH_VALUE += ["--experimental-rerun", "--info", "-i"]


def check_words(arguments: Sequence[str]) -> None:
    """Refuse what is neither SETTING=VALUE, nor ~SETTING, nor an option of Hydra or its value.

    Raises:
        ValueError: naming the word, and what was likely meant.
    """
    before = ""
    for number, word in enumerate(arguments):
        option = word.partition("=")[0]
        if word.startswith("-"):
            if not any(each.startswith(option) for each in [*ALONE, *WITH_VALUE]):
                advice = _setting(word, *arguments[number + 1 : number + 2])
                raise ValueError(f"there is no option {option}: settings have no dashes, {advice}")
        elif "=" not in word and not word.startswith("~") and before not in WITH_VALUE:
            raise ValueError(_advice(word))
        before = word


def _setting(option: str, after: str = "") -> str:
    """Write an option, and the word after it if that may be its value, as the setting that was meant."""
    name, _, value = option.lstrip("-").partition("=")
    value = value or ("" if after.startswith("-") or "=" in after else after)
    return f"give {name.replace('-', '_') or 'SETTING'}={value or 'VALUE'}"


def _advice(word: str) -> str:
    """Say what a word alone may have meant: the value of style=, or a setting without its value."""
    groups = [folder.name for folder in CONFIGS.iterdir() if folder.is_dir()]
    if word in shipped_styles() or Path(word).is_file():
        return f"{word} is a value without its setting: give style={word}"
    if Path(word).suffix.lower() in SUFFIXES:
        return f"there is no file {word}; a painting is given as style=FILE"
    if re.fullmatch(r"\+*\w+(\.\w+)+", word) or word in groups:
        return f"{word} has no value: give {word}=VALUE"
    near = nearest(word, shipped_styles())
    meant = f"did you mean style={near}?" if near else "settings are given as SETTING=VALUE, such as style=mosaic"
    return f"{word} is no setting: {meant}"
