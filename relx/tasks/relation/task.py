"""Relation extraction, as the rest of relx asks a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.composed import composed
from relx.data.encoding import Encoding
from relx.data.labels import LabelList, read_labels
from relx.data.marked import MarkedText
from relx.data.prompts.prompt import Prompt
from relx.data.rows.gold_rows import GoldRow, no_column, scan_gold
from relx.data.rows.reading import Scan
from relx.data.rows.row import types_of
from relx.data.table import OpenTable, Table, open_table, read_table
from relx.data.tokenizing.pooling import Pooling
from relx.faults import Fault, InputError
from relx.recipe import AugmentSection, DataSection, DecideSection, MarkersSection
from relx.scoring.decisions.decision import Decision
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.predictions import Submission
from relx.tasks.answer_form import AnswerForm
from relx.tasks.relation.answers import columns_form, normalized, submission_form
from relx.tasks.relation.augment import augmented
from relx.tasks.relation.markers import mark, marker_tokens, require_markers, shows_types
from relx.tasks.relation.prompts import prompter
from relx.tasks.relation.rows import Example, scan_examples
from relx.tasks.relation.sentence import example_of
from relx.tasks.relation.submission import read_submission
from relx.tasks.task import Mention, composed_mention

POOLINGS = {
    "entity_starts": Pooling(spans=2, reads="start"),
    "cls_entity_starts": Pooling(spans=2, reads="start", first=True),
    "cls": Pooling(spans=2, reads=None, first=True),
    "entity_means": Pooling(spans=2, reads="mean"),
    "entity_ends": Pooling(spans=2, reads="ends"),
    "cls_entity_ends": Pooling(spans=2, reads="ends", first=True),
}


class RelationTask:
    """The relation between a subject and an object: one of several labels; see `Task`.

    Args:
        data: How files are read, and the labels.
        markers: How the entities are shown.
        pooling: Which tokens a classifier reads, by the name that recipes use.
        decide: How labels are chosen: one of each row.
    """

    decision = ONE_OF
    roles = ("subject", "object")
    asked = "entities"

    def __init__(
        self, data: DataSection, markers: MarkersSection, pooling: str, decide: DecideSection
    ) -> None:
        require_markers(markers)
        self.data, self.markers = data, markers
        self.pooling = _pooling(pooling)
        if decide.labels != "one":
            what = "two entities have one relation, and no more"
            raise InputError(Fault(what, "decide.labels", decide.labels, "one"))
        self.shows_types = shows_types(markers)
        self._train: Table | None = None  # read for its labels, and not yet for its rows

    def read_labels(self) -> LabelList:
        """Reads the list of relations, which may be those of the training file."""
        if self.data.labels == "from-train":
            data = self.data
            self._train = read_table(Path(data.train), data.encoding, data.sheet)
        return read_labels(self.data, self._train)

    def scan(
        self, path: Path, labels: LabelList | None, *, labelled: bool = False
    ) -> Scan[Example]:
        """Begins to read a data file; see `scan_examples`."""
        return scan_examples(self._table(path), self.data, labels, require_labels=labelled)

    def scan_gold(self, path: Path, labels: LabelList) -> Scan[GoldRow]:
        """Begins to read ids and relations; see `scan_gold`."""
        table = self._table(path)
        if table.has_rows and "label" not in table.columns:
            raise InputError(no_column("label", table))
        return scan_gold(
            table,
            ("id", "guid"),
            lambda cells, checks: checks.label(cells.get("label"), labels, required=False),
        )

    def _table(self, path: Path) -> OpenTable:
        """Opens a file, unless it was read for its labels already."""
        table = None
        if path == Path(self.data.train):
            table, self._train = self._train, None
        return table.opened() if table else open_table(path, self.data.encoding, self.data.sheet)

    def augmented(
        self, rows: Sequence[Example], section: AugmentSection, labels: LabelList, seed: int
    ) -> list[Example]:
        """Makes rows of training rows; see `augmented`."""
        return augmented(rows, section, labels, seed)

    def marked(self, row: Example, separator: str) -> MarkedText:
        """Marks the two entities; see `mark`."""
        return mark(row, self.markers, separator)

    def prompter(self, template: str | None, labels: Sequence[str]) -> Callable[[Example], Prompt]:
        """Shows rows to a decoder; see `prompter`."""
        return prompter(self.markers, template, labels)

    def marker_tokens(self, types: Iterable[str]) -> tuple[str, ...]:
        """Lists the marker texts that must be tokens of their own; see `marker_tokens`."""
        return marker_tokens(self.markers, types)

    def unknown(self, rows: Sequence[Example], types: Sequence[str]) -> str | None:
        """Names the types of entities that the data of a run did not have, if markers show them."""
        new = [type_ for type_ in types_of(rows) if type_ not in types]
        if not new or not self.shows_types:
            return None
        known = ", ".join(types)
        what = f"entities of type {', '.join(new)} are in none of the run's files"
        return f"{what}; it knows {known}"

    def row_of(self, sentence: str, words: Mapping[str, Mention]) -> Example:
        """Makes an example of one sentence; see `example_of`."""
        missing = [f"--{role}" for role in self.roles if role not in words]
        if missing:
            raise InputError(
                Fault("a relation is between two entities", ", ".join(missing), "none")
            )
        form = self.data.normalize
        found = (composed_mention(sentence, words[role], form) for role in self.roles)
        return example_of(composed(sentence, form), *found)

    def as_written(
        self, probabilities: npt.NDArray[np.floating[Any]], ids: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """Returns the probabilities as a submission gives them back; see `normalized`."""
        return normalized(probabilities, ids)

    def answers(self, labels: LabelList, decision: Decision) -> AnswerForm[Example]:
        """Returns the form of a submission; see `submission_form`."""
        return submission_form(labels)

    def probabilities(self, labels: LabelList) -> AnswerForm[Example]:
        """Returns the form of one column a label; see `columns_form`."""
        return columns_form(labels)

    def read(
        self, path: Path, labels: LabelList, *, percent: bool = False, encoding: Encoding = "auto"
    ) -> Submission:
        """Reads a submission; see `read_submission`."""
        return read_submission(path, labels, percent=percent, encoding=encoding)


def _pooling(name: str) -> Pooling:
    if name not in POOLINGS:
        what, allowed = "relations have no such pooling", ", ".join(POOLINGS)
        raise InputError(Fault(what, "train.pooling", name, allowed))
    return POOLINGS[name]
