"""Plans of networks for any style at equal training time: train those that the project lacks, and judge all alike.

    python benchmarks/any_style_designs.py train DESIGN FILE.pt --photos PHOTOS --paintings PAINTINGS
        [--seconds 600] [--size 192] [--batch 4]
    python benchmarks/any_style_designs.py judge NAME=FILE … --photos HELDOUT --paintings OTHER_PAINTINGS
        --pictures FOLDER [--count 3] [--strength 0.6] [--starts LEVEL …] [--rounds 7] [--output FILE.json]

`train` knows three designs: `microast` (Wang et al. 2023: micro encoders, modulated filters, a contrastive term),
`whitening` (Li et al. 2017: decoders that learn to reconstruct photos, at each of four levels twice as long as at the
finer one) and `adain`, the network of `model=adain`, which trains with losses of its own, with those of `loss=deep`, as
microast has them. The network that ships is trained with `model=any_style`. Photos, crops of paintings and their order
are those of `train.py` with the same seed. What is limited is the time of the processor, not that of the clock, so
that what else the machine does counts for none of them.

`judge` shows the middle squares of a few photos in each painting, and gives for each file the weighted losses of
`loss=deep` by layer (`any_style.py losses`), as control also those of the photos themselves, and the seconds that one
picture of 512 × 512 takes, prediction of the style included, medians of runs that alternate in one process, in float32
and with bfloat16. Files are what `train.py` or `train` wrote; those of whitening begin at several levels in turn, since
decoders of coarse ones take long to learn.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import any_style
import torch
from any_style_networks import LEVELS, MicroAST, Whitening, contrast_loss
from measuring import alternating, machine
from torch import Tensor, nn

from fast_style import images
from fast_style.checkpoint import load_network, read_metadata
from fast_style.cli.memory import keep_memory
from fast_style.data import HeldOut, ImageSource, PhotoDataset, load_style, procedural_image
from fast_style.data.paintings import StyleCrops
from fast_style.inference.backends.precision import multiplies_bf16
from fast_style.layers import frozen
from fast_style.losses import AnyPaintingLoss
from fast_style.networks import VGG, AdaIN, AnyStyleNetwork
from fast_style.networks.style_encoder import as_seen

DESIGNS = ("adain", "microast", "whitening")
RATE, WARM, FINAL = 1e-3, 20, 0.02  # of Adam, as configs/optimizer and configs/scheduler have them
CLIPPED = 100.0  # the norm of gradients, as configs/trainer has it
CONTRAST = 3.0  # the weight of the contrastive term in the paper's program, where that of the style is 3 as well
SCENES, SCENE = 16, 128  # by which what decoders see is standardised, as in `AdaINStyle`

Step = Callable[[Tensor, Tensor], Tensor]
Painter = Callable[[Tensor, Tensor], Tensor]


def build(design: str, vgg: VGG) -> nn.Module:
    """Make the network of a design with random weights."""
    torch.manual_seed(0)
    if design == "microast":
        return MicroAST()
    scenes = torch.stack([procedural_image(0, index, SCENE) for index in range(SCENES)])
    network = Whitening(vgg) if design == "whitening" else AdaIN("oxford_8bit")
    network.standardize(scenes)
    return network


def steps_of(network: nn.Module, loss: AnyPaintingLoss | None) -> dict[str, tuple[Step, float]]:
    """Tell what a network learns: functions of photos and paintings (N, 3, H, W), each with its share of the time.

    Args:
        network: as `build` makes it.
        loss: what pictures are compared by; whitening needs none.
    """
    if isinstance(network, Whitening):
        shares = {level: 2.0**place for place, level in enumerate(reversed(network.levels))}

        def of_level(level: str) -> Step:
            return lambda photos, paintings: network.reconstruction_loss(level, photos)

        return {level: (of_level(level), share / sum(shares.values())) for level, share in shares.items()}
    assert loss is not None  # the others have one

    def objective(pictures: Tensor, photos: Tensor, paintings: Tensor) -> Tensor:
        return loss.summary(loss(pictures, photos, loss.look_at(paintings)))["total_loss"]

    def microast(photos: Tensor, paintings: Tensor) -> Tensor:
        assert isinstance(network, MicroAST)  # as chosen below
        signals = network.signals(paintings)
        pictures = network.paint(photos, signals)
        return objective(pictures, photos, paintings) + CONTRAST * contrast_loss(network.signals(pictures), signals)

    def adain(photos: Tensor, paintings: Tensor) -> Tensor:
        return objective(painter_of(network)(photos, paintings), photos, paintings)

    return {"pictures": (microast if isinstance(network, MicroAST) else adain, 1.0)}


def learn(
    step: Step, parameters: Iterable[nn.Parameter], batch: Callable[[int], tuple[Tensor, Tensor]], seconds: float
) -> int:
    """Train for some seconds of the processor; return the steps.

    The rate rises for WARM steps and falls by a cosine of the time to FINAL of itself, as `warmup_cosine`.

    Args:
        step: the loss of photos and paintings.
        parameters: what is trained.
        batch: photos and paintings by the number of the step.
        seconds: of this process, `time.process_time`.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, RATE, fused=True)
    started, done, told = time.process_time(), 0, 0.0
    while (share := (time.process_time() - started) / seconds) < 1:
        photos, paintings = batch(done)
        fallen = FINAL + (1 - FINAL) * (1 + math.cos(math.pi * share)) / 2
        optimizer.param_groups[0]["lr"] = RATE * min((done + 1) / (WARM + 1), fallen)
        with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bf16("cpu")):
            loss = step(photos, paintings)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIPPED)
        optimizer.step()
        done += 1
        if share >= told:
            print(f"{share:4.0%} of {seconds:.0f} s: step {done}, loss {loss.item():.4g}", flush=True)
            told += 0.05
    return done


