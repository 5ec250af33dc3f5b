"""Prompts that fit a window: only the sentence is shortened, and never what is asked about."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_frame import PromptFrame
from relx.data.tokenizing.tokens import TextTokens
from relx.faults import Fault
from relx.spans import Span

LOST = 16  # tokens that may be given up for a side of a sentence to end at a word's border


class Fitted(NamedTuple):
    """A prompt that fits, and its row.

    Args:
        prompt: The prompt, its sentence shortened where it had to be.
        token_ids: The row, which is what the tokenizer makes of the prompt.
    """

    prompt: Prompt
    token_ids: list[int]


def fitted(prompts: Sequence[Prompt], frame: PromptFrame, max_length: int) -> list[Fitted | Fault]:
    """Shortens the sentences of prompts that are too long.

    A shortened sentence keeps what `Prompt.keep` spans, and as many tokens around it as fit,
    evenly on both sides. It begins and ends between words where that costs few tokens, else
    between tokens. It is tokenized anew, so that its row is that of the shorter text.

    Args:
        prompts: The prompts.
        frame: What stands around them.
        max_length: The longest row, in tokens.

    Returns:
        Each prompt with its row, or why there is none, in order.
    """
    results: list[Fitted | Fault | None] = [None] * len(prompts)
    open_ = dict[int, _TooLong]()
    for n, tokens in enumerate(frame.tokens(map(frame.text, prompts))):
        row = frame.row(tokens.token_ids)
        if len(row) <= max_length:
            results[n] = Fitted(prompts[n], row)
        else:
            open_[n] = _TooLong.of(prompts[n], frame, tokens, max_length - len(row))
    while open_:
        cuts = {n: long.cut() for n, long in open_.items()}
        shorter = [long.prompt_of(cuts[n]) for n, long in open_.items()]
        read = frame.tokens(map(frame.text, shorter))
        for (n, long), prompt, tokens in zip(list(open_.items()), shorter, read, strict=True):
            row = frame.row(tokens.token_ids)
            over = len(row) - max_length
            if over <= 0:
                results[n] = Fitted(prompt, row)
            elif cuts[n] == long.needed:
                results[n] = _too_long(len(row), max_length)
            else:
                long.room -= over
                continue
            del open_[n]
    return [result for result in results if result is not None]


def _too_long(length: int, max_length: int) -> Fault:
    return Fault(
        "the prompt is longer than a row may be, even with the least of its sentence",
        received=f"{length} tokens",
        allowed=f"{max_length} tokens (tokens.max_length)",
        next_step=f"--set tokens.max_length={length} or more, as far as the model has positions, "
        "or a shorter decoder.prompt",
        kind="prompt too long",
    )


@dataclass(slots=True)
class _TooLong:
    """A prompt to be shortened: the tokens of its sentence, in the sentence's characters.

    Args:
        prompt: The prompt.
        starts: The first character of each token of the sentence.
        ends: One past the last character of each.
        needed: The characters that must stay.
        room: How many of the tokens there is room for.
    """

    prompt: Prompt
    starts: list[int]
    ends: list[int]
    needed: Span
    room: int

    @classmethod
    def of(cls, prompt: Prompt, frame: PromptFrame, tokens: TextTokens, spare: int) -> _TooLong:
        """Takes the sentence's tokens out of a text's; `spare` is less than nothing."""
        begin, length = frame.sentence_start(prompt), len(prompt.sentence)
        first = bisect_right(tokens.ends, begin)
        end = max(first, bisect_left(tokens.starts, begin + length))
        starts = [max(at - begin, 0) for at in tokens.starts[first:end]]
        ends = [min(at - begin, length) for at in tokens.ends[first:end]]
        return cls(prompt, starts, ends, _needed(prompt), end - first + spare)

    def prompt_of(self, part: Span) -> Prompt:
        """Returns the prompt with a part of its sentence."""
        keep = tuple(span.moved(-part.start) for span in self.prompt.keep)
        return replace(self.prompt, sentence=part.of(self.prompt.sentence), keep=keep)

    def cut(self) -> Span:
        """Chooses the part of the sentence for `room` tokens, or the least part."""
        count = len(self.starts)
        first = bisect_right(self.ends, self.needed.start)
        end = bisect_left(self.starts, self.needed.end)
        spare = self.room - (end - first)
        if spare < 0:
            return self.needed
        left = min(first, max(spare // 2, spare - (count - end)))
        begin = self._first_kept(first - left, first)
        stop = self._one_past_kept(end, min(count, begin + self.room))
        # A token that a needed word shares with its surroundings is cut at the word.
        start = self.needed.start if begin >= first else 0 if begin == 0 else self.starts[begin]
        if stop >= count:
            return Span(start, len(self.prompt.sentence))
        return Span(start, self.needed.end if stop <= end else self.ends[stop - 1])

    def _first_kept(self, at: int, until: int) -> int:
        """The token to begin with: `at`, or one after it."""
        if at == 0:
            return 0
        text = self.prompt.sentence
        furthest = min(at + min(LOST, (until - at) // 2), until)
        for i in range(at, furthest + 1):
            if i == until or text[self.starts[i] - 1 : self.starts[i]].isspace():
                return i
        whole = (i for i in range(at, until) if self.starts[i] >= self.ends[i - 1])
        return next(whole, until)

    def _one_past_kept(self, until: int, at: int) -> int:
        """The token to end before: `at`, or one before it."""
        if at >= len(self.starts):
            return len(self.starts)
        text = self.prompt.sentence
        furthest = max(at - min(LOST, (at - until) // 2), until)
        for i in range(at, furthest - 1, -1):
            if i == until or text[self.ends[i - 1] : self.ends[i - 1] + 1].isspace():
                return i
        whole = (i for i in range(at, until, -1) if self.ends[i - 1] <= self.starts[i])
        return next(whole, until)


def _needed(prompt: Prompt) -> Span:
    """What must stay; where the whole sentence is meant, its first character."""
    if prompt.keep:
        return Span(min(prompt.keep).start, max(span.end for span in prompt.keep))
    start = len(prompt.sentence) - len(prompt.sentence.lstrip())
    return Span(start, min(start + 1, len(prompt.sentence)))
