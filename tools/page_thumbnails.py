"""Make the small pictures that the page shows before a photo is chosen: its example in every style that ships.

Written to fast_style/web/page/styles/ and kept there:

    python tools/page_thumbnails.py
"""

from pathlib import Path

from fast_style import Stylizer, images
from fast_style.web.app import PAGE
from fast_style.web.styles import Styles

SIDE = 192  # pixels


def main() -> None:
    """Stylize the example at the size at which its strokes look as in the whole picture, and shrink it."""
    photo = images.resize_long_side(images.read(PAGE / "sample.jpg")[None], 600)
    for style in Styles(None, Path("nowhere"), list).all():  # type: ignore[arg-type]  # nothing was brought
        weights = None if style.key is None else {style.key: 1.0}
        picture = Stylizer.from_checkpoint(style.model, style=weights, backend="torch").stylize(photo)
        name = style.id.replace("/", "-")
        images.write(PAGE / "styles" / f"{name}.jpg", images.resize_long_side(picture, SIDE), quality=70)


if __name__ == "__main__":
    main()
