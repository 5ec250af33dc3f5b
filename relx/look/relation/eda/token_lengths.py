"""How many tokens the rows have, and which are longer than the window."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.look.relation.eda.corpus import Corpus
from relx.look.relation.eda.file_facts import quantiles
from relx.progress import bar, say
from relx.recipe import Recipe
from relx.tasks.relation.rows import Example

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


_NO_WINDOW = 1_000_000_000
_TOLD = 1000  # rows between two words of progress


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
    from relx.data.token_rows import row_lengths
    from relx.tasks.relation.markers import mark

    texts = (mark(row, recipe.markers, tokenizer.sep_token) for row in rows)
    for count in row_lengths(texts, tokenizer, window):
        yield 0 if isinstance(count, Fault) else count


def _chunks(counts: Iterator[int]) -> Iterator[list[int]]:
    while chunk := list(itertools.islice(counts, _TOLD)):
        yield chunk
