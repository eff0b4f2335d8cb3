"""Trained networks at work: on a picture (`stylizer`), on many files (`pipeline`), elsewhere (`backends`, `export`)."""
