"""A network on pictures of any size in bounded memory, with the result of the untiled network."""

from fast_style.inference.tiling.program import Tileable, untiled_bytes
from fast_style.inference.tiling.stylize import MEMORY, MODES, TILE, smallest_tile, stylize_tiled

__all__ = ["MEMORY", "MODES", "TILE", "Tileable", "smallest_tile", "stylize_tiled", "untiled_bytes"]
