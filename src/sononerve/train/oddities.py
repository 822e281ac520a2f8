"""Where data are too few or too odd for the scores that a user hopes for: said before the training, in sentences."""

from __future__ import annotations

from ..data.dataset import Dataset
from ..data.split import PARTS, Part, Split
from ..errors import InputError
from .facts import Facts

FEW_FRAMES, FEW_GROUPS = 100, 5
TINY_NERVE = 0.02  # of the frame's longer side
FAINT = 0.15  # standard deviations of the frame between a nerve and what is around it
MOST_COVERED = 0.6  # of the frame


def oddities(
    dataset: Dataset,
    division: Split,
    fold: int,
    fitted: Dataset,
    facts: Facts,
    crops: bool = False,
    judge: bool = True,
) -> list[str]:
    """What is odd about the data of a fold; ``fitted`` are the frames to fit, without those left out, of ``facts``.

    ``crops``: whether crops without a nerve are made of them in training. ``judge``: whether a judge of presence could
    be fitted. Raises `InputError` where there is nothing to learn: no frame to fit holds any class.
    """
    parts = {part: dataset.select(division.indices(dataset, fold, part)) for part in PARTS} | {"fit": fitted}
    if not fitted.areas.any():
        raise InputError(
            f"{dataset.folder}: every mask of the {len(fitted)} frames to fit is empty: there is nothing to learn; are "
            "the masks the right ones?"
        )
    return [*_few(parts, division), *_classes(parts), *_frames(fitted, facts, crops, judge)]


def _few(parts: dict[Part, Dataset], division: Split) -> list[str]:
    groups = {part: len({division.groups[name] for name in held.names}) for part, held in parts.items()}
    told = []
    if len(parts["fit"]) < FEW_FRAMES:
        told.append(f"only {len(parts['fit'])} frames to fit: expect poor masks on new subjects; label more of them")
    if groups["fit"] == 1 and not division.leaks:
        told.append("all frames to fit are of one group: nothing tells the network what differs between people")
    if groups["test"] < FEW_GROUPS and not division.leaks:
        told.append(f"only {groups['test']} group(s) in the test part: the scores may be far off for others")
    return told


def _classes(parts: dict[Part, Dataset]) -> list[str]:
    told = []
    without: dict[Part, str] = {
        "fit": "it cannot be learned",
        "tune": "the weights are kept without a look at it",
        "test": "it is not scored",
    }
    for part, held in parts.items():
        for column, name in enumerate(held.classes):
            if not held.areas[:, column].any():
                told.append(f"no frame of the {part} part holds {name}: {without[part]}")
    return told


def _frames(fitted: Dataset, facts: Facts, crops: bool, judge: bool) -> list[str]:
    told = []
    if not (facts.empty or crops):
        ways = ["--set negatives.judge=true lets it"] * judge + ["'sononerve negatives' makes empty ones"]
        told.append(
            f"no frame to fit is empty: the network does not learn to leave a frame empty; {', or '.join(ways)}"
        )
    covered = fitted.areas[fitted.present, 0]
    if covered.size and float(sorted(covered)[len(covered) // 2]) > MOST_COVERED:
        told.append(f"{fitted.classes[0]} covers most of the frame: is the mask the wrong way round?")
    if facts.nerve_px is not None and facts.nerve_px < TINY_NERVE * max(facts.frame_shape):
        told.append(
            f"narrow nerves are {facts.nerve_px:.0f} px across in frames of {max(facts.frame_shape)}: crop them"
        )
    if facts.contrast is not None and facts.contrast < FAINT:
        told.append("nerves are hardly brighter or darker than what is around them: expect poor masks")
    if facts.flat:
        told.append(f"{facts.flat:.1%} of the frames to fit show nothing: look at them with 'sononerve audit'")
    return told
