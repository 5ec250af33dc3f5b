"""Label words: each is the one token that a decoder may write right after a prompt."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_frame import PromptFrame, prompt_frame
from relx.data.tokenizing.special_tokens import special_ids
from relx.data.tokenizing.vocabulary import Vocabulary
from relx.faults import Fault, InputError

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

OFFERED = 3  # words that a message proposes
TRIED = 64  # words of the vocabulary that are tried after a prompt before giving up
SIMILAR = 0.7  # how like a word another must be; less finds words that mean something else
_NEW = "set decoder.head=new, which trains a token of its own for each label"


class WordPieces(NamedTuple):
    """A word right after a prompt, as the tokenizer cuts it.

    Args:
        text: What is appended to the prompt, with the space between.
        token_ids: The tokens that come after those of the prompt; where the word changes those,
            all from the first that is changed.
        pieces: The tokens as people read them; see `Vocabulary.shown`.
        joins: Whether the word changes the tokens of the prompt before it.
        unknown: Whether a token stands for anything the vocabulary has no piece of.
    """

    text: str
    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    joins: bool
    unknown: bool

    @property
    def good(self) -> bool:
        """Whether the word is one token, and the prompt stays what it is."""
        return len(self.token_ids) == 1 and not self.joins and not self.unknown


class Confusable(NamedTuple):
    """Two label words that people, or a model's spelling, may take for one another.

    Args:
        first: One word, as it is written in the recipe.
        second: The other.
        how: What they have in common, as the predicate of a sentence about the first.
    """

    first: str
    second: str
    how: str


def after_prompt(word: str, prompt: str) -> str:
    """Returns what is appended to a prompt for a word; the one place that decides it.

    A word stands as it is written. Where neither the prompt ends nor the word begins with a
    space, one goes between, as in running text: vocabularies have most words with the space before
    them.

    Args:
        word: The word, as it is written in the recipe.
        prompt: The text that comes before.

    Returns:
        The word, with a space before it or not.
    """
    apart = not prompt or prompt[-1:].isspace() or word[:1].isspace()
    return word if apart else f" {word}"


def word_pieces(
    tokenizer: PreTrainedTokenizerFast,
    words: Sequence[str],
    prompts: Sequence[Prompt],
    chat: bool = False,
) -> list[WordPieces]:
    """Cuts words as they are cut right after prompts.

    Args:
        tokenizer: A fast tokenizer of any kind.
        words: The words, as they are written in the recipe.
        prompts: Some prompts of the data, at least one.
        chat: Whether a prompt is the user's message in the tokenizer's chat template.

    Returns:
        Each word's pieces: after the first prompt where it is no good word, or cut otherwise than
        after the first of all; else after that one.

    Raises:
        InputError: There is no chat template.
    """
    reader = _Reader(prompt_frame(tokenizer, chat=chat))
    return [_worst(readings) for readings in reader.read_all(words, prompts)]


def confusable(words: Sequence[str]) -> list[Confusable]:
    """Finds label words that are near to one another as texts, whatever their tokens are.

    Args:
        words: The words, as they are written in the recipe.

    Returns:
        The pairs, in the words' order.
    """
    pairs = itertools.combinations(words, 2)
    found = ((one, other, _likeness(one.strip(), other.strip())) for one, other in pairs)
    return [Confusable(one, other, how) for one, other, how in found if how]


def _likeness(one: str, other: str) -> str:
    if one == other:
        return "is the other, but for spaces"
    if one.casefold() == other.casefold():
        return "is the other, but for capital letters"
    if other.startswith(one):
        return "is how the other begins"
    if one.startswith(other):
        return "begins with the other"
    if one in other:
        return "is a part of the other"
    if other in one:
        return "has the other as a part"
    return ""


def label_tokens(
    tokenizer: PreTrainedTokenizerFast,
    words: Sequence[str],
    prompts: Sequence[Prompt],
    labels: Sequence[str],
    chat: bool = False,
) -> list[int]:
    """Finds the token that each label's word becomes right after a prompt.

    Args:
        tokenizer: A fast tokenizer of any kind.
        words: A word for each label, as it is written in the recipe.
        prompts: Some prompts of the data, at least one.
        labels: The labels, by which messages name the words.
        chat: Whether a prompt is the user's message in the tokenizer's chat template.

    Returns:
        As many tokens, no two alike.

    Raises:
        InputError: All words at once that are not one token, or change the tokens of the prompt,
            or share their token with another; each with better words from the vocabulary. Or
            there is no chat template.
    """
    reader = _Reader(prompt_frame(tokenizer, chat=chat))
    found = reader.read_all(words, prompts)
    owners, wrong = dict[int, int](), dict[int, str]()
    for n, readings in enumerate(found):
        what = _what(readings)
        if not what:
            owner = owners.setdefault(readings[0].token_ids[0], n)
            what = "" if owner == n else f"the word is the same token as that of {labels[owner]}"
        if what:
            wrong[n] = what
    if wrong:
        proposer = _Proposer(reader, prompts[0], set(owners))
        faults = (
            _fault(what, labels[n], _worst(found[n]), proposer.words_like(words[n]))
            for n, what in wrong.items()
        )
        raise InputError(*faults)
    return [readings[0].token_ids[0] for readings in found]


def _worst(readings: Sequence[WordPieces]) -> WordPieces:
    """The first reading that is no good, or is not like the first one."""
    first = readings[0]
    if not first.good:
        return first
    return next((other for other in readings if other.token_ids != first.token_ids), first)


def _what(readings: Sequence[WordPieces]) -> str:
    """What is amiss with a word, if anything is."""
    worst = _worst(readings)
    if not worst.text.strip():
        return "the word is empty"
    if worst.joins:
        return "the word changes the tokens of the prompt before it"
    if len(worst.token_ids) != 1:
        count = len(worst.token_ids)
        return f"the word is {count} tokens, not one" if count else "the word is no token"
    if worst.unknown:
        return "the vocabulary has no piece of the word"
    differs = worst.token_ids != readings[0].token_ids
    return "the word is another token after another prompt" if differs else ""


def _fault(what: str, label: str, read: WordPieces, better: Sequence[str]) -> Fault:
    steps = [f"write {' or '.join(map(repr, better))}"] if better else []
    if read.joins:
        steps.insert(0, "end decoder.prompt in another character, not a space")
    received = f"{read.text!r}: {' | '.join(read.pieces)}"
    allowed = "a word that is one token right after the prompt, and of no other label"
    return Fault(
        what,
        f"decoder.words: {label}",
        received,
        allowed,
        "; or ".join([*steps, _NEW]),
        "label word",
    )


class _Reader:
    """Reads words after prompts."""

    def __init__(self, frame: PromptFrame) -> None:
        self.frame = frame
        self.vocabulary = Vocabulary(frame.tokenizer)
        self.no_word = special_ids(frame.tokenizer) | {frame.tokenizer.unk_token_id}

    def read_all(
        self, words: Sequence[str], prompts: Sequence[Prompt]
    ) -> list[tuple[WordPieces, ...]]:
        """Reads each word after each of the prompts."""
        if not prompts:
            raise ValueError("a word is read after a prompt, and there is none")
        return list(zip(*(self.read(words, prompt) for prompt in prompts), strict=True))

    def read(self, words: Sequence[str], prompt: Prompt) -> list[WordPieces]:
        """Reads words after a prompt."""
        ending = self.frame.ending(prompt)
        texts = [after_prompt(word, ending) for word in words]
        bare, *rows = self.frame.rows_with(["", *texts], prompt)
        return [self._pieces(text, row, bare) for text, row in zip(texts, rows, strict=True)]

    def _pieces(self, text: str, row: Sequence[int], bare: Sequence[int]) -> WordPieces:
        alike = (one == other for one, other in zip(row, bare, strict=False))
        shared = sum(itertools.takewhile(bool, alike))
        own = row[shared:]
        unknown = not self.no_word.isdisjoint(own)
        shown = self.vocabulary.shown(own)
        return WordPieces(text, tuple(own), shown, shared < len(bare), unknown)


class _Proposer:
    """Proposes words that are one token after a prompt; none twice.

    Args:
        reader: Reads words.
        prompt: The prompt.
        taken: Tokens that are good labels' words already.
    """

    def __init__(self, reader: _Reader, prompt: Prompt, taken: set[int]) -> None:
        self.reader, self.prompt, self.taken = reader, prompt, taken
        entries = {text.strip() for text in reader.vocabulary.texts()}
        self.entries = sorted(
            (entry for entry in entries if entry.isalpha()), key=lambda text: (len(text), text)
        )

    def words_like(self, word: str) -> list[str]:
        """Returns words in place of one, written with a space before them where it has one."""
        bare = word.strip()
        space = word[: len(word) - len(word.lstrip())]
        likely = dict.fromkeys(_likely(bare, self.entries))
        tried = [space + text for text in likely if text != bare][:TRIED]
        better = list[str]()
        for text, read in zip(tried, self.reader.read(tried, self.prompt), strict=True):
            if read.good and read.token_ids[0] not in self.taken and len(better) < OFFERED:
                self.taken.add(read.token_ids[0])
                better.append(text)
        return better


def _likely(word: str, entries: Sequence[str]) -> Iterator[str]:
    """Words near to one, the nearest first: its beginnings, words that hold it, similar words."""
    beginnings = [word[:end] for end in range(len(word) - 1, 0, -1)]
    halves = [text for text in beginnings if 2 * len(text) >= len(word)]
    yield from halves
    if word:
        yield from itertools.islice((entry for entry in entries if word in entry), TRIED // 4)
        near = [entry for entry in entries if entry[0] == word[0] and len(entry) > 1]
        yield from difflib.get_close_matches(word, near, n=OFFERED, cutoff=SIMILAR)
    yield from beginnings[len(halves) :]
