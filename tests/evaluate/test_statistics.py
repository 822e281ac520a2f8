"""Intervals: hand-computed cases, coverage in simulation, second implementations and properties."""

import json
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from sononerve.evaluate.metrics import presence_auroc
from sononerve.evaluate.statistics import (
    MEASURED_COVERAGE,
    bootstrap_auroc,
    bootstrap_interval,
    bootstrap_pooled,
    holm,
    paired_difference,
    paired_test,
    rank_correlation,
    subject_means,
)

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "results" / "interval_coverage.json"
quick = settings(max_examples=40, deadline=None)
frames = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdefgh")), min_size=1, max_size=40)


def study(rng: np.random.Generator, subjects: int) -> tuple[np.ndarray, list[str]]:
    """Dice-like frames: skewed subjects, unequal counts, 5 % misses; the mean of all is 0.95 x 0.75."""
    counts = 1 + rng.poisson(rng.gamma(2, 15, subjects))
    subject = np.repeat(np.arange(subjects), counts)
    means = rng.beta(6, 2, subjects)[subject]
    values = rng.beta(12 * means, 12 * (1 - means)) * (rng.random(len(subject)) > 0.05)
    return values, [f"s{i}" for i in subject]


def test_the_means_by_hand():
    values, groups = [1.0, 0.5, 0.6, 0.2, 0.2], ["b", "b", "a", "c", "c"]
    assert subject_means(values, groups) == pytest.approx({"a": 0.6, "b": 0.75, "c": 0.2})
    by_frame, by_subject = bootstrap_interval(values, groups), bootstrap_interval(values, groups, by="subject")
    assert by_frame.value == pytest.approx(0.5)
    assert by_subject.value == pytest.approx(1.55 / 3)
    assert (by_frame.subjects, by_frame.frames) == (by_subject.subjects, by_subject.frames) == (3, 5)


def test_the_interval_of_six_unequal_subjects_by_listing_all_resamples():
    """46,656 resamples exist; 30 + 10 + 4 x 5 frames are worth 60^2 / 1,100 = 3.27 equal subjects."""
    counts, means = np.array([30, 10, 5, 5, 5, 5]), np.array([0.8, 0.31, 0.55, 0.92, 0.74, 0.67])
    drawn = np.array(list(product(range(6), repeat=6)))
    values, groups = np.repeat(means, counts), np.repeat(list("abcdef"), counts).tolist()
    resampled = (counts * means)[drawn].sum(1) / counts[drawn].sum(1)
    for by, listed, worth in (("frame", resampled, 3600 / 1100), ("subject", means[drawn].mean(1), 6)):
        found = bootstrap_interval(values, groups, by=by, level=0.8, resamples=100_000)
        z = stats.t(worth - 1).isf(0.1) * (worth / (worth - 1)) ** 0.5
        expected = np.quantile(listed, [stats.norm.sf(z), stats.norm.cdf(z)])
        assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.004)


def test_many_equal_subjects_give_the_plain_percentile_interval_of_scipy():
    values = np.random.default_rng(1).beta(5, 2, 400)
    ours = bootstrap_interval(values, [str(i) for i in range(400)], resamples=20_000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=2).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=5e-4)
    assert ours.warning is None


