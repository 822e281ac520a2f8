"""Training: from a data set and a budget to a run's folder and its bundle. ``sononerve.train(config, out)`` does it."""

from ..verbs import make_verb

make_verb(__name__)
