"""Measure ways of stylizing on the same photos, or on the same film."""

from fast_style.evaluate.film import FilmMeasure, FilmScores
from fast_style.evaluate.scores import Scores, evaluate

__all__ = ["FilmMeasure", "FilmScores", "Scores", "evaluate"]
