"""Prompts as rows of tokens, in a window that cuts the sentence and nothing else."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.prompt import Prompt, kept_span
from relx.data.special_tokens import special_around, special_ids, special_text_as_text
from relx.data.token_rows import id_type
from relx.data.tokens import CHUNK
from relx.faults import Fault, InputError, shorten
from relx.spans import Span

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

_TRIES = 12  # how often a sentence is shortened until its prompt fits
_STAND_IN = "\ue000"  # for the sentence, while a chat template is filled in


@dataclass(frozen=True, slots=True, eq=False)
class PromptRows:
    """Prompts as tokens, one after the other.

    Args:
        token_ids: (tokens,) uint16 or int32.
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


def prompt_rows(
    prompts: Iterable[Prompt],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    ids: Iterable[str],
    chat: bool = False,
) -> PromptRows:
    """Tokenizes prompts: special tokens that come before a text, the text, and nothing after it.

    A prompt that is too long is the tokens of a prompt with a shorter sentence, which keeps what
    must be kept and as much as fits around it, evenly on both sides.

    Args:
        prompts: The prompts.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens.
        ids: The rows' ids, by which errors name them.
        chat: Whether a prompt is a user's message in the tokenizer's chat template.

    Returns:
        A row for each prompt, in order.

    Raises:
        InputError: There is no chat template; or prompts do not fit, all such rows at once.
    """
    found, faults = [np.zeros(0, np.int64)], list[Fault]()
    rows = prompt_ids(prompts, tokenizer, max_length, chat)
    for name, row in zip(ids, rows, strict=True):
        if isinstance(row, Fault):
            faults.append(replace(row, where=f"row {name}"))
        else:
            found.append(np.array(row, np.int64))
    if faults:
        raise InputError(*faults)
    tokens = np.concatenate(found).astype(id_type(len(tokenizer)))
    return PromptRows(tokens, np.cumsum([len(row) for row in found], dtype=np.int64))


def prompt_ids(
    prompts: Iterable[Prompt],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    chat: bool = False,
) -> Iterator[list[int] | Fault]:
    """Tokenizes prompts as `prompt_rows` does.

    Args:
        prompts: The prompts.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens.
        chat: Whether a prompt is a user's message in the tokenizer's chat template.

    Yields:
        The tokens of each prompt, or why there are none, in order.

    Raises:
        InputError: There is no chat template.
    """
    shown = chat_wrapper(tokenizer) if chat else None
    left = iter(prompts)
    while chunk := list(itertools.islice(left, CHUNK)):
        yield from _tokenized(chunk, tokenizer, max_length, shown)


def common_prefix(rows: PromptRows) -> int:
    """Returns how many tokens all rows begin with, and still have one more.

    Args:
        rows: The rows.
    """
    if not len(rows):
        return 0
    shortest = int(rows.lengths.min())
    places = rows.offsets[:-1, None] + np.arange(shortest)
    heads = rows.token_ids[places]  # (rows, shortest)
    same = (heads == heads[0]).all(axis=0)
    equal = shortest if same.all() else int(np.argmin(same))
    return min(equal, shortest - 1)


def chat_wrapper(tokenizer: PreTrainedTokenizerFast) -> Callable[[Prompt], Prompt]:
    """Returns what makes a prompt a user's message in a tokenizer's chat template.

    Args:
        tokenizer: The tokenizer.

    Raises:
        InputError: It has no chat template.
    """
    if not tokenizer.chat_template:
        what = "this tokenizer has no chat template: its model was not trained to chat"
        step = "leave decoder.chat out, or name an instruct model"
        raise InputError(Fault(what, "decoder.chat", "true", "false", step, "chat"))

    def wrapped(prompt: Prompt) -> Prompt:
        message = {"role": "user", "content": prompt.before + _STAND_IN + prompt.after}
        text = str(
            tokenizer.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
        )
        before, _, after = text.partition(_STAND_IN)
        return replace(prompt, before=before, after=after)

    return wrapped


def _tokenized(
    prompts: Sequence[Prompt],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    shown: Callable[[Prompt], Prompt] | None,
) -> list[list[int] | Fault]:
    """Tokenizes prompts; those that are too long once more, with shorter sentences."""
    encoder = _Encoder(tokenizer, shown)
    found: list[list[int] | Fault] = [*encoder.ids(prompts)]
    for row, ids in enumerate(found):
        if isinstance(ids, list) and len(ids) > max_length:
            found[row] = _fitted(prompts[row], encoder, max_length)
    return found


