"""What stands in for a GPU where there is none: tensors of the CPU that say they are on one."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("cuda", 0)
READS = {"item", "tolist", "nonzero", "argwhere", "equal", "allclose"}
READS |= {f"__{name}__" for name in ("bool", "float", "int", "index", "format", "repr", "array")} | {"numpy"}
MOVES = {"to", "cpu", "cuda"}
COPIES = {"copy_", "__getitem__", "__setitem__", "index_put_"}  # what they are given goes where it is needed
FREE = COPIES | {"__set__", "backward"}


GENERATOR, STREAM = torch.Generator, torch.cuda.current_stream


class Done:
    """A stream, and an event of it, on which nothing is left to do."""

    def record_event(self) -> Self:
        """Mark what was asked for so far."""
        return self

    def query(self) -> bool:
        """Tell whether it is done."""
        return True

    def synchronize(self) -> None:
        """Wait until it is."""


class OnGpu(torch.Tensor):
    """A tensor of the CPU that says it is on a GPU."""


class GpuGenerator(GENERATOR):
    """Random numbers of the GPU."""


class Gpu(TorchFunctionMode):
    """Within it, what is computed of tensors on the GPU is there as well, and mixing them with others is an error.

    Only what Python asks for is seen: the backward pass is not.

    Attributes:
        copies: tensors that went from one device to the other, by way.
        waits: for what the GPU does, by reason; a copy out of pinned memory is none, nor one down that may come later.
    """

    def __init__(self) -> None:
        super().__init__()
        self.copies: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __enter__(self) -> Self:
        torch.Generator = lambda device="cpu": (GpuGenerator if torch.device(device).type == "cuda" else GENERATOR)()
        torch.cuda.current_stream = lambda device=None: Done()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        torch.Generator, torch.cuda.current_stream = GENERATOR, STREAM
        super().__exit__(*error)

    def put(self, thing: Any) -> Any:
        """Bring a tensor or a module there without counting it."""
        if isinstance(thing, torch.Tensor):
            return thing.detach().as_subclass(OnGpu)
        for module in thing.modules():
            for name, each in module.named_parameters(recurse=False):
                module._parameters[name] = nn.Parameter(self.put(each), each.requires_grad)
            for name, each in module.named_buffers(recurse=False):
                module._buffers[name] = self.put(each)
        return thing

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            if function == torch.Tensor.device.__get__ and isinstance(args[0], OnGpu):
                return DEVICE
            if function == torch.Tensor.is_cuda.__get__:
                return isinstance(args[0], OnGpu)
            if name == "pin_memory":
                pinned = args[0].clone()
                pinned.pinned = True
                return pinned
            if name in MOVES:
                return self._move(function, args, kwargs)
            tensors = list(_tensors((args, kwargs)))
            there = any(isinstance(each, OnGpu) for each in tensors)
            here = any(not isinstance(each, OnGpu) and each.dim() for each in tensors)
            if there:
                self._count(name, args, here)
                backward = torch._C._current_graph_task_id() >= 0  # where gradients are of the CPU
                if here and name not in FREE and not backward:
                    raise RuntimeError(f"{name} is given tensors of the CPU and of the GPU")
            asked = kwargs.get("device")
            if asked is not None:
                there, kwargs["device"] = torch.device(asked).type == "cuda", "cpu"
                if there and name == "tensor":
                    self._copy("tensor")
                generator = kwargs.get("generator")
                if generator is not None and isinstance(generator, GpuGenerator) is not there:
                    raise RuntimeError(f"{name} is given a generator of another device")
            result = function(*args, **kwargs)
            return _as(OnGpu, result) if there and name not in READS else result

    def _count(self, name: str, args: Any, here: bool) -> None:
        if name in READS:
            self.waits[name] += 1
        if name == "new_tensor" or (here and name in COPIES):
            self._copy(name)
        if name in {"__getitem__", "__setitem__"} and any(each.dtype == torch.bool for each in _tensors(args[1])):
            self.waits["index of booleans"] += 1

    def _copy(self, way: str, waits: bool = True) -> None:
        self.copies[way] += 1
        if waits:
            self.waits[way] += 1

    def _move(self, function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Do `to`, `cpu` and `cuda`."""
        source, *rest = args
        was = will = isinstance(source, OnGpu)
        for number, each in enumerate(rest):
            if isinstance(each, torch.Tensor):
                will = isinstance(each, OnGpu)
            elif isinstance(each, str | torch.device):
                will, rest[number] = torch.device(each).type == "cuda", "cpu"
        if kwargs.get("device") is not None:
            will, kwargs["device"] = torch.device(kwargs["device"]).type == "cuda", "cpu"
        if function.__name__ != "to":
            will = function.__name__ == "cuda"
        result = source.clone() if function.__name__ == "cuda" else function(source, *rest, **kwargs)
        if will == was:
            return _as(OnGpu, result) if will else result
        late = kwargs.get("non_blocking", False) and (getattr(source, "pinned", False) or not will)
        self._copy("up" if will else "down", waits=not late)
        return _as(OnGpu if will else torch.Tensor, result.clone())


def _tensors(thing: Any) -> Iterator[torch.Tensor]:
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, list | tuple | dict):
        for each in thing.values() if isinstance(thing, dict) else thing:
            yield from _tensors(each)


def _as(kind: type, thing: Any) -> Any:
    if isinstance(thing, torch.Tensor):
        return thing if type(thing) is kind else thing.as_subclass(kind)
    return type(thing)(_as(kind, each) for each in thing) if isinstance(thing, list | tuple) else thing
