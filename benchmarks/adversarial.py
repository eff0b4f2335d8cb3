"""Time one training step of CycleGAN against that of junyanz/pytorch-CycleGAN-and-pix2pix.

    python benchmarks/adversarial.py [--rounds 9] [--size 128] [--blocks 6] [--output benchmarks/adversarial.json]

Both train two ResNet generators and two discriminators of 70×70 patches on one image of each side, in eager PyTorch,
with identity losses and pools of 50 images. The other's step is stated in `peers.py` from the paper and its published
description, in float32, which is all it has; ours is that of `experiment=cyclegan2017`, without Lightning around it, in
float32 and, where the processor multiplies bfloat16, as trainings there do it by default. The steps alternate in one
process; the rows give medians over rounds, and the medians of the ratios taken round by round. Memory is what a process
that takes three such steps holds at most, beyond what it holds before them (Linux alone tells).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measuring import alternating, held_mb, machine
from peers import CycleGANStep
from torch import nn

from fast_style.cli.memory import keep_memory
from fast_style.inference.backends import multiplies_bf16
from fast_style.networks import PatchDiscriminator, ResnetGenerator
from fast_style.training import Adversary, CycleGAN, hold_linear
from fast_style.training.network_task import layout

PEER, OURS, BFLOAT16 = "junyanz/pytorch-CycleGAN-and-pix2pix", "fast_style", "fast_style bfloat16"
POOL = 50
Step = Callable[[], None]


def our_step(size: int, blocks: int, bf16: bool = False) -> Step:
    """Return a step of `experiment=cyclegan2017`, as `training.CycleGAN` does it, on images of noise."""
    generator = ResnetGenerator(64, blocks, upsampling="transposed", output="sigmoid", padding="zeros")
    task = CycleGAN(
        generator,
        Adversary(PatchDiscriminator(64), pool=POOL),
        partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), fused=True),
        partial(hold_linear, total_steps=200_000),
        average=0.0,
    )
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    task.layout = layout(task.device, "bf16-mixed" if bf16 else "32-true")
    for part in task.laid_out_parts:
        part.to(memory_format=task.layout)
    made: Any = task.configure_optimizers()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    number = 0

    def step() -> None:
        nonlocal number
        batch = {"real_a": torch.rand(1, 3, size, size), "real_b": torch.rand(1, 3, size, size)}
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16, cache_enabled=False):
            total = task.training_step(batch | {"index": torch.tensor([number])}, number)
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(task.trained, float("inf"))
        optimizer.step()
        scheduler.step()
        for adversary in task.adversaries.values():
            adversary.pool.commit()  # type: ignore[operator,union-attr]
        number += 1

    return step


def peer_step(size: int, blocks: int) -> Step:
    """Return the other's step on images of noise."""
    step = CycleGANStep(blocks, POOL)
    return lambda: step(*(2 * torch.rand(2, 1, 3, size, size) - 1))


STEPS: dict[str, Callable[[int, int], Step]] = {PEER: peer_step, OURS: our_step}
if multiplies_bf16("cpu"):
    STEPS[BFLOAT16] = partial(our_step, bf16=True)


def memory(name: str, options: argparse.Namespace) -> float:
    """Measure what a process of its own holds at most, in MB."""
    command = [sys.executable, __file__, "--only", name, "--size", str(options.size), "--blocks", str(options.blocks)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="steps of each that are counted")
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--blocks", type=int, default=6, help="of the generators")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--only", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    keep_memory()  # as train.py does; the other has it too
    torch.manual_seed(0)
    if options.only:
        before, step = held_mb(), STEPS[options.only](options.size, options.blocks)
        for _ in range(3):
            step()
        print(held_mb() - before)
        return
    steps = {name: make(options.size, options.blocks) for name, make in STEPS.items()}
    seconds = alternating(steps, options.rounds, warm=2)
    ratios = {
        name: [theirs / ours for theirs, ours in zip(seconds[PEER], each, strict=True)]
        for name, each in seconds.items()
        if name != PEER
    }
    result = {
        "rounds": options.rounds,
        "size": options.size,
        "blocks": options.blocks,
        **machine(),
        "cores": os.cpu_count(),
        "seconds": {name: round(statistics.median(each), 3) for name, each in seconds.items()},
        "speedup": {name: round(statistics.median(each), 2) for name, each in ratios.items()},
        "megabytes": {name: round(memory(name, options)) for name in STEPS},
    }
    print(json.dumps(result, indent=1))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
