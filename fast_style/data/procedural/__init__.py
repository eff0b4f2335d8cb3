"""Procedural images: scenes to train on where there are no photos."""

from fast_style.data.procedural.images import (
    SHOWN_SCENES,
    HeldOutScenes,
    ProceduralImages,
    procedural_image,
    reference_scenes,
)

__all__ = ["SHOWN_SCENES", "HeldOutScenes", "ProceduralImages", "procedural_image", "reference_scenes"]
