"""Words of the training command that are no settings: refused before Hydra answers them in terms of its own."""

import re
from collections.abc import Sequence
from pathlib import Path

from fast_style.cli.config import CONFIGS
from fast_style.data import shipped_styles
from fast_style.errors import nearest

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
    for word in arguments:
        option = word.partition("=")[0]
        if word.startswith("-"):
            if not any(each.startswith(option) for each in [*ALONE, *WITH_VALUE]):
                raise ValueError(f"there is no option {option}: settings have no dashes, {_setting(word)}")
        elif "=" not in word and not word.startswith("~") and before not in WITH_VALUE:
            raise ValueError(_advice(word))
        before = word


def _setting(option: str) -> str:
    """Write an option as the setting that was meant."""
    name, _, value = option.lstrip("-").partition("=")
    return f"give {name.replace('-', '_') or 'SETTING'}={value or 'VALUE'}"


def _advice(word: str) -> str:
    """Say what a word alone may have meant: the value of style=, or a setting without its value."""
    groups = [folder.name for folder in CONFIGS.iterdir() if folder.is_dir()]
    if word in shipped_styles() or Path(word).is_file():
        return f"{word} is a value without its setting: give style={word}"
    if re.fullmatch(r"\+*\w+(\.\w+)+", word) or word in groups:
        return f"{word} has no value: give {word}=VALUE"
    near = nearest(word, shipped_styles())
    meant = f"did you mean style={near}?" if near else "settings are given as SETTING=VALUE, such as style=mosaic"
    return f"{word} is no setting: {meant}"
