"""What the stylizing command refuses, and what it does when something fails."""

import errno
import os
import signal
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import PIL.Image
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fast_style import images
from fast_style.inference.stylizer import Stylizer


@pytest.mark.parametrize("name", ["out.bmp", "out.v2", "sub/a.txt"])
def test_output_file_of_another_suffix(stylize, photos, tmp_path, model, name, is_misuse):
    model.unlink()  # misuse is told before anything is loaded
    result = stylize("--input", photos / "a.jpg", "--output", tmp_path / name)
    suffixes = ", ".join(images.SUFFIXES)
    assert is_misuse(result, f"{name}: its suffix must be one of {suffixes}, or name an existing folder")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("names", [["a.jpg", "b.PNG"], ["a*.jpg"], ["*.*"], [""], ["sub", "a.jpg"]])
def test_several_inputs_to_a_file(stylize, photos, tmp_path, model, names, is_misuse):
    model.unlink()
    result = stylize("--input", *(photos / name for name in names), "--output", tmp_path / "x.jpg")
    assert is_misuse(result, "x.jpg is named like a file, which only a single input file has: name a folder")
    assert not (tmp_path / "x.jpg").exists()


@pytest.mark.parametrize("wrong", ["0", "-3", "65501", "big", "1.5", ""])
def test_bad_size(stylize, photos, wrong, is_misuse):
    assert is_misuse(stylize("--input", photos / "a.jpg", f"--size={wrong}"), "--size")


@pytest.mark.parametrize("arguments", [[], ["--input", "a.jpg"], ["--model", "m"], ["--model", "m", "--input"]])
def test_missing_options(command, arguments, is_misuse):
    assert is_misuse(
        command("stylize", *arguments),
        "the following arguments are required" if arguments[-1:] != ["--input"] else "expected at least one",
    )


def test_missing_model(stylize, photos, tmp_path, is_misuse):
    result = stylize("--input", photos, "--model", tmp_path / "nowhere.safetensors")
    assert is_misuse(result, "nowhere.safetensors")
    assert not (tmp_path / "photos-nowhere").exists()


class Code:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def truncate(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-100])


def pickle_code(model: Path) -> None:
    torch.save({"conv1.conv2d.weight": Code()}, model)


def zip_bomb(model: Path) -> None:
    with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10**6))


def rename_network(model: Path) -> None:
    with safe_open(model, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(model), model, metadata | {"network": '"fast_style.networks.Transfomer"'})


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("m.safetensors", truncate, "is not a complete safetensors file"),
        ("m.pth", pickle_code, "holds code or Python objects besides weights, which is unsafe to load"),
        ("m.pth", zip_bomb, "is a compressed archive"),
        (
            "m.safetensors",
            rename_network,
            "the network must be one of fast_style.networks.AdaIN, fast",
        ),
        ("m.safetensors", lambda model: model.write_text("hello, this is a text"), "is not a network"),
        ("m.safetensors", lambda model: model.write_bytes(b""), "is not a network"),
    ],
    ids=["truncated", "code", "zip bomb", "unknown network", "text", "empty"],
)
def test_damaged_model(stylize, photos, tmp_path, model, monkeypatch, name, damage, reason, is_misuse):
    monkeypatch.chdir(tmp_path)
    path = model.rename(model.with_name(name))
    damage(path)
    result = stylize("--input", photos, "--model", path, "--output", tmp_path / "out")
    assert is_misuse(result, f"{path} ")
    assert reason in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "photos"]


def test_unknown_device(stylize, photos, is_misuse):
    assert is_misuse(stylize("--input", photos, "--device", "abacus"), "device must be auto or")


@pytest.mark.parametrize("name", ["nowhere.jpg", "nowhere/"])
def test_missing_input(stylize, tmp_path, monkeypatch, name, is_misuse):
    monkeypatch.chdir(tmp_path)
    assert is_misuse(stylize("--input", name), f"input {name!r} does not exist")


@pytest.mark.parametrize("option", ["--input", "--output", "--model", "--mask", "--style", "--style-map"])
def test_an_empty_value_is_no_path(stylize, photos, is_misuse, option):
    """As `--output $UNSET` gives it, which would mean the current folder."""
    assert is_misuse(stylize("--input", photos / "a.jpg", option, ""), f"argument {option}: the path is empty")


def test_glob_without_match(stylize, photos, is_misuse):
    assert is_misuse(stylize("--input", photos / "*.tiff"), "*.tiff' matches no file")


