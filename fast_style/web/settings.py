"""How much the page takes, and where it keeps it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fast_style.web.runtime import Runtime

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Settings:
    """What is decided when the server starts.

    Attributes:
        folder: where uploads, results and jobs are kept.
        networks: a folder of networks of the user's own, whose `.safetensors` are offered as styles.
        host: address at which the page is served; other than those of this machine it needs a token.
        port: of the page.
        token: what whoever visits must know; None: nothing.
        image_bytes: of an uploaded image, at most.
        image_pixels: of an image, all its frames together, at most.
        film_bytes: of an uploaded film, at most.
        stored_bytes: of all that is in the folder, at most, what arrives included.
        kept: seconds after which uploads and results are removed.
        patience: seconds that an upload may stand still.
        uploads: how many may arrive at once.
        waiting: by lane, how many stylizations may wait or be at work.
        jobs: how many trainings and films may wait or be at work.
        training: further settings of trainings, as `train` takes them, such as `data.root=PHOTOS`.
        engine: `device`, `precision` and `backend` of stylizing, see `Stylizer`.
        runtime: files with which browsers run networks; None: there are none, and the page tells how to get them.
    """

    folder: Path
    networks: Path = Path("checkpoints")
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    image_bytes: int = 200_000_000
    image_pixels: int = 100_000_000
    film_bytes: int = 4_000_000_000
    stored_bytes: int = 20_000_000_000
    kept: float = DAY
    patience: float = 30.0
    uploads: int = 16
    waiting: dict[str, int] = field(default_factory=lambda: {"preview": 32, "thumbnail": 64, "picture": 24})
    jobs: int = 10
    training: tuple[str, ...] = ()
    engine: dict[str, Any] = field(default_factory=dict)
    runtime: Runtime | None = None
