"""Many pictures, and films, on the machines of a Ray cluster, which is imported only when one is joined."""

from fast_style.inference.cluster.dispatch import run
from fast_style.inference.cluster.film_worker import FilmRecipe
from fast_style.inference.cluster.films import FilmCrew, Made
from fast_style.inference.cluster.joining import Cluster, joined
from fast_style.inference.cluster.worker import Recipe, Worker

__all__ = ["Cluster", "FilmCrew", "FilmRecipe", "Made", "Recipe", "Worker", "joined", "run"]
