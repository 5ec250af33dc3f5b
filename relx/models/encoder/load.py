"""From `encoder.from` to an encoder with its tokenizer and head, and back to a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from relx.files import whole_folder
from relx.models.encoder.architectures.backbone import EncoderBackbone
from relx.models.encoder.architectures.head import MaskedLMHead
from relx.models.encoder.architectures.weights import extend_table, masked_lm_head_weights
from relx.models.encoder.build import build_encoder, build_head, encoder_weights
from relx.models.encoder.configuration import read_configuration
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.fresh import draw_head, draw_weights, fresh_configuration
from relx.models.encoder.names import canonical_names, has_head, left_out
from relx.models.encoder.presets import read_preset
from relx.models.encoder.transfer import (
    assign_weights,
    shapes_of,
    tensors_of,
)
from relx.models.stored.folder import listed, open_checkpoint, write_checkpoint, write_config
from relx.models.stored.source import LocalCheckpoint, find_source
from relx.models.stored.tokenizers.rows import require_rows, spare_rows, vocabulary_rows
from relx.models.stored.tokenizers.tokenizer import (
    add_marker_tokens,
    load_tokenizer,
    write_tokenizer,
)
from relx.progress import warn
from relx.recipe import FreshSource

FRESH_HEAD = (
    "this checkpoint has no masked-LM head: a fresh one starts from random weights, "
    "tied to the token embedding"
)


@dataclass(slots=True)
class LoadedEncoder:
    """An encoder, what belongs to it, and what is worth knowing about how it was loaded.

    Args:
        encoder: The encoder.
        head: Its masked-LM head, where one was asked for.
        tokenizer: Its tokenizer, with the marker tokens.
        source: What was named.
        notes: Sentences that the caller prints and puts in the manifest.
        revision: The hub commit that was loaded; None for a source that is not on the hub.
    """

    encoder: EncoderBackbone
    head: MaskedLMHead | None
    tokenizer: PreTrainedTokenizerFast
    source: str
    notes: list[str] = field(default_factory=list)
    revision: str | None = None

    @property
    def backbone(self) -> EncoderBackbone:
        """The encoder: what computes states."""
        return self.encoder

    def write(self, folder: Path, card: str) -> None:
        """Writes the encoder's files into a folder; see `write_encoder`."""
        write_encoder(self, folder, card)


def _no_sentences() -> Iterable[str]:
    return ()


def load_encoder(
    source: str | FreshSource,
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    sentences: Callable[[], Iterable[str]] = _no_sentences,
    marker_tokens: Sequence[str] = (),
    with_head: bool = False,
    revision: str | None = None,
    allow_pickle: bool = False,
    seed: int,
) -> LoadedEncoder:
    """Loads an encoder; every weight of the checkpoint and of the encoder is accounted for.

    Precision is the global policy's and variables are float32. Under a distribution strategy,
    call this inside its scope.

    Args:
        source: A folder, hub id or preset as `encoder.from` names it, or a fresh encoder's sizes.
        tokenizer: Its tokenizer, if it is loaded already; it may have the marker tokens.
        sentences: Gives the texts that a fresh encoder's vocabulary is trained on.
        marker_tokens: Markers that must be single tokens; the embedding grows where they are new.
        with_head: Whether to load the masked-LM head; a missing one starts fresh.
        revision: The branch, tag or commit of a hub id; the main branch unless given.
        allow_pickle: Whether weights that exist only as a pickle are read, as tensors alone.
        seed: The seed of whatever starts random.

    Returns:
        The encoder and what belongs to it.

    Raises:
        InputError: The checkpoint is missing, incomplete, or of a kind that cannot be loaded
            exactly; or the tokenizer has more tokens than the embedding has rows.
    """
    if tokenizer is None:
        tokenizer = load_tokenizer(source, sentences, revision)
    add_marker_tokens(tokenizer, marker_tokens)
    if isinstance(source, FreshSource):
        encoder, head = _start_fresh(source, tokenizer, with_head, seed)
        return LoadedEncoder(encoder, head, tokenizer, "fresh")
    found = find_source(source, revision, allow_pickle)
    load = _load_preset if found.kind == "keras" else _load_folder
    encoder, head, notes = load(found, tokenizer, marker_tokens, with_head, seed)
    return LoadedEncoder(encoder, head, tokenizer, source, notes, found.revision)


def save_encoder(loaded: LoadedEncoder, folder: Path, card: str) -> None:
    """Writes an encoder as a Hugging Face folder, whole or not at all.

    Equal weights give equal bytes. With a head it is a folder for AutoModelForMaskedLM, without
    one for AutoModel; a pooler is never written.

    Args:
        loaded: The encoder, its head if it has one, and its tokenizer.
        folder: The folder; one that exists is replaced.
        card: The model card, the content of README.md.

    Raises:
        InputError: The disk is full, or the place cannot be written.
    """
    with whole_folder(folder) as beside:
        write_encoder(loaded, beside, card)


