import errno
import os
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fast_style import images
from fast_style.checkpoint import save_network
from fast_style.cli.stylize import main
from fast_style.inference.stylizer import Stylizer
from fast_style.networks import TransformerNetwork

ON_CPU = ("--device", "cpu", "--precision", "fp32", "--backend", "torch")


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "models" / "mosaic.safetensors"
    save_network(path, TransformerNetwork(width=2, blocks=1), {})
    return path


@pytest.fixture
def stylize(model, capsys) -> Callable[..., Result]:
    """Run the command in this process; later options win over those given here."""

    def run(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit, match=r"^\d+$") as stop:
            main(["--model", str(model), *ON_CPU, *map(str, arguments)])
        return Result(int(stop.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def photos(tmp_path) -> Path:
    """One JPEG, one PNG with an odd size, one WebP two folders down."""
    folder = tmp_path / "photos"
    make(folder / "a.jpg", (20, 12))
    make(folder / "b.PNG", (9, 13))
    make(folder / "sub" / "deep" / "c.webp", (1, 1))
    (folder / "notes.txt").write_text("no image")
    return folder


def make(path: Path, size: tuple[int, int] = (10, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.effect_noise(size, 90).convert("RGB").save(path)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def size(path: Path) -> tuple[int, int]:
    with PIL.Image.open(path) as image:
        return image.size


def tally(stylized: int, skipped: int, failed: int) -> str:
    return f"stylized {stylized}, skipped {skipped}, failed {failed}, with torch fp32 on cpu\n"


def is_misuse(result: Result, text: str) -> bool:
    return result.code == 2 and text in result.err and result.err.count("\n") == 1 and not result.out


def test_file(stylize, photos, model):
    assert stylize("--input", photos / "b.PNG", "--output", photos / "out" / "x.png") == (
        0,
        tally(1, 0, 0),
        "",
    )
    photo = images.to_float(images.read(photos / "b.PNG"))[None]
    expected = images.to_pil(Stylizer.from_checkpoint(model, "cpu", "fp32", "torch").stylize(photo))
    assert torch.equal(images.from_pil(expected)[0], images.to_float(images.read(photos / "out" / "x.png")))
    assert tree(photos / "out") == ["x.png"]


def test_default_output_of_a_file(stylize, photos, monkeypatch):
    assert stylize("--input", photos / "b.PNG").code == 0
    assert size(photos / "b-mosaic.PNG") == (9, 13)
    monkeypatch.chdir(photos / "sub" / "deep")
    assert stylize("--input", "c.webp").code == 0
    assert Path("c-mosaic.webp").exists()


def test_file_to_folder(stylize, photos, tmp_path):
    assert stylize("--input", photos / "a.jpg", "--output", tmp_path / "out").code == 0
    (tmp_path / "looks_like.jpg").mkdir()
    assert stylize("--input", photos / "a.jpg", "--output", tmp_path / "looks_like.jpg").code == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "looks_like.jpg") == ["a.jpg"]


@pytest.mark.parametrize("name", ["out.bmp", "out.v2", "sub/a.txt"])
def test_output_file_of_another_suffix(stylize, photos, tmp_path, model, name):
    model.unlink()  # misuse is told before anything is loaded
    result = stylize("--input", photos / "a.jpg", "--output", tmp_path / name)
    suffixes = ", ".join(images.SUFFIXES)
    assert is_misuse(result, f"{name}: its suffix must be one of {suffixes}, or name an existing folder")
    assert not (tmp_path / name).exists()


def test_file_to_a_folder_with_a_dot(stylize, photos, tmp_path):
    (tmp_path / "out.v2").mkdir()
    assert stylize("--input", photos / "a.jpg", "--output", tmp_path / "out.v2").code == 0
    assert tree(tmp_path / "out.v2") == ["a.jpg"]


@pytest.mark.parametrize("names", [["a.jpg", "b.PNG"], ["a*.jpg"], ["*.*"], [""], ["sub", "a.jpg"]])
def test_several_inputs_to_a_file(stylize, photos, tmp_path, model, names):
    model.unlink()
    result = stylize("--input", *(photos / name for name in names), "--output", tmp_path / "x.jpg")
    assert is_misuse(result, "x.jpg is named like a file, which only a single input file has: name a folder")
    assert not (tmp_path / "x.jpg").exists()


def test_several_inputs_to_a_folder_with_a_suffix(stylize, photos, tmp_path):
    (tmp_path / "there.jpg").mkdir()
    for output in (tmp_path / "there.jpg", tmp_path / "out.v2"):
        assert stylize("--input", photos / "a.jpg", photos / "b.PNG", "--output", output).code == 0
        assert tree(output) == ["a.jpg", "b.PNG"]


def test_files_of_foreign_suffix_become_png(stylize, tmp_path):
    make(tmp_path / "a.jpg").rename(tmp_path / "a.photo")
    assert stylize("--input", tmp_path / "a.photo").code == 0
    assert (tmp_path / "a-mosaic.png").exists()


def test_folder(stylize, photos, tmp_path):
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert result == (0, tally(3, 0, 0), "")
    assert tree(tmp_path / "out") == ["a.jpg", "b.PNG", "sub/deep/c.webp"]
    for name in tree(tmp_path / "out"):
        assert size(tmp_path / "out" / name) == size(photos / name)


@pytest.mark.parametrize("name", ["photos", "photos/", ".", "sub/.."])
def test_default_output_of_a_folder(stylize, photos, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path if name.startswith("photos") else photos)
    assert stylize("--input", name).code == 0
    assert tree(tmp_path / "photos-mosaic") == ["a.jpg", "b.PNG", "sub/deep/c.webp"]
    assert len(tree(photos)) == 4


def test_each_of_several_folders_is_mirrored_under_its_name(stylize, tmp_path, monkeypatch):
    for name in ("2023/a.jpg", "2024/a.jpg", "2024/sub/a.jpg", "b.jpg"):
        make(tmp_path / name)
    monkeypatch.chdir(tmp_path / "2023")
    inputs = (".", "../2024/", "../b.jpg", "--output", "../out")
    assert stylize("--input", *inputs) == (0, tally(4, 0, 0), "")
    assert tree(tmp_path / "out") == ["2023/a.jpg", "2024/a.jpg", "2024/sub/a.jpg", "b.jpg"]
    assert stylize("--input", *inputs).out == tally(0, 4, 0)


@pytest.mark.parametrize("pattern", ["20*", "2023*"])
def test_a_glob_of_folders_counts_as_several(stylize, tmp_path, pattern):
    for name in ("2023/a.jpg", "2024/a.jpg"):
        make(tmp_path / name)
    assert stylize("--input", tmp_path / pattern, "--output", tmp_path / "out").code == 0
    assert "2023/a.jpg" in tree(tmp_path / "out")
    assert "a.jpg" not in tree(tmp_path / "out")


def test_hidden_files_are_left_out(stylize, photos, tmp_path):
    make(photos / ".a.jpg")
    make(photos / ".thumbnails" / "d.jpg")
    assert stylize("--input", photos, "--output", tmp_path / "out").out == tally(3, 0, 0)


def test_globs_that_the_shell_left(stylize, photos, tmp_path, monkeypatch):
    assert stylize("--input", photos / "*.*[gG]", "--output", tmp_path / "one").code == 0
    assert tree(tmp_path / "one") == ["a.jpg", "b.PNG"]
    monkeypatch.chdir(photos)
    assert stylize("--input", "**/*.webp", "a.jpg", "--output", tmp_path / "two").code == 0
    assert tree(tmp_path / "two") == ["a.jpg", "c.webp"]


def test_names_with_glob_characters(stylize, tmp_path):
    photo = make(tmp_path / "a [1].jpg")
    assert stylize("--input", photo).code == 0
    assert (tmp_path / "a [1]-mosaic.jpg").exists()


@pytest.mark.parametrize(("side", "expected"), [(10, (10, 6)), (40, (40, 24)), (1, (1, 1))])
def test_size(stylize, photos, side, expected):
    assert stylize("--input", photos / "a.jpg", "--size", side).code == 0
    assert size(photos / "a-mosaic.jpg") == expected


def test_upright(stylize, tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (20, 12)).save(tmp_path / "a.jpg", exif=exif)
    assert stylize("--input", tmp_path / "a.jpg").code == 0
    assert size(tmp_path / "a-mosaic.jpg") == (12, 20)


@pytest.mark.parametrize("wrong", ["0", "-3", "65501", "big", "1.5", ""])
def test_bad_size(stylize, photos, wrong):
    assert is_misuse(stylize("--input", photos / "a.jpg", f"--size={wrong}"), "--size")


@pytest.mark.parametrize("arguments", [[], ["--input", "a.jpg"], ["--model", "m"], ["--model", "m", "--input"]])
def test_missing_options(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err.count("\n") == 1


def test_missing_model(stylize, photos, tmp_path):
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
def test_damaged_model(stylize, photos, tmp_path, model, monkeypatch, name, damage, reason):
    monkeypatch.chdir(tmp_path)
    path = model.rename(model.with_name(name))
    damage(path)
    result = stylize("--input", photos, "--model", path, "--output", tmp_path / "out")
    assert is_misuse(result, f"{path} ")
    assert reason in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "photos"]


def test_unknown_device(stylize, photos):
    assert is_misuse(stylize("--input", photos, "--device", "abacus"), "device must be auto or")


def test_a_folder_is_listed_as_training_lists_it(stylize, photos, tmp_path):
    (photos / "links").symlink_to(photos / "sub")
    (photos / "@eaDir").mkdir()
    (photos / "x.HEIC").touch()
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert result.code == 0
    left_out = "2 files and folders left out: 1 HEIC (convert them first), 1 hidden folders or of the system"
    assert f"{photos}: {left_out}" in result.err
    assert len(tree(tmp_path / "out")) == 3


def test_empty_input(stylize):
    assert is_misuse(stylize("--input", ""), "argument --input: the path is empty")


@pytest.mark.parametrize("name", ["nowhere.jpg", "nowhere/"])
def test_missing_input(stylize, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert is_misuse(stylize("--input", name), f"input {name!r} does not exist")


def test_glob_without_match(stylize, photos):
    assert is_misuse(stylize("--input", photos / "*.tiff"), "*.tiff' matches no file")


def test_folder_without_images(stylize, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "folder.jpg").mkdir()
    assert is_misuse(stylize("--input", tmp_path / "empty"), "empty holds no image (.jpg, .jpeg, .jpe")


def test_output_of_a_file_exists(stylize, photos, tmp_path):
    out = tmp_path / "out.png"
    out.write_text("before")
    assert is_misuse(stylize("--input", photos / "a.jpg", "--output", out), "out.png exists: ")
    assert out.read_text() == "before"
    assert stylize("--input", photos / "a.jpg", "--output", out, "--overwrite").code == 0
    assert size(out) == (20, 12)


def test_default_output_of_a_file_exists(stylize, photos):
    assert stylize("--input", photos / "a.jpg").code == 0
    assert is_misuse(stylize("--input", photos / "a.jpg"), "a-mosaic.jpg exists: ")
    assert stylize("--input", photos / "a.jpg", "--overwrite").code == 0


def test_finished_outputs_are_skipped(stylize, photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_text("before")
    assert stylize("--input", photos, "--output", out).out == tally(2, 1, 0)
    assert stylize("--input", photos, "--output", out) == (
        0,
        tally(0, 3, 0),
        "",
    )
    assert (out / "a.jpg").read_text() == "before"
    assert stylize("--input", photos, "--output", out, "--overwrite").out == tally(3, 0, 0)
    assert size(out / "a.jpg") == (20, 12)


def test_several_inputs_are_skipped_when_finished(stylize, photos):
    inputs = (photos / "a.jpg", photos / "b.PNG")
    assert stylize("--input", *inputs).out == tally(2, 0, 0)
    assert stylize("--input", *inputs).out == tally(0, 2, 0)


@pytest.mark.parametrize("output", [[], ["--output", "out"]])
def test_a_glob_of_one_file_is_skipped_when_finished(stylize, photos, monkeypatch, output):
    monkeypatch.chdir(photos)
    assert stylize("--input", "*.jpg", *output) == (0, tally(1, 0, 0), "")
    assert stylize("--input", "a.j*", *output) == (0, tally(0, 1, 0), "")


def test_a_glob_repeated_takes_no_outputs(stylize, photos, tmp_path):
    assert stylize("--input", photos / "a*.jpg").out == tally(1, 0, 0)
    assert stylize("--input", photos / "a*.jpg").out == tally(0, 1, 0)
    assert stylize("--input", photos / "a*.jpg", "--overwrite").out == tally(1, 0, 0)
    assert len(tree(photos)) == 5


def test_output_inside_the_input(stylize, photos):
    out = photos / "sub" / "out"
    for _ in range(2):
        assert stylize("--input", photos, "--output", out).code == 0
    assert tree(out) == ["a.jpg", "b.PNG", "sub/deep/c.webp"]


def test_output_inside_one_of_several_inputs(stylize, photos, tmp_path):
    other = make(tmp_path / "other" / "d.jpg").parent
    out = photos / "sub" / "out"
    for result in (
        tally(4, 0, 0),
        tally(0, 4, 0),
    ):
        assert stylize("--input", photos, other, "--output", out).out == result
    assert tree(out) == ["other/d.jpg", "photos/a.jpg", "photos/b.PNG", "photos/sub/deep/c.webp"]


def test_output_is_the_input(stylize, photos, tmp_path):
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


def test_output_is_the_parent_of_the_input(stylize, photos):
    assert stylize("--input", photos / "sub", "--output", photos).out == tally(1, 0, 0)
    assert (photos / "deep" / "c.webp").exists()


def test_two_inputs_with_one_output(stylize, photos, tmp_path):
    other = make(tmp_path / "other" / "photos" / "a.jpg")
    for inputs in ((photos / "a.jpg", other), (photos, other.parent)):
        result = stylize("--input", *inputs, "--output", tmp_path / "out")
        assert is_misuse(result, "would both be written to")
        assert not (tmp_path / "out").exists()


def test_one_input_named_twice_is_done_once(stylize, photos, tmp_path):
    inputs = (photos, photos / "sub" / "..", photos / "a.jpg", photos / "sub" / ".." / "a.jpg")
    assert stylize("--input", *inputs, "--output", tmp_path / "out").out == tally(4, 0, 0)
    assert tree(tmp_path / "out") == ["a.jpg", "photos/a.jpg", "photos/b.PNG", "photos/sub/deep/c.webp"]


def test_failures_are_listed_and_the_others_done(stylize, photos, tmp_path):
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
def test_a_file_that_fails(stylize, photos, tmp_path, content, reason):
    whole = (photos / "a.jpg").read_bytes()
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(whole[: len(whole) // 2] if content is None else content)
    result = stylize("--input", damaged, "--output", tmp_path / "out" / "x.jpg")
    assert (result.code, result.out) == (1, tally(0, 0, 1))
    assert result.err.startswith(f"cannot read image {damaged}: ")
    assert reason in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_output_folder_is_a_file(stylize, photos, tmp_path):
    (tmp_path / "out").write_text("before")
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, tally(0, 0, 3))
    assert result.err.splitlines()[0] == f"cannot write {tmp_path / 'out' / 'a.jpg'}: Not a directory"
    assert (tmp_path / "out").read_text() == "before"


def test_output_folder_not_writable(stylize, photos, tmp_path, monkeypatch):
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


def test_full_disk(stylize, photos, tmp_path, monkeypatch):
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
def test_an_image_too_large_for_the_device(stylize, photos, tmp_path, monkeypatch, error, sentence):
    real = Stylizer.stylize

    def fail_on_a(self, batch):
        if batch.shape[-1] == 20:
            raise error
        return real(self, batch)

    monkeypatch.setattr(Stylizer, "stylize", fail_on_a)
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, tally(2, 0, 1))
    assert result.err == f"cannot stylize {photos / 'a.jpg'}: {sentence}\n"


def test_ctrl_c(stylize, photos, tmp_path, monkeypatch):
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


def test_progress_on_a_terminal(stylize, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _file: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    result = stylize("--input", photos, "--output", tmp_path / "out")
    assert result.code == 0
    assert "stylizing" in result.err
    assert result.out == tally(3, 0, 0)


def test_command_line(root, model, photos):
    command = [sys.executable, root / "stylize.py", "--model", model, "--input", photos / "a.jpg", *ON_CPU]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        tally(1, 0, 0),
        "",
    )
    assert size(photos / "a-mosaic.jpg") == (20, 12)


@pytest.fixture
def transparent(tmp_path) -> Path:
    """A PNG with every opacity, at 300 dots per inch."""
    image = PIL.Image.effect_noise((16, 16), 90).convert("RGB")
    image.putalpha(PIL.Image.frombytes("L", (16, 16), bytes(range(256))))
    image.save(tmp_path / "transparent.png", dpi=(300, 300))
    return tmp_path / "transparent.png"


def test_transparency_and_metadata_are_kept(stylize, transparent, tmp_path):
    assert stylize("--input", transparent, "--output", tmp_path / "out.png").code == 0
    with PIL.Image.open(tmp_path / "out.png") as result:
        assert result.getchannel("A").tobytes() == bytes(range(256))
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_metadata_left_out(stylize, transparent, tmp_path):
    assert stylize("--input", transparent, "--output", tmp_path / "out.png", "--drop-metadata").code == 0
    with PIL.Image.open(tmp_path / "out.png") as result:
        assert "dpi" not in result.info


def test_transparency_that_a_format_cannot_hold(stylize, transparent, tmp_path):
    code, out, err = stylize("--input", transparent, "--output", tmp_path / "out.jpg")
    assert (code, out) == (1, tally(0, 0, 1))
    assert "JPEG holds no transparency: take " in err
    assert "or give a background colour" in err
    assert not (tmp_path / "out.jpg").exists()
    assert stylize("--input", transparent, "--output", tmp_path / "out.jpg", "--background", "white").code == 0


@pytest.mark.parametrize(("bits", "depth"), [([], 16), (["--bits", "8"], 8)])
def test_depth(stylize, tmp_path, bits, depth):
    pixels = np.arange(64 * 64 * 3, dtype=np.uint16).reshape(64, 64, 3) * 5
    picture = images.Picture([images.Frame(torch.from_numpy(pixels).permute(2, 0, 1))], bits=16)
    images.save_picture(tmp_path / "deep.png", picture)
    assert stylize("--input", tmp_path / "deep.png", "--output", tmp_path / "out.png", *bits).code == 0
    result = images.open_picture(tmp_path / "out.png")
    (frame,) = result.frames
    assert (result.bits, frame.size) == (depth, (64, 64))
    assert frame.pixels.long().unique().numel() > 256 or depth == 8


def test_animation(stylize, tmp_path):
    first, *others = (PIL.Image.effect_noise((20, 10), 90) for _ in range(3))
    first.save(tmp_path / "film.gif", save_all=True, append_images=others, duration=[50, 60, 70], loop=0)
    assert stylize("--input", tmp_path / "film.gif", "--output", tmp_path / "out.gif", "--size", "10").code == 0
    result = images.open_picture(tmp_path / "out.gif")
    assert [frame.duration for frame in result.frames] == [50, 60, 70]
    assert result.size == (5, 10)
    refused = stylize("--input", tmp_path / "film.gif", "--output", tmp_path / "out.jpg")
    assert refused.code == 1
    assert "JPEG is written with one frame, not 3" in refused.err
    assert stylize("--input", tmp_path / "film.gif", "--output", tmp_path / "out.jpg", "--still").code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--quality", "0"], "quality must be 1 to 100, got 0"),
        (["--subsampling", "4:1:1"], "subsampling must be one of 4:4:4, 4:2:2, 4:2:0, got '4:1:1'"),
        (["--background", "greenish"], "greenish"),
        (["--bits", "12"], "--bits"),
        (["--profile", "adobe"], "--profile"),
        (["--backend", "tensorrt"], "backend must be auto or one of torch, onnx, openvino, got 'tensorrt'"),
        (["--precision", "int8"], "precision must be auto or one of"),
        (["--strength", "1.2"], "strength must be 0 (the photo) to 1 (the stylized picture), got 1.2"),
        (["--stroke-size", "0"], "stroke size must be 0.125 to 8.0 times, got 0.0"),
        (["--preserve-color", "hue"], "--preserve-color"),
        (["--batch-size", "0"], "batch size must be at least 1 image, got 0"),
        (["--mask", "nowhere.png"], "image nowhere.png does not exist"),
        (["--mask", "a.png", "b.png"], "1 network takes one mask, got 2"),
        (["--model", "a", "b"], "2 networks take 2 masks, or 1 (none for the first), got 0"),
    ],
)
def test_values_that_are_refused(stylize, photos, arguments, sentence):
    assert is_misuse(stylize("--input", photos / "a.jpg", *arguments), sentence)
    assert tree(photos) == ["a.jpg", "b.PNG", "notes.txt", "sub/deep/c.webp"]


def test_a_mask_that_is_no_image(stylize, photos):
    notes = photos / "notes.txt"
    assert is_misuse(stylize("--input", photos / "a.jpg", "--mask", notes), f"cannot read image {notes}: it is not a")


def test_strength_0_is_the_photo(stylize, photos, tmp_path):
    out = tmp_path / "out.png"
    assert stylize("--input", photos / "b.PNG", "--output", out, "--strength", "0").code == 0
    assert torch.equal(images.read(out), images.read(photos / "b.PNG"))


@pytest.mark.parametrize(
    "option",
    [
        ["--preserve-color", "luminance"],
        ["--preserve-color", "histogram"],
        ["--stroke-size", "2"],
        ["--strength", ".5"],
    ],
)
def test_control(stylize, photos, tmp_path, option):
    source = photos / "b.PNG"
    assert stylize("--input", source, "--output", tmp_path / "plain.png").code == 0
    assert stylize("--input", source, "--output", tmp_path / "other.png", *option).code == 0
    assert size(tmp_path / "other.png") == size(source)
    assert not torch.equal(images.read(tmp_path / "plain.png"), images.read(tmp_path / "other.png"))


def test_mask(stylize, photos, tmp_path):
    """White is stylized, black and what is transparent is not; another size is told."""
    source = photos / "b.PNG"  # 9 by 13
    mask = PIL.Image.new("LA", (9, 13), (255, 255))
    mask.paste((0, 255), (0, 0, 9, 4))
    mask.paste((255, 0), (0, 4, 9, 8))
    mask.save(tmp_path / "mask.png")
    arguments = ("--input", source, "--mask", tmp_path / "mask.png", "--overwrite", "--output")
    assert stylize(*arguments, tmp_path / "out.png").err == ""
    assert stylize("--input", source, "--output", tmp_path / "whole.png").code == 0
    photo, out, whole = (images.read(path) for path in (source, tmp_path / "out.png", tmp_path / "whole.png"))
    assert torch.equal(out[:, :8], photo[:, :8])
    assert torch.equal(out[:, 8:], whole[:, 8:])
    mask.resize((18, 26)).save(tmp_path / "mask.png")
    assert stylize(*arguments, tmp_path / "out.png").err == "masks of another size than the picture are resized to it\n"


def test_several_networks(stylize, model, photos, tmp_path):
    torch.manual_seed(1)
    other = model.with_name("other.safetensors")
    save_network(other, TransformerNetwork(width=2, blocks=0), {})
    PIL.Image.new("L", (9, 13)).save(tmp_path / "none.png")
    source = photos / "b.PNG"
    assert stylize("--input", source).code == 0
    result = stylize("--input", source, "--model", model, other, "--mask", tmp_path / "none.png")
    assert result == (0, tally(1, 0, 0), "")
    assert torch.equal(images.read(photos / "b-mosaic+other.PNG"), images.read(photos / "b-mosaic.PNG"))
    assert is_misuse(
        stylize("--input", source, "--model", model, other, "--overwrite", "--mask", *["none.png"] * 3),
        "2 networks take 2 masks, or 1 (none for the first), got 3",
    )


def test_mask_and_size_of_an_animation(stylize, tmp_path):
    first, second = (PIL.Image.effect_noise((20, 10), 90) for _ in range(2))
    first.save(tmp_path / "film.png", save_all=True, append_images=[second], duration=50)
    PIL.Image.new("L", (10, 5)).save(tmp_path / "black.png")
    arguments = ("--mask", tmp_path / "black.png", "--size", "10", "--output", tmp_path / "out.png")
    assert stylize("--input", tmp_path / "film.png", *arguments) == (0, tally(1, 0, 0), "")
    frames = list(images.open_picture(tmp_path / "out.png").frames)
    originals = list(images.open_picture(tmp_path / "film.png").frames)
    assert len(frames) == 2
    for frame, original in zip(frames, originals, strict=True):
        small = images.to_depth(images.resize_long_side(original.to_float(), 10), 8)[0]
        assert torch.equal(frame.pixels, small)


def test_strength_keeps_transparency_and_16_bits(stylize, tmp_path):
    pixels = torch.from_numpy(np.arange(64 * 64 * 3, dtype=np.uint16).reshape(3, 64, 64) * 5)
    alpha = torch.from_numpy(np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64) + np.uint16(40_000))
    frame = images.Frame(pixels, alpha)
    images.save_picture(tmp_path / "deep.png", images.Picture([frame], bits=16))
    assert stylize("--input", tmp_path / "deep.png", "--output", tmp_path / "out.png", "--strength", ".5").code == 0
    result = images.open_picture(tmp_path / "out.png")
    assert result.bits == 16
    assert torch.equal(result.frames[0].alpha.int(), images.open_picture(tmp_path / "deep.png").frames[0].alpha.int())
