from itertools import chain, combinations
from math import inf, prod

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fast_style.inference.tiling.plan import best_plan, smallest_plan
from fast_style.inference.tiling.program import Mark, Norm, program_of, sizes_of, stem_norms
from fast_style.inference.tiling.regions import Region
from fast_style.layers import ConvLayer, ResidualBlock
from fast_style.networks import TransformerNetwork

SIZE = (3, 64, 96)


def simulate(program, kept):
    """Work and most numbers held of the passes, as `Passes` makes them."""
    sizes = [prod(size) for size in sizes_of(program, SIZE)]
    source, pending, work, most, identities = 0, 0, 0, 0, []
    for position, (item, elements, size) in enumerate(zip(program, sizes, sizes_of(program, SIZE), strict=False)):
        if isinstance(item, Region):
            pending += item.work(size)
            continue
        work += pending
        keeps = position in kept or item is Mark.FORK
        free = identities[-1:] != [source]
        target = elements if keeps and not (free and source == elements) else 0
        if item is Mark.FORK and pending == 0 and program[position - 1] is Mark.JOIN:
            target = 0
        most = max(most, sum(identities) + (source if free else 0) + target)
        if item is Mark.JOIN:
            source, pending = identities.pop(), 0
        elif keeps:
            source, pending = elements, 0
        if item is Mark.FORK:
            identities.append(elements)
    return work + pending, max(most, source)


def subsets(values):
    return chain.from_iterable(combinations(values, count) for count in range(len(values) + 1))


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_no_other_plan_of_the_same_size_does_less_work(upsampling):
    network = TransformerNetwork(width=4, blocks=2, upsampling=upsampling).eval()
    program = program_of(network, torch.float32)
    norms = [position for position, item in enumerate(program) if isinstance(item, Norm)]
    first, last = program.index(Mark.FORK), len(program) - program[::-1].index(Mark.JOIN)
    inner = {norm for norm in norms if first < norm < last}
    ways = [simulate(program, inner | set(kept)) for kept in subsets([norm for norm in norms if norm not in inner])]
    for elements in [inf, *(held for _, held in ways)]:
        plan = best_plan(program, SIZE, elements)
        assert (plan.work, plan.elements) == simulate(program, plan.kept)
        assert plan.work == min(work for work, held in ways if held <= elements)
        assert plan.elements <= elements
    least = min(held for _, held in ways)
    assert best_plan(program, SIZE, least - 1) is None
    assert smallest_plan(program, SIZE) == best_plan(program, SIZE, least)


def test_keeping_all_computes_nothing_twice():
    network = TransformerNetwork().eval()
    program = program_of(network, torch.float32)
    plan = best_plan(program, SIZE)
    assert plan.work == sum(
        item.work(size)
        for item, size in zip(program, sizes_of(program, SIZE), strict=False)
        if isinstance(item, Region)
    )
    assert plan.kept == {position for position, item in enumerate(program) if isinstance(item, Norm)}


def test_what_must_not_be_kept():
    program = program_of(TransformerNetwork().eval(), torch.bfloat16)
    stem = stem_norms(program)
    assert stem == {1}  # after the first convolution
    free, plan = best_plan(program, SIZE), best_plan(program, SIZE, never=stem)
    assert plan.kept == free.kept - stem
    assert plan.work == free.work + program[0].work(SIZE)
    assert not smallest_plan(program, SIZE, stem).kept & stem


def test_without_residual_blocks_nothing_must_be_kept():
    class Network(nn.Module):
        chain = (ConvLayer(3, 8, 3), nn.InstanceNorm2d(8), F.relu, ConvLayer(8, 3, 3))

    program = program_of(Network(), torch.float32)
    assert smallest_plan(program, SIZE).elements == 0
    assert best_plan(program, SIZE).elements == 8 * 64 * 96


def test_the_trunk_of_johnsons_network_needs_two_copies():
    program = program_of(TransformerNetwork().eval(), torch.float32)
    assert smallest_plan(program, (3, 4320, 7680)).elements == 2 * 128 * 1080 * 1920


def test_a_branch_within_a_branch():
    class Deeper(nn.Module):
        def __init__(self):
            super().__init__()
            self.branch = [ConvLayer(4, 4, 3), ResidualBlock(4), nn.InstanceNorm2d(4)]

    class Network(nn.Module):
        chain = (ConvLayer(3, 4, 3), Deeper())

    program = program_of(Network(), torch.float32)
    assert best_plan(program, SIZE).elements == 3 * 4 * 64 * 96
