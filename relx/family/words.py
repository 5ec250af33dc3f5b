"""What a tokenizer makes of a recipe's label words, for people to look at."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.data.prompts.label_words import Confusable, WordPieces, confusable, word_pieces
from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_rows import prompt_rows
from relx.dataset import read_unlabelled
from relx.family.prompting import (
    different_endings,
    find_base,
    label_texts,
    prompter_of,
    recipe_tokenizer,
    section_of,
)
from relx.faults import Fault, InputError
from relx.model_sections import FreshDecoder
from relx.recipe import Recipe
from relx.tasks.task import task_of

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class WordTable:
    """The label words of a recipe.

    Args:
        labels: The labels.
        words: Each label's word as it is cut after the prompts.
        pairs: Words that are near to one another.
        log_probabilities: How likely the decoder finds each word after a prompt without a
            sentence, before any training, by label; of words of one token alone, empty where it was
            not asked for.
    """

    labels: tuple[str, ...]
    words: tuple[WordPieces, ...]
    pairs: tuple[Confusable, ...]
    log_probabilities: Mapping[str, float]

    def tree(self) -> dict[str, Any]:
        """Returns the table as `json.dumps` takes it."""
        words = zip(self.labels, self.words, strict=True)
        return {
            "words": [{"label": label, **word._asdict()} for label, word in words],
            "pairs": [pair._asdict() for pair in self.pairs],
            "log_probabilities": dict(self.log_probabilities),
        }


def word_table(recipe: Recipe, *, with_probabilities: bool = False) -> WordTable:
    """Cuts the label words of a recipe, and perhaps asks its decoder how likely they are.

    Args:
        recipe: The recipe.
        with_probabilities: Whether the decoder is loaded, in its format.

    Returns:
        The table.

    Raises:
        InputError: The recipe is about an encoder; or the data, the prompt, the words' labels or
            the decoder cannot be read.
    """
    if recipe.decoder is None:
        what = "only a decoder has label words"
        raise InputError(Fault(what, "encoder", next_step="name a recipe with decoder.from"))
    task = task_of(recipe)
    labels = task.read_labels()
    ask = prompter_of(recipe, task, labels)
    rows = itertools.chain.from_iterable(read_unlabelled(recipe, dev=False).values())
    prompts = [ask(row) for row in rows]
    tokenizer = recipe_tokenizer(recipe, labels, lambda: prompts)
    section = section_of(recipe)
    texts = label_texts(section, labels)
    cut = word_pieces(tokenizer, texts, different_endings(prompts), section.chat)
    words = dict(zip(labels.names, cut, strict=True))
    found = _log_probabilities(recipe, prompts[0], words, tokenizer) if with_probabilities else {}
    return WordTable(labels.names, tuple(words.values()), tuple(confusable(texts)), found)


def _log_probabilities(
    recipe: Recipe,
    prompt: Prompt,
    words: Mapping[str, WordPieces],
    tokenizer: PreTrainedTokenizerFast,
) -> dict[str, float]:
    """Asks a decoder with a prompt whose sentence is empty: natural logarithms by label."""
    section = section_of(recipe)
    if isinstance(section.source, FreshDecoder):
        what = "a fresh decoder has learnt no word yet"
        raise InputError(Fault(what, "--log-probs", next_step="leave it out"))
    from keras import ops

    from relx.devices.device import open_device
    from relx.models.decoder.files.load import load_decoder

    folder = find_base(section, section.revision).folder
    bare = replace(prompt, sentence="", keep=())
    rows = prompt_rows([bare], tokenizer, recipe.tokens.max_length, ["--log-probs"], section.chat)
    ids = rows.token_ids[None].astype(np.int32)
    with open_device(recipe.device, recipe.seed).scope():
        loaded = load_decoder(folder, section.format, allow_pickle=section.allow_pickle)
        states = loaded.decoder(ids, training=False)
    state = ops.convert_to_numpy(ops.cast(states, "float32"))[0, -1]
    logits = loaded.all_logits(state)
    logits -= logits.max()
    shares = logits - np.log(np.exp(logits.astype(np.float64)).sum())
    good = {label: word for label, word in words.items() if word.good}
    return {label: float(shares[word.token_ids[0]]) for label, word in good.items()}
