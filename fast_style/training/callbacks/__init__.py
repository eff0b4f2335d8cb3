"""Lightning callbacks: what a run writes while it trains."""

from fast_style.training.callbacks.budget import Budget
from fast_style.training.callbacks.checkpoints import AtomicCheckpointIO, ResumeCheckpoint, find_checkpoint
from fast_style.training.callbacks.distances import Distances
from fast_style.training.callbacks.live import Live
from fast_style.training.callbacks.pictures import PictureLogger
from fast_style.training.callbacks.processes import Processes
from fast_style.training.callbacks.progress import ProgressBar
from fast_style.training.callbacks.throughput import Throughput

__all__ = [
    "AtomicCheckpointIO",
    "Budget",
    "Distances",
    "Live",
    "PictureLogger",
    "Processes",
    "ProgressBar",
    "ResumeCheckpoint",
    "Throughput",
    "find_checkpoint",
]
