"""Sentences with their two entities marked, and where the entities are then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from relx.data.marked import MarkedText
from relx.faults import Fault, InputError, shorten
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx.template import check_query, fill_query

PLACEHOLDERS = ("subject", "object", "subject_type", "object_type")
KOREAN_TYPES: Mapping[str, str] = {
    "ORG": "단체",
    "PER": "사람",
    "DAT": "날짜",
    "LOC": "위치",
    "POH": "기타",
    "NOH": "수량",
}
Role = Literal["subject", "object"]


class Place(NamedTuple):
    """What a marker may depend on: the entity's role, its place in the order, and its type."""

    role: Role
    first: bool
    type: str


class Pair(NamedTuple):
    """What a style puts before an entity and after it."""

    opening: str
    closing: str


def require_markers(markers: MarkersSection) -> None:
    """Refuses a query that cannot be filled in, or has no place.

    Args:
        markers: The recipe's section.

    Raises:
        InputError: Either.
    """
    if markers.style == "none" and markers.query is not None:
        what = "style none puts the entities in front and leaves no room for a query"
        step = "leave out markers.query, or choose another markers.style"
        raise InputError(Fault(what, "markers.query", shorten(markers.query), "null", step))
    if fault := check_query(markers.query or "", PLACEHOLDERS):
        raise InputError(fault)


def mark(example: Example, markers: MarkersSection, separator: str) -> MarkedText:
    """Marks the two entities of an example in the recipe's style.

    With `order: appearance` the entity that begins first (of two that begin together, the
    longer) gets the first marker set, whichever role it has; styles whose markers name the role
    stay as they are. Entities may touch, nest, overlap or be the same span: of two markers at
    one place the inner entity's is nearer to the words, and of equal spans the object is
    the inner one.

    Args:
        example: The example.
        markers: The style, the order and the query.
        separator: The tokenizer's separator token, which style none puts between the entities.

    Returns:
        The marked text.
    """
    if markers.style == "none":
        return _in_front(example, separator)
    places = _places(example, markers.order)
    if markers.style == "entity_mask":
        marked = _masked(example, places)
    else:
        style = _STYLES[markers.style]
        marked = _surrounded(example, [style(place) for place in places])
    if markers.query is None:
        return marked
    query = fill_query(markers.query, values_of(example))
    return replace(marked, other=query, other_first=markers.query_place == "first")


def marker_tokens(markers: MarkersSection, types: Iterable[str]) -> tuple[str, ...]:
    """Lists the marker texts that must be tokens of their own.

    Args:
        markers: The style.
        types: The entity types of the data.

    Returns:
        The tokens, in a fixed order; none for the styles that mark with punctuation.
    """
    if markers.style in _PUNCTUATION_STYLES:
        return ()
    roles: tuple[Role, ...] = ("subject", "object")
    kinds = [""] if markers.style in ("entity_marker", "klue") else sorted(set(types))
    places = [Place(role, role == "subject", kind) for kind in kinds for role in roles]
    if markers.style == "entity_mask":
        return tuple(_mask(place) for place in places)
    pieces = [piece for place in places for piece in _STYLES[markers.style](place)]
    return tuple(dict.fromkeys(piece.strip() for piece in pieces))


def shows_types(markers: MarkersSection) -> bool:
    """Tells whether a marked text depends on the entities' types."""
    typed = "typed" in markers.style or markers.style == "entity_mask"
    return typed or "_type}" in (markers.query or "")


def _entity_marker(place: Place) -> Pair:
    name = "E1" if place.first else "E2"
    return Pair(f"[{name}] ", f" [/{name}]")


def _entity_marker_punct(place: Place) -> Pair:
    sign = "@" if place.first else "#"
    return Pair(f"{sign} ", f" {sign}")


def _typed_entity_marker(place: Place) -> Pair:
    name = f"{_short(place.role)}-{place.type}"
    return Pair(f"[{name}] ", f" [/{name}]")


def _typed_entity_marker_punct(place: Place) -> Pair:
    """Zhou & Chen 2021, An Improved Baseline for Sentence-level Relation Extraction."""
    sign, inner = ("@", "*") if place.first else ("#", "^")
    return Pair(f"{sign} {inner} {place.type.lower()} {inner} ", f" {sign}")


def _typed_entity_marker_korean(place: Place) -> Pair:
    sign, inner = ("@", "*") if place.first else ("#", "^")
    return Pair(f"{sign}{inner}{_korean(place.type)}{inner}", sign)


def _klue(place: Place) -> Pair:
    name = _short(place.role).lower()
    return Pair(f"<{name}>", f"</{name}>")


