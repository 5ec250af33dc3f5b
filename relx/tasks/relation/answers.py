"""The competition's CSV: id, pred_label, and the probabilities of all classes in label order."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.formats.cells import NoText
from relx.data.table import Row, Table, read_table
from relx.faults import Fault, InputError, nearest, shorten
from relx.files import whole_file
from relx.scoring.one_of import ONE_OF
from relx.scoring.predictions import Submission

if TYPE_CHECKING:
    from relx.data.labels import LabelList

COLUMNS = ("id", "pred_label", "probs")
SUM_TOLERANCE = 1e-3
# Characters that JSON needs for anything but numbers and lists, NaN and Infinity included.
_NO_NUMBERS = '"{tfnNI'


def write_submission(
    path: Path,
    ids: Sequence[str],
    probabilities: npt.NDArray[np.floating[Any]],
    labels: LabelList,
) -> None:
    """Writes a submission, whole or not at all, in the ids' order.

    The numbers are written so that reading them gives back the float64 values of
    `normalized(probabilities)` exactly; pred_label is the most probable class.

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
    rows = normalized(probabilities, ids)
    predicted = [labels.names[index] for index in ONE_OF.choose(rows)]
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(zip(ids, predicted, map(str, rows.tolist()), strict=True))


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


def read_submission(path: Path, labels: LabelList) -> Submission:
    """Reads a submission, from here or from elsewhere.

    Other columns are left alone, and a pred_label that is not the most probable class is taken
    as it is.

    Args:
        path: A file with the columns id, pred_label and probs, in any format that data come in.
        labels: The label list that gives the order of probs.

    Returns:
        The submission.

    Raises:
        InputError: The file cannot be read; else every fault of every row at once.
    """
    table = _read_rows(path)
    ids, names, texts = ([str(row.cells[name]) for row in table.rows] for name in COLUMNS)
    places = [
        f"{table.name}:{row.line}, id {id_}" for row, id_ in zip(table.rows, ids, strict=True)
    ]
    faults = [*_id_faults(ids, table.rows, places), *_label_faults(names, places, labels)]
    probabilities = _read_together(texts, len(labels))
    if probabilities is None:
        probabilities, unread = _read_one_by_one(texts, places, len(labels))
        faults += unread
    faults += _probability_faults(probabilities, places)
    if faults:
        raise InputError(*(fault for _, fault in sorted(faults, key=lambda pair: pair[0])))
    predicted = np.array([labels.index(name) for name in names], dtype=np.int64)
    return Submission(tuple(ids), predicted, probabilities)


def _read_rows(path: Path) -> Table:
    """Reads the table; refuses one without rows, without a needed column, or with broken rows."""
    table = read_table(path)
    faults = [_missing_column(name, table) for name in COLUMNS if name not in table.columns]
    if not faults:
        faults = [fault for row in table.rows if (fault := row.fault or _cell_fault(table, row))]
    if not faults and not table.rows:
        faults = [Fault("the file has a header and no rows", str(path), kind="empty file")]
    if faults:
        raise InputError(*faults)
    return table


def _missing_column(name: str, table: Table) -> Fault:
    guess = nearest(name, table.columns)
    return Fault(
        f"the column {name} is missing",
        f"{table.name}:1",
        shorten(", ".join(table.columns)),
        "the columns " + ", ".join(COLUMNS),
        f"did you mean to call {guess} {name}?" if guess else "",
        "missing column",
    )


def _cell_fault(table: Table, row: Row) -> Fault | None:
    """Returns the fault of a row that lacks one of the columns, as in JSON, or has a date there."""
    where = f"{table.name}:{row.line}"
    for name in COLUMNS:
        if name not in row.cells:
            return Fault(f"the row has no {name}", where, kind="no value")
        cell = row.cells[name]
        if isinstance(cell, NoText):
            return cell.fault(f"{where}, column {name}")
    return None


def _id_faults(
    ids: Sequence[str], rows: Sequence[Row], places: Sequence[str]
) -> Iterator[tuple[int, Fault]]:
    """Yields a fault, with its row, for each id that is empty or repeats an earlier one."""
    line_of: dict[str, int] = {}
    for row, id_ in enumerate(ids):
        where = f"{places[row]}, column id"
        if not id_:
            yield row, Fault("the row has no id", where, allowed="an id", kind="no id")
        elif id_ in line_of:
            what = f"the id {id_} is already in line {line_of[id_]}"
            yield row, Fault(what, where, id_, "each id once", kind="duplicate id")
        line_of.setdefault(id_, rows[row].line)


def _label_faults(
    names: Sequence[str], places: Sequence[str], labels: LabelList
) -> Iterator[tuple[int, Fault]]:
    """Yields a fault, with its row, for each label that is not in the list."""
    for row, name in enumerate(names):
        if name not in labels:
            yield row, labels.unknown(name, f"{places[row]}, column pred_label")


def _read_together(texts: Sequence[str], classes: int) -> npt.NDArray[np.float64] | None:
    """Reads all rows as one JSON text, `(rows, classes)`; None if any of them needs a look."""
    joined = ",".join(texts)
    if any(mark in joined for mark in _NO_NUMBERS):
        return None
    # Brackets around every row: else one row could close in the next and the count still agree.
    if not all(text.startswith("[") and text.endswith("]") for text in texts):
        return None
    try:
        values = np.array(json.loads(f"[{joined}]"), dtype=np.float64)
    except (ValueError, OverflowError):
        return None
    return values if values.shape == (len(texts), classes) else None


def _read_one_by_one(
    texts: Sequence[str], places: Sequence[str], classes: int
) -> tuple[npt.NDArray[np.float64], list[tuple[int, Fault]]]:
    """Reads each row by itself; one that cannot be read becomes a fault and an even row."""
    probabilities = np.full((len(texts), classes), 1 / classes)
    faults = []
    for row, text in enumerate(texts):
        read = _read_list(text, classes)
        if isinstance(read, str):
            where = f"{places[row]}, column probs"
            allowed = f"a list of {classes} numbers such as [0.9, 0.1], in label order"
            faults.append((row, Fault(read, where, shorten(text), allowed, kind="probs")))
        else:
            probabilities[row] = read
    return probabilities, faults


def _read_list(text: str, classes: int) -> list[float] | str:
    """Returns the numbers of one row, or what is wrong with it."""
    if "np." in text or "array(" in text:
        return "this list holds numpy objects; write plain numbers, as row.tolist() gives them"
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return "this is not a list of numbers"
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        return "this is not a list of numbers"
    if len(values) != classes:
        return f"this list has {len(values)} numbers, the label list {classes} labels"
    try:
        return [float(value) for value in values]
    except OverflowError:
        return "this list holds a number beyond any probability"


def _probability_faults(
    probabilities: npt.NDArray[np.float64], places: Sequence[str]
) -> Iterator[tuple[int, Fault]]:
    """Yields a fault, with its row, for each row that is not a probability distribution."""
    allowed = "numbers from 0 to 1 whose sum is 1"
    step = "apply softmax to logits, once, before writing them"
    for row in np.flatnonzero(_no_distributions(probabilities)).tolist():
        what, received = _value_fault(probabilities[row])
        where = f"{places[row]}, column probs"
        yield row, Fault(what, where, received, allowed, step, "no probabilities")


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
