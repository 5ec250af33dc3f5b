"""What stage 2 logs of the dev rows after an epoch: the curves, and the surest mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.labels import LabelList
from relx.data.row import Row
from relx.scoring.one_of import ONE_OF
from relx.training.log import RunLog, escaped, markdown_table

SHOWN = 12
CURVES, MISTAKES = "precision-recall", "mistakes"
# The brackets of the first span, the second and so on: all can be seen where they overlap.
BRACKETS = ("[]", "{}", "()", "«»")

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]


def log_dev_rows(
    log: RunLog,
    epoch: int,
    rows: Sequence[Row],
    roles: Sequence[str],
    labels: LabelList,
    gold: Ints,
    probabilities: Floats,
) -> None:
    """Notes the precision-recall curves, of each class and of all, and the surest mistakes.

    Args:
        log: The stage's log.
        epoch: The epoch, from 0.
        rows: The dev rows.
        roles: What each of their spans is called.
        labels: The label list.
        gold: The class of each row, `(rows,)`.
        probabilities: `(rows, classes)`.
    """
    has_class = gold[:, None] == np.arange(len(labels))
    for index, name in enumerate(labels.names):
        tag = f"{CURVES}/{name}"
        log.pr_curve(epoch, tag, has_class[:, index], probabilities[:, index])
    positive = np.arange(len(labels)) != labels.negative_index
    log.pr_curve(epoch, f"{CURVES}/micro", has_class[:, positive], probabilities[:, positive])
    log.text(epoch, MISTAKES, mistakes_text(rows, roles, labels, gold, probabilities))


def mistakes_text(
    rows: Sequence[Row],
    roles: Sequence[str],
    labels: LabelList,
    gold: Ints,
    probabilities: Floats,
) -> str:
    """Writes the mispredicted rows of the highest probability as a table.

    Args:
        rows: The rows.
        roles: What each of their spans is called.
        labels: The label list.
        gold: The class of each row, `(rows,)`.
        probabilities: `(rows, classes)`.

    Returns:
        Markdown: a sentence, and a table of at most a dozen rows.
    """
    predicted = ONE_OF.choose(probabilities)
    wrong = np.flatnonzero(predicted != gold)
    if not len(wrong):
        return f"All {len(rows):,} dev rows are predicted right."
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:SHOWN]
    head = (
        f"{len(wrong):,} of {len(rows):,} dev rows are mispredicted; the {len(surest)} surest. "
        f"{_legend(roles)}"
    )
    lines = [
        (
            escaped(labels.names[gold[row]]),
            escaped(labels.names[predicted[row]]),
            f"{100 * probabilities[row, predicted[row]]:.1f} %",
            escaped(" → ".join(rows[row].types)),
            marked_sentence(rows[row]),
            escaped(rows[row].id),
        )
        for row in surest
    ]
    headings = ("gold", "predicted", "probability", "types", "sentence", "id")
    return f"{head}\n\n{markdown_table(headings, lines)}"


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
