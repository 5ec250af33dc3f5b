"""What an encoder on disk is, from its configuration and the headers of its weight files."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from relx.data.tokenizing.coverage import (
    Coverage,
    broken_sentence,
    coverage_of,
    in_a_sentence,
    uncovered_fault,
)
from relx.data.tokenizing.tokens import Pieces, text_tokens
from relx.faults import InputError
from relx.models.encoder.configuration import read_configuration
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.names import canonical_names, has_head
from relx.models.encoder.presets import preset_configuration
from relx.models.encoder.sentences import SENTENCES
from relx.models.stored.folder import Checkpoint, open_checkpoint, weight_files
from relx.models.stored.source import LocalCheckpoint, find_source
from relx.models.stored.tokenizers.preset import read_preset_tokenizer
from relx.models.stored.tokenizers.rows import spare_rows, vocabulary_rows
from relx.models.stored.tokenizers.tokenizer import read_tokenizer

PRESET_WEIGHTS = "model.weights.h5"
_ROLES = ("pad", "unk", "cls", "sep", "mask")


@dataclass(frozen=True, slots=True)
class TokenizerFacts:
    """A tokenizer.

    Args:
        kind: How it cuts words: `WordPiece`, `BPE` or `Unigram`.
        rows: Rows that its ids need in the embedding.
        special_ids: The special tokens with their ids, the five roles first.
    """

    kind: str
    rows: int
    special_ids: dict[str, int]


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """The weights of an encoder.

    Args:
        files: The files with their sizes in bytes.
        dtypes: The types on disk with the number of parameters in each.
        parameters: Trained numbers, the head's included; a tied copy counts once.
        head_parameters: Those of the masked-LM head alone.
        head: Whether there is a masked-LM head.
        tied: Whether the head projects with the token embedding; None without a head.
    """

    files: dict[str, int]
    dtypes: dict[str, int]
    parameters: int
    head_parameters: int
    head: bool
    tied: bool | None


@dataclass(frozen=True, slots=True)
class Description:
    """An encoder on disk.

    Args:
        source: What was named.
        folder: Its folder.
        revision: The hub commit; None for anything that is not from the hub.
        architecture: Its `model_type`.
        sizes: Its sizes by name.
        tokenizer: Its tokenizer; None where none can be read.
        weights: Its weights; None where none can be read.
        coverage: What of some sentences the tokenizer knows; None where none can be read.
        warnings: What would keep it from being loaded, or from being of use, in sentences.
    """

    source: str
    folder: str
    revision: str | None
    architecture: str
    sizes: dict[str, int]
    tokenizer: TokenizerFacts | None
    weights: WeightFacts | None
    coverage: Coverage | None
    warnings: list[str]

    def tree(self) -> dict[str, Any]:
        """Returns the description as JSON takes it."""
        return dataclasses.asdict(self)


def describe(
    source: str, revision: str | None = None, sentences: Sequence[str] | None = None
) -> Description:
    """Describes an encoder without loading it, and without a deep-learning framework.

    Only the headers of the weight files are read, except for a stored copy of the head's
    projection, which is compared with the token embedding.

    Args:
        source: A folder, hub id or preset as `encoder.from` names it.
        revision: The branch, tag or commit of a hub id; the main branch unless given.
        sentences: Texts whose unknown tokens are counted; eight Korean sentences unless given.

    Returns:
        The description.

    Raises:
        InputError: There is no such encoder, or its configuration asks for what is not supported.
    """
    found = find_source(source, revision)
    warnings: list[str] = []
    if found.kind == "keras":
        configuration = preset_configuration(found.folder)
    else:
        configuration = read_configuration(found.folder)
    read = _tokenizer(found, warnings)
    tokenizer = None if read is None else _facts(read)
    weights = _weights(found, configuration, warnings)
    coverage = None
    if read is not None:
        warnings += _misfit(configuration.vocab_size, read)
        coverage = _coverage(read, sentences, warnings)
    return Description(
        source=source,
        folder=str(found.folder),
        revision=found.revision,
        architecture=configuration.model_type,
        sizes=_sizes(configuration),
        tokenizer=tokenizer,
        weights=weights,
        coverage=coverage,
        warnings=warnings,
    )


def _sizes(configuration: EncoderConfig) -> dict[str, int]:
    return {
        "layers": configuration.num_hidden_layers,
        "heads": configuration.num_attention_heads,
        "hidden": configuration.hidden_size,
        "intermediate": configuration.intermediate_size,
        "embedding": configuration.embedding_width,
        "vocabulary": configuration.vocab_size,
        "longest text": configuration.max_sequence_length,
        "token types": configuration.num_segments,
    }


def _misfit(rows: int, tokenizer: PreTrainedTokenizerFast) -> Iterator[str]:
    """Says that a token table is too small for a tokenizer, or far too large."""
    tokens = vocabulary_rows(tokenizer)
    if tokens > rows:
        yield f"the tokenizer needs {tokens} rows, the embedding has {rows}"
    if spare := spare_rows(rows, tokenizer):
        yield spare


def _coverage(
    tokenizer: PreTrainedTokenizerFast, sentences: Sequence[str] | None, warnings: list[str]
) -> Coverage:
    """Counts the tokens of sentences, and warns of what is unknown."""
    texts = SENTENCES if sentences is None else sentences
    name = "eight Korean sentences" if sentences is None else "these sentences"
    rows = text_tokens(map(Pieces, texts), tokenizer)
    ids = np.fromiter(itertools.chain.from_iterable(row.token_ids for row in rows), np.int32)
    coverage = coverage_of(ids, tokenizer)
    if coverage.is_doubtful:
        fault = uncovered_fault(coverage, lambda: texts, tokenizer, name)
        warnings.append(in_a_sentence(fault))
    if coverage.is_broken:
        warnings.append(broken_sentence(coverage, name))
    return coverage


def _tokenizer(found: LocalCheckpoint, warnings: list[str]) -> PreTrainedTokenizerFast | None:
    try:
        if found.kind == "huggingface":
            return read_tokenizer(found.folder)
        return read_preset_tokenizer(found.folder)
    except InputError as error:
        warnings += [fault.what for fault in error.faults]
        return None


def _facts(tokenizer: PreTrainedTokenizerFast) -> TokenizerFacts:
    named = [getattr(tokenizer, f"{role}_token") for role in _ROLES]
    tokens = [str(token) for token in named if token is not None]
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in tokens}
    others = {t: int(tokenizer.convert_tokens_to_ids(t)) for t in tokenizer.all_special_tokens}
    kind = type(tokenizer.backend_tokenizer.model).__name__
    return TokenizerFacts(kind, vocabulary_rows(tokenizer), ids | others)


def _weights(
    found: LocalCheckpoint, configuration: EncoderConfig, warnings: list[str]
) -> WeightFacts | None:
    if found.kind == "keras":
        return _preset_weights(found.folder, warnings)
    try:
        checkpoint = open_checkpoint(found.folder)
    except InputError as error:
        warnings += [fault.what for fault in error.faults]
        return None
    if _token_table(checkpoint, configuration) is None:
        warnings.append(f"these weights have no token embedding of {configuration.model_type}")
    return _counted(checkpoint, configuration.fitted(checkpoint))


def _counted(checkpoint: Checkpoint, configuration: EncoderConfig) -> WeightFacts:
    keys = configuration.head_keys
    names = canonical_names(checkpoint, configuration)
    head = [name for name in names.values() if name.startswith(keys.prefixes)]
    head = head if has_head(names, configuration) else []
    copy, table = f"{keys.decoder}.weight", _token_table(checkpoint, configuration)
    stored = copy in checkpoint and table is not None
    same = not stored or np.array_equal(checkpoint.read(copy), checkpoint.read(str(table)))
    tied = configuration.tie_word_embeddings and same
    counted = {
        name: math.prod(checkpoint.shape(name))
        for name in checkpoint
        if checkpoint.is_float(name) and not (tied and name == copy)
    }
    dtypes: Counter[str] = Counter()
    for name, count in counted.items():
        dtypes[checkpoint.dtype(name)] += count
    return WeightFacts(
        files=_file_sizes(weight_files(checkpoint.folder)),
        dtypes=dict(dtypes),
        parameters=sum(counted.values()),
        head_parameters=sum(counted.get(name, 0) for name in head),
        head=bool(head),
        tied=tied if head else None,
    )


def _token_table(names: Iterable[str], configuration: EncoderConfig) -> str | None:
    words = configuration.family.words
    return next(
        (name for name in names if name in (words, configuration.family.prefix + words)), None
    )


def _preset_weights(folder: Path, warnings: list[str]) -> WeightFacts | None:
    import h5py  # type: ignore[import-untyped]

    path = folder / PRESET_WEIGHTS
    dtypes: Counter[str] = Counter()

    def count(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            dtypes[str(item.dtype).replace("float", "F")] += int(item.size)

    try:
        with h5py.File(path) as file:
            file.visititems(count)
    except OSError:
        warnings.append(f"this preset has no {PRESET_WEIGHTS} that can be read")
        return None
    return WeightFacts(_file_sizes([path]), dict(dtypes), sum(dtypes.values()), 0, False, None)


def _file_sizes(paths: Iterable[Path]) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in paths}
