"""The tokenizer of a KerasHub preset, built from its vocabulary."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from relx.faults import Fault, InputError, shorten
from relx.models.stored.text_files import read_object
from relx.models.stored.tokenizers.algorithms import (
    byte_level_bpe,
    read_vocabulary,
    sentencepiece,
    wordpiece,
)
from relx.models.stored.tokenizers.roles import with_roles

_ASSETS = {
    "BertTokenizer": ("vocabulary.txt",),
    "RobertaTokenizer": ("vocabulary.json", "merges.txt"),
    "XLMRobertaTokenizer": ("vocabulary.spm",),
}


def read_preset_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Builds a fast tokenizer from the vocabulary of a preset.

    Args:
        folder: The preset's folder.

    Returns:
        The tokenizer.

    Raises:
        InputError: The preset has no tokenizer, or one of another kind.
    """
    path, assets = folder / "tokenizer.json", folder / "assets" / "tokenizer"
    values = read_object(path) if path.is_file() else {}
    name, config = str(values.get("class_name", "")), values.get("config", {})
    if not isinstance(config, dict):
        what = "this preset's tokenizer has no configuration"
        raise InputError(Fault(what, str(path), shorten(config), "an object", kind="malformed"))
    absent = [file for file in _ASSETS.get(name, ()) if not (assets / file).is_file()]
    if absent:
        what = "this preset's vocabulary is missing"
        raise InputError(Fault(what, str(assets), f"without {', '.join(absent)}"))
    if name == "BertTokenizer":
        case = {"do_lower_case": bool(config.get("lowercase"))}
        accents = {"strip_accents": bool(config.get("strip_accents"))}
        return with_roles(wordpiece(read_vocabulary(assets / "vocabulary.txt"), case | accents))
    if name == "RobertaTokenizer":
        spaced = bool(config.get("add_prefix_space"))
        vocabulary, merges = assets / "vocabulary.json", assets / "merges.txt"
        return with_roles(byte_level_bpe(vocabulary, merges, spaced))
    if name == "XLMRobertaTokenizer":
        with tempfile.TemporaryDirectory() as beside:
            shutil.copy(assets / "vocabulary.spm", Path(beside) / "sentencepiece.bpe.model")
            return with_roles(sentencepiece(Path(beside)))
    what = "this preset has no tokenizer of a supported kind"
    raise InputError(Fault(what, str(folder), str(name), ", ".join(_ASSETS)))
