"""Tokenizers: read from the files of a checkpoint exactly as they say, written back, compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel, WordPiece
from transformers import PreTrainedTokenizerFast

from relx.faults import Fault, InputError, shorten
from relx.files import digest
from relx.models.stored.source import find_source
from relx.models.stored.text_files import malformed, read_object, read_text_of
from relx.models.stored.tokenizers.added import add_named_tokens
from relx.models.stored.tokenizers.algorithms import (
    SENTENCEPIECE,
    apply_wordpiece_settings,
    byte_level_bpe,
    read_vocabulary,
    sentencepiece,
    wordpiece,
    wordpiece_normalizer,
    wordpiece_splitter,
)
from relx.models.stored.tokenizers.preset import read_preset_tokenizer
from relx.models.stored.tokenizers.roles import (
    ENCODERS_ROLES,
    require_roles,
    roles_of,
    with_roles,
)
from relx.models.stored.tokenizers.rows import vocabulary_rows
from relx.models.stored.tokenizers.vocabulary import train_vocabulary
from relx.recipe import FreshSource


def load_tokenizer(
    source: str | FreshSource,
    sentences: Callable[[], Iterable[str]],
    revision: str | None = None,
) -> PreTrainedTokenizerFast:
    """Loads the tokenizer of an encoder.

    Args:
        source: A folder, hub id or preset as `encoder.from` names it, or a fresh encoder's sizes.
        sentences: Gives the texts that a fresh encoder's vocabulary is trained on; called for a
            fresh encoder only.
        revision: The branch, tag or commit of a hub id; the main branch unless given.

    Returns:
        A fast tokenizer, whose offsets are characters of the text.

    Raises:
        InputError: The checkpoint has no tokenizer that can be read.
    """
    if isinstance(source, FreshSource):
        return fresh_tokenizer(sentences(), source.fresh.vocabulary)
    found = find_source(source, revision)
    if found.kind == "keras":
        return read_preset_tokenizer(found.folder)
    return read_tokenizer(found.folder)


def fresh_tokenizer(sentences: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Makes a WordPiece tokenizer with a vocabulary of its own.

    Args:
        sentences: The texts to train on; the same texts give the same vocabulary.
        size: The most pieces to have.

    Returns:
        The tokenizer; it keeps case and accents.

    Raises:
        InputError: There are no texts.
    """
    pieces = train_vocabulary(sentences, size, wordpiece_normalizer(), wordpiece_splitter())
    return with_roles(wordpiece({piece: index for index, piece in enumerate(pieces)}))


def read_tokenizer(folder: Path, needed: Sequence[str] = ENCODERS_ROLES) -> PreTrainedTokenizerFast:
    """Reads the tokenizer of a Hugging Face folder.

    The files decide, never the model's architecture: a RoBERTa encoder may have BERT's
    WordPiece, as klue/roberta has, and a BERT encoder SentencePiece.

    Args:
        folder: A folder with tokenizer.json, vocab.txt, vocab.json and merges.txt, or the
            SentencePiece model of XLM-R, DeBERTa or ALBERT.
        needed: The roles of special tokens that it must have; those of an encoder unless given.

    Returns:
        The tokenizer.

    Raises:
        InputError: There is no tokenizer, or it lacks a token that is needed.
    """
    settings = _settings(folder)
    if (folder / "tokenizer.json").is_file():
        backend = _read_backend(folder / "tokenizer.json")
        apply_wordpiece_settings(backend, settings)
    elif (folder / "vocab.txt").is_file():
        backend = wordpiece(read_vocabulary(folder / "vocab.txt", settings), settings)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        spaced = bool(settings.get("add_prefix_space", False))
        backend = byte_level_bpe(folder / "vocab.json", folder / "merges.txt", spaced)
    elif any((folder / name).is_file() for name in SENTENCEPIECE):
        backend = sentencepiece(folder, settings)
    else:
        models = "; ".join(SENTENCEPIECE)
        allowed = f"tokenizer.json; vocab.txt; vocab.json and merges.txt; {models}"
        step = "copy the checkpoint's tokenizer files into the folder"
        raise InputError(
            Fault("this folder has no tokenizer", str(folder), "", allowed, step, "no tokenizer")
        )
    add_named_tokens(backend, folder, settings)
    tokenizer = with_roles(backend, settings)
    require_roles(tokenizer, folder, needed)
    return tokenizer


