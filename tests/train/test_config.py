"""What a training is asked to do: read, changed, and refused with the field's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.settings import parse_settings
from sononerve.train.config import TrainConfig, changed, parse_duration

DATA = {"data": {"folder": "frames"}}


def test_what_is_not_told_stays_as_it_was() -> None:
    base = changed(None, DATA, {"batch": 3, "optimiser.learning_rate": 0.01})
    found = changed(base, {"seed": 4, "batch": None, "optimiser": {"learning_rate": None}}, {})
    assert (found.seed, found.batch, found.optimiser.learning_rate) == (4, 3, 0.01)


def test_what_stays_of_one_start_is_not_what_stays_of_another() -> None:
    base = changed(None, DATA, {"start": "first", "start_share": 0.3})
    assert changed(base, {"seed": 1}, {}).start_share == 0.3
    assert changed(base, {"start": "second"}, {}).start_share is None
    assert changed(base, {"start": "second"}, {"start_share": 0.1}).start_share == 0.1
    with pytest.raises(InputError, match="start_share: there is no model to begin with; give --from too"):
        changed(None, DATA, {"start_share": 0.3})


def test_set_goes_before_options_and_options_before_the_file() -> None:
    base = changed(None, DATA, {"seed": 1})
    assert changed(base, {"seed": 2}, {}).seed == 2
    assert changed(base, {"seed": 2}, {"seed": 3}).seed == 3


def test_set_reaches_into_nested_fields_without_touching_their_neighbours() -> None:
    found = changed(None, DATA, parse_settings(["augment.flip.p=0", "network.width=16", "network.norm=group"]))
    assert found.augment.flip.p == 0
    assert found.augment.rotate == TrainConfig.model_validate(DATA).augment.rotate
    assert found.network == {"width": 16, "norm": "group"}


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("rate=1", "rate"),
        ("optimiser.rate=1", "optimiser.rate"),
        ("augment.flip.q=1", "augment.flip.q"),
        ("batch=0", "batch"),
        ("batch=many", "batch"),
        ("batch.size=4", "batch"),
        ("precision=8", "precision"),
        ("optimiser=3", "optimiser"),
        ("canvas.longest=8", "canvas.longest"),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_named(setting: str, field: str) -> None:
    for base in (None, changed(None, DATA, {})):
        with pytest.raises(InputError, match=f"training settings: {field}: .*found"):
            changed(base, DATA, parse_settings([setting]))


@pytest.mark.parametrize("folds", [-1, 1, 21])
def test_inner_folds_that_cannot_be_are_refused_with_those_that_can(folds: int) -> None:
    with pytest.raises(InputError, match=f"refine.folds: expected 0, or 2 to 20, found {folds}$"):
        changed(None, DATA, {"refine.folds": folds})


def test_an_adversary_that_is_never_heard_is_refused() -> None:
    silent = {"adversary.warm_up": 0.6, "adversary.head_start": 0.4}
    with pytest.raises(InputError, match=r"adversary: warm_up and head_start: .* never heard; expected less than 1"):
        changed(None, DATA, silent | {"adversary.weight": 0.1})
    assert changed(None, DATA, silent).adversary.weight == 0
    assert changed(None, DATA, silent | {"adversary.weight": 0.1, "adversary.warm_up": 0.5}).adversary.weight == 0.1


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32),
    rate=st.floats(1e-9, 10),
    steps=st.none() | st.integers(1, 10**6),
    network=st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), st.booleans() | st.integers() | st.text()),
    classes=st.none() | st.lists(st.text(min_size=1), min_size=1).map(tuple),
)
def test_a_configuration_comes_back_from_its_file(
    seed: int, rate: float, steps: int | None, network: dict, classes: tuple | None, tmp_path_factory
) -> None:
    config = TrainConfig.model_validate(
        {
            "data": {"folder": "my frames/ü", "classes": classes},
            "seed": seed,
            "optimiser": {"learning_rate": rate},
            "steps": steps,
            "network": network,
        }
    )
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    config.write(path)
    assert TrainConfig.read(path) == config


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"data: [", "cannot be read"),
        (b"", "found None"),
        (b"- 1\n- 2\n", "found"),
        (b"data: {folder: x}\ncolour: red\n", "colour: .*found 'red'"),
        (b"data: {folder: x}\nbatch: -1\n", "batch: .*found -1"),
        (b"!!python/object/apply:os.system ['true']\n", "cannot be read"),
        ("data: {folder: ü}".encode("latin-1"), "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_by_name(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"config\.yaml: .*{reason}"):
        TrainConfig.read(path)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("45", 45), (" 2 m ", 120), ("0.5m", 30)]
)
def test_a_time_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-3m", "30 minutes", "1h30m", "1e3", "nan", "∞"])
def test_a_time_that_is_none_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"--budget.*expected a time such as 90s, 30m or 1\.5h"):
        parse_duration(text)


def test_another_model_does_not_get_the_network_settings_of_the_first() -> None:
    base = changed(None, DATA | {"model": "unet"}, {"network.width": 48})
    assert changed(base, {"model": "unet-notebook"}, {}).network == {}
    assert changed(base, {"model": "unet-notebook"}, {"network.width": 8}).network == {"width": 8}
    assert changed(base, {"model": "unet"}, {}).network == {"width": 48}
    assert changed(base, {}, {}).network == {"width": 48}


@pytest.mark.parametrize(
    ("told", "left"),
    [({"budget_s": 60.0}, (60.0, None, None)), ({"epochs": 5}, (None, 5, None)), ({"steps": 7}, (None, None, 7))],
)
def test_a_length_that_is_told_goes_before_another_kind_in_the_file(
    told: dict[str, object], left: tuple[float | None, int | None, int | None]
) -> None:
    """A run's own config.yaml pins its steps; ``--config run/config.yaml --budget 1m`` means a minute."""
    base = changed(None, DATA, {"steps": 1000, "rounds": 7})
    for found in (changed(base, told, {}), changed(base, {}, told)):
        assert (found.budget_s, found.epochs, found.steps) == left
        assert found.rounds is None


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ({"epochs": 5, "budget_s": 60.0}, {}),
        ({}, {"steps": 3, "epochs": 5}),
        ({"data": {}}, {"budget_s": 60, "steps": 3}),
    ],
)
def test_two_lengths_of_one_source_are_refused(told: dict[str, object], settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match="both say how long"):
        changed(None, {**DATA, **told}, settings)