def train(options: argparse.Namespace) -> None:
    """Train a design, and write its weights with the steps and the seconds."""
    keep_memory()
    photos = PhotoDataset(ImageSource(options.photos), options.size)
    paintings = StyleCrops(options.paintings, options.size, recolored=0.5)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        numbers = range(step * options.batch, (step + 1) * options.batch)
        together = (torch.stack([source[number]["image"] for number in numbers]) for source in (photos, paintings))
        first, second = (each.contiguous(memory_format=torch.channels_last) for each in together)
        return first, second

    vgg = VGG("vgg19", "oxford_8bit")
    network = build(options.design, vgg).to(memory_format=torch.channels_last)
    loss = None if options.design == "whitening" else any_style.deep_loss().to(memory_format=torch.channels_last)
    steps = {
        name: learn(step, network.parameters(), batch, share * options.seconds)
        for name, (step, share) in steps_of(network, loss).items()
    }
    state = {key: value for key, value in network.state_dict().items() if not key.startswith("vgg.")}
    torch.save({"design": options.design, "steps": steps, "seconds": options.seconds, "state": state}, options.file)
    print(json.dumps({"steps": steps, "parameters": sum(parameter.numel() for parameter in network.parameters())}))


def load(path: Path, vgg: VGG) -> tuple[nn.Module, dict[str, Any]]:
    """Read a network that `train.py` or `train` wrote, and what is known of its training."""
    if path.suffix != ".pt":
        network = load_network(path)
        return frozen(network), {"steps": read_metadata(path)["steps"], "parameters": _count(network)}
    file = torch.load(path, weights_only=True)
    built = build(file["design"], vgg)
    built.load_state_dict(file["state"], strict=False)
    return frozen(built), {key: file[key] for key in ("steps", "seconds")} | {"parameters": _count(built)}


def painter_of(network: nn.Module, strength: float = 1.0) -> Painter:
    """Tell how a network shows photos (N, 3, H, W) in the style of images, one or N, both in [0, 1].

    Raises:
        ValueError: if it is none that takes style images.
    """
    if isinstance(network, Whitening):
        return lambda photo, style: network.paint(photo, network.look_at(style), strength)
    if isinstance(network, AdaIN):
        return lambda photo, style: network.transfer(network.encode(photo), network.encode(style), photo.shape[-2:])[0]
    if isinstance(network, AnyStyleNetwork | MicroAST):
        return network
    raise ValueError(f"a network for any style must take style images, got a {type(network).__name__}")


