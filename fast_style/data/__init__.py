"""Data: photos from folders and zip files, cropped the same way whoever reads them, or procedural scenes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fast_style.data.clips import ClipPair, ClipPairs
from fast_style.data.coco import download_coco
from fast_style.data.mixtures import parse_styles, weighed
from fast_style.data.paintings import StyleCrops, recolor
from fast_style.data.pairs import PairSource
from fast_style.data.photos import HeldOut, PhotoDataset, Sample, collate
from fast_style.data.procedural import HeldOutScenes, ProceduralImages, procedural_image, reference_scenes
from fast_style.data.sampler import SampleIndices
from fast_style.data.sources import ImageSource
from fast_style.data.style import (
    StyleSource,
    find_style,
    is_style,
    load_gallery,
    load_style,
    shipped_styles,
    transparency_note,
    transparency_notes,
)

if TYPE_CHECKING:
    from fast_style.data.datamodule import PhotoDataModule
    from fast_style.data.translation import PairDataModule, UnpairedDataModule

__all__ = [
    "ClipPair",
    "ClipPairs",
    "HeldOut",
    "HeldOutScenes",
    "ImageSource",
    "PairDataModule",
    "PairSource",
    "PhotoDataModule",
    "PhotoDataset",
    "ProceduralImages",
    "Sample",
    "SampleIndices",
    "StyleCrops",
    "StyleSource",
    "UnpairedDataModule",
    "collate",
    "download_coco",
    "find_style",
    "is_style",
    "load_gallery",
    "load_style",
    "parse_styles",
    "procedural_image",
    "recolor",
    "reference_scenes",
    "shipped_styles",
    "transparency_note",
    "transparency_notes",
    "weighed",
]

_OF_LIGHTNING = {"PhotoDataModule": "datamodule", "PairDataModule": "translation", "UnpairedDataModule": "translation"}


def __getattr__(name: str) -> Any:
    """Import a data module, and Lightning with it, only where it is asked for: who stylizes needs none."""
    if name not in _OF_LIGHTNING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"fast_style.data.{_OF_LIGHTNING[name]}"), name)
