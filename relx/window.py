"""How many tokens rows have, and what the window of `tokens.max_length` does to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relx.data.prompts.prompt_frame import prompt_frame
from relx.data.prompts.prompt_window import fitted
from relx.data.rows.row import Row, types_of
from relx.data.tokenizing.coverage import Coverage, coverage_of
from relx.data.tokenizing.token_rows import row_lengths
from relx.family.prompting import prompter_of, recipe_tokenizer
from relx.faults import Fault
from relx.model_sections import FreshDecoder
from relx.progress import bar
from relx.tasks.task import task_of

if TYPE_CHECKING:  # transformers takes a second to import, and only a name of it is needed
    from transformers import PreTrainedTokenizerFast

    from relx.recipe import Recipe

_NO_WINDOW = 1_000_000_000  # tokens; longer than any text
_AT_ONCE = 1000  # rows between two updates of the progress bar


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The tokens of some rows, with markers, query and special tokens, before any cut.

    Args:
        window: The recipe's `tokens.max_length`.
        lengths: How many tokens each row has, by its index; without those in `refused`.
        refused: Why no window can hold a row: an entity without a token.
        apart: Why this window cannot hold a row: its entities are too far from each other.
        coverage: What of the texts the tokenizer knows.
    """

    window: int
    lengths: dict[int, int]
    refused: dict[int, Fault]
    apart: dict[int, Fault]
    coverage: Coverage

    @property
    def long(self) -> list[int]:
        """The indices of the rows that are longer than the window."""
        return [row for row, length in self.lengths.items() if length > self.window]


def marked_tokenizer(recipe: Recipe, files: Mapping[str, Sequence[Row]]) -> PreTrainedTokenizerFast:
    """Loads a recipe's tokenizer, with the marker tokens of an encoder.

    Args:
        recipe: The recipe.
        files: The rows of `train`, `dev`, `test` or another file. A fresh tokenizer learns from
            train and test, as training's does, and from all rows where there is neither.

    Returns:
        The tokenizer.

    Raises:
        InputError: There is none.
    """
    from relx.models.stored.tokenizers.tokenizer import add_marker_tokens, load_tokenizer

    rows = [row for own in files.values() for row in own]
    learnt = [row for role in ("train", "test") for row in files.get(role, ())] or rows
    if recipe.decoder is not None:
        task = task_of(recipe)
        labels = task.read_labels()
        ask = prompter_of(recipe, task, labels)
        return recipe_tokenizer(recipe, labels, lambda: [ask(row) for row in learnt])
    assert not isinstance(recipe.source, FreshDecoder)
    tokenizer = load_tokenizer(
        recipe.source,
        lambda: dict.fromkeys(row.sentence for row in learnt),
        recipe.started_from.revision,
    )
    add_marker_tokens(tokenizer, task_of(recipe).marker_tokens(types_of(rows)))
    return tokenizer


def count_tokens(
    rows: Sequence[Row], recipe: Recipe, tokenizer: PreTrainedTokenizerFast
) -> TokenCounts:
    """Counts the tokens of rows as training and prediction see them.

    Args:
        rows: The rows.
        recipe: The recipe, with its markers and its window.
        tokenizer: What `marked_tokenizer` gave.

    Returns:
        The counts, and the rows that training and prediction would refuse.
    """
    window, every = recipe.tokens.max_length, range(len(rows))
    tally = _Tally()
    lengths, refused = _counted(rows, every, recipe, tokenizer, _NO_WINDOW, tally)
    long = [row for row, length in lengths.items() if length > window]
    _, apart = _counted(rows, long, recipe, tokenizer, window)
    return TokenCounts(window, lengths, refused, apart, tally.coverage)


class _Tally:
    """Adds up what of rows a tokenizer knows."""

    def __init__(self) -> None:
        self.coverage = Coverage()

    def add(self, known: Coverage) -> None:
        self.coverage += known


def _counted(
    rows: Sequence[Row],
    chosen: Sequence[int],
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerFast,
    window: int,
    tally: _Tally | None = None,
) -> tuple[dict[int, int], dict[int, Fault]]:
    """Counts the tokens of the chosen rows; says why those cannot be tokenized that cannot."""
    lengths: dict[int, int] = {}
    refused: dict[int, Fault] = {}
    with bar("counting tokens", len(chosen), "rows") as progress:
        own = (rows[row] for row in chosen)
        counts = zip(chosen, _row_lengths(own, recipe, tokenizer, window, tally), strict=True)
        for done, (row, count) in enumerate(counts, 1):
            if isinstance(count, Fault):
                refused[row] = count
            else:
                lengths[row] = count
            if done % _AT_ONCE == 0:
                progress.advance(_AT_ONCE)
        progress.advance(len(chosen) % _AT_ONCE)
    return lengths, refused


def _row_lengths(
    rows: Iterable[Row],
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerFast,
    window: int,
    tally: _Tally | None,
) -> Iterator[int | Fault]:
    """Yields the tokens of each row as its model's family sees it, or why there are none."""
    task = task_of(recipe)
    tally = tally or _Tally()
    if recipe.decoder is None:
        marked = (task.marked(row, tokenizer.sep_token) for row in rows)
        yield from row_lengths(marked, tokenizer, window, tally.add)
        return
    ask = prompter_of(recipe, task, task.read_labels())
    frame, left = prompt_frame(tokenizer, chat=recipe.decoder.chat), map(ask, rows)
    while chunk := list(itertools.islice(left, _AT_ONCE)):
        rows_of = fitted(chunk, frame, window)
        good = (found.token_ids for found in rows_of if not isinstance(found, Fault))
        ids = np.fromiter(itertools.chain.from_iterable(good), np.int32)
        tally.add(coverage_of(ids, tokenizer))
        for found in rows_of:
            yield found if isinstance(found, Fault) else len(found.token_ids)