@pytest.mark.parametrize("subjects", [10, 26])
@pytest.mark.parametrize("by", ["frame", "subject"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(subjects, by):
    """Of 400 studies 95 % should hold; the binomial error is 1.1 %, so the band is 92 to 98.5 %."""
    rng = np.random.default_rng(subjects)
    held = 0
    for _ in range(400):
        found = bootstrap_interval(*study(rng, subjects), by=by, resamples=1_000)
        held += found.low <= 0.95 * 0.75 <= found.high
    assert 0.92 <= held / 400 <= 0.985


def test_auroc_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(0), 0
    truth = stats.norm.cdf(1.2 / np.sqrt(2 * (1 + 0.4**2)))
    for _ in range(200):
        subject = np.repeat(np.arange(20), 1 + rng.poisson(15, 20))
        present = rng.random(len(subject)) < rng.beta(4, 6, 20)[subject]
        scores = rng.normal(0, 0.4, 20)[subject] + 1.2 * present + rng.standard_normal(len(subject))
        found = bootstrap_auroc(scores, present, [str(s) for s in subject], resamples=500)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_the_warning_quotes_what_the_benchmark_measured():
    rows = json.loads(BENCHMARK.read_text())["rows"]
    for subjects, quoted in MEASURED_COVERAGE.items():
        measured = min(r["coverage"] for r in rows if r["method"] == "chosen" and r["subjects"] == subjects)
        assert quoted == pytest.approx(measured, abs=0.011)
    enough = [r["coverage"] for r in rows if r["method"] == "chosen" and r["subjects"] >= 10]
    assert 0.935 <= min(enough) <= max(enough) <= 0.97


def test_few_subjects_are_warned_about():
    values = [0.5, 0.7, 0.9, 0.6, 0.8, 0.75, 0.65, 0.4, 0.3, 0.2]
    names = [str(i) for i in range(10)]
    assert bootstrap_interval(values, names).warning is None
    seven = bootstrap_interval(values[:7], names[:7])
    assert seven.warning.startswith("only 7 subjects: the interval is itself uncertain")
    assert "with 7 subjects, 95 % intervals held the truth in 94 %" in seven.warning
    assert "with 3 subjects" in bootstrap_interval(values[:4], names[:4]).warning


def test_one_subject_has_no_interval():
    found = bootstrap_interval([0.5, 0.7], ["a", "a"])
    assert (found.value, found.low, found.high) == (pytest.approx(0.6), None, None)
    assert found.warning.startswith("only 1 subject")


def test_agreement_of_all_subjects_is_not_sold_as_certainty():
    found = bootstrap_interval([0.1] * 60, [str(i % 20) for i in range(60)])
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert "all subjects agree" in found.warning


def test_neighbouring_frames_add_no_certainty():
    """Every frame ten times: the same people, so the same interval."""
    values, groups = study(np.random.default_rng(5), 12)
    once, often = bootstrap_interval(values, groups), bootstrap_interval(np.repeat(values, 10), np.repeat(groups, 10))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    naive = bootstrap_interval(values, [str(i) for i in range(len(values))])
    assert naive.high - naive.low < 0.7 * (once.high - once.low)


def test_one_dominant_subject_widens_the_interval():
    rng = np.random.default_rng(8)
    means = rng.beta(6, 2, 12)
    even = bootstrap_interval(np.repeat(means, 20), np.repeat([str(i) for i in range(12)], 20))
    counts = [400, *[5] * 11]
    uneven = bootstrap_interval(np.repeat(means, counts), np.repeat([str(i) for i in range(12)], counts))
    assert uneven.high - uneven.low > even.high - even.low


@quick
@given(frames, st.sampled_from(["frame", "subject"]), st.floats(0.5, 0.99))
def test_intervals_stay_within_the_values_and_hold_the_mean(rows, by, level):
    values, groups = [v for v, _ in rows], [g for _, g in rows]
    found = bootstrap_interval(values, groups, by=by, level=level, resamples=500)
    assert min(values) - 1e-12 <= found.value <= max(values) + 1e-12
    assert (found.low is None) == (len(set(groups)) == 1)
    if found.low is not None:
        assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12
        wider = bootstrap_interval(values, groups, by=by, level=(1 + level) / 2, resamples=500)
        assert wider.low <= found.low
        assert found.high <= wider.high


@quick
@given(frames, st.randoms(use_true_random=False), st.sampled_from(["frame", "subject"]))
def test_the_order_of_frames_does_not_matter(rows, random, by):
    shuffled = random.sample(rows, len(rows))
    one, other = (
        bootstrap_interval([v for v, _ in r], [g for _, g in r], by=by, resamples=300) for r in (rows, shuffled)
    )
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@quick
@given(frames, st.floats(0.1, 50), st.floats(-5, 5))
def test_another_unit_moves_the_interval_with_it(rows, scale, shift):
    values, groups = np.array([v for v, _ in rows]), [g for _, g in rows]
    assume(len(set(groups)) > 1)
    one = bootstrap_interval(values, groups, resamples=300)
    other = bootstrap_interval(values * scale + shift, groups, resamples=300)
    expected = [v * scale + shift for v in (one.value, one.low, one.high)]
    assert [other.value, other.low, other.high] == pytest.approx(expected, abs=1e-9)


def test_the_seed_decides():
    values, groups = study(np.random.default_rng(5), 12)
    assert bootstrap_interval(values, groups, seed=3) == bootstrap_interval(values, groups, seed=3)
    assert bootstrap_interval(values, groups, seed=3) != bootstrap_interval(values, groups, seed=4)


def test_many_subjects_are_drawn_in_pieces_that_change_nothing(monkeypatch):
    values, groups = study(np.random.default_rng(5), 30)
    whole = bootstrap_interval(values, groups, resamples=4_000)
    monkeypatch.setattr("sononerve.evaluate.statistics.CELLS_AT_ONCE", 1_000)
    assert bootstrap_interval(values, groups, resamples=4_000) == whole


def test_a_paired_difference_sees_what_two_intervals_do_not():
    """Two models 0.02 apart on every subject, while the subjects differ by far more."""
    rng = np.random.default_rng(2)
    a, groups = study(rng, 25)
    b = a - 0.02 + rng.normal(0, 0.02, len(a))
    apart, together = [bootstrap_interval(v, groups) for v in (a, b)], paired_difference(a, b, groups)
    assert together.value == pytest.approx(apart[0].value - apart[1].value)
    assert 0 < together.low < 0.02 < together.high < 0.03
    assert apart[0].low < apart[1].high
    swapped = paired_difference(b, a, groups)
    assert swapped.value == pytest.approx(-together.value)
    assert (swapped.low, swapped.high) == pytest.approx((-together.high, -together.low))
    per_subject = paired_difference(a, b, groups, by="subject").value
    means_a, means_b = subject_means(a, groups), subject_means(b, groups)
    assert per_subject == pytest.approx(np.mean([means_a[s] - means_b[s] for s in means_a]))


@quick
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from("abcd")), min_size=2, max_size=30))
def test_auroc_is_that_of_all_frames(rows):
    scores, present, groups = ([row[i] for row in rows] for i in range(3))
    found, plain = bootstrap_auroc(scores, present, groups, resamples=200), presence_auroc(scores, present)
    assert (found is None) == (plain is None)
    if found is not None:
        assert found.value == pytest.approx(plain)
        if found.low is not None:
            assert 0 <= found.low <= found.high <= 1