def test_folder_without_images(stylize, tmp_path, is_misuse):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "folder.jpg").mkdir()
    assert is_misuse(stylize("--input", tmp_path / "empty"), "empty holds no image (.jpg, .jpeg, ")


def test_output_is_the_input(stylize, photos, tmp_path, make, tree, is_misuse):
    before = {name: (photos / name).read_bytes() for name in tree(photos)}
    for arguments in (
        ("--input", photos, "--output", photos),
        ("--input", photos / "a.jpg", "--output", photos),
        ("--input", photos / "a.jpg", "--output", photos / "a.jpg"),
        ("--input", photos / "a.jpg", photos / "b.PNG", "--output", photos / "sub" / ".."),
        ("--input", photos / "a.jpg", make(tmp_path / "other" / "b.PNG"), "--output", photos),
        ("--input", photos, tmp_path / "other", "--output", tmp_path),
        ("--input", photos, tmp_path / "other", "--output", photos),
    ):
        result = stylize(*arguments, "--overwrite")
        assert is_misuse(result, "choose another --output") or is_misuse(result, "holds no image")
    assert {name: (photos / name).read_bytes() for name in tree(photos)} == before


def test_a_mask_is_not_replaced(stylize, photos, tmp_path, make, is_misuse):
    mask = make(tmp_path / "mask.png")
    before = mask.read_bytes()
    result = stylize("--input", photos / "a.jpg", "--output", mask, "--mask", mask, "--overwrite")
    assert is_misuse(result, f"input {mask} would be replaced by an output: choose another --output")
    assert mask.read_bytes() == before


def test_two_inputs_with_one_output(stylize, photos, tmp_path, make, is_misuse):
    other = make(tmp_path / "other" / "photos" / "a.jpg")
    for inputs in ((photos / "a.jpg", other), (photos, other.parent)):
        result = stylize("--input", *inputs, "--output", tmp_path / "out")
        assert is_misuse(result, "would both be written to")
        assert not (tmp_path / "out").exists()