def write_encoder(loaded: LoadedEncoder, folder: Path, card: str) -> None:
    """Writes the files of `save_encoder` into a folder that the caller makes appear whole.

    Args:
        loaded: The encoder, its head if it has one, and its tokenizer.
        folder: A folder that exists.
        card: The model card, the content of README.md.
    """
    encoder, head = loaded.encoder, loaded.head
    configuration = encoder.configuration
    family, rows = configuration.family, configuration.vocab_size
    weights = encoder_weights(encoder, rows, seed=0)
    if head is not None:
        weights += masked_lm_head_weights(head, configuration, rows, seed=0)
    architecture = family.model if head is None else family.masked_lm
    values = configuration.to_json() | {"architectures": [architecture], "dtype": "float32"}
    write_config(folder, values | _token_ids(loaded.tokenizer, family.token_ids))
    file = (weights, configuration, head is not None)
    write_checkpoint(folder, shapes_of(*file), tensors_of(*file))
    length, segments = configuration.max_sequence_length, configuration.num_segments
    write_tokenizer(loaded.tokenizer, folder, length, segments)
    (folder / "README.md").write_text(card, encoding="utf-8")


def _start_fresh(
    source: FreshSource, tokenizer: PreTrainedTokenizerFast, with_head: bool, seed: int
) -> tuple[EncoderBackbone, MaskedLMHead | None]:
    rows = vocabulary_rows(tokenizer)
    configuration = fresh_configuration(source.fresh, rows, tokenizer.pad_token_id)
    encoder = build_encoder(configuration, "zeros")
    draw_weights(encoder, configuration.initializer_range, seed)
    return encoder, _fresh_head(encoder, seed) if with_head else None


def _fresh_head(encoder: EncoderBackbone, seed: int) -> MaskedLMHead:
    head = build_head(encoder, "zeros")
    draw_head(head, encoder.configuration.initializer_range, seed)
    return head


def _load_folder(
    found: LocalCheckpoint,
    tokenizer: PreTrainedTokenizerFast,
    marker_tokens: Sequence[str],
    with_head: bool,
    seed: int,
) -> tuple[EncoderBackbone, MaskedLMHead | None, list[str]]:
    folder = found.folder
    checkpoint = open_checkpoint(folder, found.allow_pickle)
    configuration = read_configuration(folder).fitted(checkpoint)
    names = canonical_names(checkpoint, configuration)
    found_head = has_head(names, configuration)
    wide, notes = _widened(configuration, tokenizer, marker_tokens, folder)
    encoder = build_encoder(wide, "zeros")
    rows = configuration.vocab_size
    weights = encoder_weights(encoder, rows, seed)
    head = build_head(encoder, "zeros") if with_head and found_head else None
    if head is not None:
        weights += masked_lm_head_weights(head, wide, rows, seed)
    assign_weights(weights, checkpoint, configuration)
    if left := left_out(names, configuration):
        notes.append(f"these tensors belong to no encoder, and are left out: {listed(left)}")
    if checkpoint.wrappers:
        words = ", ".join(checkpoint.wrappers)
        notes.append(f"its tensors' names are those of a wrapped model ({words}), and read without")
    if with_head and head is None:
        head = _fresh_head(encoder, seed)
        notes.append(FRESH_HEAD)
    return encoder, head, notes


def _load_preset(
    found: LocalCheckpoint,
    tokenizer: PreTrainedTokenizerFast,
    marker_tokens: Sequence[str],
    with_head: bool,
    seed: int,
) -> tuple[EncoderBackbone, MaskedLMHead | None, list[str]]:
    configuration, arrays = read_preset(found.folder)
    wide, notes = _widened(configuration, tokenizer, marker_tokens, found.folder)
    encoder = build_encoder(wide, "zeros")
    arrays[0] = extend_table(np.asarray(arrays[0], np.float32), wide.vocab_size, seed)
    for variable, array in zip(encoder.weights, arrays, strict=True):
        variable.assign(np.reshape(array, variable.shape))  # KerasHub splits some into heads
    if not with_head:
        return encoder, None, notes
    return encoder, _fresh_head(encoder, seed), [*notes, FRESH_HEAD]


def _widened(
    configuration: EncoderConfig,
    tokenizer: PreTrainedTokenizerFast,
    marker_tokens: Sequence[str],
    folder: Path,
) -> tuple[EncoderConfig, list[str]]:
    """Makes room for the markers; an embedding with enough rows stays as it is."""
    rows = configuration.vocab_size
    beyond = require_rows(rows, tokenizer, marker_tokens, str(folder))
    if spare := spare_rows(rows, tokenizer):
        warn(f"{folder}: {spare}")
    wide = dataclasses.replace(
        configuration, vocab_size=max([rows - 1, *beyond.values()]) + 1, tie_word_embeddings=True
    )
    new = wide.vocab_size - rows
    note = f"{new} marker tokens are new: their rows start at the mean of the rest"
    return wide, [note] if beyond else []


def _token_ids(tokenizer: PreTrainedTokenizerFast, names: Sequence[str]) -> dict[str, Any]:
    """Returns the ids that config.json names besides the padding id."""
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids = {"bos": start, "cls": start, "eos": end, "sep": end}
    return {f"{name}_token_id": ids[name] for name in names}