def test_resampled_auroc_agrees_with_ranking_the_resampled_frames():
    """All 46,656 resamples of six subjects, the frames of each put together and ranked, ties included.

    Frames without the class are 16 + 4 x 2 + 1, worth 25^2 / 273 = 2.29 equal subjects, those with it 6.
    """
    rng = np.random.default_rng(4)
    groups = np.concatenate([np.repeat(np.arange(6), [16, 2, 2, 2, 2, 1]), np.repeat(np.arange(6), 4)])
    present = np.arange(len(groups)) >= 25
    scores = np.round(rng.normal(0, 0.7, 6)[groups] + present + rng.standard_normal(len(groups)), 1)
    frames_of = [np.flatnonzero(groups == s) for s in range(6)]
    area_of = {}
    for drawn in combinations_with_replacement(range(6), 6):
        rows = np.concatenate([frames_of[s] for s in drawn])
        area_of[drawn] = presence_auroc(scores[rows], present[rows])
    areas = [area_of[tuple(sorted(drawn))] for drawn in product(range(6), repeat=6)]

    found = bootstrap_auroc(scores, present, groups.astype(str).tolist(), level=0.6, resamples=100_000)
    worth = 625 / 273
    z = stats.t(worth - 1).isf(0.2) * (worth / (worth - 1)) ** 0.5
    expected = np.quantile(areas, [stats.norm.sf(z), stats.norm.cdf(z)])
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.004)


