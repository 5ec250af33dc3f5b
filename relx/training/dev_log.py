"""What stage 2 logs of the dev rows after an epoch: the curves, and the surest mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.labels import LabelList
from relx.data.rows.row import Row
from relx.training.log import RunLog, escaped, markdown_table

SHOWN = 12
CURVES, MISTAKES = "precision-recall", "mistakes"
# The brackets of the first span, the second and so on: all can be seen where they overlap.
BRACKETS = ("[]", "{}", "()", "«»")

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]


def log_dev_rows(
    log: RunLog,
    epoch: int,
    rows: Sequence[Row],
    roles: Sequence[str],
    labels: LabelList,
    gold: Bools,
    chosen: Bools,
    probabilities: Floats,
) -> None:
    """Notes the precision-recall curves, of each class and of all, and the surest mistakes.

    Args:
        log: The stage's log.
        epoch: The epoch, from 0.
        rows: The dev rows.
        roles: What each of their spans is called.
        labels: The label list.
        gold: Which labels are right, `(rows, labels)`.
        chosen: Which labels are predicted, `(rows, labels)`.
        probabilities: `(rows, labels)`.
    """
    for index, name in enumerate(labels.names):
        tag = f"{CURVES}/{name}"
        log.pr_curve(epoch, tag, gold[:, index], probabilities[:, index])
    positive = np.arange(len(labels)) != labels.negative_index
    log.pr_curve(epoch, f"{CURVES}/micro", gold[:, positive], probabilities[:, positive])
    log.text(epoch, MISTAKES, mistakes_text(rows, roles, labels, gold, chosen, probabilities))


def mistakes_text(
    rows: Sequence[Row],
    roles: Sequence[str],
    labels: LabelList,
    gold: Bools,
    chosen: Bools,
    probabilities: Floats,
) -> str:
    """Writes the mispredicted rows of the surest mistakes as a table.

    The surest mistake of a row is the label too many of the highest probability; where it has none,
    the missing label of the lowest.

    Args:
        rows: The rows.
        roles: What each of their spans is called.
        labels: The label list.
        gold: Which labels are right, `(rows, labels)`.
        chosen: Which labels are predicted, `(rows, labels)`.
        probabilities: `(rows, labels)`.

    Returns:
        Markdown: a sentence, and a table of at most a dozen rows.
    """
    wrong = np.flatnonzero((gold != chosen).any(axis=1))
    if not len(wrong):
        return f"All {len(rows):,} dev rows are predicted right."
    sureness = _sureness(gold[wrong], chosen[wrong], probabilities[wrong])
    order = np.argsort(-sureness, kind="stable")[:SHOWN]
    surest = wrong[order]
    head = (
        f"{len(wrong):,} of {len(rows):,} dev rows are mispredicted; the {len(surest)} surest. "
        f"{_legend(roles)}"
    )
    lines = [
        (
            _names(labels, gold[row]),
            _names(labels, chosen[row]),
            f"{100 * sure:.1f} %",
            escaped(" → ".join(rows[row].types)),
            marked_sentence(rows[row]),
            escaped(rows[row].id),
        )
        for row, sure in zip(surest, sureness[order], strict=True)
    ]
    headings = ("gold", "predicted", "probability", "types", "sentence", "id")
    return f"{head}\n\n{markdown_table(headings, lines)}"


def _sureness(gold: Bools, chosen: Bools, probabilities: Floats) -> Floats:
    """How sure a classifier was of what it got wrong in each row, (rows,)."""
    surplus = np.where(chosen & ~gold, probabilities, 0.0).max(axis=1)
    missing = np.where(gold & ~chosen, 1 - probabilities, 0.0).max(axis=1)
    return np.asarray(np.where((chosen & ~gold).any(axis=1), surplus, missing))


def _names(labels: LabelList, of_row: npt.NDArray[np.bool_]) -> str:
    return escaped(", ".join(labels.names[i] for i in np.flatnonzero(of_row)) or "none")


def marked_sentence(row: Row) -> str:
    """Returns a sentence as Markdown: its spans bold and in brackets, also where they overlap.

    Args:
        row: The row.

    Returns:
        One line, everything else escaped.
    """
    spans = dict(zip(BRACKETS, row.spans, strict=False))
    cuts = sorted({0, len(row.sentence), *(cut for span in spans.values() for cut in span)})
    parts = []
    for start, end in itertools.pairwise(cuts):
        around = [signs for signs, span in spans.items() if span.start <= start < span.end]
        opens = "".join(signs[0] for signs in around if spans[signs].start == start)
        closes = "".join(signs[1] for signs in reversed(around) if spans[signs].end == end)
        piece = _kept_spaces(row.sentence[start:end])
        parts.append(f"**{escaped(opens)}{piece}{escaped(closes)}**" if around else piece)
    return "".join(parts).replace("****", "")


def _kept_spaces(text: str) -> str:
    """Escapes a piece of a sentence, with a space where it begins or ends with one."""
    before, after = (" " * part[:1].isspace() for part in (text, text[::-1]))
    return f"{before}{escaped(text)}{after}" if text.strip() else before


def _legend(roles: Sequence[str]) -> str:
    """Says in which brackets each span is, such as `The target is in [ ].`."""
    parts = [
        f"the {role} {'in' if place else 'is in'} {' '.join(map(escaped, signs))}"
        for place, (role, signs) in enumerate(zip(roles, BRACKETS, strict=False))
    ]
    return f"{', '.join(parts)}.".replace("the ", "The ", 1) if parts else ""
