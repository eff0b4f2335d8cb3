"""Train a style: `python train.py style=starry_night data.root=PHOTOS`; `python train.py --cfg job` shows every setting."""

from fast_style.cli.train import main

if __name__ == "__main__":
    main()