class _Encoder:
    """Texts as token ids, as a tokenizer makes them of the whole prompt."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, shown: Callable[[Prompt], Prompt] | None
    ) -> None:
        self.tokenizer, self.shown = tokenizer, shown
        # A chat template writes its own special tokens; else those before a text are the model's.
        self.first = [] if shown else special_around(tokenizer)[0]
        self.special = special_ids(tokenizer)

    def ids(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Tokenizes prompts: what the data say stays text, whatever it looks like."""
        if self.shown is None:
            with special_text_as_text(self.tokenizer) as backend:
                texts = [prompt.text for prompt in prompts]
                found = backend.encode_batch(texts, add_special_tokens=False)
            return [[*self.first, *encoding.ids] for encoding in found]
        return [self._chat_ids(self.shown(prompt)) for prompt in prompts]

    def _chat_ids(self, prompt: Prompt) -> list[int]:
        """Tokenizes what a template wrote; special tokens that the sentence spells stay text."""
        backend = self.tokenizer.backend_tokenizer
        whole = backend.encode(prompt.text, add_special_tokens=False)
        inside = Span(len(prompt.before), len(prompt.before) + len(prompt.sentence))
        if not any(
            id in self.special and start < inside.end and end > inside.start
            for id, (start, end) in zip(whole.ids, whole.offsets, strict=True)
        ):
            return list(whole.ids)
        parts = [
            backend.encode(t, add_special_tokens=False).ids for t in (prompt.before, prompt.after)
        ]
        with special_text_as_text(self.tokenizer) as plain:
            own = plain.encode(prompt.sentence, add_special_tokens=False).ids
        return [*parts[0], *own, *parts[1]]

    def offsets(self, sentence: str) -> list[tuple[int, int]]:
        """Returns the characters of a sentence's tokens, by themselves."""
        with special_text_as_text(self.tokenizer) as backend:
            return list(backend.encode(sentence, add_special_tokens=False).offsets)


def _fitted(prompt: Prompt, encoder: _Encoder, max_length: int) -> list[int] | Fault:
    """Shortens a sentence until its prompt fits, and as little as that takes."""
    offsets = encoder.offsets(prompt.sentence)
    kept = kept_span(prompt) or Span(0, 0)
    needed = _tokens_of(offsets, kept)
    around = len(encoder.ids([replace(prompt, sentence="")])[0])
    room = max_length - around
    for _ in range(_TRIES):
        if room < needed.end - needed.start:
            break
        ids = encoder.ids([_shortened(prompt, offsets, _window(needed, len(offsets), room))])[0]
        if len(ids) <= max_length:
            return ids
        room -= len(ids) - max_length
    smallest = encoder.ids([_shortened(prompt, offsets, needed)])[0]
    if len(smallest) <= max_length:
        return smallest
    return Fault(
        "the prompt and the words that it asks about are longer than a row may be",
        received=f"{len(smallest)} tokens: {shorten(prompt.text)}",
        allowed=f"{max_length} tokens (tokens.max_length)",
        next_step=f"--set tokens.max_length={len(smallest)} or more, or a shorter decoder.prompt",
        kind="prompt too long",
    )


def _tokens_of(offsets: Sequence[tuple[int, int]], kept: Span) -> Span:
    """The tokens that hold characters of what is kept."""
    if kept.start == kept.end:
        return Span(0, 0)
    first = bisect_right([end for _, end in offsets], kept.start)
    return Span(first, bisect_left([start for start, _ in offsets], kept.end))


def _window(needed: Span, count: int, room: int) -> Span:
    """The tokens to keep: what is needed, and as much on each side as there is room for."""
    spare = max(room - (needed.end - needed.start), 0)
    before, after = needed.start, count - needed.end
    left = min(before, max(spare // 2, spare - after))
    return Span(needed.start - left, min(count, needed.end + spare - left))


def _shortened(prompt: Prompt, offsets: Sequence[tuple[int, int]], window: Span) -> Prompt:
    """Cuts a sentence to whole characters of a window's tokens."""
    kept = kept_span(prompt)
    if window.start >= window.end:
        return replace(prompt, sentence="", keep=())
    start, end = offsets[window.start][0], offsets[window.end - 1][1]
    if window.start and offsets[window.start - 1][1] > start:
        start = offsets[window.start - 1][1]  # a character that another token began
    if window.end < len(offsets) and offsets[window.end][0] < end:
        end = offsets[window.end][0]
    if kept is not None:
        start, end = min(start, kept.start), max(end, kept.end)
    return replace(prompt, sentence=prompt.sentence[start:end].strip(), keep=())
