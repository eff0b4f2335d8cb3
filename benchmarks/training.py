"""Time one training step against that of pytorch/examples.

    python benchmarks/training.py [--rounds 7] [--output benchmarks/training.json]

Both train the same network (1.68 M parameters) on batches of 4 at 256 px under VGG-16 with random weights and the
losses of pytorch/examples: content relu2_2, style relu1_2, relu2_2, relu3_3, relu4_3. Further rows are under the
shipped vgg19_slim with the losses of `loss=gram`, and what `train.py` does by itself on a CPU: the slim network under
VGG-19 with `loss=deep`, at as many pixels. Rows in bfloat16 are left out where the processor does not multiply it.

The steps alternate in one process; a row gives the median over rounds, the median of the ratios taken round by round,
the fraction of the time that the operations of the step would take at the rate of a matrix product of 2048² in
bfloat16, else float32 (measured in every round; `layers/winograd.py` does fewer than are counted, so 1 can be passed),
and the cosine of the gradient over all parameters with that of the same losses in float32.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from measuring import machine, megabytes
from peers import ExamplesLosses
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fast_style.cli.memory import keep_memory
from fast_style.data import reference_scenes
from fast_style.inference.backends import multiplies_bf16
from fast_style.layers import winograd
from fast_style.layers.winograd import FrozenConv
from fast_style.losses import PerceptualLoss, tone_loss
from fast_style.networks import VGG, SlimNetwork, TransformerNetwork

STYLE_LAYERS = {"relu1_2": 64.0**-2, "relu2_2": 128.0**-2, "relu3_3": 256.0**-2, "relu4_3": 512.0**-2}
BATCH, SIZE = 4, 256
PEER = "pytorch/examples"
SLIM: dict[str, Any] = {"width": 64, "blocks": 5, "antialias": True}  # as configs/network/slim.yaml has it
Step = Callable[[Tensor], None]


def peer_step(network: TransformerNetwork, vgg: VGG, style: Tensor) -> Step:
    """Return a training step as pytorch/examples does it, in float32, on networks of ours that have the same layers."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = ExamplesLosses(vgg, style, list(STYLE_LAYERS), 1e5, 1e10, BATCH)

    def step(photos: Tensor) -> None:
        optimizer.zero_grad()
        with plain(vgg):
            content, painted = losses.compare(*losses.features(network(photos), photos))
            (content + painted).backward()
        optimizer.step()
        content.item(), painted.item()  # that program adds both up at every step

    return step


def examples_loss(style: Tensor) -> PerceptualLoss:
    """Return the losses of pytorch/examples, as `configs/loss/pytorch_examples.yaml` has them."""
    vgg = VGG("vgg16", weights=None)
    return PerceptualLoss(vgg, style, ["relu2_2"], STYLE_LAYERS, 1e5, 1e10, 0.0, relative=False)


def default_loss(style: Tensor) -> PerceptualLoss:
    """Return the losses of `configs/loss/gram.yaml` under vgg19_slim."""
    content, styles = ["relu2_2", "relu3_2"], ["relu1_2", "relu2_2", "relu3_4"]
    return PerceptualLoss(VGG("vgg19", "slim"), style, content, styles, 1.0, 5.0, 5.0)


def deep_loss(style: Tensor) -> PerceptualLoss:
    """Return the losses of `configs/loss/deep.yaml` under a VGG-19 with random weights."""
    content, styles = ["relu3_3", "relu4_2"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    terms: dict[str, Any] = {"terms": {"tone_loss": tone_loss}, "term_weights": {"tone_loss": 0.5}}
    vgg = VGG("vgg19", weights=None)
    return PerceptualLoss(vgg, style, content, styles, 0.5, 2.0, 5.0, reference=reference_scenes(), **terms)


@contextmanager
def plain(vgg: VGG) -> Iterator[None]:
    """Compute every convolution of a loss network, and of networks that are trained, as PyTorch does."""
    for conv in vgg.convs.values():
        conv.__class__ = nn.Conv2d
    least, winograd.TRAINED = winograd.TRAINED, 10**9
    try:
        yield
    finally:
        winograd.TRAINED = least
        for conv in vgg.convs.values():
            conv.__class__ = FrozenConv


def our_step(network: nn.Module, loss: PerceptualLoss, bf16: bool, compiled: bool) -> Step:
    """Our training step as `tasks.FeedForward` does it, without Lightning around it."""
    layout = torch.channels_last if bf16 else torch.contiguous_format
    network.to(memory_format=layout)
    loss.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)

    def losses(x: Tensor) -> dict[str, Tensor]:
        return loss(network(x), x)

    run = torch.compile(losses) if compiled else losses

    def step(x: Tensor) -> None:
        x = x.contiguous(memory_format=layout)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
            summary = loss.summary(run(x))
        summary["total_loss"].item()
        optimizer.zero_grad()
        summary["total_loss"].backward()
        nn.utils.clip_grad_norm_(network.parameters(), 100.0)
        optimizer.step()

    return step


