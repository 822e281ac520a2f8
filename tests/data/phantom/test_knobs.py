"""Knobs: within their limits, one number for a range, each with a unit, a sentence and an effect."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sononerve.data import phantom
from sononerve.data.phantom import PhantomConfig
from sononerve.data.phantom.knobs import Knobs, limits
from sononerve.errors import InputError

GROUPS = {name: field.annotation for name, field in PhantomConfig.model_fields.items()}
GROUPS = {name: kind for name, kind in GROUPS.items() if isinstance(kind, type) and issubclass(kind, Knobs)}
KNOBS = [(group, name) for group, kind in GROUPS.items() for name in kind.model_fields]
DOCS = Path(__file__).resolve().parents[3] / "docs"
RARE = {"bone", "roots", "share", "contact", "dropout", "artery", "vein", "more", "injectate", "fill"}


def test_one_number_stands_for_a_range():
    assert phantom.Look(gain_db=3).gain_db == (3.0, 3.0)
    assert phantom.Tissue.model_validate({"fat_mm": [2, 5]}).fat_mm == (2.0, 5.0)


@pytest.mark.parametrize(
    ("group", "wrong"),
    [("look", {"gain_db": (3, -3)}), ("tissue", {"bone": 1.5}), ("probe", {"fps": "fast"}), ("nerve", {"colour": 1})],
)
def test_a_knob_out_of_its_limits_is_refused(group, wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PhantomConfig.model_validate({group: wrong})


def test_settings_reach_a_knob_and_a_wrong_one_is_named():
    config = phantom.configured({"subjects": 3, "seed": None}, {"needle.share": 1, "look.gain_db": [-1, 2]})
    assert (config.subjects, config.needle.share, config.look.gain_db) == (3, 1.0, (-1.0, 2.0))
    with pytest.raises(InputError, match=r"phantom settings: look\.gain_db: .*lower first.*found"):
        phantom.configured({}, {"look.gain_db": [2, -1]})
    with pytest.raises(InputError, match=r"phantom settings: --empty: .*within 0 to 1"):
        phantom.configured({"empty": 2}, {})


def test_the_page_shows_every_knob_as_it_is():
    page, pictures = (DOCS / "phantom.md").read_text(encoding="utf-8"), DOCS / "images" / "phantom"
    for group, name in KNOBS:
        field = GROUPS[group].model_fields[name]
        low, high = limits(field)
        default = " to ".join(f"{v:g}" for v in np.atleast_1d(field.default))
        told = f"{field.json_schema_extra['unit']} | {low:g}, {high:g} | {default} | {field.description} |"
        assert f"| `{group}.{name}` | {told}" in page, "run python docs/make_phantom_pictures.py"
    assert all((pictures / f"{group}.jpg").is_file() for group in GROUPS)
    assert sum(p.stat().st_size for p in pictures.iterdir()) < 1_500_000


@pytest.mark.parametrize(("group", "name"), KNOBS)
def test_every_knob_says_what_it_is_and_changes_the_frames(group, name):
    field = GROUPS[group].model_fields[name]
    low, high = limits(field)
    assert field.description.endswith(".")
    assert low < high

    def frames(value):
        few = {"along_mm": 1.0}  # fewer strands, drawn faster
        told = {"probe": few, "needle": {"share": 1.0}, "blood": {"artery": 1.0, "vein": 1.0}, "nerve": {"roots": 0.0}}
        told[group] = told.get(group, {}) | {name: value}
        if name == "sweep_s":
            told["probe"]["fps"] = 1.0
        pixels = 256 if name in {"axial_mm", "lateral_mm", "waist_mm", "focus", "reverberation"} else 40
        size = {"subjects": 1 + (group == "blood"), "frames": 2, "height": pixels, "width": pixels, "seed": 9}
        size["video"] = name in {"fps", "sweep_s"}
        return np.stack([s.frame.pixels for s in phantom.samples(PhantomConfig.model_validate(size | told))])

    a, b = field.default if isinstance(field.default, tuple) else (field.default, None)
    many = high if b is None else min(b + 0.5 * (b - a), high)
    assert not np.array_equal(frames(low if name in RARE else a), frames(many))
