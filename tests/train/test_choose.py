"""What the plan chooses follows from the data, the machine and the time; what was asked for stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sononerve.data.module import Batch
from sononerve.train import choose as choosing
from sononerve.train.choose import ENOUGH_GROUPS, ENOUGH_STEPS, Choices, Probe, canvas_shape, choose
from sononerve.train.config import TrainConfig
from sononerve.train.facts import Facts
from sononerve.train.presets import PRESETS, PresetName

Decide = Callable[..., Choices]
FREE = 8_000_000_000
FACTS = Facts(
    frames=200,
    frame_shape=(512, 534),
    scan_shape=(300, 400),
    scan_share=0.9,
    empty=0.2,
    nerve_px=60,
    contrast=1,
    flat=0,
    tune_frames=0,
    tune_groups=ENOUGH_GROUPS,
)


@pytest.fixture
def decide(monkeypatch: pytest.MonkeyPatch) -> Decide:
    """Choose on a machine whose steps take a microsecond per pixel and frame, less for narrow networks."""

    def seconds(probe: Probe, longest: int, width: int | None) -> float:
        return 1e-6 * longest**2 * ((width or 48) / 48) ** 2 * probe.batch

    monkeypatch.setattr(Probe, "step_s", seconds)
    monkeypatch.setattr(Probe, "memory", lambda *_: (50_000_000, 200_000_000))
    monkeypatch.setattr(choosing, "time_step", lambda *a, **_: {"32": 1.0, "bf16": 0.4}[a[3]])
    monkeypatch.setattr(choosing, "free_memory", lambda _: FREE)

    def run(seconds: float | None = None, facts: Facts = FACTS, **told: object) -> Choices:
        return choose(TrainConfig.model_validate({"data": {"folder": "frames"}} | told), facts, 1, seconds)

    return run


def steps(chosen: Choices, seconds: float) -> float:
    width = chosen.network["width"]
    assert isinstance(width, int)
    return seconds / (1e-6 * chosen.longest**2 * (width / 48) ** 2) / chosen.batch


@pytest.mark.parametrize("seconds", [30, 60, 150, 300, 600, 1800, 36_000])
def test_the_canvas_is_the_largest_for_which_the_time_suffices(decide: Decide, seconds: float) -> None:
    chosen = decide(seconds)
    larger = decide(seconds * 1.5)
    assert chosen.longest <= larger.longest
    smallest = chosen.longest == choosing.SIZES[0] and chosen.network["width"] == 24
    assert smallest or steps(chosen, seconds) >= 0.99 * ENOUGH_STEPS


def test_the_canvas_shrinks_before_the_network(decide: Decide) -> None:
    for seconds, longest, width in [(36_000, 256, 48), (270, 128, 48), (120, 128, 32), (1, 128, 24)]:
        chosen = decide(seconds, preset="accurate")
        assert (chosen.longest, chosen.network) == (longest, {"width": width})


def test_narrow_nerves_get_a_larger_canvas_but_none_larger_than_the_frame(decide: Decide) -> None:
    narrow = FACTS.model_copy(update={"nerve_px": 20.0})
    small = narrow.model_copy(update={"frame_shape": (200, 300)})
    smaller = narrow.model_copy(update={"frame_shape": (80, 90), "nerve_px": 5.0})
    for facts, longest in [(narrow, 448), (small, 256), (smaller, 128)]:
        assert decide(36_000, facts, preset="accurate").longest == longest


@pytest.mark.parametrize("preset", ["realtime", "tiny"])
def test_a_preset_bounds_the_canvas_and_the_network_whatever_the_time_and_the_nerves(
    decide: Decide, preset: PresetName
) -> None:
    most = PRESETS[preset]
    chosen = decide(36_000, FACTS.model_copy(update={"nerve_px": 20.0}), preset=preset)
    assert (chosen.longest, chosen.network) == (most.largest, {"width": most.widest})
    asked = decide(36_000, preset=preset, canvas={"longest": 480}, network={"width": 40})
    assert (asked.longest, asked.network) == (480, {"width": 40})


def test_without_a_time_the_usual_canvas_and_network_are_taken(decide: Decide) -> None:
    chosen = decide(None, epochs=30)
    assert (chosen.longest, chosen.network, chosen.batch, chosen.strength) == (256, {"width": 32}, 16, 1)


@pytest.mark.parametrize(
    ("told", "name", "value"),
    [
        ({"canvas": {"longest": 480}}, "longest", 480),
        ({"canvas": {"region": "scan"}}, "region", "scan"),
        ({"batch": 3}, "batch", 3),
        ({"strength": 0.3}, "strength", 0.3),
        ({"keep": "last"}, "keep", "last"),
        ({"start": "run", "start_share": 0.1}, "start_share", 0.1),
        ({"precision": "32"}, "precision", "32"),
        ({"network": {"width": 7}}, "network", {"width": 7}),
    ],
)
def test_what_was_asked_for_stays(decide: Decide, told: dict[str, object], name: str, value: object) -> None:
    assert getattr(decide(1.0, **told), name) == value


def test_the_fewer_the_frames_the_more_stays_of_the_model_that_is_begun_with(decide: Decide) -> None:
    shares = [decide(facts=FACTS.model_copy(update={"frames": n}), start="run").start_share for n in (1, 4, 16, 160)]
    assert shares == sorted(shares, reverse=True)
    assert shares[1] == 0.5
    assert shares[0] < 1
    assert shares[-1] < 0.03
    told = [choice for choice in decide(start="run").reasons if choice.name == "start"]
    assert told[0].value == "2%"
    assert "start" not in {choice.name for choice in decide().reasons}
    assert decide().start_share == 0
    assert decide().pinned(TrainConfig.model_validate({"data": {"folder": "frames"}})).start_share is None


def test_pinning_fills_what_is_open_and_keeps_what_is_said(decide: Decide) -> None:
    chosen = decide(200)
    told = {"batch": 3, "canvas": {"longest": 480}, "keep": "best", "network": {"norm": "batch"}, "precision": "32"}
    pinned = chosen.pinned(TrainConfig.model_validate({"data": {"folder": "frames"}} | told))
    assert (pinned.batch, pinned.canvas.longest, pinned.keep, pinned.precision) == (3, 480, "best", "32")
    assert pinned.network == {"norm": "batch", "width": chosen.network["width"]}
    assert (pinned.canvas.region, pinned.strength) == (chosen.region, chosen.strength)


def test_a_network_whose_width_is_not_to_be_chosen_keeps_its_own(decide: Decide) -> None:
    chosen = decide(1.0, model="unet-notebook")
    assert chosen.network == {}
    assert "width" not in {choice.name for choice in chosen.reasons}


def test_the_scan_is_cut_out_where_it_takes_little_of_the_frame(decide: Decide) -> None:
    assert decide(facts=FACTS.model_copy(update={"scan_share": 0.4})).region == "scan"
    assert decide(facts=FACTS.model_copy(update={"scan_share": 0.95})).region == "frame"


@pytest.mark.parametrize(("frames", "batch"), [(1000, 16), (64, 16), (63, 8), (31, 4), (5, 4)])
def test_few_frames_come_in_small_batches(decide: Decide, frames: int, batch: int) -> None:
    assert decide(facts=FACTS.model_copy(update={"frames": frames})).batch == batch


def test_a_batch_fits_into_memory(decide: Decide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "free_memory", lambda _: 700_000_000)
    assert decide().batch == 4
    monkeypatch.setattr(choosing, "free_memory", lambda _: 1)
    assert decide().batch == 1
    monkeypatch.setattr(choosing, "free_memory", lambda _: None)
    assert decide().batch == 16


def test_frames_that_are_seldom_seen_are_varied_less(decide: Decide) -> None:
    assert decide(36_000).strength == 1
    assert decide(1).strength < 1
    assert decide(None, epochs=3).strength < 1
    assert decide(None, epochs=30).strength == 1
    assert decide(None, steps=30).strength < 1
    assert decide(None, steps=60, devices=8).strength == 1


def test_a_small_tune_part_does_not_choose_a_round(decide: Decide) -> None:
    assert decide().keep == "best"
    small = FACTS.model_copy(update={"tune_groups": ENOUGH_GROUPS - 1})
    assert decide(facts=small).keep == "last"
    assert "19 groups" in {choice.name: choice.reason for choice in decide(facts=small).reasons}["keep"]
    assert decide(facts=small, keep="best").keep == "best"
    assert decide(facts=small, patience=5).keep == "best"


def test_looks_at_a_large_tune_part_leave_time_for_a_smaller_canvas_only(decide: Decide) -> None:
    assert decide(900, preset="accurate").longest == 256
    assert decide(900, FACTS.model_copy(update={"tune_frames": 1000}), preset="accurate").longest < 256


def test_the_faster_precision_is_chosen(decide: Decide, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide().precision == "bf16"
    monkeypatch.setattr(choosing, "time_step", lambda *a, **_: {"32": 1.0, "bf16": 1.5}[a[3]])
    assert decide().precision == "32"


def test_a_precision_that_the_machine_lacks_is_not_tried_with_a_whole_batch(
    decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def slow(_: object, __: object, batch: Batch, precision: str, *___: object, **____: object) -> float:
        if precision == "bf16":
            tried.append(len(batch.frames))
        return 10.0 if precision == "bf16" else 1.0

    monkeypatch.setattr(choosing, "time_step", slow)
    assert decide().precision == "32"
    assert max(tried) == choosing.FEW


@pytest.mark.parametrize("seconds", [None, 5.0, 5000.0])
def test_every_choice_has_a_reason(decide: Decide, seconds: float | None) -> None:
    chosen = decide(seconds)
    assert {choice.name for choice in chosen.reasons} == {
        "region",
        "precision",
        "size",
        "width",
        "batch",
        "variation",
        "keep",
    }
    assert all(choice.reason and choice.value for choice in chosen.reasons)


def test_pinned_settings_leave_nothing_to_choose(decide: Decide) -> None:
    chosen = decide(200)
    pinned = chosen.pinned(TrainConfig.model_validate({"data": {"folder": "frames"}}))
    again = decide(36_000, **pinned.model_dump(mode="json", exclude={"data"}))
    assert again.model_copy(update={"reasons": ()}) == chosen.model_copy(update={"reasons": ()})


@pytest.mark.parametrize(
    ("seen", "longest", "divisor", "canvas"),
    [
        ((512, 534), 256, 16, (240, 256)),
        ((400, 200), 256, 16, (256, 128)),
        ((420, 580), 128, 32, (96, 128)),
        ((20, 1000), 256, 16, (16, 256)),
        ((64, 64), 100, 16, (96, 96)),
    ],
)
def test_the_canvas_has_the_shape_of_what_is_seen_in_multiples_of_the_divisor(
    seen: tuple[int, int], longest: int, divisor: int, canvas: tuple[int, int]
) -> None:
    assert canvas_shape(seen, longest, divisor) == canvas


@pytest.mark.parametrize(
    ("ratio", "longest", "precision"),
    [
        (1.1, 256, "bf16"),
        (1.4, 256, "32"),
        (1.1, 128, "32"),
        (1.1, 224, "32"),
        (1.1, None, "32"),
        (0.9, 128, "bf16"),
        (0.9, 256, "bf16"),
    ],
)
def test_16_bits_may_be_a_little_slower_on_a_small_canvas_where_that_of_the_training_is_larger(
    monkeypatch: pytest.MonkeyPatch, ratio: float, longest: int | None, precision: str
) -> None:
    monkeypatch.setattr(choosing, "half_precision", lambda _: "bf16")
    monkeypatch.setattr(choosing, "time_step", lambda *a, **_: {"32": 1.0, "bf16": ratio}[a[3]])
    told = {"data": {"folder": "frames"}, "canvas": {"longest": longest}}
    probe = Probe(TrainConfig.model_validate(told), (300, 300), 4, 1, "cpu")
    assert probe.precision == precision
    assert f"{ratio:.2f} of the time of 32 bit" in probe.reason


def test_steps_of_a_probe_cost_a_fixed_part_and_one_by_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that take 2 s and 1 s more per frame of 128 x 128 are told apart by timing batches of 2 and of 8."""
    monkeypatch.setattr(choosing, "time_step", lambda _, __, batch, *___, **____: 2.0 + len(batch.frames))
    config = TrainConfig.model_validate({"data": {"folder": "frames"}, "precision": "32", "network": {"depth": 3}})
    probe = Probe(config, (64, 64), 8, 1, "cpu")
    assert probe.step_s(128, 4) == pytest.approx(2 + 8)
    assert probe.step_s(256, 4) == pytest.approx(2 + 8 * 4)


def test_a_real_probe_finds_large_canvases_and_wide_networks_costly() -> None:
    config = TrainConfig.model_validate({"data": {"folder": "frames"}, "precision": "32", "network": {"depth": 3}})
    probe = Probe(config, (64, 64), 4, 1, "cpu")
    assert probe.step_s(256, 4) > 2 * probe.step_s(128, 4)
    assert probe.step_s(128, 32) > probe.step_s(128, 4)
    assert probe.memory(256, 4)[0] == pytest.approx(4 * probe.memory(128, 4)[0], rel=0.01)
    assert 0 < probe.spent_s < 600
