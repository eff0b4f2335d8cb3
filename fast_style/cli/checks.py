"""Settings are checked against the annotations of the constructors they are for, before anything is built."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from fast_style.cli.errors import nearest_setting

RULES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"}
RULES |= {Path: "a path", list: "a list", tuple: "a list", Sequence: "a list", dict: "a mapping", Mapping: "a mapping"}

WITHOUT_END = "at least 1, or -1 for no limit"
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {  # of numbers whose classes would not say whose they are
    "seed": ("0 to 4294967295", lambda value: 0 <= value < 2**32),
    "trainer.max_steps": (WITHOUT_END, lambda value: value >= 1 or value == -1),
    "trainer.max_epochs": (WITHOUT_END, lambda value: value >= 1 or value == -1),
    "trainer.accumulate_grad_batches": ("at least 1", lambda value: value >= 1),
    "trainer.log_every_n_steps": ("at least 1", lambda value: value >= 1),
    "trainer.val_check_interval": ("more than 0, a large number for never", lambda value: value > 0),
    "trainer.limit_train_batches": ("more than 0", lambda value: value > 0),
    "trainer.limit_val_batches": ("more than 0", lambda value: value > 0),
    "trainer.gradient_clip_val": ("at least 0, which is none", lambda value: value >= 0),
}


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


def check_settings(config: DictConfig, overrides: Sequence[str] | None = None) -> None:
    """Check the types of all values whose constructor has annotations, and what their constructors would not tell.

    That is the range of some numbers, whether a model has the painting it needs, and takes what is said of its loss.

    Args:
        config: as it is composed.
        overrides: by which it was changed; None: those of the command that runs.

    Raises:
        ValueError: naming the setting, its value, and what it must be or where it belongs.
    """
    if "init" in config and config.init is None:  # a configuration takes no value back that another one gave
        raise ValueError("init is not set: give init=FILE, a network to start from")
    _check(config, "", typing.get_type_hints(Run))
    _check_ranges(config)
    if overrides is None:
        overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else ()
    if {"model", "loss", "style"} <= set(config):
        used = str(OmegaConf.to_container(config.model, resolve=False))
        _check_style(config, used)
        _check_loss(config.model, used, overrides)


def check_end(trainer: DictConfig) -> None:
    """Refuse a training that would never end.

    Args:
        trainer: its part of the configuration.

    Raises:
        ValueError: if neither time nor steps nor epochs of so many batches are limited.
    """
    epochs = trainer.get("max_epochs", -1) != -1 and isinstance(trainer.get("limit_train_batches"), int)
    if trainer.get("max_time") is None and trainer.get("max_steps", -1) == -1 and not epochs:
        raise ValueError("the training has no end: give trainer.max_time=HH:MM:SS or trainer.max_steps=NUMBER")


def _check_ranges(config: DictConfig) -> None:
    for name, (rule, fits) in RANGES.items():
        part, _, last = name.rpartition(".")
        parent = OmegaConf.select(config, part) if part else config
        if parent is None or last not in parent or OmegaConf.is_interpolation(parent, last):
            continue
        value = parent[last]
        if isinstance(value, int | float) and not isinstance(value, bool) and not fits(value):
            raise ValueError(f"{name} must be {rule}, got {value}")


def _check_style(config: DictConfig, used: str) -> None:
    """Refuse style=none where a model learns a painting."""
    if set(config.style) == {"name"} and ("${style}" in used or "${loss}" in used):
        raise ValueError(f"{_called(config.model)} needs a painting, and style=none has none: give style=NAME")


def _check_loss(model: DictConfig, used: str, overrides: Sequence[str]) -> None:
    """Refuse settings of the loss that a model would silently leave out."""
    if "${loss}" in used:
        return
    taken = dict.fromkeys(re.findall(r"\$\{loss\.(\w+)", used))
    own = [each for each in model.get("loss") or () if each not in ("_target_", "loss_network")]
    for override in overrides:
        setting = override.lstrip("+~").partition("=")[0]
        part, _, inner = setting.partition(".")
        if part != "loss" or inner.partition(".")[0] in taken or (taken and not inner):
            continue
        if taken:
            advice = f"which takes {', '.join(taken)} of loss alone: leave it out"
        elif not own:
            advice = "which has none: leave it out"
        elif inner in own:
            advice = f"which has a loss of its own: give model.{setting}"
        else:
            advice = f"which has a loss of its own, model.loss, with {', '.join(own)}: leave it out"
        raise ValueError(f"{setting if inner else override} is not for {_called(model)}, {advice}")


def _called(model: DictConfig) -> str:
    return str(model.get("_target_", "the model")).rpartition(".")[2]


def _check(config: Any, place: str, hints: dict[str, Any]) -> None:
    keys: Iterable[Any] = config if isinstance(config, DictConfig) else range(len(config))
    for key in keys:
        name = f"{place}{key}"
        # What depends on other settings is checked where these stand.
        if OmegaConf.is_interpolation(config, key) or OmegaConf.is_missing(config, key):
            continue
        value, allowed = config[key], list(_members(hints.get(str(key), Any)))
        if isinstance(value, DictConfig) and "_target_" in value:
            _check_names(value, name)
            _check(value, f"{name}.", _hints(value["_target_"]))
            continue
        if isinstance(value, DictConfig):
            _check(value, f"{name}.", dict.fromkeys(map(str, value), _values(allowed)))
        elif isinstance(value, ListConfig):
            _check(value, f"{name}.", {})
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value)
        if not any(_fits(value, each) for each in allowed):
            raise ValueError(f"{name} must be {_rules(allowed)}, got {value}")


def _check_names(part: DictConfig, place: str) -> None:
    """Refuse settings that the class or function of a part does not take, where it tells what it takes."""
    try:
        parameters = inspect.signature(get_object(part["_target_"])).parameters
    except Exception:  # whatever is wrong with it is told when it is called
        return
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    for name in map(str, part):
        if name not in parameters and not name.startswith("_"):
            advice = nearest_setting(f"{place}.{name}", parameters)
            raise ValueError(f"there is no setting {place}.{name}{advice}")


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


def _values(allowed: list[Any]) -> Any:
    """Return the annotation of the values of a mapping."""
    return next((get_args(each)[1] for each in allowed if get_origin(each) in (dict, Mapping)), Any)


def _rules(allowed: list[Any]) -> str:
    kinds = [get_origin(each) or each for each in allowed if each is not int or float not in allowed]
    literal = [str(value) for each in allowed if get_origin(each) is Literal for value in get_args(each)]
    rules = [", ".join(literal), *(RULES.get(kind, "") for kind in kinds)]
    return " or ".join(dict.fromkeys(filter(None, rules))) or "an object, which _target_ names"
