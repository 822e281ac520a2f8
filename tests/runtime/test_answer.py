"""Several answers about the same frames: their mean, and their mutual information."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sononerve.runtime.answer import Answer, agreement, entropy, mean_of


def answer(*sure: float, presence: float | None = None) -> Answer:
    """One frame of 1 x 1 pixel."""
    found = None if presence is None else np.array([presence], np.float32)
    return Answer(np.array(sure, np.float32).reshape(1, -1, 1, 1), found, None)


def test_those_who_contradict_each_other_wholly_disagree_by_1() -> None:
    found = mean_of([answer(1.0), answer(0.0)])
    assert found.probabilities.item() == 0.5
    assert found.disagreement.item() == pytest.approx(1, abs=1e-6)


def test_the_disagreement_of_a_pair_is_as_by_hand() -> None:
    """In bits: 0.8813 of the mean 0.7, less the mean of 0.4690 of 0.9 and 1 of 0.5."""
    assert mean_of([answer(0.9), answer(0.5)]).disagreement.item() == pytest.approx(0.8813 - 0.7345, abs=1e-4)


def test_those_who_are_equally_unsure_do_not_disagree() -> None:
    assert mean_of([answer(0.5)] * 3).disagreement.item() == pytest.approx(0, abs=1e-6)


def test_which_class_it_is_may_be_disputed_too() -> None:
    """Each is sure of another class: one bit of the log2(3) that three labels have."""
    assert mean_of([answer(1.0, 0.0), answer(0.0, 1.0)]).disagreement.item() == pytest.approx(1 / np.log2(3), abs=1e-6)


def masks(*drawn: str) -> np.ndarray:
    """Probabilities ``(1, 2, 1, W)`` that are sure of these labels."""
    labels = np.array([[int(label) for label in one] for one in drawn])
    return (labels[:, None, None] == np.arange(1, 3)[:, None, None]).astype(np.float32)


def test_agreement_is_the_mean_dice_of_all_pairs() -> None:
    looks = [masks("0110000"), masks("0011000"), masks("0000110")]
    np.testing.assert_allclose(agreement(looks), [[(2 / 4 + 0 + 0) / 3, np.nan]])


def test_of_each_class_and_frame_there_is_an_agreement_of_its_own() -> None:
    found = agreement([masks("1122", "0000"), masks("1100", "2000")])
    np.testing.assert_allclose(found, [[1, 0], [np.nan, 0]])


@pytest.mark.parametrize(("sure", "expected"), [(0.3, 1), (0.2, 0)])
def test_a_class_is_marked_where_all_together_are_likelier_than_the_background(sure: float, expected: float) -> None:
    unsure = np.full((1, 2, 1, 4), sure, np.float32)
    unsure[:, 0] += 0.01
    np.testing.assert_allclose(agreement([unsure, masks("1111")]), [[expected, np.nan]])


def test_looks_that_agree_do_not_hide_what_members_disagree_about() -> None:
    one, other = (Answer(masks(drawn), None, None) for drawn in ("0110", "0011"))
    both = mean_of([one, other])
    np.testing.assert_allclose(mean_of([both, both]).agreement, [[0.5, np.nan]])


def test_presence_is_averaged() -> None:
    assert mean_of([answer(0.1, presence=0.2), answer(0.1, presence=0.6)]).presence.item() == pytest.approx(0.4)


def test_a_single_answer_is_itself() -> None:
    alone = answer(0.3)
    assert mean_of([alone]) is alone


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 3))
def test_looks_of_several_disagree_as_all_their_answers_would(seed: int, classes: int) -> None:
    """Two networks that look twice each are four answers."""
    rng = np.random.default_rng(seed)
    drawn = rng.dirichlet(np.full(classes + 1, 0.5), size=(4, 2, 3, 5)).astype(np.float32)
    four = [Answer(np.moveaxis(one[..., 1:], -1, 1), None, None) for one in drawn]
    nested, flat = mean_of([mean_of(four[:2]), mean_of(four[2:])]), mean_of(four)
    np.testing.assert_allclose(nested.probabilities, flat.probabilities, atol=1e-6)
    np.testing.assert_allclose(nested.disagreement, flat.disagreement, atol=1e-5)
    assert flat.disagreement.min() >= 0
    assert flat.disagreement.max() <= 1 + 1e-6


def test_entropy_is_1_where_every_label_is_as_likely_and_0_where_one_is_sure() -> None:
    even = np.full((1, 2, 1, 1), 1 / 3, np.float32)
    assert entropy(even).item() == pytest.approx(1, abs=1e-6)
    assert entropy(np.zeros((1, 2, 1, 1), np.float32)).item() == pytest.approx(0, abs=1e-6)
