"""What is wrong, and what is doubtful, in the files of a recipe, before any of them is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from relx.data.bad_rows import BadRow
from relx.data.labels import LabelList
from relx.data.reading import Reading
from relx.data.row import Row, types_of
from relx.faults import Fault, InputError
from relx.progress import say
from relx.recipe import DataSection, Recipe
from relx.tasks.task import USUAL, Task, open_task, task_of

SHOWN_PLACES = 5
_NO_WINDOW = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something doubtful that can be used all the same.

    Args:
        kind: A short name by which findings are told apart.
        message: What was found, in one sentence.
        count: How many rows, keys, sentences or labels it concerns.
        places: The first of them, as `file:line (id ID)`, or the labels.
    """

    kind: str
    message: str
    count: int
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileCount:
    """What one file holds.

    Args:
        role: `train`, `dev`, `test` or `data`.
        path: The file.
        rows: All rows.
        bad_rows: Those with a fault.
        labels: The rows of each label; empty where the label column is not read.
    """

    role: str
    path: str
    rows: int
    bad_rows: int
    labels: dict[str, int]


@dataclass(slots=True)
class Report:
    """Everything found.

    Args:
        faults: What keeps the files from being used, in their order.
        findings: What is doubtful.
        left_out: The checks that could not be made, and why.
        files: What each file that could be read holds.
        bad_rows: The rows with faults, as they stand in the files.
        labels: The list of labels, or None where it could not be read.
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
        """The faults that do not go away when the bad rows are left out."""
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


def validate(recipe: Recipe) -> Report:
    """Checks the labels and the train, dev and test files of a recipe.

    The test file's label column is not read, as no stage reads it.

    Args:
        recipe: The recipe.

    Returns:
        Every fault, everything doubtful, and the counts.
    """
    data, task, report = recipe.data, task_of(recipe), Report()
    report.labels = _labels(task, report)
    train = _read("train", data.train, task, report, report.labels, require_labels=True)
    dev = _read("dev", data.dev, task, report, report.labels, require_labels=True)
    test = _read("test", data.test, task, report, None)
    _find_in_files([train, dev, test], report)
    if report.labels and train:
        report.findings += _labels_without_examples(report.labels, train)
    report.findings += _shared_sentences(train, "train", test, "test")
    report.findings += _shared_sentences(train, "train", dev, "dev")
    report.findings += _shared_sentences(dev, "dev", test, "test")
    _check_window([train, dev, test], recipe, report)
    return report


def validate_file(path: Path, data: DataSection, recipe: Recipe | None = None) -> Report:
    """Checks one file, whose rows may be labelled or not.

    Args:
        path: The file.
        data: How it is written, and its labels.
        recipe: The recipe whose window the texts shall fit; None leaves that check out.

    Returns:
        Every fault, everything doubtful, and the counts.
    """
    report, task = Report(), task_of(recipe, data) if recipe else open_task(USUAL, data)
    report.labels = _labels(task, report)
    reading = _read("data", str(path), task, report, report.labels)
    _find_in_files([reading], report)
    if report.labels and reading and any(row.gold for row in reading.examples):
        report.findings += _labels_without_examples(report.labels, reading)
    if recipe is None:
        report.left_out.append("texts longer than the window: name a recipe to have them counted")
    else:
        _check_window([reading], recipe, report)
    return report


def _labels(task: Task[Any], report: Report) -> LabelList | None:
    try:
        return task.read_labels()
    except InputError as error:
        report.faults += error.faults
        return None


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
        reading = task.scan(Path(path), labels, labelled=require_labels)
    except InputError as error:
        # A training file that `labels: from-train` could not read has said so already.
        report.faults += [fault for fault in error.faults if fault not in report.faults]
        return None
    report.faults += reading.faults
    report.bad_rows += reading.bad_rows
    counts = Counter(str(row.gold or "") for row in reading.examples) if labels else {}
    report.files.append(
        FileCount(role, path, reading.rows, len(reading.bad_rows), dict(sorted(counts.items())))
    )
    return reading


def _find_in_files(readings: Iterable[Reading[Any] | None], report: Report) -> None:
    for reading in filter(None, readings):
        report.findings += _repeated_rows(reading)


def _repeated_rows(reading: Reading[Any]) -> Iterator[Finding]:
    """Looks for rows that say the same thing again, or something else of the same entities."""
    repeated = _repeats(reading.examples)
    repeats = [row for rows in repeated for row in rows[1:]]
    if repeats:
        message = (
            f"{len(repeats)} rows of {reading.path} repeat an earlier row's sentence and entities"
        )
        yield Finding("duplicate rows", message, len(repeats), _places(reading, sorted(repeats)))
    examples = reading.examples
    torn = [rows for rows in repeated if len({examples[i].gold for i in rows}) > 1]
    if torn:
        message = f"{len(torn)} keys of {reading.path} (sentence and both entities) have two labels"
        places = tuple(
            " and ".join(f"{place} {examples[i].gold}" for i, place in _named(reading, rows))
            for rows in torn[:SHOWN_PLACES]
        )
        yield Finding("two labels", message, len(torn), places)


def _labels_without_examples(labels: LabelList, reading: Reading[Any]) -> Iterator[Finding]:
    found = {row.gold for row in reading.examples}
    absent = tuple(name for name in labels.names if name not in found)
    if absent:
        message = f"{len(absent)} of {len(labels)} labels have no row in {reading.path}"
        yield Finding("labels without examples", message, len(absent), absent)


def _shared_sentences(
    one: Reading[Any] | None, one_role: str, other: Reading[Any] | None, other_role: str
) -> Iterator[Finding]:
    if one is None or other is None:
        return
    sentences = {row.sentence for row in one.examples}
    rows = [i for i, row in enumerate(other.examples) if row.sentence in sentences]
    if rows:
        count = len({other.examples[i].sentence for i in rows})
        message = (
            f"{count} sentences ({len(rows)} rows) of {other.path} also stand in {one.path}: "
            f"scores on {other_role} are too good where the same entities were learnt"
        )
        kind = f"sentences shared by {one_role} and {other_role}"
        yield Finding(kind, message, count, _places(other, rows))


def _check_window(readings: Sequence[Reading[Any] | None], recipe: Recipe, report: Report) -> None:
    """Counts the texts that `tokens.max_length` cuts; says so where there is no tokenizer."""
    found = [reading for reading in readings if reading and reading.examples]
    if not found:
        return
    from relx.models.encoder.tokenizers.tokenizer import add_marker_tokens, load_tokenizer

    examples = [row for reading in found for row in reading.examples]
    try:
        tokenizer = load_tokenizer(
            recipe.encoder.source,
            lambda: (row.sentence for row in examples),
            recipe.encoder.revision,
        )
    except InputError as error:
        reason = error.faults[0].what
        report.left_out.append(f"texts longer than the window, as there is no tokenizer: {reason}")
        return
    add_marker_tokens(tokenizer, task_of(recipe).marker_tokens(types_of(examples)))
    for reading in found:
        say(f"counting the tokens of {reading.path}")
        _find_cut_texts(reading, recipe, tokenizer, report)


def _find_cut_texts(reading: Reading[Any], recipe: Recipe, tokenizer: Any, report: Report) -> None:
    """Looks for texts longer than the window, and entities too far apart for it."""
    window = recipe.tokens.max_length
    every = range(len(reading.examples))
    lengths, refused = _counted(reading, every, recipe, tokenizer, _NO_WINDOW)
    report.faults += [replace(refused[i], where=place) for i, place in _named(reading, refused)]
    long = [i for i, length in lengths.items() if length > window]
    if not long:
        return
    message = (
        f"{len(long)} texts of {reading.path} are longer than {window} tokens (the longest has "
        f"{max(lengths.values())}): words far from the entities are cut off"
    )
    places = _places(reading, long)
    report.findings.append(Finding("texts longer than the window", message, len(long), places))
    _, apart = _counted(reading, long, recipe, tokenizer, window)
    if apart:
        message = (
            f"in {len(apart)} rows of {reading.path} the entities do not fit into one window of "
            f"{window} tokens: training and prediction refuse them"
        )
        places = _places(reading, list(apart))
        report.findings.append(
            Finding("entities that the window cuts", message, len(apart), places)
        )


def _counted(
    reading: Reading[Any], rows: Sequence[int], recipe: Recipe, tokenizer: Any, window: int
) -> tuple[dict[int, int], dict[int, Fault]]:
    """Counts the tokens of some rows, and gives the faults of those that cannot be tokenized."""
    from relx.data.token_rows import row_lengths

    task, separator = task_of(recipe), tokenizer.sep_token
    texts = (task.marked(reading.examples[i], separator) for i in rows)
    counts = dict(zip(rows, row_lengths(texts, tokenizer, window), strict=True))
    lengths = {i: count for i, count in counts.items() if not isinstance(count, Fault)}
    return lengths, {i: count for i, count in counts.items() if isinstance(count, Fault)}


def _repeats(examples: Sequence[Row]) -> list[list[int]]:
    """Groups the examples that have sentence and entities in common with another one."""
    first: dict[Hashable, int] = {}
    repeats: dict[int, list[int]] = {}
    for i, row in enumerate(examples):
        at = first.setdefault(row.key, i)
        if at != i:
            repeats.setdefault(at, [at]).append(i)
    return [repeats[at] for at in sorted(repeats)]


def _places(reading: Reading[Any], rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(place for _, place in _named(reading, rows[:SHOWN_PLACES]))


def _named(reading: Reading[Any], rows: Iterable[int]) -> Iterator[tuple[int, str]]:
    for i in rows:
        yield i, f"{reading.name}:{reading.lines[i]} (id {reading.examples[i].id})"
