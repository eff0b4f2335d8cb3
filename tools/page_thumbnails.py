"""Make the small pictures that the page shows before a photo is chosen: its example in every style that ships.

Written to fast_style/web/page/styles/ and kept there:

    python tools/page_thumbnails.py
"""

from pathlib import Path

from fast_style.web.alone import PAGE, thumbnail
from fast_style.web.styles import of_files


def main() -> None:
    """Stylize the example in every style."""
    for style in of_files(Path("nowhere")):
        thumbnail(style, PAGE / "styles" / f"{style.id.replace('/', '-')}.jpg")


if __name__ == "__main__":
    main()
