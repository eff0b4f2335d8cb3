"""Measure ways of stylizing on the same photos or on the same film, and sets of pictures beside real ones."""

from fast_style.evaluate.film import FilmMeasure, FilmScores
from fast_style.evaluate.scores import Scores, evaluate, mean_scores, measure_photo
from fast_style.evaluate.sets import SetScores, compare_pairs, compare_sets

__all__ = [
    "FilmMeasure",
    "FilmScores",
    "Scores",
    "SetScores",
    "compare_pairs",
    "compare_sets",
    "evaluate",
    "mean_scores",
    "measure_photo",
]
