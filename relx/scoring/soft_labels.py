"""Probabilities of other models as the labels of rows to train on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.rows.seen_ids import SeenIds
from relx.faults import Fault, InputError
from relx.scoring.joined import some_of
from relx.scoring.predictions import Submission
from relx.scoring.shares import ROUNDED

Floats = npt.NDArray[np.float64]
_STEP = "relx predict --probs FILE writes such a file"


def soft_labels(
    submission: Submission, ids: Sequence[str], path: Path, train: str, *, one: bool
) -> Floats:
    """Finds the probabilities of rows to train on, by their ids.

    The file may hold more rows than those: the rows of a fold that is not trained on, say.

    Args:
        submission: The file as the task read it.
        ids: The ids of the rows to train on.
        path: The file, for messages.
        train: The file of the rows to train on, for messages.
        one: Whether exactly one label is true in a row, so that a row sums to 1.

    Returns:
        `(rows, labels)`, in the order of the ids.

    Raises:
        InputError: The file has no probabilities by the names of the labels, or no ids; a row to
            train on is missing, or its probabilities do not sum to 1.
    """
    probabilities = _probabilities(submission, path)
    answered = submission.ids
    if answered is None:
        what = "these soft labels have no ids, by which they could be given to rows"
        raise InputError(Fault(what, str(path), next_step=_STEP, kind="no id"))
    seen = answered if isinstance(answered, SeenIds) else SeenIds(answered)
    places = np.fromiter((seen.find(id_) for id_ in ids), np.int64, len(ids))
    if (places < 0).any():
        missing = [ids[i] for i in np.flatnonzero(places < 0).tolist()]
        what = f"{len(missing)} of {len(ids)} rows to train on have no soft labels here"
        allowed = f"every row of {train} that is trained on"
        step = "predict them too, with models that did not train on them"
        where, received = f"{path}, column id", some_of(missing)
        raise InputError(Fault(what, where, received, allowed, step, "missing id"))
    found = probabilities[places]
    return _summing_to_one(found, ids, path) if one else found


def _probabilities(submission: Submission, path: Path) -> Floats:
    if submission.probabilities is None:
        what = "this file holds labels, and no probabilities to learn from"
        raise InputError(Fault(what, str(path), next_step=_STEP, kind="no probabilities"))
    if not submission.named:
        what = "these probabilities are not named: their labels may be in another order"
        raise InputError(Fault(what, str(path), allowed="a column a label", next_step=_STEP))
    return submission.probabilities


def _summing_to_one(found: Floats, ids: Sequence[str], path: Path) -> Floats:
    """Divides rows by their sums, which may be rounded; refuses what is not."""
    sums = found.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > ROUNDED)
    if len(wrong):
        what = f"the soft labels of {len(wrong)} rows to train on do not sum to 1"
        where, received = f"{path}, id {ids[int(wrong[0])]}", f"{sums[wrong[0]]:.4g}"
        step = "divide each row by its sum"
        raise InputError(Fault(what, where, received, "1", step, "no probabilities"))
    return np.asarray(found / sums[:, None])


def agreement(probabilities: Floats, targets: npt.NDArray[Any]) -> float:
    """Tells how often soft labels say what is right: too seldom hints at ids of other rows.

    Args:
        probabilities: `(rows, labels)`.
        targets: The class of each row, `(rows,)`, or which labels are true, `(rows, labels)`.

    Returns:
        The percentage of rows whose most probable label is right, or of labels that are on the
        right side of .5.
    """
    if targets.ndim == 1:
        return 100 * float((probabilities.argmax(axis=1) == targets).mean())
    return 100 * float(((probabilities >= 0.5) == targets.astype(bool)).mean())


def tempered(probabilities: Floats, temperature: float, *, one: bool) -> Floats:
    """Returns what probabilities would be had their logits been divided by a temperature.

    Hinton et al. 2015, https://arxiv.org/abs/1503.02531, section 2: a softmax of logits over T is
    in proportion to its probabilities to the power of 1/T, and so are a sigmoid and its complement.

    Args:
        probabilities: `(rows, labels)`.
        temperature: The temperature, above 0; 1 changes nothing.
        one: Whether they are a softmax; else each is a sigmoid of its own.

    Returns:
        `(rows, labels)`.
    """
    true = probabilities ** (1 / temperature)
    if one:
        return np.asarray(true / true.sum(axis=1, keepdims=True))
    return np.asarray(true / (true + (1 - probabilities) ** (1 / temperature)))
