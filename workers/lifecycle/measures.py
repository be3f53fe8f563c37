"""The formulas of the figures, over sums of counts and for many draws at once. Knows no model, no file, no label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workers.lifecycle.bootstrap import Floats, Statistic, of_sums

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BINS = 15


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)


def prf(counts: Floats) -> Floats:
    """[..., (right, predicted, wanted)] -> [..., (precision, recall, F1)]."""
    right, predicted, wanted = counts[..., 0], counts[..., 1], counts[..., 2]
    return np.stack([ratio(right, predicted), ratio(right, wanted), ratio(2 * right, predicted + wanted)], axis=-1)


def grouped_prf(counts: Floats, groups: Floats) -> Statistic:
    """Micro-averaged precision, recall and F1 of groups of types.

    `counts` are [N, T, (right, predicted, wanted)] by item and type, `groups` [G, T] which types count together.
    Figures come as [B, 3 G]: precision, recall and F1 of the first group, then of the next.
    """
    items, types, _ = counts.shape

    def formula(sums: Floats) -> Floats:
        by_group = np.einsum("gt,btc->bgc", groups, sums.reshape(len(sums), types, 3))
        return prf(by_group).reshape(len(sums), -1)

    return of_sums(counts.reshape(items, types * 3), formula)


def label_scores(predicted: Ints, wanted: Ints, labels: int) -> Statistic:
    """Accuracy, and F1 averaged over the labels that a draw holds; `predicted` may be beyond `labels`. [B, 2]"""
    rows = np.arange(len(wanted))
    columns = np.zeros((len(wanted), 3, labels))
    columns[rows, 2, wanted] = 1
    known = predicted < labels
    columns[rows[known], 1, predicted[known]] = 1
    columns[:, 0] = columns[:, 1] * columns[:, 2]

    def formula(sums: Floats) -> Floats:
        right, stated, there = np.moveaxis(sums.reshape(len(sums), 3, labels), 1, 0)
        f1 = ratio(2 * right, stated + there)
        accuracy = ratio(right.sum(axis=1), there.sum(axis=1))
        macro = ratio((f1 * (there > 0)).sum(axis=1), (there > 0).sum(axis=1).astype(np.float64))
        return np.stack([accuracy, macro], axis=1)

    return of_sums(columns.reshape(len(wanted), 3 * labels), formula)


def calibration_error(items: int, owners: Ints, confidence: Floats, right: Flags) -> Statistic:
    """Expected calibration error (Naeini et al. 2015) over bins that hold equally many answers.

    `owners` says of which item an answer is. Equal scores share a bin, so there may be fewer than `BINS`. The bins are
    those of the whole set in every draw. [B, 1]
    """
    edges = np.quantile(confidence, np.linspace(0, 1, BINS + 1)[1:-1]) if len(confidence) else np.zeros(0)
    bins = np.searchsorted(edges, confidence, side="right")
    gaps, counts = np.zeros((items, BINS)), np.zeros((items, BINS))
    np.add.at(gaps, (owners, bins), right - confidence)
    np.add.at(counts, (owners, bins), 1)

    def formula(sums: Floats) -> Floats:
        off, there = sums[:, :BINS], sums[:, BINS:]
        return ratio(np.abs(off).sum(axis=1), there.sum(axis=1))[:, None]

    return of_sums(np.concatenate([gaps, counts], axis=1), formula)


def auroc(scores: Floats, positive: Flags) -> Statistic:
    """How often a positive item scores above a negative one, equal scores counting half. [B, 1]"""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    kinds = positive[order]

    def statistic(weights: Floats) -> Floats:
        # Items of equal score and kind are added up first; what is left is one running sum over the scores.
        drawn = weights[:, order]
        positives = np.add.reduceat(drawn * kinds, starts, axis=1)
        negatives = np.add.reduceat(drawn * ~kinds, starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives / 2
        pairs = negatives.sum(axis=1) * positives.sum(axis=1)
        return ratio((positives * below).sum(axis=1), pairs)[:, None]

    return statistic


def means(columns: Floats) -> Statistic:
    """[N, K] -> the mean of each column. [B, K]"""
    items = len(columns)
    return of_sums(columns, lambda sums: sums / items)
