"""Rows of relations made of training rows: with marks, other entities, masks, or turned round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from relx.data.labels import LabelList
from relx.data.rows.edits import Edit, edited
from relx.data.rows.punctuation import drawn_rows, punctuation
from relx.faults import InputError
from relx.recipe import AugmentSection
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example

Maker = Callable[[Example, np.random.Generator], Example | None]


def augmented(
    rows: Sequence[Example], section: AugmentSection, labels: LabelList, seed: int
) -> list[Example]:
    """Makes rows of training rows, and of nothing else.

    Args:
        rows: The training rows.
        section: What to make, and how much of it.
        labels: The label list.
        seed: Of the draws: the same rows and seed make the same ones.

    Returns:
        The new rows alone; their ids say what they were made of and how.

    Raises:
        InputError: The table of inverses has a label that there is not.
    """
    require_labels(section, labels)
    makers: dict[str, Maker] = {"punctuation": _marked, "swap": _Swaps(rows), "mask": _masked}
    made = list[Example]()
    for number, (kind, share) in enumerate(_kinds(section)):
        rng = np.random.default_rng((seed, 7, number))
        if share:
            chosen = drawn_rows(len(rows), share, rng)
            make = makers[kind]
            copies = ((place, make(rows[place], rng)) for place in chosen)
            made += _named(kind, copies)
    return made + list(_inverted(rows, section.inverse or {}))


def _kinds(section: AugmentSection) -> list[tuple[str, float]]:
    return [(kind, getattr(section, kind)) for kind in ("punctuation", "swap", "mask")]


def require_labels(section: AugmentSection, labels: LabelList) -> None:
    """Checks that the table of inverses is of labels.

    Args:
        section: The recipe's section.
        labels: The label list.

    Raises:
        InputError: It has a label that there is not.
    """
    table = section.inverse or {}
    unknown = [name for name in dict.fromkeys([*table, *table.values()]) if name not in labels]
    if unknown:
        raise InputError(*(labels.unknown(name, "augment.inverse") for name in unknown))


def _named(kind: str, copies: Iterator[tuple[int, Example | None]]) -> Iterator[Example]:
    """Gives copies ids of their own; None stands for a row of which nothing can be made."""
    count: dict[int, int] = defaultdict(int)
    for place, copy in copies:
        if copy is not None:
            count[place] += 1
            yield replace(copy, id=f"{copy.id}+{kind}{count[place]}")


def _changed(row: Example, edits: list[Edit]) -> Example | None:
    """Returns a row with its sentence changed; None where nothing is."""
    if not edits:
        return None
    sentence, spans = edited(row.sentence, edits, row.spans)
    subject, object_ = (
        Entity(span.of(sentence), span, entity.type)
        for entity, span in zip((row.subject, row.object), spans, strict=True)
    )
    return replace(row, sentence=sentence, subject=subject, object=object_)


def _marked(row: Example, rng: np.random.Generator) -> Example | None:
    return _changed(row, punctuation(row.sentence, row.spans, rng))


def _apart(row: Example) -> bool:
    """Tells whether neither entity has characters of the other."""
    first, second = sorted(row.spans)
    return first.end <= second.start


def _masked(row: Example, rng: np.random.Generator) -> Example | None:
    """Puts an entity's type in place of its words: one of the two entities, or both."""
    if not _apart(row):
        return None
    which = int(rng.integers(3))  # subject, object, both
    entities = [row.subject, row.object] if which == 2 else [(row.subject, row.object)[which]]
    return _changed(row, [Edit(entity.span, entity.type) for entity in entities])


class _Swaps:
    """Puts other entities of the same type into a row: words that a training row has.

    Args:
        rows: The training rows.
    """

    def __init__(self, rows: Sequence[Example]) -> None:
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for row in rows:
            for entity in (row.subject, row.object):
                found[entity.type][entity.word] = None
        self._words = {type_: tuple(words) for type_, words in found.items()}

    def __call__(self, row: Example, rng: np.random.Generator) -> Example | None:
        """Returns a row with other words; None where there are none of these types."""
        if not _apart(row):
            return None
        edits = []
        for entity in (row.subject, row.object):
            words = self._words[entity.type]
            word = words[int(rng.integers(len(words)))]
            if word != entity.word:
                edits.append(Edit(entity.span, word))
        return _changed(row, edits)


def _inverted(rows: Sequence[Example], inverse: dict[str, str]) -> Iterator[Example]:
    """Turns each row whose relation has an inverse round, unless that is a training row too."""
    keys = {row.key for row in rows}
    for row in rows:
        label = inverse.get(row.label or "")
        turned = replace(row, subject=row.object, object=row.subject, label=label)
        if label is not None and turned.key not in keys:
            yield replace(turned, id=f"{row.id}+inverse")
