"""The area of each region over time, drawn from a recording's table."""

from __future__ import annotations

from pathlib import Path

from sononerve.evaluate.report.trend_plot import area_over_time
from sononerve.overlay import colour
from sononerve.runtime.recording import COLUMNS

CLASSES = ("nerve", "vessel")


def table(path: Path, *rows: tuple[int, str, str, str, str]) -> Path:
    """Frames with class, track, area in pixels and in mm2; a tenth of a second apart."""
    lines = [",".join(COLUMNS)]
    for frame, name, track, pixels, mm2 in rows:
        fields = {"frame": str(frame), "time_s": f"{frame / 10:.3f}", "presence": "0.9", "class": name, "track": track}
        fields |= {"area_px": pixels, "area_mm2": mm2}
        lines.append(",".join(fields.get(column, "") for column in COLUMNS))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_areas_are_in_mm2_where_all_are_known(tmp_path: Path) -> None:
    rows = [(i, "nerve", "1", "100", "4.0") for i in range(5)]
    plot = area_over_time(table(tmp_path / "a.csv", *rows), "clip.mp4", CLASSES)
    assert plot is not None
    assert plot.columns == ("class", "track", "time_s", "area_mm2")
    assert plot.rows == tuple(("nerve", 1, i / 10, 4.0) for i in range(5))
    assert "area (mm\u00b2)" in plot.svg
    assert "nerve 1" in plot.svg
    mixed = area_over_time(table(tmp_path / "b.csv", *rows, (5, "nerve", "1", "90", "")), "clip.mp4", CLASSES)
    assert mixed is not None
    assert mixed.columns[-1] == "area_px"
    assert mixed.rows[-1] == ("nerve", 1, 0.5, 90.0)


def test_what_is_hardly_seen_is_drawn_but_not_named(tmp_path: Path) -> None:
    rows = [(i, "nerve", "1", "100", "") for i in range(60)]
    plot = area_over_time(table(tmp_path / "a.csv", *rows, (60, "vessel", "2", "9", "")), "clip.mp4", CLASSES)
    assert plot is not None
    assert "nerve 1" in plot.svg
    assert "vessel 2" not in plot.svg
    assert plot.rows[-1] == ("vessel", 2, 6.0, 9.0)


def test_colours_are_those_of_the_drawn_video_whatever_is_seen_first(tmp_path: Path) -> None:
    rows = [(0, "vessel", "1", "100", ""), *((i, "nerve", "2", "100", "") for i in range(1, 9))]
    plot = area_over_time(table(tmp_path / "a.csv", *rows), "clip.mp4", CLASSES)
    assert plot is not None
    first, second = (f"#{''.join(f'{part:02x}' for part in colour(label))}" for label in (1, 2))
    assert plot.svg.count(first) > plot.svg.count(second) > 0


def test_of_many_regions_the_classes_are_named(tmp_path: Path) -> None:
    rows = [(i, name, str(track), "100", "") for i in range(4) for track in range(1, 7) for name in ("nerve", "vessel")]
    plot = area_over_time(table(tmp_path / "a.csv", *rows), "clip.mp4", CLASSES)
    assert plot is not None
    assert ">nerve<" in plot.svg
    assert ">vessel<" in plot.svg
    assert "nerve 1" not in plot.svg


def test_a_clip_without_a_nerve_has_no_plot(tmp_path: Path) -> None:
    assert (
        area_over_time(table(tmp_path / "a.csv", (0, "", "", "", ""), (1, "", "", "", "")), "clip.mp4", CLASSES) is None
    )
