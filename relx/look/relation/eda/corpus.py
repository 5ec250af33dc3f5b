"""The numbers of a task's data: labels, lengths, types, entities, and what is doubtful in it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relx.data.labels import LabelList, read_labels
from relx.faults import Fault, InputError
from relx.progress import bar, say, warn
from relx.recipe import DataSection, Recipe
from relx.score import join_on_id
from relx.tasks.relation.answers import read_submission
from relx.tasks.relation.rows import Entity, Example, read_examples

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

Role = Literal["subject", "object"]
ROLES: tuple[Role, ...] = ("subject", "object")

# Signs that entity markers are made of, or that look like a piece of one.
MARKER_CHARACTERS = "@#^§⊙*&["
MOST_PAIRS = 18  # pairs of types that a table has room for
_NO_WINDOW = 1_000_000_000
_TOLD = 1000  # rows between two words of progress


@dataclass(frozen=True, slots=True)
class Corpus:
    """The rows of a recipe's files.

    Args:
        recipe: The recipe.
        labels: Its label list.
        files: The rows of `train`, `dev` and `test`, as far as the recipe names them; those of
            test have no label.
        predicted: The label that a submission gives each row of test; None without a submission.
    """

    recipe: Recipe
    labels: LabelList
    files: dict[str, list[Example]]
    predicted: tuple[str, ...] | None = None

    @property
    def train(self) -> list[Example]:
        """The labelled rows that training reads."""
        return self.files["train"]

    def path(self, role: str) -> str:
        """Returns the file of `train`, `dev` or `test`, as the recipe names it."""
        return str(getattr(self.recipe.data, role))


def read_corpus(recipe: Recipe, pred: Path | None = None) -> Corpus:
    """Reads the files that a recipe names; the test's label column is left unread.

    Args:
        recipe: The recipe.
        pred: A submission of the test rows, in any order.

    Returns:
        The rows; a dev or test file without rows is empty.

    Raises:
        InputError: A file cannot be read, or the submission's ids are not the test's.
    """
    data, labels = recipe.data, read_labels(recipe.data)
    files = {"train": read_examples(Path(data.train), data, labels, require_labels=True)}
    if data.dev is not None:
        files["dev"] = _read_if_any(Path(data.dev), data, labels)
    if data.test is not None:
        files["test"] = _read_if_any(Path(data.test), data, None)
    predicted = None if pred is None else _predicted(pred, files.get("test"), data, labels)
    return Corpus(recipe, labels, files, predicted)


def _read_if_any(path: Path, data: DataSection, labels: LabelList | None) -> list[Example]:
    try:
        return read_examples(path, data, labels, require_labels=labels is not None)
    except InputError as error:
        if any(fault.kind != "empty file" for fault in error.faults):
            raise
        warn(f"{path} has no rows")
        return []


def _predicted(
    pred: Path, test: list[Example] | None, data: DataSection, labels: LabelList
) -> tuple[str, ...]:
    if test is None or data.test is None:
        what = "a submission predicts the test's rows, and the recipe names no test file"
        raise InputError(Fault(what, "data.test", next_step="--set data.test=FILE"))
    submission = read_submission(pred, labels)
    rows = join_on_id(submission, test, pred, Path(data.test))
    return tuple(labels.names[index] for index in submission.predicted[rows])


# --- labels ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class LabelShares:
    """How often each label stands in each file.

    Args:
        names: The labels, the most frequent of train first.
        counts: The rows of each label by `train`, `dev` and `predicted`, `(labels,)` int64.
    """

    names: tuple[str, ...]
    counts: dict[str, npt.NDArray[np.int64]]

    def percent(self, series: str) -> npt.NDArray[np.float64]:
        """Returns each label's share of the rows in percent, `(labels,)`; of no rows all are 0."""
        counts = self.counts[series]
        return 100 * counts / max(int(counts.sum()), 1)

    def shift(self) -> npt.NDArray[np.float64] | None:
        """Returns the predicted share less that of train, in percentage points, `(labels,)`."""
        if "predicted" not in self.counts:
            return None
        return self.percent("predicted") - self.percent("train")


def label_shares(corpus: Corpus) -> LabelShares:
    """Counts the labels of train and dev, and those predicted for the test.

    Args:
        corpus: The rows.

    Returns:
        The counts; labels without a row have their place too.
    """
    found = {
        role: Counter(row.label or "" for row in corpus.files[role])
        for role in ("train", "dev")
        if corpus.files.get(role)
    }
    if corpus.predicted is not None:
        found["predicted"] = Counter(corpus.predicted)
    names = sorted(corpus.labels.names, key=lambda name: -found["train"][name])
    counts = {
        series: np.array([count[name] for name in names], np.int64)
        for series, count in found.items()
    }
    return LabelShares(tuple(names), counts)


