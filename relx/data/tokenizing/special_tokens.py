"""The special tokens of a tokenizer, and where it puts them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from tokenizers import Tokenizer

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


def special_ids(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Lists the ids that no text of a sentence may become.

    Args:
        tokenizer: The tokenizer.

    Returns:
        The ids of special tokens, markers among them, without the unknown token.
    """
    added = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id}


def special_around(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Lists the special tokens that the tokenizer puts around a single sequence.

    Args:
        tokenizer: The tokenizer.

    Returns:
        Those before the sequence, and those after it.
    """
    frame = frame_of(tokenizer, pair=False)
    at = next(i for i, part in enumerate(frame) if part.sequence is not None)
    before, after = frame[:at], frame[at + 1 :]
    return [id for part in before for id in part.token_ids], [
        id for part in after for id in part.token_ids
    ]


@contextlib.contextmanager
def special_text_as_text(tokenizer: PreTrainedTokenizerFast) -> Iterator[Tokenizer]:
    """The tokenizer's own backend, with special tokens unparsed and nothing cut or padded."""
    backend = tokenizer.backend_tokenizer
    before = backend.encode_special_tokens, backend.padding, backend.truncation
    backend.encode_special_tokens = True
    backend.no_padding()
    backend.no_truncation()
    try:
        yield backend
    finally:
        backend.encode_special_tokens = before[0]
        if before[1] is not None:
            backend.enable_padding(**before[1])
        if before[2] is not None:
            backend.enable_truncation(**before[2])


class FramePart(NamedTuple):
    """A part of the special-token template: special tokens, or the place of a sequence."""

    sequence: int | None
    token_ids: list[int]
    segment: int


def frame_of(tokenizer: PreTrainedTokenizerFast, *, pair: bool) -> list[FramePart]:
    """Asks the tokenizer where it puts special tokens around one sequence, or two."""
    with special_text_as_text(tokenizer) as backend:
        probe = backend.encode("a", "a" if pair else None)
    parts: list[FramePart] = []
    for sequence, id, segment in zip(probe.sequence_ids, probe.ids, probe.type_ids, strict=True):
        if sequence is None:
            parts.append(FramePart(None, [id], segment))
        elif not parts or parts[-1].sequence != sequence:
            parts.append(FramePart(sequence, [], segment))
    return parts
