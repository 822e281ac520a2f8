"""Scores of a frame against hand-computed cases, MONAI, SimpleITK, scikit-image and properties."""

from itertools import pairwise
from math import hypot, sqrt

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import surface_distance
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.measure import find_contours
from skimage.metrics import hausdorff_distance

from sononerve.evaluate.metrics import FrameScores, presence_auroc, score_frame

POSITIVE_ONLY = ("dice", "iou", "precision", "recall", "hd95", "mean_distance", "surface_dice")

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
pairs = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)
spacings = st.none() | st.tuples(st.floats(0.02, 2), st.floats(0.02, 2))
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def box(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def blobs(rng: np.random.Generator, shape: tuple[int, int], smooth: float) -> np.ndarray:
    """Smooth blobs that also run into the border; never empty."""
    field = gaussian_filter(rng.standard_normal(shape), smooth)
    return field > np.quantile(field, 0.6)


def random_pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Blobs, noise, full, one pixel, corner to corner, a frame inside the border."""
    rng = np.random.default_rng(3)
    shapes = [(int(h), int(w)) for h, w in rng.integers(8, 48, (8, 2))]
    smooth = (3, 3, 2, 2, 2, 1, 1, 0.3)
    found = [(blobs(rng, shape, s), blobs(rng, shape, s)) for shape, s in zip(shapes, smooth, strict=True)]
    shape = (21, 30)
    full, pixel = np.ones(shape, bool), box(shape, slice(10, 11), slice(12, 13))
    corner, other = box(shape, slice(0, 1), slice(0, 1)), box(shape, slice(20, 21), slice(29, 30))
    ring = full & ~box(shape, slice(3, 18), slice(3, 27))
    edge = box(shape, slice(5, 15), slice(0, 9))
    return [
        *found,
        (full, full),
        (full, pixel),
        (corner, other),
        (ring, pixel),
        (edge, ring),
        (rng.random(shape) > 0.9, edge),
    ]


def weighted_contours(mask: np.ndarray, spacing: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of the contour by scikit-image's marching squares: the pixel corner each is at, and its length."""
    pieces: dict[tuple[int, int], float] = {}
    for line in find_contours(np.pad(mask, 1).astype(float), 0.5):
        for start, end in pairwise(line):
            at = tuple(int(v) for v in np.floor((start + end) / 2))
            pieces[at] = pieces.get(at, 0.0) + hypot(*((end - start) * spacing))
    return np.array(list(pieces)) * spacing, np.array(list(pieces.values()))


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # it reaches SciPy through old names
@pytest.mark.parametrize("pair", random_pairs())
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.07, 0.19)])
def test_contours_agree_with_the_library_as_a_whole(pair, spacing):
    """Its table of lengths and its reductions are used, its distances are not: slow, and gone with SciPy 2."""
    library = surface_distance.compute_surface_distances(*pair, spacing)
    found = score_frame(*pair, spacing, 0.3)
    assert found.hd95 == pytest.approx(surface_distance.compute_robust_hausdorff(library, 95))
    assert found.surface_dice == pytest.approx(surface_distance.compute_surface_dice_at_tolerance(library, 0.3 + 1e-9))


def one_hot(mask: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(mask)
    return torch.stack([~tensor, tensor])[None].float()


def test_two_squares_by_hand():
    """3 x 3 pixels moved by one column: 6 of 9 pixels shared."""
    truth, predicted = box((10, 12), slice(3, 6), slice(3, 6)), box((10, 12), slice(3, 6), slice(4, 7))
    found = score_frame(truth, predicted, None)
    assert found.dice == pytest.approx(12 / 18)
    assert found.iou == pytest.approx(6 / 12)
    assert found.precision == found.recall == pytest.approx(6 / 9)
    assert found.accuracy == pytest.approx(114 / 120)
    assert found.outside == pytest.approx(3 / 111)
    assert found.hd95 == pytest.approx(1.0)
    # each contour has 4 corner pieces and 8 side pieces; 2 corners and 4 sides (the left and right ones) lie 1 px off
    assert found.mean_distance == pytest.approx(0.5)
    assert score_frame(truth, predicted, None, 0.5).surface_dice == pytest.approx(0.5)
    assert score_frame(truth, predicted, None, 1.0).surface_dice == 1.0
    assert found.kaggle == found.dice
    assert (found.truth_area, found.predicted_area, found.false_positive) == (9, 9, None)


def test_distances_are_in_mm_along_the_right_axis():
    truth, predicted = box((20, 20), slice(2, 4), slice(2, 4)), box((20, 20), slice(12, 14), slice(2, 4))
    assert score_frame(truth, predicted, (0.1, 5.0)).hd95 == pytest.approx(1.0)
    assert score_frame(truth.T, predicted.T, (0.1, 5.0)).hd95 == pytest.approx(50.0)
    assert score_frame(truth, predicted, None).hd95 == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("spacing", "shape", "within", "beyond"),
    [((0.25, 0.25), (60, 80), 4, 5), ((0.1, 0.3), (60, 80), 10, 11), (None, (300, 400), 5, 6)],
)
def test_default_tolerance_is_one_mm_or_one_percent_of_the_diagonal(spacing, shape, within, beyond):
    truth = box(shape, slice(10, 11), slice(10, 11))
    near, far = (score_frame(truth, np.roll(truth, rows, 0), spacing).surface_dice for rows in (within, beyond))
    assert near == 1.0
    assert far < 1.0


