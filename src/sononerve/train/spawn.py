"""The processes of a training on several devices."""

from __future__ import annotations

from ..lightning import DDPStrategy, MultiProcessingLauncher


class Spawned(DDPStrategy):
    """Lightning's training in spawned processes, which import Lightning by its door as this one did.

    The first thing that a new process unpickles is its launcher. Were that Lightning's own, Lightning would be imported
    before `sononerve.lightning` could make torchvision fit for it.
    """

    def __init__(self) -> None:
        super().__init__(start_method="spawn", find_unused_parameters=True)  # a frozen layer gets no gradient

    def _configure_launcher(self) -> None:
        self._launcher = _Launcher(self, start_method="spawn")


class _Launcher(MultiProcessingLauncher):
    """Lightning's launcher by a name of ours."""
