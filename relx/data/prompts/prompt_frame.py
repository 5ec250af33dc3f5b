"""Prompts as tokens: the tokenizer's own beginning, or its chat template, and the text in it.

What the tokenizer or its chat template writes is read with its special tokens. What data and
recipe write is read as text, even where it looks like a special token.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Tokenizer

from relx.data.prompts.chat import ChatFrame, chat_frame
from relx.data.prompts.prompt import Prompt
from relx.data.tokenizing.special_tokens import special_around, special_ids, special_text_as_text
from relx.data.tokenizing.tokens import Pieces, TextTokens, text_tokens

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True, eq=False)
class PromptFrame:
    """What stands around the text of every prompt, and the tokenizer that reads it.

    A row is `opening`, the tokens of `head`, prompt and `tail` as one text, `closing`, and the
    tokens of `last`.

    Args:
        tokenizer: The tokenizer.
        opening: Special tokens before a sequence; or a chat template's tokens up to its last
            special one before the message.
        head: The template's text between that and the message.
        tail: Its text from the message to its next special token.
        closing: Its tokens from there to the last special one.
        last: The text after that.
        end: The template's text from `closing` on, with its special tokens.
        trims: Whether the template takes spaces away at the ends of the message.
        head_follows_special: Whether `head` comes after a special token of the template.
    """

    tokenizer: PreTrainedTokenizerFast
    opening: tuple[int, ...]
    head: str = ""
    tail: str = ""
    closing: tuple[int, ...] = ()
    last: str = ""
    end: str = ""
    trims: bool = False
    head_follows_special: bool = False

    def text(self, prompt: Prompt) -> str:
        """Returns the text that a row's tokens are of, but for what `closing` parts from it."""
        before, after = prompt.before, prompt.after
        if self.trims:
            before, after = before.lstrip(), after.rstrip()
        return f"{self.head}{before}{prompt.sentence}{after}{self.tail}"

    def sentence_start(self, prompt: Prompt) -> int:
        """Returns where in `text` the sentence begins."""
        before = prompt.before.lstrip() if self.trims else prompt.before
        return len(self.head) + len(before)

    def ending(self, prompt: Prompt) -> str:
        """Returns text that a label word comes after: all of the end that prompts share, or all."""
        return self.end if self.closing else self.text(prompt)

    def tokens(self, texts: Iterable[str]) -> Iterator[TextTokens]:
        """Tokenizes what `text` returns."""
        reader = _after_special(self.tokenizer) if self.head_follows_special else self.tokenizer
        return text_tokens(map(Pieces, texts), reader)

    def row(self, text: Sequence[int]) -> list[int]:
        """Returns the row of a text's tokens."""
        return [*self.opening, *text, *self.closing, *self._last_tokens("")]

    def rows_with(self, words: Sequence[str], prompt: Prompt) -> list[list[int]]:
        """Returns the row of a prompt with each of some words after it, as one text."""
        text = self.text(prompt)
        if not self.closing:
            texts = [text + word for word in words]
            return [self.row(tokens.token_ids) for tokens in self.tokens(texts)]
        (tokens,) = self.tokens([text])
        until = [*self.opening, *tokens.token_ids, *self.closing]
        return [until + self._last_tokens(word) for word in words]

    def _last_tokens(self, word: str) -> list[int]:
        if not self.last and not word:
            return []
        (tokens,) = text_tokens([Pieces(self.last + word)], _after_special(self.tokenizer))
        return tokens.token_ids


def prompt_frame(tokenizer: PreTrainedTokenizerFast, *, chat: bool = False) -> PromptFrame:
    """Asks a tokenizer what stands around a prompt.

    Args:
        tokenizer: A fast tokenizer of any kind.
        chat: Whether a prompt is the message of a user in the tokenizer's chat template.

    Returns:
        The frame. Nothing comes after the prompt but what the chat template begins the answer
        with: no end of text.

    Raises:
        InputError: There is no chat template that can be used.
    """
    if not chat:
        return PromptFrame(tokenizer, tuple(special_around(tokenizer)[0]))
    return _parted(tokenizer, chat_frame(tokenizer))


def _parted(tokenizer: PreTrainedTokenizerFast, chat: ChatFrame) -> PromptFrame:
    """Parts a chat template's text at its special tokens."""
    before, after = (_read(tokenizer, text) for text in (chat.head, chat.tail))
    opening = before.ids[: before.last]
    has_special = after.last > 0
    return PromptFrame(
        tokenizer,
        opening=tuple(opening),
        head=chat.head[before.end :],
        tail=chat.tail[: after.start] if has_special else chat.tail,
        closing=tuple(after.ids[after.first : after.last]),
        last=chat.tail[after.end :] if has_special else "",
        end=chat.tail[after.start :] if has_special else "",
        trims=chat.trims,
        head_follows_special=bool(opening),
    )


class _Read(NamedTuple):
    """The tokens of a template's text, and which and where its special ones are."""

    ids: list[int]
    first: int = 0  # the first special token
    last: int = 0  # one past the last one
    start: int = 0  # the first one's first character
    end: int = 0  # one past the last one's last


def _read(tokenizer: PreTrainedTokenizerFast, text: str) -> _Read:
    with special_text_as_text(tokenizer) as backend:
        backend.encode_special_tokens = False
        found = backend.encode(text, add_special_tokens=False)
    special = special_ids(tokenizer)
    places = [i for i, id in enumerate(found.ids) if id in special]
    if not places:
        return _Read(found.ids)
    start, end = found.offsets[places[0]][0], found.offsets[places[-1]][1]
    return _Read(found.ids, places[0], places[-1] + 1, start, end)


@functools.lru_cache(maxsize=2)
def _after_special(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A tokenizer that puts a space before no text, if its own does so before the first alone."""
    tree = json.loads(tokenizer.backend_tokenizer.to_str())
    changed = _never_first(tree["pre_tokenizer"])
    if changed == tree["pre_tokenizer"]:
        return tokenizer
    small = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
    kept = {"version": tree["version"], "model": small, "pre_tokenizer": changed}
    other = copy.deepcopy(tokenizer)
    other.backend_tokenizer.pre_tokenizer = Tokenizer.from_str(json.dumps(kept)).pre_tokenizer
    return other


def _never_first(step: Any) -> Any:
    if isinstance(step, list):
        return [_never_first(part) for part in step]
    if not isinstance(step, dict):
        return "never" if step == "first" else step
    return {
        key: _never_first(value) if key in ("prepend_scheme", "pretokenizers") else value
        for key, value in step.items()
    }
