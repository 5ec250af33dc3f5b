"""What is wrong with the files of a recipe, and what is doubtful, before any of them is used."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.data.labels import LabelList
from relx.data.rows.bad_rows import BadRow
from relx.data.rows.reading import Reading
from relx.data.rows.row import labels_of, types_of
from relx.data.tokenizing.coverage import (
    KIND,
    Coverage,
    broken_sentence,
    in_a_sentence,
    uncovered_fault,
)
from relx.doubts import (
    Finding,
    absent_labels,
    alike_names,
    cut_texts,
    doubts,
    named,
    shared_sentences,
)
from relx.family.prompting import label_word_faults
from relx.family.sizes import model_faults
from relx.faults import Fault, InputError
from relx.garbage import uncollected
from relx.known_tasks import TASKS, USUAL
from relx.progress import say
from relx.recipe import DataSection, Recipe
from relx.tasks.task import Task, open_task, task_of
from relx.window import count_tokens, marked_tokenizer

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class FileCount:
    """What one file holds.

    Args:
        role: `train`, `dev`, `test` or `data`.
        path: The file.
        rows: How many rows it has.
        bad_rows: How many of them have a fault.
        labels: How many rows each label has; empty where the label column is not read.
        coverage: What of its texts the tokenizer knows; None where they were not tokenized.
    """

    role: str
    path: str
    rows: int
    bad_rows: int
    labels: dict[str, int]
    coverage: Coverage | None = None


@dataclass(slots=True)
class Report:
    """Everything found.

    Args:
        faults: What keeps the files from being used, in the files' order.
        findings: What is doubtful.
        left_out: The checks that could not be made, and why.
        files: What each file that could be read holds.
        bad_rows: The rows with faults, as the files have them.
        labels: The label list, or None where it could not be read.
    """

    faults: list[Fault] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    files: list[FileCount] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)
    labels: LabelList | None = None

    @property
    def kinds(self) -> Counter[str]:
        """How many faults there are of each kind."""
        return Counter(fault.kind or "other" for fault in self.faults)

    @property
    def file_faults(self) -> list[Fault]:
        """The faults that remain when the bad rows are left out."""
        of_rows = {id(fault) for bad in self.bad_rows for fault in bad.faults}
        return [fault for fault in self.faults if id(fault) not in of_rows]

    def to_json(self) -> dict[str, Any]:
        """Returns the report as `json.dumps` takes it."""
        return {
            "faults": [asdict(fault) for fault in self.faults],
            "kinds": dict(self.kinds),
            "warnings": [asdict(finding) for finding in self.findings],
            "left_out": self.left_out,
            "files": [asdict(count) for count in self.files],
            "labels": list(self.labels.names) if self.labels else None,
        }


@uncollected()
def validate(recipe: Recipe) -> Report:
    """Checks the labels and the train, dev and test files of a recipe.

    The test file's label column is not read, as no stage reads it.

    Args:
        recipe: The recipe.

    Returns:
        Every fault, everything doubtful, and the counts.
    """
    data, task, report = recipe.data, task_of(recipe), Report()
    labels = report.labels = _labels(task, report)
    readings = {
        "train": _read("train", data.train, task, report, labels, require_labels=True),
        "dev": _read("dev", data.dev, task, report, labels, require_labels=True),
        "test": _read("test", data.test, task, report, None),
    }
    found = {role: reading for role, reading in readings.items() if reading is not None}
    for reading in found.values():
        report.findings += doubts(reading, task.asked)
    report.findings += alike_names(found, labels)
    if labels and "train" in found:
        report.findings += absent_labels(labels, found["train"])
    for one, other in (("train", "test"), ("train", "dev"), ("dev", "test")):
        if one in found and other in found:
            report.findings += shared_sentences(found, one, other, task.asked)
    _check_window(found, recipe, task.asked, report)
    return report


@uncollected()
def validate_file(
    path: Path, data: DataSection, recipe: Recipe | None = None, task_name: str = USUAL
) -> Report:
    """Checks one file, whose rows may be labelled or not.

    Args:
        path: The file.
        data: How it is written, and its labels.
        recipe: The recipe whose window the texts must fit; None leaves that check out.
        task_name: The task, where there is no recipe.

    Returns:
        Every fault, everything doubtful, and the counts.
    """
    report, task = Report(), task_of(recipe, data) if recipe else open_task(task_name, data)
    labels = report.labels = _labels(task, report)
    reading = _read("data", str(path), task, report, labels)
    if reading is not None:
        report.findings += doubts(reading, task.asked)
        report.findings += alike_names({"data": reading}, labels)
        if labels and any(row.gold is not None for row in reading.examples):
            report.findings += absent_labels(labels, reading)
    if reading is None and recipe is None:
        others = " or ".join(f"--task {name}" for name in TASKS if name != task_name)
        report.left_out.append(f"whether the rows are those of another task: {others}")
    if recipe is None:
        report.left_out.append("texts longer than the window: name a recipe to have them counted")
    elif reading is not None:
        _check_window({"data": reading}, recipe, task.asked, report)
    return report


def _labels(task: Task[Any], report: Report) -> LabelList | None:
    try:
        labels = task.read_labels()
        task.decision.targets([], labels)  # which cut-offs or weights of other labels do not fit
    except InputError as error:
        report.faults += error.faults
        return None
    return labels


def _read(
    role: str,
    path: str | None,
    task: Task[Any],
    report: Report,
    labels: LabelList | None,
    require_labels: bool = False,
) -> Reading[Any] | None:
    """Reads one file into the report; None where there is none or it cannot be read."""
    if path is None:
        return None
    try:
        reading = task.scan(Path(path), labels, labelled=require_labels).whole()
    except InputError as error:
        # A training file that `labels: from-train` could not read has been reported already.
        report.faults += [fault for fault in error.faults if fault not in report.faults]
        return None
    report.faults += reading.faults
    report.bad_rows += reading.bad_rows
    counts = Counter(name for row in reading.examples for name in labels_of(row) or ("",))
    counts = counts if labels else Counter()
    report.files.append(
        FileCount(role, path, reading.rows, len(reading.bad_rows), dict(sorted(counts.items())))
    )
    return reading


# --- the window ---------------------------------------------------------------------------------


def _check_window(
    found: Mapping[str, Reading[Any]], recipe: Recipe, asked: str, report: Report
) -> None:
    """Counts the texts that `tokens.max_length` cuts; says so where there is no tokenizer."""
    files = {role: reading.examples for role, reading in found.items() if reading.examples}
    if not files:
        return
    try:
        tokenizer = marked_tokenizer(recipe, files)
    except InputError as error:
        reason = error.faults[0].what
        report.left_out.append(f"texts longer than the window, for want of a tokenizer: {reason}")
        report.faults += model_faults(recipe, None, ())
        return
    rows = itertools.chain.from_iterable(files.values())
    report.faults += model_faults(recipe, tokenizer, task_of(recipe).marker_tokens(types_of(rows)))
    if recipe.decoder is not None and report.labels is not None:
        every = itertools.chain.from_iterable(files.values())
        report.faults += label_word_faults(recipe, report.labels, every, tokenizer)
    for role, own in files.items():
        say(f"counting the tokens of {found[role].path}")
        counts = count_tokens(own, recipe, tokenizer)
        places = named(found[role], counts.refused)
        report.faults += [replace(counts.refused[i], where=place) for i, place in places]
        report.findings += cut_texts(found[role], counts, asked)
        _check_coverage(counts.coverage, found[role], role, tokenizer, report)


def _check_coverage(
    coverage: Coverage,
    reading: Reading[Any],
    role: str,
    tokenizer: PreTrainedTokenizerFast,
    report: Report,
) -> None:
    """Notes how much of a file the tokenizer knows, and what training would say of it."""
    report.files = [
        replace(file, coverage=coverage) if file.role == role else file for file in report.files
    ]
    path = str(reading.path)
    if coverage.is_doubtful:
        sentences = (row.sentence for row in reading.examples)
        fault = uncovered_fault(coverage, lambda: sentences, tokenizer, path)
        if coverage.is_refused:
            report.faults.append(fault)
        else:
            report.findings.append(Finding(KIND, in_a_sentence(fault), coverage.lost))
    if coverage.is_broken:
        message = broken_sentence(coverage, path)
        report.findings.append(Finding("bytes of characters", message, coverage.broken))
