"""Pictures in styles: quick ones to look at, and whole ones that keep all that their photos have."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fast_style import images
from fast_style.data import transparency_note
from fast_style.inference.composition import Composition
from fast_style.inference.control import STROKES, Control, automatic_strokes
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings as Pipeline
from fast_style.inference.pipeline import run
from fast_style.inference.stylizer import Stylizer
from fast_style.web.refusal import RefusedError
from fast_style.web.settings import Settings
from fast_style.web.styles import Style, by_network
from fast_style.web.uploads import Kept, Shelf, new_id

HELD = 24  # networks that are kept ready
STEPS = 20  # of the share of a second style
SMALL = 1024  # pixels on the long side of the picture that quick ones are made from
SHOWN = 2048  # of a picture that was made, as the page shows it

Chosen = list[tuple[Style, float]]


@dataclass(frozen=True)
class Wish:
    """What is asked of a picture.

    Attributes:
        styles: one or two, with their weights.
        strength: 0 (the photo) to 1.
        stroke_size: how many times as large strokes are as in training; None: so that a photo has the same strokes
            whatever its resolution, see `automatic_strokes`.
        colours: `luminance` or `histogram` keep the photo's, see `Control`; None: the style's.
    """

    styles: Chosen
    strength: float = 1.0
    stroke_size: float | None = None
    colours: str | None = None

    def control(self, side: int, shown: int | None = None, finest: float = 1.0) -> Control:
        """Say what is asked of a picture.

        Args:
            side: long side of the photo in pixels.
            shown: long side of the smaller picture that is made in its place; None: the photo itself.
            finest: of a smaller picture, how much smaller than in training strokes may become to look as they will.
        """
        size = self.stroke_size or automatic_strokes(side)
        if shown is not None:
            size = max(min(finest, size), size * shown / side)
        size = min(max(size, STROKES[0]), STROKES[1])
        return Control(self.strength, self.colours, size)  # type: ignore[arg-type]  # checked there


class Studio:
    """Makes pictures; the networks used last are kept ready.

    Args:
        shelf: where photos and pictures lie.
        settings: how networks are run.
    """

    def __init__(self, shelf: Shelf, settings: Settings) -> None:
        self.shelf, self.engine = shelf, settings.engine
        self._ready: OrderedDict[object, Stylizer] = OrderedDict()
        self._loading = threading.Lock()

    def whole(self, photo: Kept, wish: Wish) -> Kept:
        """Make the picture of a photo in the photo's own format, with all that `stylize.py` keeps, and keep it.

        Raises:
            RefusedError: with 422 if it cannot be made, and why; 507 if there is no room for it.
        """
        source, temporary = self.shelf.path(photo), self.shelf.folder / f"{new_id()}{photo.suffix}"
        composition = self._composition(wish, wish.control(max(photo.about["width"], photo.about["height"])))
        try:
            tally = run([Job(source, temporary)], composition, Pipeline(overwrite=True))
            if tally.failures:
                sentence = self.shelf.named(tally.failures[0], photo.name)
                raise RefusedError(507 if "No space left" in sentence else 422, sentence)
            name = f"{photo.stem}-{file_name(wish.styles)}{photo.suffix}"
            about = {key: photo.about[key] for key in ("width", "height", "format", "frames")}
            notes = [self.shelf.named(note, photo.name) for note in tally.notes]
            about["notes"] = [*notes, *(note for style, _ in wish.styles for note in self.notes(style))]
            result = Kept(new_id(), "result", name, photo.suffix, temporary.stat().st_mtime, about)
            self.shelf.add(temporary, result)
        finally:
            temporary.unlink(missing_ok=True)
        self.make_small(result)
        return result

    def quick(self, photo: Kept, wish: Wish, side: int, finest: float = 1.0) -> Path:
        """Make a small picture of a photo; the caller removes the file.

        Args:
            photo: with a small picture of itself, see `make_small`.
            wish: what is asked.
            side: pixels on the long side, at most `SMALL`.
            finest: see `Wish.control`.

        Raises:
            RefusedError: with 422 if it cannot be made, and why.
        """
        source = self.small(photo)
        picture = images.open_picture(source)
        if side < max(picture.size):
            picture = picture.resized(side)
        control = wish.control(max(photo.about["width"], photo.about["height"]), max(picture.size), finest)
        target = self.shelf.folder / f"{new_id()}{source.suffix}"
        try:
            changed = picture.map(self._composition(wish, control))
            images.save_picture(target, changed, images.Encoding(90, "4:2:0"))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise RefusedError(422, self.shelf.named(str(error), photo.name)) from error
        return target

    def small(self, kept: Kept) -> Path:
        """Find the small picture of a photo or of a picture."""
        for suffix in (".jpg", ".png"):
            if (path := self.shelf.beside(kept, f"small{suffix}")).is_file():
                return path
        return self.make_small(kept)

    def make_small(self, kept: Kept) -> Path:
        """Write a small picture, JPEG, or PNG of what is transparent; of an animation the first frame.

        Raises:
            ValueError: if the file is damaged.
        """
        side = SHOWN if kept.kind == "result" else SMALL
        picture = images.open_picture(self.shelf.path(kept), min_side=side).still()
        if max(picture.size) > side:
            picture = picture.resized(side)
        alpha = next(iter(picture.frames)).alpha
        path = self.shelf.beside(kept, "small.jpg" if alpha is None else "small.png")
        plain = replace(picture, metadata=images.Metadata(), icc_profile=None)
        images.save_picture(path, plain, images.Encoding(92, "4:2:0", bits=8))
        return path

    def notes(self, style: Style) -> list[str]:
        """Tell what of a painting that was brought is not taken as it is."""
        if style.kind != "painting" or style.key is None:
            return []
        path, notes = Path(style.key), []
        if images.read_header(path).frames > 1:
            notes.append(f"{style.name} is an animation: its first picture is the style")
        if images.is_transparent(path):
            notes.append(transparency_note(style.name))
        return notes

    def _composition(self, wish: Wish, control: Control) -> Composition:
        """Load what makes the picture: the second of two networks lies over the first as far as its weight goes."""
        layers = by_network(wish.styles)
        stylizers = [self._stylizer(model, weights).stylize for model, weights, _ in layers]
        masks = [None, *(torch.full((1, 1, 1, 1), weight) for *_, weight in layers[1:])]
        return Composition(stylizers, control, masks)

    def _stylizer(self, model: Path, weights: Mapping[str, float] | None) -> Stylizer:
        style = None if weights is None else {key: weight for key, weight in weights.items() if weight > 0}
        try:
            key = (model, model.stat().st_mtime_ns, None if style is None else tuple(sorted(style.items())))
            with self._loading:
                if key not in self._ready:
                    self._ready[key] = Stylizer.from_checkpoint(model, style=style, **self.engine)
                self._ready.move_to_end(key)
                while len(self._ready) > HELD:
                    self._ready.popitem(last=False)
                return self._ready[key]
        except FileNotFoundError as error:
            raise RefusedError(404, "the style is no longer there") from error
        except (ValueError, RuntimeError) as error:
            raise RefusedError(422, f"the style cannot be used: {_brief(error, model, weights)}") from error


def file_name(styles: Chosen) -> str:
    """Call files after styles, as `stylize.py` does: a mixture after the shares in percent as well."""
    parts = [style.name.replace(" ", "_").lower() for style, _ in styles]
    if len(styles) > 1:
        parts = [f"{part}{100 * weight:.0f}" for part, (_, weight) in zip(parts, styles, strict=True)]
    return "".join(letter if letter.isalnum() or letter in "+-_" else "_" for letter in "+".join(parts))


def _brief(error: Exception, model: Path, weights: Mapping[str, float] | None) -> str:
    text = " ".join(str(error).split())
    for path in (str(model), *(weights or {})):
        text = text.replace(path, Path(path).name)
    return text
