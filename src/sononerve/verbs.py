"""Let ``sononerve.train(...)`` and ``sononerve.evaluate(...)`` be called although they are folders too."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


class Verb(ModuleType):
    """A package that, called, calls the function of its own name in its module ``run``."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Import what is heavy only now, and call it."""
        run = importlib.import_module(f"{self.__name__}.run")
        return getattr(run, self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_verb(package: str) -> None:
    """Turn the imported ``package`` into a `Verb`."""
    sys.modules[package].__class__ = Verb
