"""Functions compiled by `torch.compile` where that works."""

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from fast_style.errors import first_line

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that is compiled at its first call; where compilation fails, a note says so and it runs as it is.

    Args:
        function: tensors in, tensors out; a module is one too.
        note: called with one sentence when compilation fails.
        options: for `torch.compile`.
    """

    def __init__(self, function: Callable[P, R], note: Callable[[str], Any], **options: Any) -> None:
        self._function = function
        self._note = note
        self._run: Callable[P, R] = torch.compile(function, **options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; what is wrong with the arguments is raised as by the function itself."""
        try:
            return self._run(*args, **kwargs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if self._run is self._function:
                raise
            reason = first_line(error)
        # Not within the handling of the error, whose traceback keeps alive what the attempt has computed.
        result = self._function(*args, **kwargs)  # raises, if the function is to blame
        self._run = self._function
        self._note(f"torch.compile failed, so it runs without ({reason})")  # for lack of a compiler, often
        return result
