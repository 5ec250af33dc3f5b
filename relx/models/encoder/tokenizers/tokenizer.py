"""Tokenizers: read from the files of a checkpoint exactly as they say, written back, compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from relx.faults import Fault, InputError, shorten
from relx.files import digest, read_json
from relx.models.encoder.source import find_source
from relx.models.encoder.tokenizers.algorithms import (
    SENTENCEPIECE,
    apply_wordpiece_settings,
    byte_level_bpe,
    read_vocabulary,
    sentencepiece,
    wordpiece,
    wordpiece_normalizer,
    wordpiece_splitter,
)
from relx.models.encoder.tokenizers.vocabulary import train_vocabulary
from relx.recipe import FreshSource

# What stands for each role where a checkpoint does not say; the first that it has.
_ROLES: dict[str, tuple[str, ...]] = {
    "unk_token": ("[UNK]", "<unk>"),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "bos_token": (),
    "eos_token": (),
}
_NEEDED = ("pad_token", "cls_token", "sep_token")


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
        from relx.models.encoder.presets import read_preset_tokenizer

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
    return wrap(wordpiece({piece: index for index, piece in enumerate(pieces)}))


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Reads the tokenizer of a Hugging Face folder.

    What the files say decides, never the model's architecture: a RoBERTa encoder may have BERT's
    WordPiece, as klue/roberta has, and a BERT encoder SentencePiece.

    Args:
        folder: A folder with tokenizer.json, vocab.txt, vocab.json and merges.txt, or the
            SentencePiece model of XLM-R, DeBERTa or ALBERT.

    Returns:
        The tokenizer.

    Raises:
        InputError: There is no tokenizer, or it has no padding, start or end token.
    """
    settings = _settings(folder)
    if (folder / "tokenizer.json").is_file():
        backend = _read_backend(folder / "tokenizer.json")
        apply_wordpiece_settings(backend, settings)
    elif (folder / "vocab.txt").is_file():
        backend = wordpiece(read_vocabulary(folder / "vocab.txt"), settings)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        spaced = bool(settings.get("add_prefix_space", False))
        backend = byte_level_bpe(folder / "vocab.json", folder / "merges.txt", spaced)
    elif any((folder / name).is_file() for name in SENTENCEPIECE):
        backend = sentencepiece(folder)
    else:
        models = "; ".join(SENTENCEPIECE)
        allowed = f"tokenizer.json; vocab.txt; vocab.json and merges.txt; {models}"
        step = "copy the checkpoint's tokenizer files into the folder"
        raise InputError(
            Fault("this folder has no tokenizer", str(folder), "", allowed, step, "no tokenizer")
        )
    tokenizer = wrap(backend, settings)
    _require_roles(tokenizer, folder)
    return tokenizer


def wrap(backend: Tokenizer, settings: Mapping[str, Any] | None = None) -> PreTrainedTokenizerFast:
    """Gives a tokenizer the roles of its special tokens.

    Args:
        backend: The tokenizer.
        settings: The content of tokenizer_config.json; roles that it does not give are found in
            the vocabulary under their usual names.

    Returns:
        The tokenizer as transformers uses it.
    """
    settings = settings or {}
    backend.no_padding()
    backend.no_truncation()
    roles: dict[str, Any] = {}
    for role, usual in _ROLES.items():
        known = [name for name in usual if backend.token_to_id(name) is not None]
        token = _token(settings.get(role)) or (known[0] if known else None)
        if token is not None:
            roles[role] = token
    named = {str(token) for token in roles.values()}
    added = backend.get_added_tokens_decoder()
    others = [added[i] for i in sorted(added) if added[i].special and added[i].content not in named]
    longest = settings.get("model_max_length")
    if isinstance(longest, int):
        roles["model_max_length"] = longest
    # transformers 5 calls these tokens extra, and takes the name of 4 too.
    roles["additional_special_tokens"] = others
    return PreTrainedTokenizerFast(tokenizer_object=backend, **roles)


def add_marker_tokens(tokenizer: PreTrainedTokenizerFast, tokens: Sequence[str]) -> int:
    """Makes every marker a single special token that no text around it can merge with.

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


def vocabulary_rows(tokenizer: PreTrainedTokenizerFast) -> int:
    """Returns how many rows an embedding must have for every token's id to be one of them."""
    return int(max(tokenizer.get_vocab().values())) + 1


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
    """Hashes what a tokenizer does; what it was last called with does not count.

    Args:
        tokenizer: The tokenizer.

    Returns:
        The SHA-256, 64 hexadecimal characters; equal for tokenizers that cut every text alike.
    """
    roles = json.dumps(_roles(tokenizer), ensure_ascii=False, sort_keys=True)
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
    roles = _roles(tokenizer)
    values = roles | {
        # The name that both older and newer transformers take to mean: as tokenizer.json says.
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
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        fault = Fault("this tokenizer.json cannot be read", str(path), shorten(str(error)))
        raise InputError(fault) from error


def _settings(folder: Path) -> dict[str, Any]:
    """Merges special_tokens_map.json and tokenizer_config.json; the map is the finer one."""
    settings: dict[str, Any] = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            settings |= read_json(folder / name)
    return settings


def _token(value: Any) -> str | AddedToken | None:
    """Reads a special token, which is a text or a mapping with its flags."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else None
    flags = {f: bool(value.get(f)) for f in ("lstrip", "rstrip", "single_word", "normalized")}
    return AddedToken(value["content"], special=True, **flags)


def _require_roles(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    missing = [role for role in _NEEDED if getattr(tokenizer, role) is None]
    if missing:
        step = "name them in the folder's tokenizer_config.json"
        received = f"without {', '.join(missing)}"
        raise InputError(
            Fault("this tokenizer lacks special tokens", str(folder), received, next_step=step)
        )


def _roles(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    roles: dict[str, Any] = {
        role: str(getattr(tokenizer, role)) for role in _ROLES if getattr(tokenizer, role)
    }
    named = set(roles.values())
    others = [token for token in tokenizer.all_special_tokens if token not in named]
    return roles | ({"additional_special_tokens": others} if others else {})


def _clean_backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """Copies the tokenizer without the padding and truncation of the last call."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    backend.no_truncation()
    return backend
