"""Sentences with their target marked, or with the target in front of them."""

from __future__ import annotations

from dataclasses import replace

from relx.data.marked import MarkedText
from relx.faults import Fault, InputError
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.target.rows import TargetRow
from relx.template import check_query, fill_query

# What comes before the target and after it, by style.
STYLES = {"entity_marker": ("<e>", "</e>"), "entity_marker_punct": ("@ ", " @")}
ALLOWED = ("none", *STYLES)
PLACEHOLDERS = ("target",)
WHOLE = "이 문장"  # stands for the target where it is the whole sentence: "this sentence"


def require_markers(markers: MarkersSection) -> None:
    """Refuses markers that a target has no use for.

    Args:
        markers: The recipe's section.

    Raises:
        InputError: The style needs types or two entities, the order has no effect, or the query
            has a placeholder that is none.
    """
    faults = []
    if markers.style not in ALLOWED:
        what = "a target has no type and is one, not two: it cannot be marked so"
        faults.append(Fault(what, "markers.style", markers.style, ", ".join(ALLOWED)))
    if markers.order != "role":
        what = "there is one target, and no order to mark it in"
        faults.append(Fault(what, "markers.order", markers.order, "role"))
    if fault := check_query(markers.query or "", PLACEHOLDERS):
        faults.append(fault)
    if markers.style == "none" and not markers.query and markers.query_place == "second":
        what = "without markers and a query, the target is in front of the sentence"
        faults.append(Fault(what, "markers.query_place", "second", "first"))
    if faults:
        raise InputError(*faults)


def mark(row: TargetRow, markers: MarkersSection) -> MarkedText:
    """Shows a row to an encoder: its target marked, in front, or in a query.

    Args:
        row: The row; where its target is the whole sentence, nothing is marked, and "이 문장"
            stands for it in front and in a query.
        markers: The style and the query.

    Returns:
        The marked text.
    """
    pair = STYLES.get(markers.style)
    shown = _plain(row) if pair is None or row.target is None else _surrounded(row, *pair)
    word = word_of(row)
    if markers.query is not None:
        query = fill_query(markers.query, {"target": word})
        return replace(shown, other=query, other_first=markers.query_place == "first")
    return shown if pair is not None else replace(shown, other=word, other_first=True)


def word_of(row: TargetRow) -> str:
    """Returns the target's word, or what stands for it where it is the whole sentence."""
    return WHOLE if row.target is None else row.target.word


def marker_tokens(markers: MarkersSection) -> tuple[str, ...]:
    """Lists the marker texts that must be tokens of their own: none but those of entity_marker."""
    return STYLES["entity_marker"] if markers.style == "entity_marker" else ()


def _plain(row: TargetRow) -> MarkedText:
    span = None if row.target is None else row.target.span
    return MarkedText(row.sentence, (span,), (0 if span is None else span.start,))


def _surrounded(row: TargetRow, opening: str, closing: str) -> MarkedText:
    (span,) = row.spans
    words = span.moved(len(opening))
    before, after = row.sentence[: span.start], row.sentence[span.end :]
    return MarkedText(
        text=f"{before}{opening}{span.of(row.sentence)}{closing}{after}",
        spans=(words,),
        starts=(span.start,),
        inserted=(Span(span.start, words.start), Span(words.end, words.end + len(closing))),
    )
