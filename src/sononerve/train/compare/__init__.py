"""Comparison of networks and settings on the same folds, seeds, budget and augmentation: ``sononerve.compare``."""