def test_a_distance_at_the_tolerance_is_within_it_despite_rounding():
    truth, predicted = box((12, 12), slice(0, 12), slice(0, 3)), box((12, 12), slice(0, 12), slice(0, 6))
    assert 3 * 0.1 > 0.3
    assert score_frame(truth, predicted, (0.1, 0.1), 0.3).surface_dice == 1.0
    assert score_frame(truth, predicted, (0.1, 0.1), 0.29).surface_dice < 1.0


@pytest.mark.parametrize("pixels", [20, 40, 60, 80, 100, 200])
def test_95_percent_within_reach_is_enough_despite_rounding(pixels):
    """Single pixels in a row, of which the last 5 % were missed: 95 % of the contour is found exactly."""
    truth = np.zeros((5, 3 * pixels + 60), bool)
    truth[2, 1 : 3 * pixels : 3] = True
    predicted = truth.copy()
    predicted[2, 3 * pixels * 19 // 20 :] = False
    assert predicted.sum() == 0.95 * pixels
    assert score_frame(truth, predicted, None).hd95 == 0


@pytest.mark.parametrize("spacing", [None, (0.2, 0.1)])
def test_a_miss_costs_the_diagonal_and_scores_zero(spacing):
    truth = box((30, 40), slice(5, 9), slice(5, 15))
    found = score_frame(truth, np.zeros_like(truth), spacing)
    diagonal = 50.0 if spacing is None else sqrt(6**2 + 4**2)
    assert (found.dice, found.iou, found.precision, found.recall, found.surface_dice, found.kaggle) == (0,) * 6
    assert found.hd95 == found.mean_distance == pytest.approx(diagonal)
    assert found.accuracy == pytest.approx(1 - 40 / 1200)
    assert found.outside == 0.0
    assert found.false_positive is None


@pytest.mark.parametrize("area", [0, 1, 600])
def test_a_frame_without_the_class_counts_only_where_it_can(area):
    truth = np.zeros((20, 30), bool)
    predicted = truth.copy()
    predicted.flat[:area] = True
    found = score_frame(truth, predicted, (0.1, 0.1))
    assert [getattr(found, name) for name in POSITIVE_ONLY] == [None] * 7
    assert found.false_positive is (area > 0)
    assert found.kaggle == (1.0 if area == 0 else 0.0)
    assert found.accuracy == pytest.approx(1 - area / 600)
    assert found.outside == pytest.approx(area / 600)
    assert (found.truth_area, found.predicted_area) == (0, area)


def test_no_prediction_costs_more_than_missing_everything():
    """Corner against corner is the worst that can be predicted, and a miss is no better."""
    truth, predicted = box((30, 40), slice(0, 1), slice(0, 1)), box((30, 40), slice(29, 30), slice(39, 40))
    worst, miss = score_frame(truth, predicted, None), score_frame(truth, np.zeros_like(truth), None)
    assert worst.hd95 <= miss.hd95
    full = score_frame(np.ones((30, 40), bool), truth, None)
    assert full.hd95 <= miss.hd95


@pytest.mark.parametrize("pair", random_pairs())
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.07, 0.19)])
def test_contours_agree_with_marching_squares_and_a_tree(pair, spacing):
    """Contour of scikit-image, nearest points by a k-d tree, percentiles by counting: no code shared."""
    tolerance = 3 * max(spacing)
    (a, la), (b, lb) = (weighted_contours(mask, spacing) for mask in pair)
    to_b, to_a = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]

    found = score_frame(*pair, spacing, tolerance)
    assert found.mean_distance == pytest.approx((to_b @ la + to_a @ lb) / (la.sum() + lb.sum()))
    near = la[to_b <= tolerance + 1e-6].sum() + lb[to_a <= tolerance + 1e-6].sum()
    assert found.surface_dice == pytest.approx(near / (la.sum() + lb.sum()))
    # at least 95 % of each contour lies within HD95 of the other, and of one of the two no more lies strictly nearer
    reach = found.hd95
    assert all(
        lengths[d <= reach + 1e-6].sum() >= 0.95 * lengths.sum() - 1e-9 for d, lengths in ((to_b, la), (to_a, lb))
    )
    assert any(
        lengths[d < reach - 1e-6].sum() <= 0.95 * lengths.sum() + 1e-9 for d, lengths in ((to_b, la), (to_a, lb))
    )