def headline_label(shares: LabelShares, negative: str | None) -> str:
    """Chooses the label that a reader looks at first.

    Args:
        shares: The labels' shares.
        negative: The negative label, if there is one.

    Returns:
        The negative label; where there is none the one whose share shifts most, and without
        predictions the most frequent one.
    """
    if negative is not None:
        return negative
    shift = shares.shift()
    return shares.names[0 if shift is None else int(np.abs(shift).argmax())]


# --- a file as a whole -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Lengths that half, 95 % and 99 % of the rows do not exceed, and the longest."""

    median: int
    p95: int
    p99: int
    longest: int


def quantiles(lengths: npt.NDArray[np.integer[Any]]) -> Quantiles:
    """Describes lengths by some that occur: the nearest rank, nothing between two rows.

    Args:
        lengths: `(rows,)`.

    Returns:
        The quantiles; of no rows all are 0.
    """
    if not len(lengths):
        return Quantiles(0, 0, 0, 0)
    found = np.percentile(lengths, [50, 95, 99, 100], method="inverted_cdf")
    return Quantiles(*(int(length) for length in found))


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file holds.

    Args:
        path: The file.
        rows: Its rows.
        sentences: Its different sentences.
        sentences_with_several_pairs: Those that stand in more than one row.
        duplicate_rows: Rows that repeat an earlier row's sentence and both entities.
        contradictory_keys: Sentences and entities that have two labels.
        first_match_elsewhere: Entities whose word stands in the sentence before the entity does.
        first_match_elsewhere_percent: The same, of all entities.
        characters: Lengths of the rows' sentences.
        subject_types: Rows by the subject's type, the most frequent first.
        object_types: Rows by the object's type, likewise.
        sources: Rows by source, likewise.
        marker_characters: Sentences that hold a sign which markers are made of.
    """

    path: str
    rows: int
    sentences: int
    sentences_with_several_pairs: int
    duplicate_rows: int
    contradictory_keys: int
    first_match_elsewhere: int
    first_match_elsewhere_percent: float
    characters: Quantiles
    subject_types: dict[str, int]
    object_types: dict[str, int]
    sources: dict[str, int]
    marker_characters: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as `json.dumps` takes them."""
        return asdict(self)


def file_facts(path: str, examples: Sequence[Example]) -> FileFacts:
    """Counts what one file holds.

    Args:
        path: The file.
        examples: Its rows.

    Returns:
        The counts.
    """
    sentences = Counter(row.sentence for row in examples)
    groups = repeated_rows(examples)
    elsewhere = sum(stands_earlier(row, role) for row in examples for role in ROLES)
    return FileFacts(
        path=path,
        rows=len(examples),
        sentences=len(sentences),
        sentences_with_several_pairs=sum(count > 1 for count in sentences.values()),
        duplicate_rows=sum(len(group) - 1 for group in groups),
        contradictory_keys=len(contradictions(examples)),
        first_match_elsewhere=elsewhere,
        first_match_elsewhere_percent=50 * elsewhere / max(len(examples), 1),
        characters=quantiles(character_lengths(examples)),
        subject_types=_frequent(row.subject.type for row in examples),
        object_types=_frequent(row.object.type for row in examples),
        sources=_frequent(row.source for row in examples),
        marker_characters={
            sign: sum(sign in sentence for sentence in sentences) for sign in MARKER_CHARACTERS
        },
    )