def test_failures_are_listed_and_the_others_done(stylize, photos, tmp_path, tree, tally):
    content = (photos / "a.jpg").read_bytes()
    (photos / "0_truncated.jpg").write_bytes(content[: len(content) // 2])
    (photos / "z_empty.png").touch()
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, tally(3, 0, 2))
    first, second = result.err.splitlines()
    assert first.startswith(f"cannot read image {photos / '0_truncated.jpg'}: ")
    assert second == f"cannot read image {photos / 'z_empty.png'}: it is empty"
    assert tree(tmp_path / "out") == ["a.jpg", "b.PNG", "sub/deep/c.webp"]


def claim(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size."""
    file = BytesIO()
    PIL.Image.new("RGB", (1, 1)).save(file, "PNG")
    content = file.getvalue()
    header = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (claim(20_000, 10_000), "it has more than 178956970 pixels"),
        (claim(10**9, 10**9), "it has more than 178956970 pixels"),
        (None, "runcated"),
        (b"", "it is empty"),
        (b"hello", "it is not a JPEG, PNG, WebP, AVIF, TIFF or GIF file"),
    ],
    ids=["bomb", "larger bomb", "truncated", "0 bytes", "text"],
)
def test_a_file_that_fails(stylize, photos, tmp_path, content, reason, tally):
    whole = (photos / "a.jpg").read_bytes()
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(whole[: len(whole) // 2] if content is None else content)
    result = stylize("--input", damaged, "--output", tmp_path / "out" / "x.jpg")
    assert (result.code, result.out) == (1, tally(0, 0, 1))
    assert result.err.startswith(f"cannot read image {damaged}: ")
    assert reason in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_output_folder_is_a_file(stylize, photos, tmp_path, tally):
    (tmp_path / "out").write_text("before")
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, tally(0, 0, 3))
    assert result.err.splitlines()[0] == f"cannot write {tmp_path / 'out' / 'a.jpg'}: Not a directory"
    assert (tmp_path / "out").read_text() == "before"


def test_output_folder_not_writable(stylize, photos, tmp_path, monkeypatch, tree, tally):
    real = Path.open

    def refuse(path, mode="r", *options):
        if mode.startswith(("x", "w")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, mode, *options)

    monkeypatch.setattr(Path, "open", refuse)
    result = stylize("--input", photos / "a.jpg", "--output", tmp_path / "x.jpg")
    assert (result.code, result.out) == (1, tally(0, 0, 1))
    assert result.err == f"cannot write {tmp_path / 'x.jpg'}: Permission denied\n"
    assert tree(tmp_path) == ["models/mosaic.safetensors", *(f"photos/{name}" for name in tree(photos))]


def test_full_disk(stylize, photos, tmp_path, monkeypatch, tree, tally):
    def half(_image, file, form, **_options):
        file.write(b"half")
        if form == "PNG":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PIL.Image.Image, "save", half)
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, tally(2, 0, 1))
    assert result.err == f"cannot write {tmp_path / 'out' / 'b.PNG'}: No space left on device\n"
    assert tree(tmp_path / "out") == ["a.jpg", "sub/deep/c.webp"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), "out of memory, try a smaller --size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory, try a smaller --size"),
        (MemoryError(), "out of memory, try a smaller --size"),
        (RuntimeError("no\nkernel"), "no kernel"),
    ],
)
def test_an_image_too_large_for_the_device(stylize, photos, tmp_path, monkeypatch, error, sentence, tally):
    real = Stylizer.stylize

    def fail_on_a(self, batch):
        if batch.shape[-1] == 20:
            raise error
        return real(self, batch)

    monkeypatch.setattr(Stylizer, "stylize", fail_on_a)
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, tally(2, 0, 1))
    assert result.err == f"cannot stylize {photos / 'a.jpg'}: {sentence}\n"


def test_ctrl_c(stylize, photos, tmp_path, monkeypatch, tree, tally):
    real = Stylizer.stylize

    def interrupt_b(self, batch):
        if batch.shape[-1] == 9:
            signal.raise_signal(signal.SIGINT)
        return real(self, batch)

    monkeypatch.setattr(Stylizer, "stylize", interrupt_b)
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (130, "")
    assert result.err.endswith("interrupted: stylized 2, skipped 0, failed 0, of 3 images\n")
    assert tree(tmp_path / "out") == ["a.jpg", "b.PNG"]
    monkeypatch.setattr(Stylizer, "stylize", real)
    assert stylize("--input", photos, "--output", tmp_path / "out").out == tally(1, 2, 0)


def test_ctrl_c_while_loading(stylize, photos, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stylizer, "from_checkpoint", interrupt)
    assert stylize("--input", photos) == (130, "", "interrupted before the first image\n")


def test_no_room_for_the_model(stylize, photos, monkeypatch):
    def fail(*_args, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried")

    monkeypatch.setattr(Stylizer, "from_checkpoint", fail)
    assert stylize("--input", photos) == (1, "", "error: CUDA out of memory. Tried\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--quality", "0"], "quality must be 1 to 100, got 0"),
        (["--subsampling", "4:1:1"], "subsampling must be one of 4:4:4, 4:2:2, 4:2:0, got '4:1:1'"),
        (["--background", "greenish"], "greenish"),
        (["--bits", "12"], "--bits"),
        (["--profile", "adobe"], "--profile"),
        (["--backend", "tensorrt"], "backend must be auto or one of torch, onnx, openvino, got 'tensorrt'"),
        (["--precision", "int4"], "precision must be auto or one of"),
        (["--strength", "1.2"], "strength must be 0 (the photo) to 1 (the stylized picture), got 1.2"),
        (["--stroke-size", "0"], "stroke size must be 0.125 to 8.0 times, got 0.0"),
        (["--preserve-color", "hue"], "--preserve-color"),
        (["--batch-size", "0"], "batch size must be at least 1 image, got 0"),
        (["--mask", "nowhere.png"], "image nowhere.png does not exist"),
        (["--mask", "a.png", "b.png"], "1 network takes one mask, got 2"),
        (["--model", "a", "b"], "2 networks take 2 masks, or 1 (none for the first), got 0"),
    ],
)
def test_values_that_are_refused(stylize, photos, arguments, sentence, tree, is_misuse):
    assert is_misuse(stylize("--input", photos / "a.jpg", *arguments), sentence)
    assert tree(photos) == ["a.jpg", "b.PNG", "notes.txt", "sub/deep/c.webp"]


def test_a_mask_that_is_no_image(stylize, photos, is_misuse):
    notes = photos / "notes.txt"
    assert is_misuse(stylize("--input", photos / "a.jpg", "--mask", notes), f"cannot read image {notes}: it is not a")
