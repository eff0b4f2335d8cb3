"""Stylize photos: `python stylize.py --model MODEL.safetensors --input PHOTO.jpg`; `--help` shows every choice."""

import sys

from fast_style.__main__ import run

if __name__ == "__main__":
    run("stylize", sys.argv[1:], "python stylize.py")