@pytest.mark.filterwarnings("ignore:monai.metrics:FutureWarning")
@pytest.mark.parametrize("pair", random_pairs())
def test_surface_dice_and_distances_agree_with_monai(pair):
    truth, predicted = pair
    spacing, tolerance = (0.11, 0.17), 0.4
    found = score_frame(truth, predicted, spacing, tolerance)
    y, p = one_hot(truth), one_hot(predicted)
    expected = compute_surface_dice(p, y, [tolerance], spacing=spacing, use_subvoxels=True)
    assert found.surface_dice == pytest.approx(expected.item(), abs=1e-5)
    # MONAI's other distances run between pixel centres of the inner edge, unweighted: within a pixel's diagonal
    pixel = hypot(*spacing)
    hd95 = compute_hausdorff_distance(p, y, percentile=95, spacing=spacing).item()
    mean = compute_average_surface_distance(p, y, symmetric=True, spacing=spacing).item()
    assert found.mean_distance == pytest.approx(mean, abs=pixel)
    if min(truth.sum(), predicted.sum()) > 100:
        assert found.hd95 == pytest.approx(hd95, abs=2 * pixel)


@pytest.mark.parametrize("pair", random_pairs())
def test_overlap_agrees_with_simpleitk(pair):
    truth, predicted = pair
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (predicted, truth)))
    found = score_frame(truth, predicted, None)
    assert found.dice == pytest.approx(overlap.GetDiceCoefficient())
    assert found.iou == pytest.approx(overlap.GetJaccardCoefficient())
    assert found.recall == pytest.approx(1 - overlap.GetFalseNegativeError())
    assert found.precision == pytest.approx(1 - overlap.GetFalseDiscoveryRate())


@pytest.mark.parametrize("move", [(0, 9), (7, 0), (6, 8)])
def test_a_moved_square_is_as_far_as_simpleitk_and_scikit_image_say(move):
    truth = box((40, 40), slice(5, 9), slice(5, 9))
    predicted = np.roll(truth, move, (0, 1))
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (truth, predicted)]
    for image in images:
        image.SetSpacing((0.2, 0.1))
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    found = score_frame(truth, predicted, (0.1, 0.2))
    # for equal convex shapes apart, the farthest point of one lies the whole way off; 95 % of the contour nearly so
    assert found.hd95 <= hausdorff.GetHausdorffDistance() + 1e-6
    assert found.hd95 == pytest.approx(hausdorff.GetHausdorffDistance(), abs=0.2)
    unit = score_frame(truth, predicted, None)
    assert unit.hd95 == pytest.approx(hausdorff_distance(truth, predicted), abs=1.0)


@quick
@given(pairs, spacings)
def test_swapping_the_sides_swaps_precision_and_recall_only(pair, spacing):
    truth, predicted = pair
    if not (truth.any() and predicted.any()):
        return
    one, other = score_frame(truth, predicted, spacing), score_frame(predicted, truth, spacing)
    assert (one.precision, one.recall) == (other.recall, other.precision)
    for name in ("dice", "iou", "accuracy", "kaggle", "hd95", "mean_distance", "surface_dice"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


@quick
@given(pairs)
def test_background_marked_is_the_false_positive_rate_of_simpleitk(pair):
    truth, predicted = pair
    found = score_frame(truth, predicted, None).outside
    if truth.all():
        assert found is None
        return
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    background, marked = (sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (~truth, predicted))
    overlap.Execute(marked, background)  # a false negative there: background that is not marked
    assert found == pytest.approx(1 - overlap.GetFalseNegativeError())


@quick
@given(pairs, spacings)
def test_every_score_is_in_its_range_and_a_miss_is_the_worst(pair, spacing):
    found = score_frame(*pair, spacing)
    for name in ("dice", "iou", "accuracy", "precision", "recall", "outside", "surface_dice", "kaggle"):
        value = getattr(found, name)
        assert value is None or 0.0 <= value <= 1.0
    assert (found.dice is None) == (not pair[0].any()) == (found.false_positive is not None)
    if found.hd95 is not None and found.mean_distance is not None:
        miss = score_frame(pair[0], np.zeros_like(pair[0]), spacing)
        assert 0 <= found.hd95 <= miss.hd95 * (1 + 1e-9)
        assert 0 <= found.mean_distance <= miss.mean_distance * (1 + 1e-9)
        assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))


