"""Shards whose pictures the workers of a cluster make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fast_style.files import Place
from fast_style.inference.cluster.dispatch import spread
from fast_style.inference.cluster.joining import Cluster
from fast_style.inference.cluster.pictures import Recipe, added_up
from fast_style.inference.cluster.worker import Work
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.shards import Shard, stylize_shard


@dataclass(frozen=True)
class Shards:
    """The craft of stylizing shard after shard; see `Craft`.

    Attributes:
        recipe: what pictures are made with.
        settings: how they are read and written.
    """

    recipe: Recipe
    settings: Settings
    parcel: int = 1
    ahead: int = 1  # a second shard at one worker might be one that another has to wait for

    def begin(self) -> tuple[Work, list[str], list[str]]:
        """Load the networks; what has become of a shard is a tally, and whether masks were resized."""
        composition, backends, notes = self.recipe.begin()

        def work(shards: Sequence[Shard], again: bool) -> tuple[Tally, bool]:
            (shard,) = shards
            tally = stylize_shard(shard, composition, self.settings)
            if again:
                tally = replace(tally, stylized=tally.stylized + tally.skipped, skipped=0)
            return tally, composition.resized

        return work, backends, notes

    def given_up(self, job: Shard, reason: str) -> tuple[Tally, bool]:
        """Count a shard as failed."""
        return Tally(failures=[f"cannot stylize shard {job.source}: {reason}"], failed=[job.target]), False


def run_shards(
    shards: Sequence[Shard],
    recipe: Recipe,
    settings: Settings,
    cluster: Cluster,
    witness: Place,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    told: Callable[[Shard, Tally], None] | None = None,
) -> tuple[Tally, list[str]]:
    """Stylize shards on the workers of a cluster, one at a time on each.

    Args:
        shards: what to stylize.
        recipe: what pictures are made with.
        settings: how they are read and written.
        cluster: see `joined`.
        witness: a file that lies where the pictures go, which every worker must see.
        progress: see `spread`; it counts shards.
        stop: see `spread`.
        told: called with each shard and what has become of its pictures, as soon as it is done.

    Returns:
        What has become of the pictures, and what computed them.

    Raises:
        ConnectionError, ValueError, RuntimeError, OSError: see `spread`.
    """

    def tell(parcel: Sequence[Shard], answer: tuple[Tally, bool]) -> None:
        if told is not None:
            told(parcel[0], answer[0])

    return added_up(spread(shards, Shards(recipe, settings), cluster, witness, progress, stop, tell))
