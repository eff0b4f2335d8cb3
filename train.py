"""Train a style: `python train.py style=starry_night`; `--help` shows the settings to know."""

import sys

from fast_style.__main__ import run

if __name__ == "__main__":
    run("train", sys.argv[1:], "python train.py")