def test_a_length_that_is_set_goes_before_an_option() -> None:
    found = changed(None, {**DATA, "epochs": 5}, {"budget_s": 60})
    assert (found.budget_s, found.epochs, found.steps) == (60, None, None)


def test_a_given_spacing_reaches_the_data_and_is_kept_for_repeating(data_folder, tmp_path):
    from sononerve.train.run import open_data

    for stem in ("a", "b"):
        data_folder.pair(stem)
    config = changed(None, {"data": {"folder": str(data_folder.path), "spacing_mm": (0.1, 0.2)}}, {})
    config.write(tmp_path / "config.yaml")
    again = TrainConfig.read(tmp_path / "config.yaml")
    assert [record.spacing_mm for record in open_data(again).records] == [(0.1, 0.2)] * 2
    with pytest.raises(InputError, match="spacing_mm"):
        changed(None, {"data": {"folder": "x", "spacing_mm": (0, 0.2)}}, {})


def test_crops_are_told_as_the_verb_is_and_no_refiner_learns_from_them() -> None:
    assert changed(None, DATA, {"negatives.share": 0.3, "negatives.sizes": [0.4]}).negatives.sizes == (0.4,)
    with pytest.raises(InputError, match=r"negatives.sizes.*from 0.05 to 0.95"):
        changed(None, DATA, {"negatives.share": 0.3, "negatives.sizes": [0.4, 0.4]})
    with pytest.raises(InputError, match=r"refine.folds and negatives.share: no refiner learns from crops"):
        changed(None, DATA, {"refine.folds": 2, "negatives.share": 0.3})


def test_a_refiner_that_would_look_once_behind_a_network_that_looks_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"refine.folds and network.mirrored: a refiner looks once; give one of them"):
        changed(None, DATA, {"refine.folds": 2, "network.mirrored": True})
