"""The rows of a recipe, read and checked once a command, and their tokens."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from relx import progress
from relx.data.labels import LabelList
from relx.data.marked import MarkedText
from relx.data.names import warn_of_alike
from relx.data.prompts.chat import chat_frame
from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_rows import PromptRows, prompt_rows
from relx.data.rows.reading import Reading, require_good
from relx.data.rows.row import ROWS_FORMAT, R, Row, rows_digest, types_of
from relx.data.rows.splits import split
from relx.data.tokenizing.coverage import Coverage, Texts, coverage_of, require_covered
from relx.data.tokenizing.token_cache import CHUNK, Content, cached, token_key
from relx.data.tokenizing.token_rows import TokenRows, tokenize
from relx.faults import Fault, InputError
from relx.recipe import Recipe
from relx.spans import Span
from relx.tasks.task import Task, task_of

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

Facts = dict[str, Any]
# What `require_covered` takes.
Judge = Callable[[Coverage, Texts, "PreTrainedTokenizerFast", str], None]
# Of the token rows; to be raised whenever other ones are made of the same texts.
TOKENS_FORMAT = "token rows 2"
PROMPTS_FORMAT = "prompts 1"  # likewise, of prompts
MISSING = Span(-1, -1)  # what stands for a span that a row does not have, in a digest of its text


@dataclass(frozen=True)
class Dataset(Generic[R]):
    """The rows of a recipe: those to train on, those to choose the epoch by, and all sentences.

    Args:
        recipe: The recipe.
        task: Its task.
        labels: The labels in order.
        train: The rows to train on.
        dev: The rows to choose the epoch by; never trained on.
        unlabelled: The rows of `train`, `dev` and `test` files, whatever their labels.
        rows: The labelled rows of the training file, those of the dev fold among them.
        types: The types of the spans of all rows, those of the test included.
        sentences: The sentences of the training and test files, for a fresh vocabulary.
        files: What the manifest says of the rows of `train`, `dev` and `test`.
        made: Rows that were made of `train`, to be trained on beside them.
    """

    recipe: Recipe
    task: Task[R]
    labels: LabelList
    train: list[R]
    dev: list[R]
    rows: list[R]
    unlabelled: dict[str, list[R]]
    types: tuple[str, ...]
    sentences: tuple[str, ...]
    files: dict[str, Facts]
    made: tuple[R, ...] = ()

    @property
    def learnt(self) -> list[R]:
        """All rows that a classifier learns from: those to train on, and what was made of them."""
        return [*self.train, *self.made]

    def augmented(self) -> Dataset[R]:
        """Returns the dataset with the rows that the recipe's `augment` makes of the training rows.

        Raises:
            InputError: The task has no use for what the recipe asks for.
        """
        recipe = self.recipe
        made = self.task.augmented(self.train, recipe.augment, self.labels, recipe.seed)
        return replace(self, made=tuple(made))

    @property
    def dev_file(self) -> str:
        """The file that the dev rows are from."""
        return self.recipe.data.dev or self.recipe.data.train

    @property
    def marker_tokens(self) -> tuple[str, ...]:
        """The marker texts that must be tokens of their own."""
        return self.task.marker_tokens(self.types)

    def facts(self) -> Facts:
        """Returns what the manifest says of the data."""
        return {**self.files, "types": list(self.types)}

    def at_fold(self, fold: int) -> Dataset[R]:
        """Returns the dataset with another fold as its dev rows; nothing is read again.

        Args:
            fold: The fold, from 0.

        Raises:
            InputError: There are fewer different sentences, or groups, than folds.
        """
        recipe = self.recipe.at_fold(fold)
        train, dev = split_rows(self.rows, recipe)
        files = {"train": file_facts(recipe.data.train, train), "dev": dev_facts(dev, recipe)}
        return replace(self, recipe=recipe, train=train, dev=dev, files=self.files | files)


def read_dataset(recipe: Recipe) -> Dataset[Any]:
    """Reads the files of a recipe, and sets the dev rows apart.

    The test file's labels are left unread.

    Args:
        recipe: The recipe.

    Returns:
        The dataset.

    Raises:
        InputError: The faults of the files.
    """
    data, task = recipe.data, task_of(recipe)
    labels = task.read_labels()
    of_train = task.scan(Path(data.train), labels, labelled=True).whole()
    rows = require_good(of_train, data.skip_bad_rows)
    unlabelled = {"train": of_train.readable}
    if data.dev:
        of_dev = task.scan(Path(data.dev), labels, labelled=True).whole()
        train, dev = rows, require_good(of_dev, data.skip_bad_rows)
        unlabelled["dev"] = of_dev.readable
        _look_for_trained_rows(train, dev, data.dev)
    else:
        train, dev = split_rows(rows, recipe)
    test = _good(task.scan(Path(data.test), None).whole(), recipe) if data.test else []
    files = {"train": file_facts(data.train, train), "dev": dev_facts(dev, recipe)}
    if data.test:
        files["test"] = file_facts(data.test, test)
        unlabelled["test"] = test
    types = types_of([*rows, *dev, *test])
    warn_of_alike(labels=labels.names, types_of_entities=types)
    return Dataset(
        recipe=recipe,
        task=task,
        labels=labels,
        train=train,
        dev=dev,
        rows=rows,
        unlabelled=unlabelled,
        types=types,
        sentences=tuple(dict.fromkeys(row.sentence for row in [*rows, *test])),
        files=files,
    )


def read_unlabelled(recipe: Recipe, *, dev: bool) -> dict[str, list[Any]]:
    """Reads the rows of a recipe's files; their labels are not looked at.

    Args:
        recipe: The recipe.
        dev: Whether the dev file is read too.

    Returns:
        The rows of `train`, `test` and perhaps `dev`, as far as the recipe names them.

    Raises:
        InputError: The faults of all files at once.
    """
    data, task = recipe.data, task_of(recipe)
    files = {"train": data.train, "test": data.test, "dev": data.dev if dev else None}
    rows, faults = dict[str, list[Any]](), list[Fault]()
    for role, file in files.items():
        try:
            if file is not None:
                rows[role] = _good(task.scan(Path(file), None).whole(), recipe)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults)
    return rows


def file_facts(file: str, rows: Sequence[Row], fold: int | None = None) -> Facts:
    """Returns what a manifest says of rows.

    Args:
        file: Their file.
        rows: The rows.
        fold: Which fold of the file they are; None for all of it, or for all other folds.

    Returns:
        The facts, as JSON takes them.
    """
    facts = {"file": file, "rows": len(rows), "digest": rows_digest(rows), "format": ROWS_FORMAT}
    return facts if fold is None else facts | {"fold": fold}


def dev_facts(dev: Sequence[Row], recipe: Recipe) -> Facts:
    """Returns what a manifest says of the rows that an epoch is chosen by.

    Args:
        dev: The rows.
        recipe: The recipe.
    """
    if recipe.data.dev:
        return file_facts(recipe.data.dev, dev)
    return file_facts(recipe.data.train, dev, recipe.train.fold)


def _good(reading: Reading[R], recipe: Recipe) -> list[R]:
    return require_good(reading, recipe.data.skip_bad_rows)


def split_rows(rows: Sequence[R], recipe: Recipe) -> tuple[list[R], list[R]]:
    """Parts rows into those to train on and the fold to choose the epoch by.

    Args:
        rows: The rows of the training file.
        recipe: The recipe: `data.folds`, `train.fold` and `seed`.

    Raises:
        InputError: There are fewer different sentences, or groups, than folds.
    """
    parts = split(rows, recipe.data.folds, recipe.train.fold, recipe.seed)
    train, dev = ([rows[i] for i in part] for part in parts)
    return train, dev


def _look_for_trained_rows(train: Sequence[Row], dev: Sequence[Row], file: str) -> None:
    """Warns of dev rows that are trained on; a dev file of nothing else is a fault."""
    keys = {row.key for row in train}
    shared = sum(row.key in keys for row in dev)
    if shared == len(dev):
        what = "every dev row is trained on too, and its scores would mean nothing"
        step = "name other rows, or set data.dev to null, which takes a fold of train"
        raise InputError(Fault(what, "data.dev", file, next_step=step))
    if shared:
        progress.warn(f"{shared} of {len(dev)} rows of {file} are trained on too")


def token_rows(
    rows: Sequence[R],
    task: Task[R],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    file: str = "",
    cache: Path | None = None,
    judge: Judge = require_covered,
) -> TokenRows:
    """Marks and tokenises rows, or takes their tokens from an earlier run.

    Args:
        rows: The rows.
        task: Their task, which marks them.
        tokenizer: The encoder's tokenizer, with the marker tokens.
        max_length: The window in tokens.
        file: Where the rows come from, for messages.
        cache: Where tokens are kept, as `token_folder` says; None keeps none.
        judge: Says, and perhaps refuses, what the tokenizer does not know of the rows.

    Returns:
        As many rows, in order.

    Raises:
        InputError: The spans of some rows cannot be found or do not fit, or the tokenizer does not
            know the texts.
    """
    place = f" of {file}" if file else ""

    def texts() -> Iterator[MarkedText]:
        return (task.marked(row, tokenizer.sep_token) for row in rows)

    def key() -> str:
        return token_key(tokenizer, TOKENS_FORMAT, [str(max_length)], _contents(texts))

    def make() -> TokenRows:
        return tokenize(texts(), tokenizer, max_length, (f"{row.id}{place}" for row in rows))

    found = cached(cache, key, TokenRows, make)
    coverage = Coverage(*found.counts.tolist())
    _judge(judge, coverage, rows, tokenizer, file)
    return found


def prompt_rows_of(
    rows: Sequence[R],
    prompter: Callable[[R], Prompt],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    file: str = "",
    cache: Path | None = None,
    chat: bool = False,
    judge: Judge = require_covered,
) -> PromptRows:
    """Makes prompts of rows and tokenises them, or takes their tokens from an earlier run.

    Args:
        rows: The rows.
        prompter: What makes a row's prompt, of `Task.prompter`.
        tokenizer: The decoder's tokenizer.
        max_length: The window in tokens.
        file: Where the rows come from, for messages.
        cache: Where tokens are kept, as `token_folder` says; None keeps none.
        chat: Whether a prompt is the user's message in the tokenizer's chat template.
        judge: As for `token_rows`.

    Returns:
        As many rows, in order.

    Raises:
        InputError: Some prompts do not fit, there is no chat template, or the tokenizer does not
            know the texts.
    """
    place = f" of {file}" if file else ""

    def key() -> str:
        around = map(str, chat_frame(tokenizer)) if chat else ()
        settings = [str(max_length), *around]
        return token_key(tokenizer, PROMPTS_FORMAT, settings, _prompt_contents(rows, prompter))

    def make() -> PromptRows:
        names = (f"{row.id}{place}" for row in rows)
        return prompt_rows(map(prompter, rows), tokenizer, max_length, names, chat)

    found = cached(cache, key, PromptRows, make)
    _judge(judge, coverage_of(found.token_ids, tokenizer), rows, tokenizer, file)
    return found


def _judge(
    judge: Judge,
    coverage: Coverage,
    rows: Sequence[Row],
    tokenizer: PreTrainedTokenizerFast,
    file: str,
) -> None:
    """Says what of rows is unknown; a single sentence that is known needs no line."""
    if len(rows) > 1 or coverage.is_doubtful:
        judge(coverage, lambda: (row.sentence for row in rows), tokenizer, file)


def _prompt_contents(rows: Sequence[R], prompter: Callable[[R], Prompt]) -> Iterator[Content]:
    """Everything that prompts' tokens are made of, some thousand rows at a time."""
    left = map(prompter, rows)
    while chunk := list(itertools.islice(left, CHUNK)):
        texts = [part for text in chunk for part in (text.before, text.sentence, text.after)]
        numbers = [at for text in chunk for at in (len(text.keep), *itertools.chain(*text.keep))]
        yield texts, numbers


def _contents(texts: Callable[[], Iterable[MarkedText]]) -> Iterator[Content]:
    """Everything that tokens are made of, some thousand texts at a time."""
    left = iter(texts())
    while chunk := list(itertools.islice(left, CHUNK)):
        numbers: list[int] = []
        for text in chunk:
            known = (span or MISSING for span in text.spans)
            spans = (*known, *text.inserted, *text.separators)
            numbers += [len(text.spans), len(text.inserted), len(text.separators)]
            numbers += [*text.starts, *itertools.chain.from_iterable(spans)]
            numbers += [text.other is not None, text.other_first]
        yield [part for text in chunk for part in (text.text, text.other or "")], numbers
