import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from fast_style.checkpoint import load_network, load_styled, read_metadata, save_network
from fast_style.inference.backends import read_onnx_metadata
from fast_style.inference.backends.onnx_file import run, session_of
from fast_style.inference.export import export
from fast_style.inference.stylizer import Stylizer
from fast_style.networks import AnyStyleNetwork, TransformerNetwork

CLIENT = """
const fs = require("fs"), ort = require("onnxruntime-node");
(async () => {
  const [model, shape, input, output] = process.argv.slice(2);
  const session = await ort.InferenceSession.create(model);
  const photos = new Float32Array(new Uint8Array(fs.readFileSync(input)).buffer);
  const { stylized } = await session.run({ photos: new ort.Tensor("float32", photos, JSON.parse(shape)) });
  fs.writeFileSync(output, Buffer.from(stylized.data.buffer, stylized.data.byteOffset, stylized.data.byteLength));
  console.log(JSON.stringify(stylized.dims));
})();
"""


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    path = tmp_path / "tiny.safetensors"
    metadata = {"style": "waves", "license_note": "free", "steps": 3, "heldout_after": {"heldout/total_loss": 0.5}}
    save_network(path, TransformerNetwork(width=2, blocks=1), metadata)
    return path


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """A folder with onnxruntime-node, a client nobody here wrote."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text("{}")
    (folder / "client.js").write_text(CLIENT)
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "onnxruntime-node@1.30.0"]
    try:
        result = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not install onnxruntime-node within two minutes")
    if result.returncode:
        pytest.skip(f"npm could not install onnxruntime-node: {result.stderr.strip().splitlines()[-1:]}")
    yield folder
    shutil.rmtree(folder)  # 0.3 GB, which pytest would keep for three runs


def test_metadata_travels(checkpoint, tmp_path):
    export(checkpoint, tmp_path / "out" / "tiny.onnx")
    metadata = read_onnx_metadata(tmp_path / "out" / "tiny.onnx")
    expected = read_metadata(checkpoint) | {"format": "fast_style/onnx/1", "precision": "fp32"}
    assert metadata == expected
    assert metadata["style"] == "waves"
    assert metadata["arguments"]["width"] == 2


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_another_client(root, tmp_path, photo, node, precision):
    checkpoint = root / "checkpoints" / "pretrained" / "starry_night.safetensors"
    network = load_network(checkpoint)
    model = tmp_path / "starry_night.onnx"
    export(checkpoint, model, precision)
    for shape in ((1, 3, 37, 53), (2, 3, 64, 48), (1, 3, 1, 1)):
        photos = torch.stack([photo(seed, *shape[2:]) for seed in range(shape[0])]) / 255
        (tmp_path / "photos").write_bytes(photos.numpy().tobytes())
        command = ["node", "client.js", str(model), json.dumps(shape), str(tmp_path / "photos"), str(tmp_path / "out")]
        result = subprocess.run(command, cwd=node, capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 0, result.stderr
        assert tuple(json.loads(result.stdout)) == shape
        stylized = torch.frombuffer(bytearray((tmp_path / "out").read_bytes()), dtype=torch.float32).view(shape)
        with torch.inference_mode():
            expected = network(photos).clamp(0, 1)
        if precision == "fp32" or stylized.numel() > 3:  # of one pixel a normalisation sees nothing but rounding
            assert (stylized - expected).abs().mean() <= (0.5 if precision == "fp32" else 1.5) / 255


@pytest.fixture
def any_checkpoint(tmp_path) -> Path:
    path = tmp_path / "any.safetensors"
    torch.manual_seed(0)
    arguments = {"width": 8, "blocks": 1, "antialias": True}
    save_network(path, AnyStyleNetwork("slim", arguments, 4, 8, 0.2), {"style": "any"})
    return path


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_network_for_any_style_takes_it_as_a_second_input(any_checkpoint, tmp_path, precision):
    export(any_checkpoint, tmp_path / "any.onnx", precision)
    session = session_of(tmp_path / "any.onnx")
    assert [each.name for each in session.get_inputs()] == ["photos", "style"]
    network = load_network(any_checkpoint).eval()
    for size, style in (((1, 3, 50, 70), (1, 3, 384, 400)), ((2, 3, 33, 8), (1, 3, 500, 384))):
        photos, painting = torch.rand(size), torch.rand(style)
        with torch.inference_mode():
            expected = network.of_images({"a": painting}).of_style({"a": 1.0})(photos).clamp(0, 1)
        assert (run(session, photos, painting) - expected).abs().mean() < (0.5 if precision == "fp32" else 2) / 255
    with pytest.raises(ValueError, match="takes the style as a second input: give an image of it"):
        Stylizer(tmp_path / "any.onnx", precision=precision)
    photo = torch.rand(1, 3, 20, 24)
    stylizer = Stylizer.from_checkpoint(tmp_path / "any.onnx", style={"mosaic": 1.0})
    with torch.inference_mode():
        expected = load_styled(any_checkpoint, {"mosaic": 1.0})(photo).clamp(0, 1)
    assert (stylizer.stylize(photo) - expected).abs().mean() < (0.5 if precision == "fp32" else 2) / 255


def test_a_style_of_a_network_for_any_is_exported_alone(any_checkpoint, tmp_path):
    export(any_checkpoint, tmp_path / "mosaic.onnx", style={"mosaic": 1.0})
    assert [each.name for each in session_of(tmp_path / "mosaic.onnx").get_inputs()] == ["photos"]
