"""What a reader turns to sort, filter and look through the frames of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ...overlay import colour
from .layers import ADDED, MISSED

SORTS = {
    "dice": "Dice, worst first",
    "-dice": "Dice, best first",
    "name": "name",
    "group": "group",
    "presence": "presence, lowest first",
}
KINDS = {
    "": "all",
    "best": "best",
    "median": "median",
    "worst": "worst",
    "missed": "missed",
    "false positive": "false positives",
}


def controls(models: Sequence[str], classes: Sequence[str], groups: Sequence[str]) -> str:
    """The form above the frames; sorting, examples and maps are those of the first of ``models``."""
    whose = f" ({models[0]})" if len(models) > 1 else ""
    choice = _select("model", "Model", {str(n): name for n, name in enumerate(models)}) if len(models) > 1 else ""
    layers = {"both": "truth (dashed) and prediction", "wipe": "truth | prediction", "difference": "difference"}
    layers |= {f"probability_{n}": f"probability of {name}{whose}" for n, name in enumerate(classes, start=1)}
    layers |= {"uncertainty": f"uncertainty{whose}", "none": "frame alone"}
    radios = "".join(
        f'<label><input type="radio" name="layer" value="{key}"{" checked" * (key == "both")}>{escape(text)}</label>'
        for key, text in layers.items()
    )
    return f"""<form id="controls" class="controls" aria-label="What is shown of the frames">
{choice}{_select("sort", f"Sort by{whose}", SORTS | {"-size": f"size of {classes[0]}, largest first"})}
{_select("show", f"Show{whose}", KINDS)}
{_select("group", "Group", {"": "all"} | {group: group for group in groups})}
<label>Name <input id="search" type="search" size="12"></label>
<fieldset><legend>Layer</legend>{radios}<label class="slide">left of here the truth, right of it the prediction
<input id="wipe" type="range" min="0" max="100" value="50"></label></fieldset>
<p class="legend">{_legend(classes)}</p><p id="counted" role="status"></p></form>"""


def _select(name: str, label: str, options: Mapping[str, str]) -> str:
    listed = "".join(f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in options.items())
    return f'<label>{escape(label)} <select id="{name}">{listed}</select></label>'


def _legend(classes: Sequence[str]) -> str:
    tones = [(name, "#{:02x}{:02x}{:02x}".format(*colour(n))) for n, name in enumerate(classes, start=1)]
    tones += [("missed", MISSED), ("marked too much", ADDED)]
    return " ".join(f'<span style="background:{tone}"></span> {escape(name)}' for name, tone in tones)
