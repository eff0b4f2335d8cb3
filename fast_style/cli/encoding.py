"""How the pictures are written that stylizing makes."""

import argparse

from fast_style import images


def encoding_of(options: argparse.Namespace) -> images.Encoding:
    """Read what was asked for; what was not is as `images.Encoding` has it.

    Raises:
        ValueError: as `images.Encoding`.
    """
    given = {name: getattr(options, name) for name in ("quality", "subsampling") if getattr(options, name) is not None}
    return images.Encoding(
        bits=options.bits, background=options.background, keep_metadata=not options.drop_metadata, **given
    )
