"""Prompts as rows of tokens, ready for a decoder that reads the state of the last one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_frame import prompt_frame
from relx.data.prompts.prompt_window import fitted
from relx.data.tokenizing.token_rows import id_type
from relx.data.tokenizing.tokens import CHUNK
from relx.faults import Fault, InputError
from relx.garbage import uncollected

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

COLUMNS = 32  # that rows are compared by at a time


@dataclass(frozen=True, slots=True, eq=False)
class PromptRows:
    """Rows ready for a decoder, in two arrays: small, and batches are quickly made of them.

    Args:
        token_ids: (tokens,) uint16 or int32, the rows' tokens one row after the other.
        offsets: (rows + 1,) int64, where each row begins, and where the last one ends.
    """

    token_ids: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The rows' lengths in tokens, (rows,)."""
        return np.diff(self.offsets).astype(np.int32)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.int32]:
        own = slice(self.offsets[:-1][row], self.offsets[1:][row])
        return self.token_ids[own].astype(np.int32)

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))


@uncollected()
def prompt_rows(
    prompts: Iterable[Prompt],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    ids: Iterable[str],
    chat: bool = False,
) -> PromptRows:
    """Tokenizes prompts, each with what the tokenizer puts before a sequence and nothing after.

    The sentence of a prompt that is too long is shortened, and nothing else; see `fitted`.

    Args:
        prompts: The prompts; a few thousand at a time are taken and let go again.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens, special tokens included.
        ids: The rows' ids, by which errors name them.
        chat: Whether a prompt is the user's message in the tokenizer's chat template.

    Returns:
        One row for each prompt, in order.

    Raises:
        InputError: Prompts that do not fit into `max_length`, all such rows at once; or there is
            no chat template.
    """
    frame, numbers = prompt_frame(tokenizer, chat=chat), id_type(len(tokenizer))
    chunks = list[npt.NDArray[Any]]()
    lengths, faults = [0], list[Fault]()
    left, names = iter(prompts), iter(ids)
    while chunk := list(itertools.islice(left, CHUNK)):
        rows: list[Sequence[int]] = []
        for found, name in zip(fitted(chunk, frame, max_length), names, strict=False):
            if isinstance(found, Fault):
                faults.append(replace(found, where=f"row {name}"))
            else:
                rows.append(found.token_ids)
        chunks.append(np.fromiter(itertools.chain.from_iterable(rows), numbers))
        lengths += map(len, rows)
    if faults:
        raise InputError(*faults)
    token_ids = np.concatenate(chunks) if chunks else np.zeros(0, numbers)
    return PromptRows(token_ids, np.cumsum(lengths, dtype=np.int64))


def common_prefix(rows: PromptRows) -> int:
    """Measures the beginning that all rows share, to be computed once for all of them.

    Args:
        rows: The rows.

    Returns:
        Its length in tokens, which leaves each row at least one token; 0 where there is no row.
    """
    if not len(rows):
        return 0
    most = max(int(rows.lengths.min()) - 1, 0)
    starts = rows.offsets[:-1, None]
    for begin in range(0, most, COLUMNS):
        columns = np.arange(begin, min(begin + COLUMNS, most))
        tokens = rows.token_ids[starts + columns]
        differs = (tokens != tokens[:1]).any(axis=0)
        if differs.any():
            return begin + int(differs.argmax())
    return most
