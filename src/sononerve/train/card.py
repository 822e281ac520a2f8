"""The card of a model, in Markdown: what it is, what it saw, how it scored, where it fails, and what it is not."""

from __future__ import annotations

from collections.abc import Sequence

from .. import __version__
from ..data.dataset import Dataset
from ..data.split import Split
from ..evaluate.report.table import rows, told
from ..evaluate.scores import Scores
from ..runtime.bundle import Bundle, told_name
from .calibrate import Calibration
from .config import TrainConfig
from .machine import describe_machine
from .plan import Plan

HELD_OUT = "## Held-out scores"
MOST_LICENCE = 1000  # characters of the data's licence
CONDITIONS = {"size": "share of the frame", "depth": "depth, 0 the top of the frame and 1 its bottom"}
"""By which the card tells scores, in words; `sononerve evaluate --out` tells more."""


def card(
    config: TrainConfig,
    plan: Plan,
    split: Split,
    fitted: Dataset,
    calibration: Calibration,
    rules: Sequence[str],
    seconds: float,
    scores: Scores,
    start: Bundle | None = None,
    teachers: Sequence[Bundle] = (),
) -> str:
    """The model's card in Markdown: what it is, what it saw (``fitted``), how it scored, what it is not.

    ``rules``: what is said of its post-processing. ``seconds``: how long its steps took. ``start``: the model that it
    began with. ``teachers``: those it learned from.
    """
    begun = ""
    if start is not None:
        stays = f"{plan.choices.start_share:.0%} of its weights stay"
        members = len(start.config.members)
        which = f", network {config.seed % members + 1} of {members}" if members else ""
        begun = f"\n- begun with: {told_name(start)}, {start.identity}{which}; {stays}"
    if teachers:
        names = "; ".join(f"{told_name(teacher)}, {teacher.identity}" for teacher in teachers)
        begun += f"\n- taught by: {names}; {config.teach.share:.0%} of the loss"
    if config.negatives.share:
        begun += f"\n- crops in place of frames: {config.negatives.share:.0%}, half of them beside the nerve"
    fold = split.fold(config.data.fold)
    left_out = len(fold.fit) - len(fitted)
    counts = f"{len(fitted)} frames to fit, {len(fold.tune)} to tune, {len(fold.test)} held out"
    if scores.overall.frames < len(fold.test):
        counts += f", of which {scores.overall.frames} are scored: the rest it has seen before"
    steps = f"at most {plan.steps}" if config.patience else str(plan.steps)
    if left_out:
        counts += f"; {left_out} left out of those to fit, their masks contradict others'"
    return f"""# {config.model}: {", ".join(fitted.classes)}

Not a medical device: for research only.

- intended use: to segment {", ".join(fitted.classes)} in ultrasound frames like those it was trained on, in research;
  frames of other machines, places and people may be segmented worse than its held-out scores say
- network: {config.model}, {plan.parameters:,} parameters, canvas {plan.preprocess.height} x {plan.preprocess.width}
- data: {config.data.folder.name}, {counts}
- split: {split.statement}{begun}
- training: {steps} steps of {plan.choices.batch} frames, {plan.choices.precision} precision, seed {config.seed}
- time and machine: {seconds / 60:.1f} minutes of steps on {describe_machine(plan.choices.accelerator)}; energy: not
  measured
- licence of the data: {_licence(fitted)}
- temperature of the logits: {"; ".join(calibration.reasons)}
- post-processing: {"; ".join(rules)}
- made by sononerve {__version__}

{held_out(scores)}
"""


def _licence(dataset: Dataset) -> str:
    """What a file beside the frames says, on one line."""
    for name in ("LICENCE.txt", "LICENSE.txt", "LICENCE", "LICENSE"):
        file = dataset.folder / name
        if file.is_file():
            with file.open(encoding="utf-8", errors="replace") as text:
                return " ".join(text.read(MOST_LICENCE).split())
    return "not said; no LICENCE.txt lies beside its frames"


def held_out(scores: Scores) -> str:
    """The card's part on held-out scores, warnings first, and where they are lower."""
    by_condition = _condition_table(scores)
    where = f"\n\n### Where it does better and worse\n\n{by_condition}" if by_condition else ""
    return f"{HELD_OUT}\n\n{score_table(scores)}{where}"


def _condition_table(scores: Scores) -> str:
    """Dice of the thirds of the frames by size and depth of the class; nothing where no frame holds one."""
    lines = [
        f"| {name} | {about} | {part.lowest:.3f} to {part.highest:.3f} | {told(part.dice)} |"
        for name, found in scores.overall.classes.items()
        for condition, about in CONDITIONS.items()
        for part in (found.conditions[condition].parts if condition in found.conditions else ())
    ]
    if not lines:
        return ""
    return "\n".join(["| class | a third of the frames by | from, to | Dice |", "|---|---|---|---|", *lines])


def score_table(scores: Scores) -> str:
    """Warnings and every score with its interval, in Markdown."""
    lines = [f"> {warning}" for warning in scores.warnings]
    names = list(scores.overall.classes)
    lines += ["", f"| score, mean [95 % interval] | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    for line in rows(scores.overall, scores.unit, scores.truth == "boxes"):
        cells = [*line.texts, *[""] * (len(names) - len(line.texts))]
        lines.append(f"| {line.title.strip()} | {' | '.join(cells)} |")
    return "\n".join(lines)
