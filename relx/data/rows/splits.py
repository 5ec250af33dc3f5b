"""Folds: rows of one sentence stay together, and every fold has its share of every label."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence

import numpy as np

from relx.data.rows.row import Row, labels_of
from relx.faults import Fault, InputError


def split(
    examples: Sequence[Row], folds: int, fold: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parts the rows into training and dev rows, so that no sentence is in both.

    Args:
        examples: The rows.
        folds: How many folds there are.
        fold: The fold that is the dev set, from 0.
        seed: Decides which sentences go into which fold.

    Returns:
        The places of the training rows and of the dev rows, each ascending; neither is empty.

    Raises:
        InputError: There are fewer different sentences than folds.
    """
    sentences = _numbered([example.sentence for example in examples])
    labels = _numbered([labels_of(example) for example in examples])
    count = int(sentences.max(initial=-1)) + 1
    if count < folds:
        received = f"{len(examples)} rows with {count} different sentences, {folds} folds"
        allowed = "at least one sentence for each fold"
        step = f"set data.folds: {count}" if count >= 2 else "use a file with more rows"
        step += ", or name a dev file in data.dev"
        raise InputError(
            Fault("too few sentences to split", "data.folds", received, allowed, step, "split")
        )
    in_fold = _deal(sentences, labels, folds, seed)[sentences] == fold
    return np.flatnonzero(~in_fold), np.flatnonzero(in_fold)


def _numbered(values: Sequence[Hashable]) -> np.ndarray:
    """Replaces each value by a number, the same for equal ones; (rows,)."""
    numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def _deal(sentences: np.ndarray, labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deals the sentences to the folds by the labels of their first row; (sentences,) int64.

    StratifiedGroupKFold would do the same row by row, in ten seconds for KLUE's 32,470 rows.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    _, first_rows = np.unique(sentences, return_index=True)
    first_labels = labels[first_rows]
    stratified = np.bincount(first_labels).max() >= folds  # else scikit-learn refuses
    kind = StratifiedKFold if stratified else KFold
    dealt = np.zeros(len(first_labels), np.int64)
    with warnings.catch_warnings():
        # A label with fewer rows than folds cannot be in every fold, which is expected.
        warnings.simplefilter("ignore", UserWarning)
        parts = kind(folds, shuffle=True, random_state=seed).split(first_labels, first_labels)
        for fold, (_, part) in enumerate(parts):
            dealt[part] = fold
    return dealt
