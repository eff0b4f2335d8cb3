"""Make the small pictures that the page shows before a photo is chosen: its example in every style that ships.

Written to fast_style/web/page/styles/ and kept there, in place of those of networks that no longer ship:

    python tools/page_thumbnails.py
"""

from pathlib import Path

from fast_style.web.alone import PAGE, thumbnail
from fast_style.web.styles import of_files


def main() -> None:
    """Stylize the example in every style for photos."""
    folder, made = PAGE / "styles", set()
    for style in of_files(Path("nowhere")):
        if style.aside:
            continue
        path = folder / f"{style.id.replace('/', '-')}.jpg"
        thumbnail(style, path)
        made.add(path)
    for path in set(folder.glob("*.jpg")) - made:
        path.unlink()


if __name__ == "__main__":
    main()
