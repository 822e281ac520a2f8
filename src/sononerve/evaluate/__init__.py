"""Scores: of frames, of sets, and what is shown of them. ``sononerve.evaluate(bundle, dataset)`` makes them."""

from ..verbs import make_verb

make_verb(__name__)
