"""Many pictures on the machines of a Ray cluster, which is imported only when one is joined."""

from fast_style.inference.cluster.dispatch import run
from fast_style.inference.cluster.joining import Cluster, joined
from fast_style.inference.cluster.worker import Recipe, Worker

__all__ = ["Cluster", "Recipe", "Worker", "joined", "run"]
