"""The frames of a report: each with truth, prediction, difference and maps over it, to be sorted and filtered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from ...frame import Sample, Segmentation
from ...runtime.answer import entropy
from ..run import Evaluation
from ..scores import MISSED_BELOW, FrameResult
from .controls import controls
from .layers import difference, heat, outlines, picture
from .maps import Map

MOST = 200
MOST_BYTES = 13_000_000  # so that a page stays below 15 MB, plots and text included
TRIED = 8  # frames whose size tells that of the others
EXTREMES = 3
EXPLAINED = {"best", "median", "worst"}

Explainer = Callable[[Sample], Sequence[Map]]
"""From a frame to further maps of it, as attention gates and saliency, which need the network itself."""


def kinds(results: Sequence[FrameResult], shown: int = EXTREMES) -> dict[int, list[str]]:
    """What each result is an example of: "best", "median", "worst", "missed", "false positive"; most are of nothing."""
    found: dict[int, list[str]] = {}
    order = sorted((i for i, r in enumerate(results) if r.dice is not None), key=lambda i: results[i].dice or 0.0)
    middle = max(0, len(order) // 2 - shown // 2)
    for kind, places in (
        ("worst", order[:shown]),
        ("median", order[middle : middle + shown]),
        ("best", order[::-1][:shown]),
        ("missed", [i for i, r in enumerate(results) if _missed(r)]),
        ("false positive", [i for i, r in enumerate(results) if any(s.false_positive for s in r.classes.values())]),
    ):
        for place in places:
            found.setdefault(place, []).append(kind)
    return found


def _missed(result: FrameResult) -> bool:
    return any(s.dice is not None and s.dice < MISSED_BELOW for s in result.classes.values())


def chosen(results: Sequence[FrameResult], most: int = MOST) -> list[int]:
    """Which results are shown: all, or ``most`` of them: examples first, then evenly by Dice; worst first."""

    def badness(place: int) -> tuple[float, str]:
        dice = results[place].dice
        return (1.0 if dice is None else dice, results[place].name)

    order = sorted(range(len(results)), key=badness)
    if len(order) <= most:
        return order
    examples = set(sorted(kinds(results), key=badness)[:most])
    rest = [place for place in order if place not in examples]
    room = most - len(examples)
    kept = examples | {rest[int(n * len(rest) / room)] for n in range(room)}
    return [place for place in order if place in kept]


def gallery(
    models: Mapping[str, Evaluation],
    explainer: Explainer | None = None,
    progress: Callable[[int, int], None] | None = None,
    most: int = MOST,
) -> str:
    """The frames as HTML, sorted and chosen by the first of ``models``, all scored on the same frames.

    At most ``most`` of them, and at most some 13 MB. ``explainer`` adds maps to the examples of best, median and worst.
    """
    first = next(iter(models.values()))
    examples, places = kinds(first.results), chosen(first.results, most)
    cards: dict[int, str] = {}

    def draw(place: int) -> None:
        sample = first.dataset[first.indices[place]]
        answers = [model.predictor.predict(sample.frame) for model in models.values()]
        told = examples.get(place, [])
        further = explainer(sample) if explainer is not None and EXPLAINED & set(told) else ()
        scored = [model.results[place] for model in models.values()]
        cards[place] = _card(scored, sample, answers, told, further)
        if progress is not None:
            progress(len(cards), len(places))

    for place in places[:: max(1, len(places) // TRIED)]:
        draw(place)
    size = sum(map(len, cards.values())) / max(1, len(cards))
    places = chosen(first.results, min(most, max(TRIED, int(MOST_BYTES / max(1.0, size)))))
    for place in places:
        if place not in cards:
            draw(place)
    left = len(first.results) - len(places)
    note = f"<p>{left} more frames are not shown: {len(places)} are, examples first and the rest evenly by Dice.</p>"
    form = controls(list(models), first.dataset.classes, sorted({first.results[place].group for place in places}))
    shown = "".join(cards[place] for place in places)
    return f'{form}{note if left else ""}<div id="cards">{shown}</div>'


def _card(
    results: Sequence[FrameResult],
    sample: Sample,
    answers: Sequence[Segmentation],
    examples: Sequence[str],
    further: Sequence[Map],
) -> str:
    """The frame is sorted by the first of ``results``, and the maps are the first's; all else is of each model."""
    assert sample.labels is not None
    result, answer = results[0], answers[0]
    classes, (height, width) = len(answer.classes), sample.frame.shape
    spread = entropy(answer.probabilities[None])[0] if answer.uncertainty is None else answer.uncertainty
    layers = [
        picture(sample.frame.pixels, f"frame {result.name}"),
        *(heat(answer.probabilities[n], f"probability_{n + 1}") for n in range(classes)),
        heat(spread, "uncertainty"),
        outlines(sample.labels, classes, "truth"),
        *(outlines(one.labels, classes, f"prediction of-{n}", n > 0) for n, one in enumerate(answers)),
        *(difference(sample.labels, one.labels, classes, f"difference of-{n}", n > 0) for n, one in enumerate(answers)),
    ]
    data = {
        "name": result.name,
        "group": result.group,
        "dice": "" if result.dice is None else f"{result.dice:.5f}",
        "presence": f"{result.presence:.5f}",
        "size": str(result.classes[answer.classes[0]].truth_area),
        "kinds": "|".join(examples),
    }
    attributes = "".join(f' data-{key}="{escape(value)}"' for key, value in data.items())
    told = "".join(_told(scored, number) for number, scored in enumerate(results))
    marks = "".join(f'<span class="mark">{escape(kind)}</span>' for kind in examples)
    return f"""<article class="card"{attributes}>
<button type="button" class="look" aria-label="look closer at {escape(result.name)}">
<span class="stage" style="--ratio:{width / height:.4f}">{"".join(layers)}</span></button>
<p class="said"><b>{escape(result.name)}</b> {marks}<br>{told}<br>{escape(_group(result.group))}</p>
{_further(further, sample)}</article>"""


def _group(name: str) -> str:
    return name if name.startswith(("group", "cluster")) else f"group {name}"


def _told(result: FrameResult, number: int) -> str:
    """What one model scored, shown while that model is chosen."""
    dice = [f"{name} {scores.dice:.3f}" for name, scores in result.classes.items() if scores.dice is not None]
    marked = [name for name, scores in result.classes.items() if scores.false_positive]
    said = [f"Dice {', '.join(dice)}"] if dice else []
    said += [f"{', '.join(marked)} marked where there is none"] if marked else []
    said += [f"presence {result.presence:.2f}"]
    return f'<span class="of-{number}"{" hidden" * (number > 0)}>{escape("; ".join(said))}</span>'


def _further(maps: Sequence[Map], sample: Sample) -> str:
    if not maps:
        return ""
    shown = "".join(
        f'<figure><div class="stage">{picture(sample.frame.pixels, "")}{heat(one.values, "shown", one.full)}</div>'
        f"<figcaption>{escape(one.title)}</figcaption></figure>"
        for one in maps
    )
    return f'<details><summary>What the network looked at</summary><div class="maps">{shown}</div></details>'
