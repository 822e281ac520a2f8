"""How a training went: the loss, and Dice on the tune part, by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .plot import Plot, drawing, finished, tone

DICE = "tune_dice_"
LINES = ("-", "--", ":", "-.")

Log = Sequence[Mapping[str, float]]
"""Rows of a run's ``log.csv``: step, loss, and ``tune_dice_NAME`` by class, each where it is known."""


def learning_curves(logs: Mapping[str, Log]) -> list[Plot]:
    """A plot of the loss and one of the tune part's Dice; ``logs`` by what the models are called."""
    return [_loss(logs), _dice(logs)]


def _loss(logs: Mapping[str, Log]) -> Plot:
    rows = [(label, row["step"], row["loss"]) for label, log in logs.items() for row in log if "loss" in row]
    with drawing() as (figure, ax):
        for number, label in enumerate(logs, start=1):
            points = [row for row in rows if row[0] == label]
            ax.plot([p[1] for p in points], [p[2] for p in points], color=tone(number), label=label)
        ax.set(xlabel="step", ylabel="loss, mean of the round", title="Training loss", ylim=(0, None))
        figure.legend(loc="outside lower center", ncols=2)
        return finished(figure, "learning_loss", "Mean training loss of each round", ("model", "step", "loss"), rows)


def _dice(logs: Mapping[str, Log]) -> Plot:
    names = list(dict.fromkeys(key for log in logs.values() for row in log for key in row if key.startswith(DICE)))
    rows = [
        (label, name.removeprefix(DICE), row["step"], row[name])
        for label, log in logs.items()
        for name in names
        for row in log
        if name in row
    ]
    with drawing() as (figure, ax):
        for number, label in enumerate(logs, start=1):
            for place, name in enumerate(names):
                points = [row for row in rows if row[:2] == (label, name.removeprefix(DICE))]
                shade = tone(number if len(logs) > 1 else place + 1)
                dash = LINES[place % len(LINES)] if len(logs) > 1 else "-"
                told = name.removeprefix(DICE) if len(logs) == 1 else f"{label}, {name.removeprefix(DICE)}"
                ax.plot([p[2] for p in points], [p[3] for p in points], dash, color=shade, label=told)
        ax.set(xlabel="step", ylabel="Dice (0..1)", title="Dice on the tune part", ylim=(0, 1))
        figure.legend(loc="outside lower center", ncols=2)
        title = "Mean Dice on the tune part after each round"
        return finished(figure, "learning_dice", title, ("model", "class", "step", "dice"), rows)