def judge(options: argparse.Namespace) -> dict[str, Any]:
    """Make pictures of all networks; measure them, and the time that they take."""
    vgg = VGG("vgg19", "oxford_8bit")
    painters: dict[str, Painter] = {"photo": lambda photo, style: photo}
    training: dict[str, Any] = {}
    for text in options.networks:
        name, path = text.split("=", 1)
        network, training[name] = load(Path(path), vgg)
        if isinstance(network, Whitening):
            starts = {f"{name} from {level}": network.starting_at(level) for level in options.starts}
            painters |= {label: painter_of(each, options.strength) for label, each in starts.items()}
        else:
            painters[name] = painter_of(network)
    photos = HeldOut(ImageSource(options.photos), any_style.SIDE, options.count)
    for path in sorted(options.paintings.glob("*.jpg")):
        style = as_seen(load_style(path.stem, path, size=384))
        for index, photo in enumerate(photos.names):
            for name, paint in painters.items():
                with torch.inference_mode():
                    picture = paint(photos[index]["image"][None], style)[0].clamp(0, 1)
                images.write(options.pictures / name / path.stem / f"{Path(photo).stem}.jpg", picture)
    folders = [f"{name}={options.pictures / name}" for name in painters]
    measured = any_style.losses(argparse.Namespace(folders=folders, photos=options.photos, paintings=options.paintings))
    return {"training": training, **measured, "seconds": seconds(painters, options.rounds), **machine()}


def seconds(painters: dict[str, Painter], rounds: int, side: int = 512) -> dict[str, dict[str, float]]:
    """Time a picture of side × side in the style of an image of 384 × 512, in float32 and with bfloat16."""
    generator = torch.Generator().manual_seed(0)
    photo, style = (torch.rand(1, 3, *size, generator=generator) for size in ((side, side), (384, 512)))

    def timed(paint: Painter, half: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                paint(photo, style)

        return run

    kinds = {"float32": False} | ({"bfloat16": True} if multiplies_bf16("cpu") else {})
    runs = {(name, kind): timed(paint, half) for name, paint in painters.items() for kind, half in kinds.items()}
    times = alternating({"/".join(key): run for key, run in runs.items()}, rounds, warm=1)
    return {name: {kind: statistics.median(times[f"{name}/{kind}"]) for kind in kinds} for name in painters}


def _count(network: nn.Module) -> int:
    return sum(value.numel() for key, value in network.named_parameters() if not key.startswith("vgg."))


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("design", choices=DESIGNS)
    training.add_argument("file", type=Path, metavar="FILE.pt")
    training.add_argument("--seconds", type=float, default=600, help="of the processor")
    training.add_argument("--size", type=int, default=192, help="side of the crops in pixels")
    training.add_argument("--batch", type=int, default=4, help="photos a step, at least 2")
    judging = commands.add_parser("judge")
    judging.add_argument("networks", nargs="+", metavar="NAME=FILE")
    judging.add_argument("--pictures", type=Path, required=True, help="folder of the pictures that are made")
    judging.add_argument("--count", type=int, default=3, help="of photos, evenly spread")
    judging.add_argument("--strength", type=float, default=0.6, help="of whitening, as in the paper")
    judging.add_argument("--starts", nargs="+", default=LEVELS[:-1], choices=LEVELS, help="levels whitening begins at")
    judging.add_argument("--rounds", type=int, default=7)
    judging.add_argument("--output", type=Path)
    for each in (training, judging):
        each.add_argument("--photos", type=Path, required=True)
        each.add_argument("--paintings", type=Path, required=True)
    options = parser.parse_args()
    if options.command == "train":
        train(options)
        return
    result = judge(options)
    print(json.dumps(result, indent=2))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
