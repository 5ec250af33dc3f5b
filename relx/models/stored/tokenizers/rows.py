"""Whether a token table and a tokenizer belong together: rows of one, tokens of the other."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from relx.faults import Fault, InputError

_FAR = 1.25  # tables are rounded up to a multiple of 64 or so, and never by a quarter


def vocabulary_rows(tokenizer: PreTrainedTokenizerFast) -> int:
    """Returns how many rows an embedding needs for the ids of all tokens."""
    return int(max(tokenizer.get_vocab().values())) + 1


def require_rows(
    rows: int, tokenizer: PreTrainedTokenizerFast, marker_tokens: Sequence[str], folder: str
) -> dict[str, int]:
    """Checks that a token table has a row for every token but the markers.

    Args:
        rows: The table's rows.
        tokenizer: The tokenizer, with the markers.
        marker_tokens: The markers, for which rows may be added.
        folder: Where both are from, for messages.

    Returns:
        The markers that rows have to be added for, with their ids.

    Raises:
        InputError: Other tokens have no row.
    """
    beyond = {token: row for token, row in tokenizer.get_vocab().items() if row >= rows}
    strange = sorted(set(beyond) - set(marker_tokens), key=beyond.__getitem__)
    if strange:
        what = "the tokenizer has tokens that the embedding has no row for"
        received = f"{rows} rows; {len(strange)} tokens beyond, for example {strange[0]}"
        step = "fetch tokenizer and weights of one checkpoint; these do not belong together"
        raise InputError(Fault(what, folder, received, next_step=step, kind="vocabulary"))
    return beyond


def spare_rows(rows: int, tokenizer: PreTrainedTokenizerFast) -> str | None:
    """Says that a token table is far larger than the vocabulary, which is then another's.

    Args:
        rows: The table's rows.
        tokenizer: The tokenizer.

    Returns:
        A sentence, or None.
    """
    tokens = vocabulary_rows(tokenizer)
    if rows <= _FAR * tokens:
        return None
    return (
        f"the embedding has {rows:,} rows and the tokenizer {tokens:,} tokens: they may be of two "
        "checkpoints, or the tokenizer's file may be cut; tokens with the rows of others are noise"
    )
