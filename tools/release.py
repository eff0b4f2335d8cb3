"""Build what is released and use it as somebody would who has nothing else; publish nothing.

    python tools/release.py [--output dist] [--python PYTHON …]

The wheel and the source archive are built and checked (`twine check --strict`, `check-wheel-contents`). For each Python
the wheel is installed with the extras `video` and `web` in a fresh environment, far from this repository, and there a
network is trained for five steps, a picture stylized with it and with one that ships, a picture optimised, and the page
asked for a style. The exit code is 1 at the first thing that fails, and what it said is shown. Needs `pip install
build twine check-wheel-contents`, and minutes for each installation of PyTorch.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRAINING = "style=mosaic budget=none trainer.max_steps=5 data.size=64 style.size=64 data.heldout_count=1 "
TRAINING += "data.heldout_size=64 data.batch_size=1 output=mine.safetensors"
DRAWING = "import torch; from fast_style import images; images.write('photo.png', torch.rand(3, 96, 128))"


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command and return what it wrote; end with what it said if it fails."""
    print("$", *command, flush=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}exit code {done.returncode}")
    return done.stdout


def build(output: Path) -> Path:
    """Build wheel and source archive, check them, and return the wheel."""
    run([sys.executable, "-m", "build", "--outdir", output, ROOT], ROOT)
    files = sorted(output.iterdir())
    run([sys.executable, "-m", "twine", "check", "--strict", *files], ROOT)
    (wheel,) = (file for file in files if file.suffix == ".whl")
    run([sys.executable, "-m", "check_wheel_contents", wheel], ROOT)
    for file in files:
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    return wheel


def use(python: str, wheel: Path, folder: Path) -> None:
    """Install the wheel in a fresh environment of this Python, and use it."""
    run([python, "-m", "venv", folder / "environment"], folder)
    programs = folder / "environment" / "bin"
    run([programs / "pip", "install", "--quiet", f"{wheel}[video,web]"], folder)
    fast_style = programs / "fast-style"
    run([programs / "python", "-c", DRAWING], folder)
    run([fast_style, "train", *TRAINING.split()], folder)
    run(
        [fast_style, "stylize", "--model", "mine.safetensors", "--input", "photo.png", "--output", "painted.png"],
        folder,
    )
    run([fast_style, "stylize", "--model", "the_scream", "--input", "photo.png", "--output", "scream.png"], folder)
    optimize = ["optimize", "--content", "photo.png", "--style", "painted.png", "--output", "best.png"]
    run([fast_style, *optimize, "--size", "64", "--iterations", "2"], folder)
    made = ("painted.png", "scream.png", "best.png", "mine.safetensors")
    if missing := [name for name in made if not (folder / name).is_file()]:
        sys.exit(f"{', '.join(missing)} were not written")
    serve(fast_style, folder)
    print(run([programs / "python", "-c", "import sys; print('all of it works with Python', sys.version)"], folder))


def serve(fast_style: Path, folder: Path) -> None:
    """Start the page and ask it for its styles."""
    command = [fast_style, "serve", "--port", "0", "--folder", folder / "page"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            host = server.stdout.readline().split()[1].rstrip("/").removeprefix("http://")
            page = http.client.HTTPConnection(host, timeout=60)
            page.request("GET", "/api/styles")
            styles = json.load(page.getresponse())["styles"]
        finally:
            server.terminate()
    if not styles:
        sys.exit("the page has no styles")
    print(f"the page has {len(styles)} styles")


def main() -> None:
    """Build, check, install, use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of wheel and source archive")
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="the Pythons it is tried with")
    options = parser.parse_args()
    if options.output.is_dir() and any(options.output.iterdir()):
        parser.error(f"{options.output} is not empty: give another --output, or empty it")
    options.output.mkdir(parents=True, exist_ok=True)
    wheel = build(options.output.resolve())
    for python in options.python:
        with tempfile.TemporaryDirectory() as folder:
            use(python, wheel, Path(folder))


if __name__ == "__main__":
    main()
