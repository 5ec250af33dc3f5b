"""Folds: rows of one sentence stay together, and every fold has its share of every label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relx.examples import Example
from relx.faults import Fault, InputError


def split(
    examples: Sequence[Example], folds: int, fold: int, seed: int
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
    labels = _numbered([example.label or "" for example in examples])
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


def _numbered(texts: Sequence[str]) -> np.ndarray:
    """Replaces each text by a number, the same for equal texts; (rows,)."""
    numbers = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return np.array([numbers[text] for text in texts], dtype=np.int64)


def _deal(sentences: np.ndarray, labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deals the sentences to the folds, those with most rows first; (sentences,) the fold of each.

    Each goes where its labels are rarest, and among such folds to the one with fewest rows. A
    fold without rows is always such a one, so the first sentences fill every fold. The greedy
    idea is that of scikit-learn's StratifiedGroupKFold, which takes ten seconds for KLUE's rows,
    may leave a fold empty, and refuses labels that all have fewer rows than there are folds.
    """
    rows_of = np.split(np.argsort(sentences, kind="stable"), np.cumsum(np.bincount(sentences))[:-1])
    shuffled = np.random.default_rng(seed).permutation(len(rows_of))
    order = sorted(shuffled, key=lambda sentence: -len(rows_of[sentence]))
    row_share = 1 / np.bincount(labels)
    shares = np.zeros((folds, len(row_share)))  # of each label's rows, the part in each fold
    sizes = np.zeros(folds, dtype=np.int64)
    dealt = np.zeros(len(rows_of), dtype=np.int64)
    for sentence in order:
        own = labels[rows_of[sentence]]
        fold = np.lexsort((sizes, shares[:, own].sum(axis=1).round(9)))[0]
        np.add.at(shares[fold], own, row_share[own])
        sizes[fold] += len(own)
        dealt[sentence] = fold
    return dealt