_STYLES: Mapping[str, Callable[[Place], Pair]] = {
    "entity_marker": _entity_marker,
    "entity_marker_punct": _entity_marker_punct,
    "typed_entity_marker": _typed_entity_marker,
    "typed_entity_marker_punct": _typed_entity_marker_punct,
    "typed_entity_marker_korean": _typed_entity_marker_korean,
    "klue": _klue,
}
_PUNCTUATION_STYLES = {
    "none",
    "entity_marker_punct",
    "typed_entity_marker_punct",
    "typed_entity_marker_korean",
}


def _mask(place: Place) -> str:
    return f"[{_short(place.role)}-{place.type}]"


def _short(role: Role) -> str:
    return "SUBJ" if role == "subject" else "OBJ"


def _korean(type_: str) -> str:
    return KOREAN_TYPES.get(type_, type_.lower())


def _places(example: Example, order: str) -> tuple[Place, Place]:
    """The subject's place and the object's."""
    subject, object_ = example.subject, example.object
    subject_first = order == "role" or _outer_first(subject) <= _outer_first(object_)
    return (
        Place("subject", subject_first, subject.type),
        Place("object", not subject_first, object_.type),
    )


def _outer_first(entity: Entity) -> tuple[int, int]:
    return entity.span.start, -entity.span.end


def _in_front(example: Example, separator: str) -> MarkedText:
    subject, object_ = example.subject, example.object
    other = f"{subject.word} {separator} {object_.word}"
    start = len(subject.word) + 1
    return MarkedText(
        text=example.sentence,
        spans=example.spans,
        starts=(subject.span.start, object_.span.start),
        other=other,
        other_first=True,
        separators=(Span(start, start + len(separator)),),
    )


class _Marker(NamedTuple):
    """One marker: where it goes in the sentence, its text, whose it is and which end."""

    at: int
    text: str
    role: int
    closes: bool


def _surrounded(example: Example, pairs: Sequence[Pair]) -> MarkedText:
    """Puts a pair of markers around each entity, in the order subject, object."""
    spans = example.spans
    markers = []
    for role, (span, pair) in enumerate(zip(spans, pairs, strict=True)):
        markers.append(_Marker(span.start, pair.opening, role, closes=False))
        markers.append(_Marker(span.end, pair.closing, role, closes=True))
    markers.sort(key=lambda marker: _nesting(marker, spans[marker.role]))
    starts, ends, openings, inserted = [0, 0], [0, 0], [0, 0], []
    text, taken = "", 0
    for marker in markers:
        text += example.sentence[taken : marker.at]
        taken = marker.at
        piece = Span(len(text), len(text) + len(marker.text))
        inserted.append(piece)
        text += marker.text
        if marker.closes:
            ends[marker.role] = piece.start
        else:
            openings[marker.role], starts[marker.role] = piece
    return MarkedText(
        text=text + example.sentence[taken:],
        spans=tuple(Span(start, end) for start, end in zip(starts, ends, strict=True)),
        starts=tuple(openings),
        inserted=tuple(inserted),
    )


def _nesting(marker: _Marker, span: Span) -> tuple[int, bool, int, int]:
    """Sorts the markers of one place: closing before opening, inner ones next to the words."""
    if marker.closes:
        return marker.at, False, -span.start, -marker.role
    return marker.at, True, -span.end, marker.role


def _masked(example: Example, places: Sequence[Place]) -> MarkedText:
    """Puts masks in place of the words; where the words overlap, both masks, side by side."""
    spans = example.spans
    order = sorted((0, 1), key=lambda role: (spans[role].start, -spans[role].end))
    masks, inserted = [Span(0, 0), Span(0, 0)], list[Span]()
    text, taken = "", 0
    for role in order:
        overlaps = bool(inserted) and spans[role].start < taken
        text += example.sentence[taken : spans[role].start]
        piece = (" " if overlaps else "") + _mask(places[role])
        inserted.append(Span(len(text), len(text) + len(piece)))
        text += piece
        masks[role] = Span(inserted[-1].start + overlaps, inserted[-1].end)
        taken = max(taken, spans[role].end)
    return MarkedText(
        text=text + example.sentence[taken:],
        spans=tuple(masks),
        starts=tuple(mask.start for mask in masks),
        inserted=tuple(inserted),
    )


def values_of(example: Example) -> dict[str, str]:
    """Returns what stands for each of `PLACEHOLDERS`, the types as Korean words."""
    return {
        "subject": example.subject.word,
        "object": example.object.word,
        "subject_type": _korean(example.subject.type),
        "object_type": _korean(example.object.type),
    }
