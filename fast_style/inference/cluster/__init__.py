"""Many jobs, and films, on the machines of a Ray cluster, which is imported only when one is joined."""

from fast_style.inference.cluster.dispatch import Outcome, spread
from fast_style.inference.cluster.film_worker import FilmRecipe
from fast_style.inference.cluster.films import FilmCrew, Made
from fast_style.inference.cluster.joining import Cluster, joined
from fast_style.inference.cluster.pictures import Pictures, Recipe, run
from fast_style.inference.cluster.shards import run_shards
from fast_style.inference.cluster.worker import Craft, Work, Worker

__all__ = [
    "Cluster",
    "Craft",
    "FilmCrew",
    "FilmRecipe",
    "Made",
    "Outcome",
    "Pictures",
    "Recipe",
    "Work",
    "Worker",
    "joined",
    "run",
    "run_shards",
    "spread",
]
