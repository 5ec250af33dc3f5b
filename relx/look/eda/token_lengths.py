"""How many tokens the rows have, and which are longer than the window."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.faults import InputError
from relx.look.eda.corpus import Corpus
from relx.look.eda.lengths import quantiles
from relx.progress import say
from relx.window import count_tokens, marked_tokenizer


@dataclass(frozen=True, slots=True, eq=False)
class TokenLengths:
    """Lengths in tokens, markers, query and special tokens included, before any cut.

    Args:
        window: The recipe's `tokens.max_length`.
        lengths: By file, `(rows,)` int32; empty where there is no tokenizer.
        refused: By file, how many rows ask about words that no window of this length holds.
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


def token_lengths(data: Corpus[Any]) -> TokenLengths:
    """Counts the tokens of every row as training and prediction see them.

    Args:
        data: The rows.

    Returns:
        The lengths, or why there are none.
    """
    window = data.recipe.tokens.max_length
    say("loading the tokenizer")
    try:
        tokenizer = marked_tokenizer(data.recipe, data.files)
    except InputError as error:
        return TokenLengths(window, missing=error.faults[0].what)
    counts = {r: count_tokens(rows, data.recipe, tokenizer) for r, rows in data.files.items()}
    return TokenLengths(
        window,
        {role: np.array([*own.lengths.values()], np.int32) for role, own in counts.items()},
        {role: len(own.refused) + len(own.apart) for role, own in counts.items()},
    )
