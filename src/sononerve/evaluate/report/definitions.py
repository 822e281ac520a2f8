"""What every number of a report means: one entry a score, which its name in a table links to."""

from __future__ import annotations

DEFINITIONS: dict[str, tuple[str, str]] = {
    "interval": (
        "95 % interval",
        "Where the mean would lie with other subjects: subjects, or clusters of near-duplicates where subjects are "
        "unknown, are drawn with replacement 5,000 times and bring all their frames; the percentile interval is "
        "widened by Student's t for few subjects. With fewer than ten it is itself uncertain, and a warning says so.",
    ),
    "dice": (
        "Dice",
        "2 |A ∩ B| / (|A| + |B|) of true and predicted pixels, 0..1, the mean over the frames that hold the class. A "
        "miss is 0. Frames without the class do not count here but in the false-positive rate.",
    ),
    "by_subject": ("mean of subjects", "The mean of each subject's mean Dice: every subject counts alike."),
    "missed": ("frames missed", "Share of the frames with the class whose Dice is below 0.1."),
    "iou": ("IoU", "|A ∩ B| / |A ∪ B| of true and predicted pixels, 0..1; frames as for Dice."),
    "accuracy": (
        "binary accuracy",
        "Share of all pixels of a frame that are right, over all frames. Near 1 on any small structure, whatever is "
        "predicted.",
    ),
    "precision": ("precision", "Share of the predicted pixels that are true; 0 where nothing was predicted."),
    "recall": ("recall", "Share of the true pixels that were predicted."),
    "outside": ("background marked", "Share of the pixels outside of the truth that were marked, over all frames."),
    "surface_dice": (
        "surface Dice",
        "Share of both contours that lies within a tolerance of the other: 1 mm where the spacing is known, else 1 % "
        "of the frame's diagonal (Nikolov et al., JMIR 2021).",
    ),
    "kaggle": ("Kaggle's metric", "Dice, and 1 on a frame where truth and prediction are both empty; over all frames."),
    "hd95": (
        "HD95",
        "The larger of the two directed 95th percentiles of the distance between the contours. A miss costs the "
        "diagonal of the frame.",
    ),
    "mean_distance": (
        "mean surface distance",
        "Mean distance of each piece of either contour to the other, weighted by length (Heimann et al., IEEE TMI "
        "2009). A miss costs the diagonal of the frame.",
    ),
    "centroid_distance": (
        "centroid distance",
        "Distance between the centroids of truth and prediction, over the frames on which both hold the class.",
    ),
    "area": (
        "area, predicted - true",
        "Bias of the cross-sectional area: mean difference over the frames on which both hold the class. mm² where the "
        "spacing of every frame is known, else pixels.",
    ),
    "limits": (
        "limits of agreement",
        "Between them lie 95 % of the differences in area if they are normal: mean ± 1.96 standard deviations (Bland "
        "and Altman, Lancet 1986).",
    ),
    "icc": (
        "intraclass correlation",
        "ICC(A,1) of true and predicted area: absolute agreement of single measurements, 1 is perfect (McGraw and "
        "Wong, Psychological Methods 1996).",
    ),
    "calibration": (
        "calibration error",
        "Of the pixels called 0.7, are seven in ten the class? Mean distance between probability and frequency over 15 "
        "bins, weighted by their pixels (Guo et al., ICML 2017). Near the class: within 2 % of the diagonal of a true "
        "or predicted pixel of it.",
    ),
    "expected_dice": (
        "expected Dice",
        "What the model itself says of its Dice: that of the prediction with its probabilities (soft Dice confidence, "
        "arXiv:2402.10665), or that between looks where there are several. Over frames with the class on which it was "
        "predicted; near 0 in the mean difference and near 1 in Spearman's rank correlation where the model knows how "
        "good it is.",
    ),
    "failures": (
        "AUROC of failures",
        "Chance that a frame with a Dice below 0.5 is expected to have a lower one than a better frame, ties counting "
        "half.",
    ),
    "uncertainty_against_dice": (
        "uncertainty against Dice",
        "Spearman's rank correlation of Dice with the mean uncertainty inside of what was predicted: near -1 where "
        "uncertainty tells the bad frames.",
    ),
    "false_positive_rate": (
        "false-positive rate",
        "Share of the frames without the class on which anything was predicted. Where the truth is boxes, an unboxed "
        "frame may be one that nobody annotated.",
    ),
    "presence_auroc": (
        "presence AUROC",
        "Chance that a frame with a nerve is given a higher presence than one without, ties counting half.",
    ),
    "presence_brier": ("Brier score of presence", "Mean squared error of the predicted presence, 0 is perfect."),
    "box_iou": (
        "IoU of the network's own box",
        "Overlap of the box that the network tells with the hull of the nerve.",
    ),
    "strange": (
        "frames unlike the training's",
        "Share of the frames whose brightness and texture lie farther from those of the training than twice what 95 % "
        "of left-out training frames do (Mahalanobis distance).",
    ),
    "inside_boxes": (
        "predicted pixels inside boxes",
        "Share of a frame's predicted pixels that lie in a box that somebody drew; 0 where nothing was predicted.",
    ),
    "boxes_touched": ("boxes touched", "Share of a frame's boxes that hold a predicted pixel."),
    "frames": ("frames with and without", "How many scored frames hold the class, and how many do not."),
    "uncertainty": (
        "uncertainty",
        "How far the members of an ensemble, or a frame and its mirror, disagree; of one look, the entropy of the "
        "probabilities as a share of the largest. 0 is sure, 1 undecided.",
    ),
    "conditions": (
        "conditions",
        "Of the true mask: size is its share of the frame; depth the row of its centroid, 0 at the top; off centre the "
        "distance of its column from the middle, 1 at the sides. Of its pixels and those within 2 % of the diagonal "
        "around: brightness is the mean grey; contrast the distance of the mean greys inside and around over the root "
        "of the sum of their variances; sharpness the variance of the Laplacian over that of the greys.",
    ),
    "thresholds": (
        "thresholds",
        "In the curves a class is marked where its own probability reaches the threshold. The model marks the "
        "likeliest class where all together reach its threshold, so that with several classes the curves pass near "
        "its scores and not through them. Precision and recall there are over the pixels of all frames together.",
    ),
    "paired": (
        "paired difference",
        "One model minus another on the same frames, subjects drawn together. A tie: its interval holds 0, or fewer "
        "than six subjects stand behind it. p: Wilcoxon's signed ranks over subjects, corrected by Holm for all rows.",
    ),
}
