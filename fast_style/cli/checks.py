"""Settings are checked against the annotations of the constructors they are for, before anything is built."""

import inspect
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

RULES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"}
RULES |= {Path: "a path", list: "a list", tuple: "a list", dict: "a mapping"}


class Run(typing.NamedTuple):
    """The settings of a training that belong to none of its parts.

    Attributes:
        seed: of all random numbers.
        init: `base`, `scratch`, or a network to start from.
        ckpt_path: a checkpoint to continue, or `last`.
        output: the file of the network.
        overwrite: whether it may replace another.
        license_note: what the file says of licences.
    """

    seed: int
    init: str | Path
    ckpt_path: str | Path | None
    output: str | Path
    overwrite: bool
    license_note: str


def check_settings(config: DictConfig) -> None:
    """Check the types of all values whose constructor has annotations.

    Raises:
        ValueError: naming the setting, its value, and what it must be.
    """
    _check(config, "", typing.get_type_hints(Run))


def _check(config: Any, place: str, hints: dict[str, Any]) -> None:
    keys: Iterable[Any] = config if isinstance(config, DictConfig) else range(len(config))
    for key in keys:
        name = f"{place}{key}"
        # What depends on other settings is checked where these stand.
        if OmegaConf.is_interpolation(config, key) or OmegaConf.is_missing(config, key):
            continue
        value = config[key]
        if isinstance(value, DictConfig | ListConfig):
            target = value.get("_target_") if isinstance(value, DictConfig) else None
            _check(value, f"{name}.", {} if target is None else _hints(target))
            if target is not None:
                continue
            value = OmegaConf.to_container(value)
        hint = hints.get(str(key), Any)
        if not any(_fits(value, each) for each in _members(hint)):
            rules = [_rule(each) for each in _members(hint)]
            raise ValueError(f"{name} must be {' or '.join(dict.fromkeys(filter(None, rules)))}, got {value}")


def _hints(target: str) -> dict[str, Any]:
    """Return the annotations of the arguments of a class or a function, by its dotted name; none if it has none."""
    try:
        made = get_object(target)
        if not isinstance(made, type):
            return typing.get_type_hints(made)
        passes_on = any(each.kind is each.VAR_KEYWORD for each in inspect.signature(made).parameters.values())
        classes = reversed(made.__mro__) if passes_on else (made,)
        constructors = (inspect.getattr_static(each, "__init__") for each in classes)
        return {name: hint for each in constructors for name, hint in typing.get_type_hints(each).items()}
    except Exception:  # whatever is wrong with it is told when it is called
        return {}


def _members(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        for each in get_args(hint):
            yield from _members(each)
    else:
        yield hint


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kind = get_origin(hint) or hint
    if kind in (Any, object) or not isinstance(kind, type):
        return True
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, list):
        return not issubclass(kind, int | float | str | Path | dict | types.NoneType)
    accepted = {float: int | float, Path: str | Path, tuple: list}.get(kind, kind)
    return isinstance(value, accepted)


def _rule(hint: Any) -> str | None:
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    return RULES.get(get_origin(hint) or hint)
