"""Write an evaluation to a folder: scores.json, frames.csv, subjects.csv, robustness.*, index.html."""

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
from ...io.atomic import check_place, put_folder, write_text
from ..metrics import FrameScores
from ..robustness import Robustness
from ..run import Evaluation
from ..scores import FrameResult
from .page import Shown, report_page

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
        if robustness is not None:
            write_text(building / "robustness.json", robustness.to_json())
            write_text(building / "robustness.csv", _curves(robustness))
        html, _ = report_page({evaluation.scores.model: Shown(evaluation, robustness)})
        write_text(building / PAGE, html)
        building.chmod(0o755)
        put_folder(building, out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out / PAGE


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
                | {"expected_dice": r.expected_dice.get(class_name)}
                | {"uncertainty": r.uncertainty.get(class_name), "strangeness": r.strangeness}
            )
    told = ("inside_boxes", "boxes_touched", "expected_dice", "uncertainty", "strangeness")
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
