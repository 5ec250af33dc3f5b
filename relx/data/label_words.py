"""Label words: what a decoder would say next, one token a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relx.data.prompt import Prompt
from relx.data.special_tokens import special_text_as_text
from relx.faults import Fault, InputError

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

_PROPOSALS = 3


@dataclass(frozen=True, slots=True)
class LabelWord:
    """A label's word as a tokenizer cuts it right after a prompt.

    Args:
        label: The label.
        text: What follows the prompt, with the space before it.
        ids: Its tokens; empty where it changes the tokens of the prompt before it.
        pieces: The text of each token; a part of a character is shown by its bytes.
    """

    label: str
    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...]


def after_prompt(word: str, prompt: str) -> str:
    """Returns a word as it follows a prompt: with one space between, where neither has any.

    Args:
        word: The word.
        prompt: The prompt.
    """
    spaced = prompt[-1:].isspace() or word[:1].isspace()
    return word if spaced else f" {word}"


def cut_words(
    tokenizer: PreTrainedTokenizerFast, words: Sequence[str], prompt: str, labels: Sequence[str]
) -> list[LabelWord]:
    """Tokenizes each label's word right after a prompt.

    Args:
        tokenizer: The tokenizer.
        words: A word a label.
        prompt: The end of the prompt, or all of it.
        labels: The labels.
    """
    texts = [after_prompt(word, prompt) for word in words]
    with special_text_as_text(tokenizer) as backend:
        bare = backend.encode(prompt, add_special_tokens=False).ids
        whole = [backend.encode(prompt + text, add_special_tokens=False).ids for text in texts]
    found = []
    for label, text, ids in zip(labels, texts, whole, strict=True):
        own = ids[len(bare) :] if ids[: len(bare)] == bare else []
        found.append(LabelWord(label, text, tuple(own), _pieces(tokenizer, own)))
    return found


def label_tokens(
    tokenizer: PreTrainedTokenizerFast,
    words: Sequence[str],
    prompts: Sequence[Prompt],
    labels: Sequence[str],
) -> list[int]:
    """Finds the token that each label's word becomes right after a prompt.

    Args:
        tokenizer: The tokenizer.
        words: A word a label.
        prompts: Some prompts; all have to give the same tokens.
        labels: The labels.

    Returns:
        A token a label.

    Raises:
        InputError: A word is no single token, changes the prompt's tokens, or shares its token
            with another; all such words at once.
    """
    found: list[int] = []
    for end in dict.fromkeys(prompt.after or prompt.sentence for prompt in prompts):
        cut = cut_words(tokenizer, words, end, labels)
        faults = [*_faults_of_words(cut, tokenizer), *_faults_of_pairs(cut)]
        ids = [word.ids[0] for word in cut if word.ids]
        if not faults and found and ids != found:
            what = "the label words are other tokens after some prompts than after others"
            step = "let the prompt end the same way for all rows"
            faults.append(Fault(what, "decoder.prompt", end, next_step=step, kind="label words"))
        if faults:
            raise InputError(*faults)
        found = ids
    return found


def confusable(cut: Sequence[LabelWord]) -> list[tuple[str, str]]:
    """Lists pairs of labels whose words begin alike, which a reader of probabilities mixes up.

    Args:
        cut: What `cut_words` gave.

    Returns:
        Pairs of labels: one's word begins with the other's, or their first tokens are the same.
    """
    pairs = []
    for i, one in enumerate(cut):
        for other in cut[i + 1 :]:
            texts = one.text.strip(), other.text.strip()
            same = one.ids[:1] == other.ids[:1] and one.ids
            if same or texts[0].startswith(texts[1]) or texts[1].startswith(texts[0]):
                pairs.append((one.label, other.label))
    return pairs


def _faults_of_words(
    cut: Sequence[LabelWord], tokenizer: PreTrainedTokenizerFast
) -> Iterator[Fault]:
    for word in cut:
        where, kind = f"decoder.words: {word.label}", "label words"
        if not word.ids:
            what = f"{word.text!r} changes the tokens of the prompt before it"
            step = "end the prompt elsewhere, or begin the word with a space"
            yield Fault(what, where, word.text, "a word of one token", step, kind)
        elif len(word.ids) > 1:
            what = f"{word.text!r} is {len(word.ids)} tokens after the prompt"
            received, step = " + ".join(word.pieces), _better(word, tokenizer)
            yield Fault(what, where, received, "a word of one token", step, kind)


def _faults_of_pairs(cut: Sequence[LabelWord]) -> Iterator[Fault]:
    first: dict[int, LabelWord] = {}
    for word in cut:
        if len(word.ids) != 1:
            continue
        other = first.setdefault(word.ids[0], word)
        if other is not word:
            what = f"{word.text!r} and {other.text!r} are one and the same token"
            step = "give one of them another word"
            yield Fault(what, f"decoder.words: {word.label}", "", "", step, "label words")


def _better(word: LabelWord, tokenizer: PreTrainedTokenizerFast) -> str:
    """Proposes words of one token that look like a word of several."""
    wanted = word.text.strip()
    whole = {
        text.strip()
        for text in _vocabulary_texts(tokenizer)
        if text[:1].isspace() and len(text.strip()) > 1
    }
    near = [text for text in whole if text in wanted or wanted in text]
    near.sort(key=lambda text: (abs(len(text) - len(wanted)), text))
    new = "decoder.head=new trains tokens of the labels' own"
    if not near:
        return f"choose another word, or {new}"
    return f"one token each: {', '.join(near[:_PROPOSALS])}; or {new}"


def _vocabulary_texts(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Returns the text of every token, as it follows another."""
    ids = sorted(tokenizer.get_vocab().values())
    anchor = _anchor(tokenizer)
    texts = tokenizer.backend_tokenizer.decode_batch([[anchor, id] for id in ids])
    before = tokenizer.backend_tokenizer.decode([anchor])
    return [text.removeprefix(before) for text in texts]


def _anchor(tokenizer: PreTrainedTokenizerFast) -> int:
    """Returns a token of plain text: decoders drop the space of a text's first token."""
    ids = tokenizer.backend_tokenizer.encode(".", add_special_tokens=False).ids
    return int(ids[-1]) if ids else 0


def _pieces(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> tuple[str, ...]:
    """Returns the text of each token, with its spaces; parts of characters as they are stored."""
    anchor = _anchor(tokenizer)
    before = tokenizer.backend_tokenizer.decode([anchor])
    pieces = []
    for id in ids:
        text = tokenizer.backend_tokenizer.decode([anchor, id]).removeprefix(before)
        pieces.append(
            repr(text) if "\ufffd" not in text else str(tokenizer.convert_ids_to_tokens(id))
        )
    return tuple(pieces)
