"""Folds: rows of one sentence or group stay together, and each has its share of every label."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence

import numpy as np

from relx.data.rows.row import Row, labels_of
from relx.faults import Fault, InputError


def split(
    examples: Sequence[Row], folds: int, fold: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parts the rows into training and dev rows, so that no sentence and no group is in both.

    Args:
        examples: The rows.
        folds: How many folds there are.
        fold: The fold that is the dev set, from 0.
        seed: Decides what goes into which fold.

    Returns:
        The places of the training rows and of the dev rows, each ascending; neither is empty.

    Raises:
        InputError: There are fewer different sentences, or groups, than folds.
    """
    parts = _parts(examples)
    labels = _numbered([labels_of(example) for example in examples])
    count = int(parts.max(initial=-1)) + 1
    if count < folds:
        grouped = any(example.group for example in examples)
        what, parted = "too few sentences to split", "sentence"
        if grouped:
            what, parted = "too few groups to split", "group"
        received = f"{len(examples)} rows with {count} different {parted}s, {folds} folds"
        allowed = f"at least one {parted} for each fold"
        step = f"set data.folds: {count}" if count >= 2 else "use a file with more rows"
        step += ", or name a dev file in data.dev"
        raise InputError(Fault(what, "data.folds", received, allowed, step, "split"))
    in_fold = _deal(parts, labels, folds, seed)[parts] == fold
    return np.flatnonzero(~in_fold), np.flatnonzero(in_fold)


def _numbered(values: Sequence[Hashable]) -> np.ndarray:
    """Replaces each value by a number, the same for equal ones; (rows,)."""
    numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def _parts(examples: Sequence[Row]) -> np.ndarray:
    """Numbers what stays together, by its first row: a sentence, or all that a group reaches.

    Rows of one sentence may be in several groups; these then are one part. (rows,) int64.
    """
    sentences = _numbered([example.sentence for example in examples])
    grouped = [i for i, example in enumerate(examples) if example.group]
    if not grouped:
        return sentences
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups = _numbered([examples[i].group for i in grouped])
    count = int(sentences.max()) + 1
    size = count + int(groups.max()) + 1
    ties = (np.ones(len(grouped)), (sentences[grouped], count + groups))
    _, reached = connected_components(coo_array(ties, shape=(size, size)), directed=False)
    return _numbered(reached[sentences].tolist())


def _deal(parts: np.ndarray, labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deals the parts to the folds by the labels of their first row; (parts,) int64.

    StratifiedGroupKFold would do the same row by row, in ten seconds for KLUE's 32,470 rows.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    _, first_rows = np.unique(parts, return_index=True)
    first_labels = labels[first_rows]
    stratified = np.bincount(first_labels).max() >= folds  # else scikit-learn refuses
    kind = StratifiedKFold if stratified else KFold
    dealt = np.zeros(len(first_labels), np.int64)
    with warnings.catch_warnings():
        # A label with fewer rows than folds cannot be in every fold, which is expected.
        warnings.simplefilter("ignore", UserWarning)
        splits = kind(folds, shuffle=True, random_state=seed).split(first_labels, first_labels)
        for fold, (_, part) in enumerate(splits):
            dealt[part] = fold
    return dealt
