"""Train a style: `python train.py style=starry_night data.root=PHOTOS`; `python train.py --help` shows every choice."""

from fast_style.cli.train import main

if __name__ == "__main__":
    main()
