"""An audit in lines: what a terminal shows, and what stands at the top of its page."""

from __future__ import annotations

from .findings import Audit, ClassAreas

MOST_SIZES = 3


def lines(audit: Audit) -> list[tuple[str, str]]:
    """What was looked at and what was found, as title and text."""
    sizes = ", ".join(f"{count} of {size}" for size, count in list(audit.sizes.items())[:MOST_SIZES])
    more = len(audit.sizes) - MOST_SIZES
    told = [
        ("frames", f"{audit.frames} ({audit.layout})"),
        ("size", sizes + (f", {more} other sizes" if more > 0 else "")),
        ("spacing", _spacing(audit)),
        ("subjects", "unknown" if audit.subjects is None else str(audit.subjects)),
        ("videos", "unknown" if audit.videos is None else str(audit.videos)),
        *((f"area of {name}", _areas(areas)) for name, areas in audit.areas.items()),
        ("empty masks", str(len(audit.empty))),
        ("scan area", f"{audit.scan_share:.0%} of the screen"),
        ("near-duplicates", _clusters(audit.duplicates)),
        ("same place", _clusters(audit.related)),
        ("contradictory masks", f"{len({c.files for c in audit.contradictions})} pair(s)"),
    ]
    for title, findings in (("masks to look at", audit.masks), ("drawn over the echoes", audit.screen)):
        kinds = {
            kind: len({f.file for f in findings if f.kind == kind}) for kind in dict.fromkeys(f.kind for f in findings)
        }
        told.append((title, ", ".join(f"{kind} {count}" for kind, count in kinds.items()) or "none"))
    return told


def _spacing(audit: Audit) -> str:
    if not audit.spacing_known:
        return "unknown"
    smallest, largest = audit.spacings_mm[0], audit.spacings_mm[-1]
    shown = f"{smallest[0]:.4g} x {smallest[1]:.4g} mm"
    if smallest != largest:
        shown += f" to {largest[0]:.4g} x {largest[1]:.4g} mm"
    return f"{shown} a pixel (row x column), known for {audit.spacing_known} frames"


def _areas(areas: ClassAreas) -> str:
    if not areas.frames:
        return "in no frame"
    median = f"{areas.median_px} px" + ("" if areas.median_mm2 is None else f" ({areas.median_mm2} mm2)")
    return f"in {areas.frames} frames, median {median}, from {areas.smallest_px} to {areas.largest_px} px"


def _clusters(clusters: list[list[str]]) -> str:
    return f"{sum(map(len, clusters))} frames in {len(clusters)} clusters" if clusters else "none"
