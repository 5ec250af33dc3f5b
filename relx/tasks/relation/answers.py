"""Writes the competition's CSV: id, pred_label, and the probabilities of all classes in order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import R
from relx.faults import Fault, InputError
from relx.files import whole_file
from relx.scoring.decisions.one_of import ONE_OF
from relx.tasks.answer_form import AnswerForm

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Floats = npt.NDArray[np.floating[Any]]
COLUMNS = ("id", "pred_label", "probs")
SUM_TOLERANCE = 1e-3


def submission_form(labels: LabelList) -> AnswerForm[R]:
    """Returns the form of a submission.

    The numbers are written so that reading them gives back the float64 values of
    `normalized(probabilities)` exactly; pred_label is the most probable class.

    Args:
        labels: The label list.
    """

    def lines(rows: Sequence[R], probabilities: Floats) -> Iterator[str]:
        yield _submission_text([row.id for row in rows], probabilities, labels)

    return AnswerForm(lines, _csv([COLUMNS]))


def columns_form(labels: LabelList) -> AnswerForm[R]:
    """Returns the form of id and one column a label, which is read whatever the labels' order.

    Args:
        labels: The label list.
    """

    def lines(rows: Sequence[R], probabilities: Floats) -> Iterator[str]:
        ids = [row.id for row in rows]
        values = normalized(probabilities, ids).tolist()
        yield _csv([id_, *row] for id_, row in zip(ids, values, strict=True))

    return AnswerForm(lines, _csv([["id", *labels.names]]))


def write_submission(
    path: Path, ids: Sequence[str], probabilities: Floats, labels: LabelList
) -> None:
    """Writes a submission of ids alone, whole or not at all; see `submission_form`.

    Args:
        path: The CSV file; its folder is created.
        ids: The rows' ids, each once.
        probabilities: `(rows, classes)`, float32 or float64, the classes in label order.
        labels: The label list.

    Raises:
        InputError: An id appears twice, or a row is not a probability distribution.
    """
    if twice := _first_repeat(ids):
        first, again = twice
        what = f"the id {ids[first]} is in row {first + 1} and again in row {again + 1}"
        step = "give each row an id of its own"
        raise InputError(Fault(what, str(path), ids[first], "each id once", step, "duplicate id"))
    text = _submission_text(ids, probabilities, labels)
    with whole_file(path) as beside:
        beside.write_text(_csv([COLUMNS]) + text, encoding="utf-8", newline="")


def _submission_text(ids: Sequence[str], probabilities: Floats, labels: LabelList) -> str:
    rows = normalized(probabilities, ids)
    predicted = [labels.names[index] for index in ONE_OF.choose(rows)]
    return _csv(zip(ids, predicted, map(str, rows.tolist()), strict=True))


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def normalized(
    probabilities: npt.NDArray[np.floating[Any]], ids: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Scales each row in float64 so that it sums to 1, which float32 or float16 rows hardly do.

    A row whose sum is within 1e-9 of 1 stays as it is, so that a second call changes nothing.

    Args:
        probabilities: `(rows, classes)`.
        ids: The rows' ids, for messages.

    Returns:
        `(rows, classes)`; each row sums to 1 within 1e-9.

    Raises:
        InputError: A row holds a negative number or nan, or its sum is not 1 within 1e-3.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    if (wrong := _no_distributions(rows)).any():
        index = int(wrong.argmax())
        what, received = _value_fault(rows[index])
        where = f"prediction for id {ids[index]}, the first of {int(wrong.sum())} such"
        step = "if its training ended well its files are damaged; else lower the learning rate"
        raise InputError(Fault(what, where, received, "probabilities that sum to 1", step))
    sums = rows.sum(axis=1, keepdims=True)
    return np.where(np.abs(sums - 1) > 1e-9, rows / sums, rows)


def _no_distributions(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Marks each row that holds nan, infinity or a negative number or does not sum to 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums_to_one = np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE
    distributions: npt.NDArray[np.bool_] = sums_to_one & (rows >= 0).all(axis=1)
    return ~distributions


def _value_fault(row: npt.NDArray[np.float64]) -> tuple[str, str]:
    """Says what is wrong with a row that is not a probability distribution, and the value."""
    if not np.isfinite(row).all():
        return "these probabilities hold nan or infinity", str(row[~np.isfinite(row)][0])
    if (row < 0).any():
        return "a probability is never negative", str(row.min())
    return "these probabilities do not sum to 1", f"sum {row.sum():.6g}"


def _first_repeat(ids: Iterable[str]) -> tuple[int, int] | None:
    """Finds the places of the first id that appears twice."""
    place_of: dict[str, int] = {}
    for place, id_ in enumerate(ids):
        if id_ in place_of:
            return place_of[id_], place
        place_of[id_] = place
    return None