def add_marker_tokens(tokenizer: PreTrainedTokenizerFast, tokens: Sequence[str]) -> int:
    """Makes every marker a single special token that never merges with the text around it.

    Args:
        tokenizer: The tokenizer; it is changed.
        tokens: The markers; those that are special tokens already stay as they are.

    Returns:
        How many rows the vocabulary grew by.
    """
    before = vocabulary_rows(tokenizer)
    special = set(tokenizer.all_special_tokens)
    new = [AddedToken(t, special=True, normalized=False) for t in tokens if t not in special]
    if new:
        # False: beside those that there are. The argument's name is another in transformers 4.
        tokenizer.add_special_tokens({"additional_special_tokens": new}, False)
    return vocabulary_rows(tokenizer) - before


def require_mask_token(tokenizer: PreTrainedTokenizerFast) -> int:
    """Returns the id of the mask token.

    Args:
        tokenizer: The tokenizer.

    Returns:
        The id.

    Raises:
        InputError: The tokenizer has none, and cannot serve masked-LM pretraining.
    """
    if tokenizer.mask_token_id is None:
        what = "this encoder's tokenizer has no mask token, which masked-LM pretraining needs"
        step = "name mask_token in its tokenizer_config.json, or train without relx tapt"
        raise InputError(Fault(what, "encoder.from", next_step=step, kind="no mask token"))
    return int(tokenizer.mask_token_id)


def tokenizer_digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """Hashes what a tokenizer does, whatever it was last called with.

    Args:
        tokenizer: The tokenizer.

    Returns:
        The SHA-256, 64 hexadecimal characters; equal for tokenizers that cut every text alike.
    """
    roles = json.dumps(roles_of(tokenizer), ensure_ascii=False, sort_keys=True)
    return digest([_clean_backend(tokenizer).to_str(), roles])


def write_tokenizer(
    tokenizer: PreTrainedTokenizerFast, folder: Path, max_length: int, segments: int
) -> None:
    """Writes a tokenizer's files, so that AutoTokenizer reads the same one for any architecture.

    Args:
        tokenizer: The tokenizer.
        folder: A folder that exists.
        max_length: The longest text that the encoder takes, in tokens.
        segments: The encoder's token types.
    """
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    roles = roles_of(tokenizer)
    values = roles | {
        # To older and newer transformers alike this name means: as tokenizer.json says.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": inputs if segments > 1 else [inputs[0], inputs[2]],
        "clean_up_tokenization_spaces": False,
    }
    backend = _clean_backend(tokenizer)
    (folder / "tokenizer.json").write_text(backend.to_str(pretty=True) + "\n", encoding="utf-8")
    for name, content in (("tokenizer_config", values), ("special_tokens_map", roles)):
        text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _read_backend(path: Path) -> Tokenizer:
    expected = "a tokenizer as the library tokenizers writes it"
    text = read_text_of(path, expected)
    try:
        backend = Tokenizer.from_str(text)
    except Exception as error:  # the library raises Exception itself
        what = "this tokenizer.json cannot be read"
        raise InputError(malformed(path, what, shorten(str(error)), expected)) from error
    if isinstance(backend.model, WordPiece | WordLevel):
        unknown = backend.model.unk_token
        if not _has(backend, unknown):
            what = "the tokenizer's unknown token is not in its vocabulary"
            raise InputError(malformed(path, what, shorten(unknown), expected))
        ids = Counter(backend.get_vocab(with_added_tokens=False).values())
        if twice := [id for id, count in ids.items() if count > 1]:  # one of them would be lost
            what = "tokens of the vocabulary share an id"
            raise InputError(malformed(path, what, shorten(twice), expected))
    return backend


def _has(backend: Tokenizer, token: str | None) -> bool:
    return token is not None and backend.model.token_to_id(token) is not None


def _settings(folder: Path) -> dict[str, Any]:
    """Merges special_tokens_map.json and tokenizer_config.json; the map is the finer one."""
    settings: dict[str, Any] = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            settings |= read_object(folder / name)
    if (folder / "chat_template.jinja").is_file():
        template = read_text_of(folder / "chat_template.jinja", "a template of chats")
        settings["chat_template"] = template
    return settings


def _clean_backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """Copies the tokenizer without the padding and truncation of the last call."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    backend.no_truncation()
    return backend
