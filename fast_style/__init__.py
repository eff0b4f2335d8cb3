"""Train fast style transfer: a network learns a painting, then restyles any photo in a single forward pass."""

from fast_style.inference.stylizer import Stylizer

__all__ = ["Stylizer"]
