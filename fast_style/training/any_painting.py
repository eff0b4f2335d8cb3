"""What the tasks that train one network for any painting have in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from fast_style.training.network_task import NetworkTask


class AnyPainting(NetworkTask):
    """A task that learns from photos and paintings, and shows held-out photos in some styles.

    Args:
        styles: style images (1, 3, H, W) in [0, 1] by name, in which held-out photos are measured and shown; they are
            not trained on, unless they are among the paintings as well.
        arguments: of `NetworkTask`, in its order.
        named: of `NetworkTask`, by name.

    Attributes:
        names: of the styles that are shown.

    Raises:
        ValueError: if there is no style to show, or as `NetworkTask`.
    """

    wants = ("image", "painting")

    def __init__(self, styles: Mapping[str, Tensor], *arguments: Any, **named: Any) -> None:
        if isinstance(styles, Tensor) or not styles:
            raise ValueError("held-out photos are shown in several styles: give style=any or style=gallery")
        super().__init__(*arguments, **named)
        self.names = list(styles)
        self._shown = dict(styles)

    @property
    def shown(self) -> dict[str, Tensor]:
        """The styles that held-out photos are shown in, by name."""
        return self._shown

    def stylize_arguments(self, folder: Path | None) -> list[str]:
        """Name the first style that is shown: its file if there is a folder, else that of a shipped one."""
        name = self.names[0]
        files = [path for path in sorted(folder.glob("*")) if path.stem == name] if folder else []
        return ["--style", str(files[0]) if files else name]
