"""How the loss network `vgg19_slim` was distilled from VGG-19: `python tools/distill.py`."""
