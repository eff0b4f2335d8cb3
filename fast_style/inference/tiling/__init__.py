"""A network on pictures of any size in bounded memory, with the result of the untiled network."""

from fast_style.inference.tiling.program import Tileable
from fast_style.inference.tiling.stylize import MEMORY, TILE, TiledNetwork, stylize_tiled

__all__ = ["MEMORY", "TILE", "Tileable", "TiledNetwork", "stylize_tiled"]
