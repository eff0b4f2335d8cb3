"""Numbers as JSON holds them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def for_json(value: Any) -> Any:
    """Return plain values in which None stands for what is not finite, since JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: for_json(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [for_json(each) for each in value]
    return value
