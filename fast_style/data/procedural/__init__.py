"""Procedural images: scenes to train on where there are no photos."""

from fast_style.data.procedural.images import HeldOutScenes, ProceduralImages, procedural_image

__all__ = ["HeldOutScenes", "ProceduralImages", "procedural_image"]
