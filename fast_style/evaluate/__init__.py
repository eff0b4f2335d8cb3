"""Measure ways of stylizing on the same photos."""

from fast_style.evaluate.scores import Scores, evaluate

__all__ = ["Scores", "evaluate"]
