"""Write an evaluation to a folder: scores.json, frames.csv, subjects.csv, robustness.*, pictures/, index.html."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...io.atomic import check_place, write_bytes, write_text
from ..metrics import FrameScores
from ..robustness import Robustness
from ..run import Evaluation
from ..scores import FrameResult
from .figures import comparison, dice_by_subject, robustness_figure
from .page import page

SHOWN = 3
PAGE = "index.html"


def check_free(out: Path, overwrite: bool) -> None:
    """Raise `InputError` where ``out`` is there and may not be replaced; only an evaluation is replaced."""
    check_place(out)
    if out.is_symlink():
        raise InputError(f"{out}: is a link, and is not replaced; name the folder itself")
    if not out.exists():
        return
    if not overwrite:
        raise InputError(f"{out}: is there already; use --overwrite to replace it, or another --out")
    if not (out / "scores.json").is_file() or not (out / PAGE).is_file():
        raise InputError(f"{out}: is not an evaluation's folder and is not replaced; use another --out")


def write_evaluation(
    evaluation: Evaluation, out: Path, overwrite: bool = False, robustness: Robustness | None = None
) -> Path:
    """Write the folder, whole or not at all, and return its page; raise `InputError` where ``out`` is there already."""
    check_free(out, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        write_text(building / "scores.json", evaluation.scores.to_json())
        write_text(building / "frames.csv", _frames(evaluation.results))
        write_text(building / "subjects.csv", _subjects(evaluation))
        pictures = _pictures(evaluation)
        if robustness is not None:
            write_text(building / "robustness.json", robustness.to_json())
            write_text(building / "robustness.csv", _curves(robustness))
            pictures = _curves_picture(robustness) | pictures
        for name, (_, picture) in pictures.items():
            write_bytes(building / "pictures" / name, picture)
        captions = [(f"pictures/{name}", caption) for name, (caption, _) in pictures.items()]
        write_text(building / PAGE, page(evaluation.scores, captions))
        building.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        building.rename(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out / PAGE


def chosen_frames(results: Sequence[FrameResult], shown: int = SHOWN) -> dict[str, list[int]]:
    """Which results are shown as best, median and worst by mean Dice over the classes, and as false positives."""
    order = sorted((i for i, r in enumerate(results) if r.dice is not None), key=lambda i: results[i].dice or 0.0)
    middle = max(0, len(order) // 2 - shown // 2)
    chosen = {"worst": order[:shown], "median": order[middle : middle + shown], "best": order[::-1][:shown]}
    empty = [i for i, r in enumerate(results) if not r.present and any(s.false_positive for s in r.classes.values())]
    area = {i: max(s.predicted_area for s in results[i].classes.values()) for i in empty}
    return chosen | {"false positive": sorted(empty, key=lambda i: -area[i])[:shown]}


def _pictures(evaluation: Evaluation) -> dict[str, tuple[str, bytes]]:
    """File name to caption and PNG."""
    scores = evaluation.scores
    caption = f"Dice of every frame by group; split {scores.split}"
    pictures = {
        "dice_by_subject.png": (
            caption,
            dice_by_subject(scores.overall, evaluation.results, scores.split.split(":")[0]),
        )
    }
    for kind, places in chosen_frames(evaluation.results).items():
        for number, place in enumerate(places, start=1):
            result = evaluation.results[place]
            sample = evaluation.dataset[evaluation.indices[place]]
            answer = evaluation.predictor.predict(sample.frame)
            dice = ", ".join(f"{n} {s.dice:.3f}" for n, s in result.classes.items() if s.dice is not None)
            title = f"{kind}: {result.name}, Dice {dice}" if dice else f"{kind}: {result.name}, no nerve in the truth"
            pictures[f"{kind.replace(' ', '_')}_{number}.png"] = (title, comparison(sample, answer, title))
    return pictures


def _frames(results: Sequence[FrameResult]) -> str:
    names = [field.name for field in dataclasses.fields(FrameScores)]
    rows = []
    for r in results:
        for class_name, scores in r.classes.items():
            about = {"frame": r.name, "group": r.group, "annotator": r.annotator or "", "class": class_name}
            shares = {"inside_boxes": r.boxes.inside, "boxes_touched": r.boxes.touched} if r.boxes else {}
            rows.append(
                about
                | {"presence": r.presence, "present": int(r.present)}
                | dataclasses.asdict(scores)
                | shares
                | {"uncertainty": r.uncertainty.get(class_name)}
            )
    told = ("inside_boxes", "boxes_touched", "uncertainty")
    return _csv(["frame", "group", "annotator", "class", "presence", "present", *names, *told], rows)


def _subjects(evaluation: Evaluation) -> str:
    rows: list[dict[str, object]] = [
        {"group": group, "class": name, "mean_dice": dice}
        for name, found in evaluation.scores.overall.classes.items()
        for group, dice in found.dice_by_subject.items()
    ]
    return _csv(["group", "class", "mean_dice"], rows)


def _curves(robustness: Robustness) -> str:
    rows: list[dict[str, object]] = []
    for corruption, curve in robustness.curves.items():
        for name, points in curve.points.items():
            for severity, (level, point) in enumerate(zip((None, *curve.levels), points, strict=True)):
                about = {"corruption": corruption, "severity": severity, "level": level, "class": name}
                for score, mean in vars(point).items():
                    if mean is not None:
                        told = {"mean": mean.value, "low": mean.low, "high": mean.high, "n": mean.frames}
                        rows.append(about | {"score": score} | told)
    return _csv(["corruption", "severity", "level", "class", "score", "mean", "low", "high", "n"], rows)


def _curves_picture(robustness: Robustness) -> dict[str, tuple[str, bytes]]:
    kept = ", ".join(f"{name} {share:.3f}" for name, share in robustness.retained.items() if share is not None)
    caption = (
        "Robustness: Dice on the same frames made worse, with 95 % intervals over groups. Share of the clean Dice that "
        f"is kept, mean over corruptions and severities: {kept or 'not defined'}"
    )
    return {"robustness.png": (caption, robustness_figure({robustness.model: robustness}))}


def _csv(columns: list[str], rows: Sequence[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _told(value) for key, value in row.items()})
    return text.getvalue()


def _told(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.5g}"
    return value
