"""Which activations of the whole picture to keep, so that the least is computed twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf, prod

from fast_style.inference.tiling.program import Item, Mark, Norm, sizes_of
from fast_style.inference.tiling.regions import Region, Size


@dataclass(frozen=True)
class Plan:
    """What is kept.

    Attributes:
        kept: positions of the norms whose input is kept, beside the identities of residual blocks.
        work: multiply-adds of all passes.
        elements: numbers held at once, at most.
    """

    kept: frozenset[int]
    work: int
    elements: int


def best_plan(
    program: Sequence[Item], size: Size, elements: float = inf, never: frozenset[int] = frozenset()
) -> Plan | None:
    """Find the plan of least work that holds at most `elements` numbers at once; None if there is none.

    Between two positions at which something is kept, each norm costs a pass that computes everything since the first
    of them. So this is a shortest path; inside residual blocks all is kept.

    Args:
        program: of the network.
        size: of its input.
        elements: the limit.
        never: positions of norms, outside of residual blocks, whose input must not be kept.
    """
    steps = _Steps(program, size, never)
    plans: dict[int, Plan] = {-1: Plan(frozenset(), 0, 0)}
    for stop in steps.positions[1:]:
        ways = []
        for start in steps.before(stop):
            work, held = steps.cost(start, stop)
            if start in plans and held <= elements:
                kept = plans[start].kept | (
                    {stop} if stop < len(program) and isinstance(program[stop], Norm) else set()
                )
                ways.append(Plan(kept, plans[start].work + work, max(plans[start].elements, held)))
        if ways:
            plans[stop] = min(ways, key=lambda plan: plan.work)
    return plans.get(len(program))


def smallest_plan(program: Sequence[Item], size: Size, never: frozenset[int] = frozenset()) -> Plan:
    """Find the plan that holds the fewest numbers, and among those the one of least work; arguments as `best_plan`."""
    steps = _Steps(program, size, never)
    for elements in sorted(
        {steps.cost(start, stop)[1] for stop in steps.positions[1:] for start in steps.before(stop)}
    ):
        if plan := best_plan(program, size, elements, never):
            return plan
    raise AssertionError("the largest step is affordable")


class _Steps:
    """Ways from one position at which something is kept to the next: −1 before the program, its length at the end."""

    def __init__(self, program: Sequence[Item], size: Size, never: frozenset[int]) -> None:
        self.program, self.sizes = program, sizes_of(program, size)
        works = (
            item.work(size) if isinstance(item, Region) else 0 for item, size in zip(program, self.sizes, strict=False)
        )
        self.work = list(accumulate(works, initial=0))  # of all items before a position
        self.norms = [position for position, item in enumerate(program) if isinstance(item, Norm)]
        marks = {position for position, item in enumerate(program) if not isinstance(item, Region)}
        self.positions = [-1, *sorted(marks - never), len(program)]
        self.identities: list[list[int]] = []  # sizes of those that wait at a position
        waiting: list[int] = []
        for item, (c, h, w) in zip([*program, None], self.sizes, strict=True):
            self.identities.append(list(waiting))
            if item is Mark.FORK:
                waiting.append(c * h * w)
            elif item is Mark.JOIN:
                waiting.pop()

    def before(self, stop: int) -> list[int]:
        """Positions from which one step may lead to another: back to the last at which something must be kept."""
        starts = []
        for start in reversed(self.positions[: self.positions.index(stop)]):
            starts.append(start)
            if start not in self.norms or self.identities[start]:
                break
        return starts

    def cost(self, start: int, stop: int) -> tuple[int, int]:
        """Multiply-adds of the passes of a step, and the numbers held meanwhile."""
        ends = [norm for norm in self.norms if start < norm < stop]
        work = sum(self.work[end] - self.work[start + 1] for end in [*ends, stop])
        source = 0 if start < 0 or self.program[start] is Mark.FORK else prod(self.sizes[start])
        in_place = source and self.sizes[start] == self.sizes[stop]
        adds_or_ends = stop == len(self.program) or self.program[stop] is Mark.JOIN
        target = 0 if in_place or adds_or_ends else prod(self.sizes[stop])
        return work, sum(self.identities[stop]) + source + target
