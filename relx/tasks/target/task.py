"""Labels about a target, as the rest of relx asks a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.composed import composed
from relx.data.encoding import Encoding
from relx.data.labels import LabelList, read_labels
from relx.data.marked import MarkedText
from relx.data.mention import find_words, require_whole_characters
from relx.data.prompts.prompt import Prompt
from relx.data.rows.gold_rows import GoldRow, scan_gold
from relx.data.rows.reading import Scan
from relx.data.table import OpenTable, Table, open_table, read_table
from relx.data.tokenizing.pooling import Pooling
from relx.faults import Fault, InputError, shorten
from relx.recipe import AugmentSection, DataSection, DecideSection, MarkersSection
from relx.scoring.decisions.any_of import any_of
from relx.scoring.decisions.decision import Decision
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.predictions import Submission
from relx.tasks.answer_form import AnswerForm
from relx.tasks.target.answers import (
    answer_lines,
    probability_lines,
    read_answers,
    require_probabilities,
)
from relx.tasks.target.augment import augmented
from relx.tasks.target.gold import gold_reader, labels_in
from relx.tasks.target.markers import mark, marker_tokens, require_markers
from relx.tasks.target.prompts import prompter
from relx.tasks.target.rows import IDS, NAMED, Target, TargetRow, scan_rows
from relx.tasks.task import Mention, composed_mention

POOLINGS = {
    "target_start": Pooling(spans=1, reads="start"),
    "target_ends": Pooling(spans=1, reads="ends"),
    "cls_target_start": Pooling(spans=1, reads="start", first=True),
    "cls_target_ends": Pooling(spans=1, reads="ends", first=True),
    "target_mean": Pooling(spans=1, reads="mean"),
    "cls": Pooling(spans=1, reads=None, first=True),
}


class TargetTask:
    """Which labels a sentence has about a target in it, or as a whole; see `Task`.

    Args:
        data: How files are read, and the labels.
        markers: How the target is shown.
        pooling: Which tokens a classifier reads, by the name that recipes use.
        decide: How labels are chosen: any number of each row, or one.

    Raises:
        InputError: The task has no use for a value.
    """

    roles = ("target",)
    asked = "targets"
    shows_types = False

    def __init__(
        self, data: DataSection, markers: MarkersSection, pooling: str, decide: DecideSection
    ) -> None:
        require_markers(markers)
        if pooling not in POOLINGS:
            what, allowed = "a target has no such pooling", ", ".join(POOLINGS)
            raise InputError(Fault(what, "train.pooling", pooling, allowed))
        self.one = decide.labels == "one"
        if data.negative is not None and not self.one:
            what = "where a row may have no label, no label means that there is none"
            raise InputError(Fault(what, "data.negative", data.negative, "null"))
        self.data, self.markers = data, markers
        self.pooling = POOLINGS[pooling]
        self.decision: Decision = ONE_OF if self.one else any_of(decide)
        self._train: Table | None = None  # read for its labels, and not yet for its rows

    def read_labels(self) -> LabelList:
        """Reads the list of labels: the recipe's, a file's, or those of the training file."""
        data = self.data
        if data.labels != "from-train":
            return read_labels(data)
        self._train = read_table(Path(data.train), data.encoding, data.sheet)
        names = labels_in(self._train, NAMED, data.negative)
        try:
            return LabelList(names, data.negative)
        except InputError as error:
            named = (replace(fault, where=fault.where or data.train) for fault in error.faults)
            raise InputError(*named) from error

    def scan(
        self, path: Path, labels: LabelList | None, *, labelled: bool = False
    ) -> Scan[TargetRow]:
        """Begins to read a data file; see `scan_rows`."""
        table = self._table(path)
        return scan_rows(table, self.data, labels, one=self.one, required=labelled)

    def scan_gold(self, path: Path, labels: LabelList) -> Scan[GoldRow]:
        """Begins to read ids and labels; see `scan_gold`."""
        table = self._table(path)
        return scan_gold(table, IDS, gold_reader(table, labels, one=self.one, required=False).read)

    def _table(self, path: Path) -> OpenTable:
        """Opens a file, unless it was read for its labels already."""
        table, data = None, self.data
        if path == Path(data.train):
            table, self._train = self._train, None
        return table.opened() if table else open_table(path, data.encoding, data.sheet)

    def augmented(
        self, rows: Sequence[TargetRow], section: AugmentSection, labels: LabelList, seed: int
    ) -> list[TargetRow]:
        """Makes rows of training rows; see `augmented`."""
        return augmented(rows, section, seed)

    def marked(self, row: TargetRow, separator: str) -> MarkedText:
        """Marks the target; see `mark`."""
        return mark(row, self.markers)

    def prompter(
        self, template: str | None, labels: Sequence[str]
    ) -> Callable[[TargetRow], Prompt]:
        """Shows rows to a decoder; see `prompter`."""
        return prompter(self.markers, template, labels)

    def marker_tokens(self, types: Iterable[str]) -> tuple[str, ...]:
        """Lists the marker texts that must be tokens of their own; see `marker_tokens`."""
        return marker_tokens(self.markers)

    def unknown(self, rows: Sequence[TargetRow], types: Sequence[str]) -> str | None:
        """Says nothing: targets have no types that a run could miss."""
        return None

    def row_of(self, sentence: str, words: Mapping[str, Mention]) -> TargetRow:
        """Makes a row of one sentence and its target; without one, of the whole sentence."""
        require_whole_characters(sentence)
        if not sentence.strip():
            raise InputError(Fault("the sentence is empty", "--sentence", shorten(sentence)))
        if "target" not in words:
            return TargetRow("0", composed(sentence, self.data.normalize), None, None)
        word, _, index = composed_mention(sentence, words["target"], self.data.normalize)
        sentence = composed(sentence, self.data.normalize)
        span = find_words(sentence, word, index, "target")
        if isinstance(span, Fault):
            raise InputError(span)
        return TargetRow("0", sentence, Target(word, span), None)

    def as_written(
        self, probabilities: npt.NDArray[np.floating[Any]], ids: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """Returns the probabilities as they are written; see `require_probabilities`."""
        return require_probabilities(probabilities, ids)

    def answers(self, labels: LabelList, decision: Decision) -> AnswerForm[TargetRow]:
        """Returns the form of the contest's answers; see `answer_lines`."""

        def lines(
            rows: Sequence[TargetRow], probabilities: npt.NDArray[np.floating[Any]]
        ) -> Iterator[str]:
            values = self.as_written(probabilities, [row.id for row in rows])
            return answer_lines(rows, decision.cells(decision.choose(values), len(labels)), labels)

        return AnswerForm(lines, repeats_rows=True)

    def probabilities(self, labels: LabelList) -> AnswerForm[TargetRow]:
        """Returns the form of a file of probabilities; see `probability_lines`."""

        def lines(
            rows: Sequence[TargetRow], probabilities: npt.NDArray[np.floating[Any]]
        ) -> Iterator[str]:
            values = self.as_written(probabilities, [row.id for row in rows])
            return probability_lines(rows, values, labels)

        return AnswerForm(lines)

    def read(
        self, path: Path, labels: LabelList, *, percent: bool = False, encoding: Encoding = "auto"
    ) -> Submission:
        """Reads answers or probabilities; see `read_answers`."""
        return read_answers(path, labels, one=self.one, percent=percent, encoding=encoding)