@quick
@given(masks.filter(np.any), spacings)
def test_the_truth_itself_is_perfect(mask, spacing):
    area = int(mask.sum())
    assert score_frame(mask, mask.copy(), spacing, 0.0) == FrameScores(
        1, 1, 1, 1, 1, None if mask.all() else 0, 0, 0, 1, 1, None, area, area
    )


@quick
@given(pairs, spacings, st.integers(0, 2))
def test_mirroring_and_turning_change_nothing(pair, spacing, turn):
    if turn == 2:
        moved, turned = [mask.T for mask in pair], spacing and spacing[::-1]
    else:
        moved, turned = [np.flip(mask, turn) for mask in pair], spacing
    before, after = score_frame(*pair, spacing), score_frame(*moved, turned)
    for name in FrameScores.__dataclass_fields__:
        assert getattr(before, name) == pytest.approx(getattr(after, name))


@quick
@given(pairs, spacings, st.integers(0, 9), st.integers(0, 9))
def test_the_place_in_the_frame_changes_nothing(pair, spacing, down, right):
    """Padding is moving, for the border of the image closes contours: a mask at the border equals one away from it."""
    here, there = (
        score_frame(*(np.pad(mask, ((r, 9 - r), (c, 9 - c))) for mask in pair), spacing, 0.5)
        for r, c in ((0, 0), (down, right))
    )
    for name in FrameScores.__dataclass_fields__:
        assert getattr(here, name) == pytest.approx(getattr(there, name))
    if pair[0].any() and pair[1].any():
        tight = score_frame(*pair, spacing, 0.5)
        assert (tight.hd95, tight.surface_dice) == pytest.approx((here.hd95, here.surface_dice))


@pytest.mark.parametrize(
    ("truth", "predicted", "spacing", "tolerance", "said"),
    [
        (np.zeros((4, 4), bool), np.zeros((4, 5), bool), None, None, r"\(4, 4\).*\(4, 5\).*same size"),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4), bool), None, None, "truth mask is uint8"),
        (np.zeros((4, 4), bool), np.zeros((4, 4, 1), bool), None, None, "predicted mask is bool"),
        (np.zeros((0, 4), bool), np.zeros((0, 4), bool), None, None, "with pixels"),
        (np.zeros((4, 4), bool), np.zeros((4, 4), bool), (0.0, 1.0), None, "spacing"),
        (np.zeros((4, 4), bool), np.zeros((4, 4), bool), (np.nan, 1.0), None, "spacing"),
        (np.zeros((4, 4), bool), np.zeros((4, 4), bool), None, -1.0, "tolerance is -1.0"),
        (np.zeros((4, 4), bool), np.zeros((4, 4), bool), None, np.nan, "tolerance is nan"),
    ],
)
def test_wrong_input_says_what_is_wrong(truth, predicted, spacing, tolerance, said):
    with pytest.raises(ValueError, match=said):
        score_frame(truth, predicted, spacing, tolerance)


@quick
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_presence_auroc_counts_pairs(frames):
    scores, present = [float(s) for s, _ in frames], [p for _, p in frames]
    won = [
        1.0 if s > r else 0.5 if s == r else 0.0
        for s, p in zip(scores, present, strict=True)
        for r, q in zip(scores, present, strict=True)
        if p and not q
    ]
    expected = sum(won) / len(won) if won else None
    assert presence_auroc(scores, present) == pytest.approx(expected)
    if expected is not None:
        assert presence_auroc([-3 * s for s in scores], present) == pytest.approx(1 - expected)


def test_presence_auroc_refuses_what_it_cannot_rank():
    assert presence_auroc([], []) is None
    assert presence_auroc([-np.inf, np.inf], [False, True]) == 1.0
    with pytest.raises(ValueError, match="score 1 is NaN"):
        presence_auroc([0.1, float("nan")], [True, False])
    with pytest.raises(ValueError, match="same length"):
        presence_auroc([0.1], [True, False])
