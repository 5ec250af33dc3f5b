"""How a recipe asks a decoder: the label words, the prompts, and the tokenizer they are cut by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.data.labels import LabelList
from relx.data.prompts.label_words import after_prompt, label_tokens
from relx.data.prompts.prompt import Prompt
from relx.faults import Fault, InputError
from relx.model_sections import DecoderSection, FreshDecoder
from relx.models.stored.source import LocalCheckpoint, find_source
from relx.progress import say
from relx.recipe import Recipe
from relx.tasks.task import Task, task_of

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

# A label word's tokens depend on the prompt's end alone: so many characters of it are compared, and
# prompts of so many different ends are looked at.
ENDING = 8
ENDINGS = 512


def section_of(recipe: Recipe) -> DecoderSection:
    """Returns the section of a recipe that is about a decoder."""
    assert recipe.decoder is not None
    return recipe.decoder


def label_texts(section: DecoderSection, labels: LabelList) -> list[str]:
    """Lists the word of each label: the recipe's, or the label itself.

    Args:
        section: The recipe's section.
        labels: The labels.

    Returns:
        A word a label, in label order.

    Raises:
        InputError: The recipe's words are not of these labels.
    """
    words = section.words or {}
    if words and set(words) != set(labels.names):
        missing = [name for name in labels.names if name not in words]
        other = [name for name in words if name not in labels.names]
        received = "; ".join(
            f"{what}: {', '.join(names)}"
            for what, names in (("without a word", missing), ("no label", other))
            if names
        )
        what, allowed = "there has to be a word for each label", ", ".join(labels.names)
        raise InputError(Fault(what, "decoder.words", received, allowed, kind="label words"))
    return [words.get(name, name) for name in labels.names]


def prompter_of(recipe: Recipe, task: Task[Any], labels: LabelList) -> Callable[[Any], Prompt]:
    """Returns what makes a prompt of a row.

    Args:
        recipe: The recipe.
        task: Its task.
        labels: Its labels.

    Raises:
        InputError: The prompt lacks a slot, or the words are not of these labels.
    """
    section = section_of(recipe)
    return task.prompter(section.prompt, label_texts(section, labels))


def checked_label_tokens(
    recipe: Recipe,
    labels: LabelList,
    prompts: Iterable[Prompt],
    tokenizer: PreTrainedTokenizerFast,
) -> list[int]:
    """Finds the token of each label's word; none where the labels have rows of their own.

    Args:
        recipe: The recipe.
        labels: The labels.
        prompts: The prompts of all rows; of those that end alike one is looked at.
        tokenizer: The tokenizer.

    Raises:
        InputError: A word is no single token, or is another label's too.
    """
    section = section_of(recipe)
    if section.head != "label_words":
        return []
    sample = different_endings(prompts)
    words = label_texts(section, labels)
    return label_tokens(tokenizer, words, sample, labels.names, section.chat)


def different_endings(prompts: Iterable[Prompt]) -> list[Prompt]:
    """Chooses the first prompt of each ending, `ENDINGS` of them at most.

    Args:
        prompts: The prompts.
    """
    found: dict[str, Prompt] = {}
    for prompt in prompts:
        found.setdefault(prompt.text[-ENDING:], prompt)
        if len(found) == ENDINGS:
            say(f"note: label words are read after {ENDINGS} endings of prompts; there are more")
            break
    return list(found.values())


def label_word_faults(
    recipe: Recipe, labels: LabelList, rows: Iterable[Any], tokenizer: PreTrainedTokenizerFast
) -> list[Fault]:
    """Finds the label words of a decoder that are no tokens of their own.

    Args:
        recipe: The recipe.
        labels: The labels.
        rows: The rows.
        tokenizer: The tokenizer.

    Returns:
        What is amiss.
    """
    try:
        ask = prompter_of(recipe, task_of(recipe), labels)
        checked_label_tokens(recipe, labels, map(ask, rows), tokenizer)
    except InputError as error:
        return list(error.faults)
    return []


def find_base(section: DecoderSection, revision: str | None) -> LocalCheckpoint:
    """Finds the folder of the decoder that a recipe names.

    Args:
        section: The recipe's section.
        revision: The commit to take.

    Raises:
        InputError: There is none, or it is a KerasHub preset.
    """
    assert isinstance(section.source, str)
    found = find_source(section.source, revision, section.allow_pickle, "decoder")
    if found.kind == "keras":
        what = "a KerasHub preset of a decoder is not read here"
        step = "name a Hugging Face folder or hub id of the same model"
        raise InputError(Fault(what, "decoder.from", section.source, next_step=step))
    return found


def read_decoder_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Reads the tokenizer of a decoder, which needs no special tokens."""
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer

    return read_tokenizer(folder, needed=())


def recipe_tokenizer(
    recipe: Recipe, labels: LabelList, prompts: Callable[[], Sequence[Prompt]]
) -> PreTrainedTokenizerFast:
    """Reads the tokenizer of a recipe's decoder, or trains a fresh one's.

    Args:
        recipe: The recipe.
        labels: Its labels, whose words are tokens of a fresh decoder.
        prompts: Gives the prompts that a fresh decoder's vocabulary is trained on.

    Raises:
        InputError: There is none.
    """
    section = section_of(recipe)
    if not isinstance(section.source, FreshDecoder):
        return read_decoder_tokenizer(find_base(section, section.revision).folder)
    from relx.models.decoder.files.fresh import fresh_tokenizer

    texts = [prompt.text for prompt in prompts()]
    ends = dict.fromkeys(prompt[-1:] for prompt in texts)
    words = [after_prompt(w, end) for w in label_texts(section, labels) for end in ends]
    return fresh_tokenizer(texts, words, section.source.fresh.vocabulary)
