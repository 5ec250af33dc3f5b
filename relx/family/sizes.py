"""What a recipe's model takes, by its config.json alone: how long a text, and which tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relx.family.prompting import find_base, section_of
from relx.faults import Fault, InputError
from relx.models.stored.source import find_source
from relx.recipe import Recipe

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a model on disk that a recipe's texts have to fit.

    Args:
        positions: The longest text, in tokens.
        rows: The rows of its token table.
        folder: Where it is.
    """

    positions: int
    rows: int
    folder: str


def stored_sizes(recipe: Recipe) -> Sizes | None:
    """Reads the sizes of a recipe's model, without its weights and without a framework.

    Args:
        recipe: The recipe.

    Returns:
        The sizes; None of a fresh model, which is made to fit.

    Raises:
        InputError: There is no such model, or it is of a kind that cannot be loaded.
    """
    if not isinstance(recipe.source, str):
        return None
    if recipe.decoder is not None:
        from relx.models.decoder.configurations.families import read_configuration as read_decoder

        folder = find_base(section_of(recipe), recipe.decoder.revision).folder
        decoder = read_decoder(folder)
        return Sizes(decoder.max_positions, decoder.vocab_size, str(folder))
    from relx.models.encoder.configuration import read_configuration
    from relx.models.encoder.presets import preset_configuration

    found = find_source(recipe.source, recipe.started_from.revision)
    read = preset_configuration if found.kind == "keras" else read_configuration
    encoder = read(found.folder)
    return Sizes(encoder.max_sequence_length, encoder.vocab_size, str(found.folder))


def model_faults(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast | None, marker_tokens: Sequence[str]
) -> list[Fault]:
    """Finds out whether a recipe's model takes its window, and an encoder its tokenizer's tokens.

    Args:
        recipe: The recipe.
        tokenizer: The model's tokenizer, which may have the markers; None where it cannot be read.
        marker_tokens: The markers that are tokens of their own.

    Returns:
        What would keep training from beginning.
    """
    from relx.models.stored.tokenizers.rows import require_rows

    faults: list[Fault] = []
    try:
        sizes = stored_sizes(recipe)
    except InputError as error:
        return list(error.faults) if tokenizer is not None else []
    if sizes is None:
        return []
    with _collected(faults):
        require_positions(sizes.positions, recipe)
    if recipe.decoder is None and tokenizer is not None:
        with _collected(faults):
            require_rows(sizes.rows, tokenizer, marker_tokens, sizes.folder)
    return faults


@contextlib.contextmanager
def _collected(faults: list[Fault]) -> Iterator[None]:
    """Adds the faults of an `InputError` to a list instead of raising it."""
    try:
        yield
    except InputError as error:
        faults += error.faults


def require_positions(positions: int, recipe: Recipe) -> None:
    """Checks that a model takes the window.

    Args:
        positions: The longest text that it takes, in tokens.
        recipe: The recipe; `tokens.max_length` is the window.

    Raises:
        InputError: It has fewer positions than the window.
    """
    window = recipe.tokens.max_length
    if positions < window:
        what = f"this {recipe.family} takes texts of at most {positions} tokens"
        step = f"--set tokens.max_length={positions}"
        raise InputError(Fault(what, "tokens.max_length", str(window), "", step, "positions"))