def test_auroc_says_which_resamples_it_left_out_and_how_few_subjects_bear_it():
    scores, present = np.linspace(0, 1, 40), np.arange(40) >= 36
    groups = [str(i // 2) for i in range(40)]
    found = bootstrap_auroc(scores, present, groups, resamples=1_000)
    assert found.value == 1.0
    left_out = int(found.warning.split(" of 1000 resamples")[0].split()[-1])
    # a resample of 20 subjects misses both subjects with the class in (18 / 20) ** 20 = 12 % of cases
    assert 85 <= left_out <= 160
    assert "only 2 of 20 subjects" in found.warning
    assert bootstrap_auroc(scores, np.ones(40, bool), groups) is None
    alone = bootstrap_auroc(scores, present, ["a"] * 40)
    assert (alone.value, alone.low, alone.high) == (1.0, None, None)


def sums_ratio(sums):
    return sums[:, 0] / sums[:, 1]


def test_a_pooled_mean_has_the_interval_of_the_mean():
    values, groups = study(np.random.default_rng(5), 12)
    pooled = bootstrap_pooled(np.stack([values, np.ones(len(values))], axis=1), groups, sums_ratio)
    plain = bootstrap_interval(values, groups)
    assert (pooled.value, pooled.low, pooled.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert (pooled.subjects, pooled.frames) == (plain.subjects, plain.frames)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_defined_on_all_frames_has_no_value_and_resamples_without_it_are_left_out():
    nothing, something = [0.0, 0.0], [1.0, 2.0]
    assert bootstrap_pooled(np.array([nothing, nothing]), ["a", "b"], sums_ratio) is None
    found = bootstrap_pooled(np.array([nothing, something]), ["a", "b"], sums_ratio)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


@quick
@given(seed=st.integers(0, 10_000), count=st.integers(3, 40))
def test_ranks_correlate_as_in_scipy(seed, count):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, count).astype(float), rng.random(count)
    assume(np.ptp(a) > 0)
    found = rank_correlation(a, b, [str(i // 2) for i in range(count)])
    assert found.value == pytest.approx(stats.spearmanr(a, b)[0])
    assert found.low is None or -1 - 1e-9 <= found.low <= found.high <= 1 + 1e-9


def test_what_is_the_same_on_every_frame_correlates_with_nothing():
    assert rank_correlation([0.5, 0.5, 0.5], [0.1, 0.2, 0.3], ["a", "b", "c"]) is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bootstrap_interval([], []), "at least one"),
        (lambda: bootstrap_interval([0.5, float("nan")], ["a", "b"]), r"values\[1\] is nan"),
        (lambda: bootstrap_interval([float("inf"), 0.5], ["a", "b"]), r"values\[0\] is inf"),
        (lambda: bootstrap_interval([0.5, 0.4], ["a"]), "2 values, but 1 groups"),
        (lambda: bootstrap_interval([0.5, 0.4], ["a", "b"], level=95), "level is 95"),
        (lambda: bootstrap_interval([0.5, 0.4], ["a", "b"], resamples=0), "resamples is 0"),
        (lambda: subject_means([float("nan")], ["a"]), r"values\[0\] is nan"),
        (lambda: paired_difference([0.5], [0.4, 0.3], ["a"]), "a has 1 values, b 2"),
        (lambda: paired_difference([0.5, 1], [0.4, float("nan")], ["a", "b"]), r"b\[1\] is nan"),
        (lambda: bootstrap_auroc([0.5, 0.4], [True], ["a", "b"]), "one per frame"),
        (lambda: bootstrap_auroc([0.5, float("nan")], [True, False], ["a", "b"]), r"values\[1\] is nan"),
    ],
)
def test_wrong_input_says_what_is_wrong(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_holm_by_hand():
    """Four p-values: 0.01 x 4, 0.02 x 3, 0.03 x 2 = 0.06 as well, and 0.5 x 1; what is None does not count."""
    assert holm([0.03, 0.01, None, 0.5, 0.02]) == pytest.approx([0.06, 0.04, None, 0.5, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_his_procedure_rejects(values):
    """Step down from the smallest: reject while p(i) <= alpha / (n - i), and stop at the first that is not."""
    alpha = 0.05
    assume(all(abs(v * k - alpha) > 1e-9 for v in values for k in range(1, len(values) + 1)))
    rejected = set()
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[i] > alpha / (len(values) - rank):
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(values)) if p <= alpha} == rejected


def test_signed_ranks_by_listing_all_signs():
    """Seven subjects of two frames: the share of 128 patterns of signs whose smaller rank sum is no larger."""
    means = np.array([0.11, -0.02, 0.35, 0.07, -0.05, 0.23, 0.4])
    a, b = np.repeat(means, 2) + np.tile([0.01, -0.01], 7), np.zeros(14)
    ranks = stats.rankdata(np.abs(means))
    sums = [ranks[np.array(signs)].sum() for signs in product([False, True], repeat=7)]
    seen = min(ranks[means < 0].sum(), ranks[means > 0].sum())
    expected = np.mean([min(s, ranks.sum() - s) <= seen for s in sums])
    assert paired_test(a, b, np.repeat(list("abcdefg"), 2).tolist()) == pytest.approx(expected)


def test_few_subjects_and_equal_models_are_no_difference():
    assert paired_test([1.0] * 5, [0.0] * 5, list("abcde")) is None
    assert paired_test([0.5] * 6, [0.5] * 6, list("abcdef")) == 1.0
    only_five_differ = paired_test([0.9, 0.8, 0.7, 0.6, 0.5, 0.1], [0.1] * 6, list("abcdef"))
    assert only_five_differ == pytest.approx(2 / 32)
