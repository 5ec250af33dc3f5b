"""WordPiece, byte-level BPE and SentencePiece, built from the files of a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, WordPiece

from relx.faults import Fault, InputError, shorten

# SentencePiece models by file, and the class of transformers that knows their ids and normalising.
SENTENCEPIECE = {
    "sentencepiece.bpe.model": "XLMRobertaTokenizerFast",
    "spm.model": "DebertaV2TokenizerFast",
    "spiece.model": "AlbertTokenizerFast",
}
_WORDPIECE_KEYS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def wordpiece(vocabulary: dict[str, int], settings: Mapping[str, Any] | None = None) -> Tokenizer:
    """Builds BERT's tokenizer.

    Args:
        vocabulary: Piece to id.
        settings: The content of tokenizer_config.json, where BERT's default is to lower-case.
            Without settings case and accents are kept.

    Returns:
        The tokenizer; texts are put between [CLS] and [SEP].
    """
    backend = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    backend.normalizer = wordpiece_normalizer()
    if settings is not None:
        usual = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
        apply_wordpiece_settings(backend, usual | dict(settings))
    backend.pre_tokenizer = wordpiece_splitter()
    backend.decoder = decoders.WordPiece(prefix="##")
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]") if token in vocabulary]
    if len(ends) == 2:
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=ends,
        )
    return backend


def wordpiece_normalizer() -> normalizers.BertNormalizer:
    """Returns BERT's normalizer with case and accents kept, as Korean vocabularies need it."""
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )


def wordpiece_splitter() -> pre_tokenizers.BertPreTokenizer:
    """Returns what splits a text into words before WordPiece: at spaces and punctuation."""
    return pre_tokenizers.BertPreTokenizer()


def byte_level_bpe(vocabulary: Path, merges: Path, add_prefix_space: bool = False) -> Tokenizer:
    """Builds RoBERTa's tokenizer.

    Args:
        vocabulary: A JSON file, piece to id.
        merges: A text file with the merges in order.
        add_prefix_space: Whether the first word counts as one after a space.

    Returns:
        The tokenizer; texts are put between <s> and </s>.
    """
    backend = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    start, end = backend.token_to_id("<s>"), backend.token_to_id("</s>")
    if start is not None and end is not None:
        backend.post_processor = processors.RobertaProcessing(
            ("</s>", end), ("<s>", start), trim_offsets=True, add_prefix_space=add_prefix_space
        )
    for name in ("<s>", "<pad>", "</s>", "<unk>", "<mask>"):
        if backend.token_to_id(name) is not None:
            # The mask takes the space before it, as RoBERTa's does.
            token = AddedToken(name, lstrip=name == "<mask>", normalized=False, special=True)
            backend.add_special_tokens([token])
    return backend


def sentencepiece(folder: Path) -> Tokenizer:
    """Builds a tokenizer from a SentencePiece model, as its name says whose it is.

    Args:
        folder: A folder with `sentencepiece.bpe.model` (XLM-R, with fairseq's ids: <s> 0, <pad> 1,
            </s> 2, <unk> 3, <mask> last), `spm.model` (DeBERTa) or `spiece.model` (ALBERT).

    Returns:
        The tokenizer.

    Raises:
        InputError: The file cannot be read.
    """
    import transformers

    name = next(name for name in SENTENCEPIECE if (folder / name).is_file())
    path = folder / name
    try:
        kind = getattr(transformers, SENTENCEPIECE[name])
        tokenizer = kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        what = "this SentencePiece model cannot be read"
        step = "pip install sentencepiece protobuf, or add the checkpoint's tokenizer.json"
        raise InputError(Fault(what, str(path), shorten(str(error)), next_step=step)) from error
    backend: Tokenizer = tokenizer.backend_tokenizer
    return backend


def read_vocabulary(path: Path) -> dict[str, int]:
    """Reads a vocab.txt: a piece a line, whose number is its id."""
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {piece.rstrip("\r"): index for index, piece in enumerate(lines)}


def apply_wordpiece_settings(backend: Tokenizer, settings: Mapping[str, Any]) -> None:
    """Applies tokenizer_config.json over tokenizer.json's normalizer, as BERT's class does."""
    normalizer = backend.normalizer
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return
    for key, attribute in _WORDPIECE_KEYS.items():
        if key in settings:
            setattr(normalizer, attribute, settings[key])
    backend.normalizer = normalizer
