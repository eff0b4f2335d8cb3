"""Images between files, Pillow and tensors; the only importer of Pillow.

Training reads pixels with `read`; the stylizing command carries a whole `Picture`, with transparency, frames, 16 bits,
colour profile and metadata, from `open_picture` to `save_picture`.
"""

from PIL.Image import Image

from fast_style.images.folders import Listing, is_image, list_images, sift
from fast_style.images.formats import MAX_PIXELS, SUFFIXES
from fast_style.images.header import Header, read_header
from fast_style.images.opening import LargeImageError, UnknownImageError
from fast_style.images.picture import Frame, Metadata, Picture
from fast_style.images.reading import from_pil, is_transparent, open_picture, read
from fast_style.images.tensors import middle, resize, resize_long_side, resize_short_side, to_depth, to_float, to_pil
from fast_style.images.writing import Encoding, save_picture, write

__all__ = ["MAX_PIXELS", "SUFFIXES", "Encoding", "Frame", "Header", "Image", "Listing", "Metadata", "Picture"]
__all__ += ["LargeImageError", "UnknownImageError"]
__all__ += [
    "from_pil",
    "is_image",
    "is_transparent",
    "list_images",
    "middle",
    "open_picture",
    "read",
    "read_header",
    "resize",
    "resize_long_side",
    "resize_short_side",
    "save_picture",
    "sift",
]
__all__ += ["to_depth", "to_float", "to_pil", "write"]
