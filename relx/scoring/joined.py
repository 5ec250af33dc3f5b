"""Answers and the labelled rows that they answer, joined on the ids of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import Row
from relx.data.rows.seen_ids import SeenIds
from relx.faults import Fault, InputError
from relx.progress import say
from relx.scoring.predictions import Submission

IDS_SHOWN = 3


def join_on_id(
    submission: Submission, examples: Sequence[Row], pred: Path, gold: Path
) -> npt.NDArray[np.int64]:
    """Finds the submission's row of each gold row.

    Args:
        submission: The submission.
        examples: The gold rows.
        pred: The submission's file, for messages.
        gold: The gold rows' file, for messages.

    Returns:
        Indices into the submission's rows, in the gold rows' order, `(rows,)`.

    Raises:
        InputError: An id is in one file alone, or twice in the gold file.
    """
    if submission.ids is None:
        return _join_in_order(submission, examples, pred, gold)
    answered = submission.ids
    if not isinstance(answered, SeenIds):
        answered = SeenIds(answered)
    found = (answered.find(example.id) for example in examples)
    rows = np.fromiter(found, np.int64, len(examples))
    is_asked = np.zeros(len(answered), bool)
    is_asked[rows[rows >= 0]] = True
    missing = dict.fromkeys(examples[row].id for row in np.flatnonzero(rows < 0).tolist())
    extra = [answered[row] for row in np.flatnonzero(~is_asked).tolist()]
    faults = [*_id_faults(list(missing), pred, gold), *_id_faults(extra, gold, pred)]
    if repeats := len(examples) - int(is_asked.sum()) - len(missing):
        what = f"{repeats} rows repeat an earlier id"
        faults.append(Fault(what, str(gold), allowed="each id once", kind="duplicate id"))
    if faults:
        raise InputError(*faults)
    return rows


def _join_in_order(
    submission: Submission, examples: Sequence[Row], pred: Path, gold: Path
) -> npt.NDArray[np.int64]:
    """Takes the rows as they come where the submission has no ids."""
    if len(submission) != len(examples):
        what = "this file has no ids, and not as many rows as the labelled file"
        received, allowed = f"{len(submission)} rows", f"the {len(examples)} rows of {gold}"
        raise InputError(Fault(what, str(pred), received, allowed, kind="other rows"))
    say(f"{pred} has no ids: its rows are taken in the order of {gold}")
    return np.arange(len(examples), dtype=np.int64)


def _id_faults(ids: Sequence[str], absent_from: Path, present_in: Path) -> list[Fault]:
    """Returns a fault if there are ids that are in one file alone."""
    if not ids:
        return []
    what = f"{len(ids)} ids of {present_in} are missing here"
    allowed = "the same ids in both files, in any order"
    step = "predict the gold file's rows: relx predict --test GOLD --out CSV"
    return [Fault(what, f"{absent_from}, column id", some_of(ids), allowed, step, "missing id")]


def some_of(ids: Iterable[str]) -> str:
    """Names the first few ids, and says how many there are.

    Args:
        ids: The ids.
    """
    listed = list(ids)
    shown = ", ".join(listed[:IDS_SHOWN])
    return shown if len(listed) <= IDS_SHOWN else f"{shown}, … ({len(listed)} in all)"