def _frequent(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


@dataclass(frozen=True, slots=True)
class TypeShift:
    """An entity type that is not as frequent in the test as in train; shares in percent."""

    role: Role
    type: str
    train_percent: float
    test_percent: float


def type_shifts(train: FileFacts, test: FileFacts, points: float) -> list[TypeShift]:
    """Finds the entity types whose share differs between train and test.

    Args:
        train: The facts of one file.
        test: The facts of the other.
        points: From how many percentage points on.

    Returns:
        The types, those that differ most first; none where one of the files has no rows.
    """
    if not train.rows or not test.rows:
        return []
    found = []
    for role in ROLES:
        one, other = (
            own.subject_types if role == "subject" else own.object_types for own in (train, test)
        )
        for name in one | other:
            shares = (100 * one.get(name, 0) / train.rows, 100 * other.get(name, 0) / test.rows)
            found.append(TypeShift(role, name, *shares))
    shifted = [one for one in found if abs(one.test_percent - one.train_percent) >= points]
    return sorted(shifted, key=lambda one: -abs(one.test_percent - one.train_percent))


def entity(row: Example, role: Role) -> Entity:
    """Returns a row's subject or object."""
    return row.subject if role == "subject" else row.object


def stands_earlier(row: Example, role: Role) -> bool:
    """Says whether a search for an entity's word would find it before the entity itself."""
    mention = entity(row, role)
    return row.sentence.find(mention.word) < mention.span.start


def character_lengths(examples: Sequence[Example]) -> npt.NDArray[np.int32]:
    """Returns the length of each row's sentence in characters, `(rows,)`."""
    return np.array([len(row.sentence) for row in examples], np.int32)


def repeated_rows(examples: Sequence[Example]) -> list[list[int]]:
    """Groups rows that have the sentence and both entities in common.

    Args:
        examples: The rows.

    Returns:
        The places of the rows of each group of two or more, in the file's order.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, row in enumerate(examples):
        groups.setdefault((row.sentence, row.subject, row.object), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def contradictions(examples: Sequence[Example]) -> list[list[int]]:
    """Groups rows that say different things of the same sentence and entities; see above."""
    groups = repeated_rows(examples)
    return [group for group in groups if len({examples[place].label for place in group}) > 1]


def shared_sentences(one: Sequence[Example], other: Sequence[Example]) -> tuple[int, int]:
    """Counts the sentences that stand in both files.

    Args:
        one: The rows of one file.
        other: The rows of another.

    Returns:
        The sentences, and the rows of `other` that have them.
    """
    known = {row.sentence for row in one}
    shared = [row.sentence for row in other if row.sentence in known]
    return len(set(shared)), len(shared)


# --- tokens ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class TokenLengths:
    """Lengths in tokens, markers, query and special tokens included, before any cut.

    Args:
        window: The recipe's `tokens.max_length`.
        lengths: By file, `(rows,)` int32; empty where there is no tokenizer.
        refused: By file, the rows whose entities no window of this length holds.
        missing: Why there is no tokenizer; empty where there is one.
    """

    window: int
    lengths: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    missing: str = ""

    def over(self, role: str) -> int:
        """Returns how many rows of a file are longer than the window."""
        return int((self.lengths[role] > self.window).sum())

    def to_json(self, role: str) -> dict[str, Any]:
        """Returns a file's figures as `json.dumps` takes them."""
        rows, over = len(self.lengths[role]), self.over(role)
        return asdict(quantiles(self.lengths[role])) | {
            "window": self.window,
            "rows_over_the_window": over,
            "percent_over_the_window": 100 * over / max(rows, 1),
            "rows_refused": self.refused[role],
        }


def token_lengths(corpus: Corpus) -> TokenLengths:
    """Counts the tokens of every row as training and prediction would see them.

    Args:
        corpus: The rows.

    Returns:
        The lengths, or why there are none.
    """
    window = corpus.recipe.tokens.max_length
    try:
        tokenizer = _tokenizer(corpus)
    except InputError as error:
        return TokenLengths(window, missing=error.faults[0].what)
    lengths, refused = {}, {}
    with bar("counting tokens", sum(map(len, corpus.files.values())), "rows") as progress:
        for role, rows in corpus.files.items():
            counts = []
            for chunk in _chunks(_counts(rows, corpus.recipe, tokenizer, _NO_WINDOW)):
                counts += chunk
                progress.advance(len(chunk))
            long = [row for row, count in zip(rows, counts, strict=True) if count > window]
            cut = list(_counts(long, corpus.recipe, tokenizer, window))
            lengths[role] = np.array([count for count in counts if count > 0], np.int32)
            refused[role] = counts.count(0) + cut.count(0)
    return TokenLengths(window, lengths, refused)


def _tokenizer(corpus: Corpus) -> PreTrainedTokenizerFast:
    """Loads the recipe's tokenizer with its markers; a fresh one learns what training's does."""
    from relx.models.encoder.tokenizers.tokenizer import add_marker_tokens, load_tokenizer
    from relx.tasks.relation.markers import marker_tokens

    recipe, files = corpus.recipe, corpus.files
    say("loading the tokenizer")
    tokenizer = load_tokenizer(
        recipe.encoder.source,
        lambda: dict.fromkeys(row.sentence for row in [*corpus.train, *files.get("test", [])]),
        recipe.encoder.revision,
    )
    rows = itertools.chain.from_iterable(files.values())
    types = {mention.type for row in rows for mention in (row.subject, row.object)}
    add_marker_tokens(tokenizer, marker_tokens(recipe.markers, types))
    return tokenizer


def _counts(
    rows: Sequence[Example], recipe: Recipe, tokenizer: PreTrainedTokenizerFast, window: int
) -> Iterator[int]:
    """Yields the tokens of each row, 0 where its entities cannot be kept."""
    from relx.data.tokens import row_lengths
    from relx.tasks.relation.markers import mark

    texts = (mark(row, recipe.markers, tokenizer.sep_token) for row in rows)
    for count in row_lengths(texts, tokenizer, window):
        yield 0 if isinstance(count, Fault) else count


def _chunks(counts: Iterator[int]) -> Iterator[list[int]]:
    while chunk := list(itertools.islice(counts, _TOLD)):
        yield chunk


# --- types and entities ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class TypeTable:
    """How many rows of each label have entities of each type.

    Args:
        labels: The labels that have rows, in the order asked for.
        columns: What each column counts, as (group, types); the groups are `subject`, `object`
            and `pair`, each with its most frequent types first.
        counts: `(labels, columns)` int64.
        left_out: How many kinds of pairs are too rare to have a column.
    """

    labels: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    counts: npt.NDArray[np.int64]
    left_out: int = 0

    def percent(self) -> npt.NDArray[np.float64]:
        """Returns the counts in percent of the label's rows, `(labels, columns)`."""
        subjects = [group == "subject" for group, _ in self.columns]
        rows = self.counts[:, subjects].sum(axis=1, keepdims=True)
        percent: npt.NDArray[np.float64] = 100 * self.counts / np.maximum(rows, 1)
        return percent


def type_table(examples: Sequence[Example], names: Sequence[str]) -> TypeTable:
    """Counts the types of the subjects, the objects and both together, by label.

    Args:
        examples: Labelled rows.
        names: The labels, in the order of the table.

    Returns:
        The table; at most `MOST_PAIRS` kinds of pairs have a column.
    """
    keys = [key for row in examples for key in _type_keys(row)]
    common = Counter(keys).most_common()
    pairs = [key for key, _ in common if key[0] == "pair"]
    singles = [key for group in ("subject", "object") for key, _ in common if key[0] == group]
    columns = (*singles, *pairs[:MOST_PAIRS])
    found = Counter((row.label or "", key) for row in examples for key in _type_keys(row))
    present = {row.label for row in examples}
    labels = tuple(name for name in names if name in present)
    counts = [[found[name, key] for key in columns] for name in labels]
    table = np.array(counts, np.int64).reshape(len(labels), len(columns))
    return TypeTable(labels, columns, table, max(len(pairs) - MOST_PAIRS, 0))


def _type_keys(row: Example) -> tuple[tuple[str, str], ...]:
    subject, object_ = row.subject.type, row.object.type
    return ("subject", subject), ("object", object_), ("pair", f"{subject} → {object_}")


def frequent_entities(
    examples: Sequence[Example], role: Role, most: int
) -> dict[str, list[tuple[str, int]]]:
    """Counts the words of the subjects or objects of each label.

    Args:
        examples: Labelled rows.
        role: Which of the two.
        most: How many to list.

    Returns:
        By label the most frequent words, each with its rows.
    """
    counts: dict[str, Counter[str]] = {}
    for row in examples:
        counts.setdefault(row.label or "", Counter())[entity(row, role).word] += 1
    return {label: count.most_common(most) for label, count in counts.items()}


# --- sources ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of sentences.

    Args:
        name: Its name; empty where the file says none.
        rows: Its rows by file.
        headline_percent: The headline label's share of its rows in percent, by `train`, `dev` and
            `predicted`; without the files that have no row of it.
    """

    name: str
    rows: dict[str, int]
    headline_percent: dict[str, float]


def source_rows(corpus: Corpus, label: str) -> list[SourceRow]:
    """Counts the rows of each source, and how many of them have one label.

    Args:
        corpus: The rows.
        label: The label.

    Returns:
        A row a source, the one with most rows first.
    """
    files = corpus.files
    rows = {role: Counter(row.source for row in own) for role, own in files.items()}
    labelled: dict[str, list[tuple[str, str | None]]] = {
        role: [(row.source, row.label) for row in files[role]]
        for role in ("train", "dev")
        if role in files
    }
    if corpus.predicted is not None:
        sources = [row.source for row in files["test"]]
        labelled["predicted"] = list(zip(sources, corpus.predicted, strict=True))
    all_of = {series: Counter(source for source, _ in own) for series, own in labelled.items()}
    of_label = {
        series: Counter(source for source, name in own if name == label)
        for series, own in labelled.items()
    }
    total: Counter[str] = sum(rows.values(), Counter())
    return [
        SourceRow(
            name,
            {role: counts[name] for role, counts in rows.items()},
            {
                series: 100 * of_label[series][name] / counts[name]
                for series, counts in all_of.items()
                if counts[name]
            },
        )
        for name, _ in total.most_common()
    ]
