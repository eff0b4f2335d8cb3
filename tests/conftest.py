"""Fixtures shared by all tests."""

import functools
import gc
import http.server
import io
import logging
import os
import re
import signal
import sys
import tarfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fast_style import remote
from fast_style.cli.train import main
from fast_style.networks import VGG
from tests.pictures import noise

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pytest_configure(config: pytest.Config) -> None:
    """Hide OpenVINO from tests that are not about it, and have Ctrl-C work, so that tests run the same everywhere."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.markexpr != "openvino":
        sys.modules["openvino"] = None  # type: ignore[assignment]


# Tests that compile, export, start processes or paint at full size; so do those that ask for the fixture `train`.
SLOW = re.compile(
    r"compiled|resum|tests/(?:docs/test_develop|test_packaging|test_configs|test_pretrained)"
    r"|tools/test_(?:styles|distillation)"
    r"|inference/cluster/test_cluster|cli/test_(?:processes|memory|multirun|any_style|styles|evaluate\.py|adversarial)"
    r"|inference/(?:test_export|backends/.*onnx)"
    r"|cli/test_train\.py::test_command_line_from_elsewhere|cli/.*test_ctrl_c|tiling/test_stylize\.py::test_memory"
    r"|training/(?:test_(?:any_style|multi_style)|adversarial/test_task)"
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of OpenVINO and the slow ones, before some are selected by their marks."""
    for item in items:
        if re.search("open_?vino", item.nodeid):
            item.add_marker(pytest.mark.openvino)
        if SLOW.search(item.nodeid) or "train" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Take away what a training logs with, whose stream is closed and whose file is gone after the test."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in before and not type(handler).__module__.startswith("_pytest"):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory) -> None:
    os.environ["FAST_STYLE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photos, paintings and weights, which are not part of the repository."""
    folder = ROOT.parent / "shared"
    if not (folder / "weights").is_dir():
        pytest.skip(f"no real photos and weights in {folder}")
    return folder


def make_photo(seed: int, height: int, width: int) -> torch.Tensor:
    """Smooth colour blobs with a hard edge, uint8 (3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    photo = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)[0]
    photo[:, height // 3 : height // 2, width // 4 : width // 2] = 1 - photo.mean()
    return (photo * 255).round().to(torch.uint8)


def save(pixels: torch.Tensor, path: Path) -> None:
    """Write uint8 (3, H, W) with Pillow alone, independently of fast_style.images."""
    Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(path)  # (H, W, 3)


@pytest.fixture
def photo() -> Callable[[int, int, int], torch.Tensor]:
    """Make a synthetic photo from (seed, height, width)."""
    return make_photo


@pytest.fixture
def make_shard() -> Callable[..., Path]:
    """Make a tar of PNG pictures, `000.png` and on, each with a caption after it; those in `broken` are none."""

    def make_shard(path: Path, count: int, side: int = 8, broken: tuple[int, ...] = ()) -> Path:
        with tarfile.open(path, "w") as archive:
            for number in range(count):
                encoded = io.BytesIO()
                noise((side, side)).convert("RGB").save(encoded, "PNG")
                pixels = b"no image" if number in broken else encoded.getvalue()
                for name, data in ((f"{number:03}.png", pixels), (f"{number:03}.txt", f"photo {number}".encode())):
                    info = tarfile.TarInfo(name)
                    info.size, info.mtime = len(data), 1_700_000_000
                    archive.addfile(info, io.BytesIO(data))
        return path

    return make_shard


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """A folder of six photos, JPEG and PNG, one of them in a subfolder."""
    folder = tmp_path / "photos"
    (folder / "nested").mkdir(parents=True)
    sizes = [(64, 96), (96, 64), (80, 80), (72, 90), (64, 64)]
    for number, (height, width) in enumerate(sizes):
        save(make_photo(number, height, width), folder / f"photo_{number}.jpg")
    save(make_photo(5, 70, 71), folder / "nested" / "photo_5.png")
    return folder


@pytest.fixture
def style_folder(tmp_path: Path) -> Path:
    """A folder with one style image, `waves.png`."""
    folder = tmp_path / "styles"
    folder.mkdir()
    y, x = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
    waves = torch.stack([torch.sin(x / 3), torch.cos(y / 2), torch.sin((x + y) / 4)]) * 0.5 + 0.5
    save((waves * 255).to(torch.uint8), folder / "waves.png")
    return folder


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory) -> Path:
    """Random VGG-19 weights that end at relu2_1."""
    torch.manual_seed(0)
    names = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5}
    convs = VGG("vgg19", weights=None).convs
    state = {f"features.{i}.{k}": p for name, i in names.items() for k, p in convs[name].state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "vgg19.safetensors"
    save_file(state, path)
    return path


@pytest.fixture
def tiny(tmp_path: Path, photo_folder: Path, style_folder: Path, vgg_file: Path) -> dict[str, str]:
    """Overrides by key of a run that takes a second."""
    return {
        "style": "waves",
        "style.dir": str(style_folder),
        "style.size": "32",
        "init": "scratch",
        "data": "photos",
        "data.root": str(photo_folder),
        "data.size": "32",
        "data.batch_size": "2",
        "data.num_workers": "0",
        "data.heldout_count": "1",
        "data.heldout_size": "32",
        "loss_network": "vgg19",
        "loss_network.weights": str(vgg_file),
        "loss.style_layers": "[relu1_2,relu2_1]",
        "loss.content_layers": "[relu2_1]",
        "model": "johnson",
        "budget": "none",
        "model.network.width": "4",
        "model.network.blocks": "1",
        "trainer": "cpu",
        "trainer.max_steps": "3",
        "trainer.log_every_n_steps": "1",
        "trainer.val_check_interval": "2",
        "callbacks.checkpoint.every_n_train_steps": "1",
        "hydra.run.dir": str(tmp_path / "run"),
        "output": str(tmp_path / "out.safetensors"),
        "overwrite": "true",
    }


@pytest.fixture
def tiny_multi_style(tiny: dict[str, str]) -> dict[str, str]:
    """Overrides by key of a training of several styles that takes a second."""
    return tiny | {"model": "multi_style", "style": "gallery"}


@pytest.fixture
def tiny_adain(tiny: dict[str, str]) -> dict[str, str]:
    """Overrides by key of a training of a network for any style that takes a second."""
    run = {key: value for key, value in tiny.items() if not key.startswith(("loss.", "model"))}
    return run | {"model": "adain", "style": "any", "style.dir": "null", "model.loss.style_layers": "[relu1_1,relu2_1]"}


@pytest.fixture
def tiny_any(tiny: dict[str, str]) -> dict[str, str]:
    """Overrides by key of a training of a network that predicts styles, which takes a second."""
    run = {key: value for key, value in tiny.items() if not key.startswith("model")}
    run |= {"model": "any_style", "style": "any", "style.dir": "null", "style.names": "[cubist]", "data.size": "64"}
    small = {"model.network.network": "slim", "model.network.code": "4", "model.network.encoder_width": "2"}
    return run | small | {"model.network.arguments": "{width: 4, blocks: 1, antialias: true}"}


@pytest.fixture
def tiny_translation(tiny: dict[str, str], tmp_path: Path) -> dict[str, dict[str, str]]:
    """Overrides by key of trainings that take a second, by model: from two sides."""
    for side in "AB":
        for number in range(6):
            for folder in (tmp_path / "pairs" / side, tmp_path / "unpaired" / f"train{side}"):
                folder.mkdir(parents=True, exist_ok=True)
                save(make_photo(10 * (side == "B") + number, 48, 64), folder / f"{number}.png")
    run = {key: value for key, value in tiny.items() if not key.startswith(("style", "loss.", "data", "model"))}
    run |= {key: value for key, value in tiny.items() if key.startswith("data.") and key != "data.root"}
    run |= {"model.network.width": "4", "model.adversary.discriminator.width": "4"}
    run |= {"model.adversary.discriminator.layers": "1"}
    paired = run | {"data.root": str(tmp_path / "pairs"), "model.network.depth": "2"}
    unpaired = run | {"data.root": str(tmp_path / "unpaired"), "model.network.blocks": "1"}
    layers = {"model.terms.feature_loss.feature_layers": "{relu1_1: 1.0, relu2_1: 1.0}"}
    return {
        "pix2pix": paired | {"model": "pix2pix"},
        "pix2pix_feature": paired | {"model": "pix2pix_feature"} | layers,
        "cycle_gan": unpaired | {"model": "cycle_gan", "model.adversary.pool": "4"},
        "cut": unpaired | {"model": "cut", "model.head_width": "8", "model.patches": "16"},
    }


@pytest.fixture
def tiny_adversarial(tiny: dict[str, str]) -> dict[str, str]:
    """Overrides by key of a training with a discriminator of the painting that takes a second."""
    small = {"model.adversary.discriminator.width": "4", "model.adversary.discriminator.layers": "1"}
    return tiny | small | {"model": "adversarial"}


@pytest.fixture
def tiny_adversarial_styles(tiny_adversarial: dict[str, str]) -> dict[str, str]:
    """The same with two styles in one network."""
    save(make_photo(3, 40, 44), Path(tiny_adversarial["style.dir"]) / "dots.png")
    return tiny_adversarial | {"model": "adversarial_multi_style", "style": "gallery"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, apart from paths with an answer of their own."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["User-Agent"]))
        self.server.answers.get(self.path, http.server.SimpleHTTPRequestHandler.do_GET)(self)

    def answer(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[tuple[str, str]] = []
        self.answers: dict[str, Callable[[Handler], object]] = {}


@pytest.fixture
def server(tmp_path: Path, monkeypatch) -> Iterator[Server]:
    """Serves the folder `server.folder` under `server.url`, and what `server.answers` says."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    with Server(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray, which does not wait for the processes that it ends; nothing is said of these once the tests are through."""
    yield pytest.importorskip("ray")
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The address of an object store on this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The empty bucket `photos` of the store, in which the process is logged in, as an fsspec file system."""
    s3fs = pytest.importorskip("s3fs")
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(remote, "WAIT", 0.001)
    s3fs.S3FileSystem.clear_instance_cache()  # of other tests, with what they have changed in it
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    files.mkdir("photos")
    yield files
    files.rm("photos", recursive=True)


def arguments(overrides: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in overrides.items()]


@pytest.fixture
def train(monkeypatch) -> Callable[..., int]:
    """Run the training command in this process and return its exit code."""

    def run(overrides: dict[str, str], *more: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments(overrides), *more])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run
