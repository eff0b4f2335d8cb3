"""Train a style: `python train.py style=starry_night data.root=PHOTOS`, see README."""

from fast_style.cli.train import main

if __name__ == "__main__":
    main()
