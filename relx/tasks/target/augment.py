"""Rows about a target made of training rows: with marks between the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from relx.data.rows.edits import edited
from relx.data.rows.punctuation import drawn_rows, punctuation
from relx.faults import Fault, InputError
from relx.recipe import AugmentSection
from relx.tasks.target.rows import Target, TargetRow

OF_RELATIONS = ("swap", "mask", "inverse")  # what needs typed entities, or two of them


def augmented(rows: Sequence[TargetRow], section: AugmentSection, seed: int) -> list[TargetRow]:
    """Makes rows of training rows, and of nothing else.

    Args:
        rows: The training rows.
        section: What to make, and how much of it.
        seed: Of the draws: the same rows and seed make the same ones.

    Returns:
        The new rows alone; their ids say what they were made of and how.

    Raises:
        InputError: The section asks for what relations alone have.
    """
    given = [f"augment.{name}" for name in OF_RELATIONS if getattr(section, name)]
    if given:
        what, allowed = "targets have no such augmentation", "augment.punctuation"
        raise InputError(Fault(what, ", ".join(given), allowed=allowed))
    rng = np.random.default_rng((seed, 7, 0))
    made, count = list[TargetRow](), Counter[int]()
    for place in drawn_rows(len(rows), section.punctuation, rng):
        row = rows[place]
        edits = punctuation(row.sentence, row.spans, rng)
        sentence, spans = edited(row.sentence, edits, row.spans)
        target = Target(spans[0].of(sentence), spans[0]) if spans else None
        count[place] += 1
        name = f"{row.id}+punctuation{count[place]}"
        made.append(replace(row, id=name, sentence=sentence, target=target))
    return made
