"""Stylize photos: `python stylize.py --model MODEL.safetensors --input PHOTO.jpg`; `--help` shows every choice."""

from fast_style.cli.stylize import main

if __name__ == "__main__":
    main()
