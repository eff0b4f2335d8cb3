"""Procedural images: scenes to train on where there are no photos."""

from fast_style.data.procedural.images import HeldOutScenes, ProceduralImages, procedural_image, reference_scenes

__all__ = ["HeldOutScenes", "ProceduralImages", "procedural_image", "reference_scenes"]