def measure(steps: dict[str, Step], rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each step in each round, and operations a second of a matrix product; two rounds are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    dtype = torch.bfloat16 if multiplies_bf16("cpu") else torch.float32
    a, b = (torch.rand(2048, 2048).to(dtype) for _ in range(2))
    rates = []
    for _ in range(rounds + 2):
        x = torch.rand(BATCH, 3, SIZE, SIZE)
        started = time.perf_counter()
        for _ in range(5):
            a @ b
        rates.append(5 * 2 * 2048**3 / (time.perf_counter() - started))
        for name, step in steps.items():
            started = time.perf_counter()
            step(x)
            seconds[name].append(time.perf_counter() - started)
    return {name: values[2:] for name, values in seconds.items()}, rates[2:]


def gradient(network: nn.Module, loss: PerceptualLoss, x: Tensor, bf16: bool, compiled: bool = False) -> Tensor:
    """Gradient of the objective by all parameters, flat."""

    def losses(x: Tensor) -> dict[str, Tensor]:
        return loss(network(x), x)

    network.zero_grad()
    run = torch.compile(losses) if compiled else losses
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
        loss.summary(run(x))["total_loss"].backward()
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])


def operations(network: nn.Module, loss: PerceptualLoss, x: Tensor) -> int:
    """Count the floating-point operations of convolutions and matrix products, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        gradient(network, loss, x, bf16=False)
    return counter.get_total_flops()


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="steps of each kind that are counted")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled steps out")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--give-memory-back", action="store_true", help="do not keep freed memory, as train.py does")
    options = parser.parse_args()
    if not options.give_memory_back:
        keep_memory()  # as train.py does; the peer has it too
    torch.manual_seed(0)
    style, x = torch.rand(1, 3, SIZE, SIZE), torch.rand(BATCH, 3, SIZE, SIZE)
    reference, slim = TransformerNetwork(output="linear"), SlimNetwork(**SLIM)

    def copy() -> TransformerNetwork:
        network = TransformerNetwork(output="linear")
        network.load_state_dict(reference.state_dict())
        return network

    def small() -> SlimNetwork:
        network = SlimNetwork(**SLIM)
        network.load_state_dict(slim.state_dict())
        return network

    kinds: dict[str, tuple[Callable[[], nn.Module], Callable[[Tensor], PerceptualLoss], bool, bool]] = {
        "fast_style float32": (copy, examples_loss, False, False),
        "fast_style float32, vgg19_slim": (copy, default_loss, False, False),
        "fast_style float32, slim, loss=deep": (small, deep_loss, False, False),
        "fast_style float32, slim, vgg19_slim": (small, default_loss, False, False),
        "fast_style bfloat16": (copy, examples_loss, True, False),
        "fast_style bfloat16, compiled": (copy, examples_loss, True, True),
        "fast_style bfloat16, vgg19_slim": (copy, default_loss, True, False),
        "fast_style bfloat16, compiled, vgg19_slim": (copy, default_loss, True, True),
        "fast_style bfloat16, slim, loss=deep": (small, deep_loss, True, False),
    }
    left_out = {"bfloat16": not multiplies_bf16("cpu"), "compiled": options.no_compile}
    kinds = {
        name: kind for name, kind in kinds.items() if not any(out and word in name for word, out in left_out.items())
    }
    loss = examples_loss(style)
    with plain(loss.loss_network):
        work, cosines = {PEER: operations(copy(), loss, x)}, {PEER: 1.0}
    steps = {PEER: peer_step(copy(), VGG("vgg16", weights=None), style)}
    for name, (make, make_loss, bf16, compiled) in kinds.items():
        loss = make_loss(style)
        with plain(loss.loss_network):
            work[name] = operations(make(), loss, x)
            exact = gradient(make(), loss, x, bf16=False)
        ours = gradient(make(), loss, x, bf16, compiled)
        cosines[name] = torch.cosine_similarity(exact, ours, dim=0).item()
        steps[name] = our_step(make(), loss, bf16, compiled)
    seconds, rates = measure(steps, options.rounds)
    peer = seconds[PEER]
    rows = [
        {
            "step": name,
            "seconds": round(statistics.median(values), 3),
            "images_per_second": round(BATCH / statistics.median(values), 2),
            "speedup": round(statistics.median(p / v for p, v in zip(peer, values, strict=True)), 2),
            "of_the_bound": round(statistics.median(work[name] / r / v for r, v in zip(rates, values, strict=True)), 3),
            "cosine": round(cosines[name], 5),
        }
        for name, values in seconds.items()
    ]
    table = Table("step", "s / step", "images / s", "speed-up", "of the bound", "cosine", title=f"{BATCH} at {SIZE} px")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=120).print(table)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"{used.ru_minflt} page faults, {used.ru_stime:.1f} s of the system, {megabytes(used.ru_maxrss):.0f} MB at most"
    )
    if options.output:
        result = {
            "rounds": options.rounds,
            **machine(),
            "dtype_of_the_bound": "bfloat16" if multiplies_bf16("cpu") else "float32",
            "gflops": round(statistics.median(rates) / 1e9),
            "rows": rows,
        }
        options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
