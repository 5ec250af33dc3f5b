"""WordPiece, byte-level BPE and SentencePiece, built from the files of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, WordPiece

from relx.faults import Fault, InputError, shorten
from relx.models.stored.text_files import malformed, read_lines_of, read_object

# SentencePiece models by file, and the class of transformers that knows their ids and normalising.
SENTENCEPIECE = {
    "sentencepiece.bpe.model": "XLMRobertaTokenizerFast",
    "spm.model": "DebertaV2TokenizerFast",
    "spiece.model": "AlbertTokenizerFast",
}
_ANY_CLASS = "PreTrainedTokenizer"  # says nothing of the ids
_MERGES = "two pieces and a blank between them on each line, Ġ a"
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
    unknown = unknown_of(settings or {})
    backend = Tokenizer(WordPiece(vocabulary, unk_token=unknown, max_input_chars_per_word=100))
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


def unknown_of(settings: Mapping[str, Any]) -> str:
    """Returns the unknown token that a tokenizer_config.json names, BERT's where it names none."""
    named = settings.get("unk_token")
    found = named.get("content") if isinstance(named, dict) else named
    return found if isinstance(found, str) and found else "[UNK]"


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

    Raises:
        InputError: A file is malformed, or they do not belong together.
    """
    backend = Tokenizer(_bpe(vocabulary, merges))
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


def sentencepiece(folder: Path, settings: Mapping[str, Any] | None = None) -> Tokenizer:
    """Builds a tokenizer from a SentencePiece model, as its name says whose it is.

    Args:
        folder: A folder with `sentencepiece.bpe.model` (XLM-R, with fairseq's ids: <s> 0, <pad> 1,
            </s> 2, <unk> 3, <mask> last), `spm.model` (DeBERTa) or `spiece.model` (ALBERT).
        settings: The content of tokenizer_config.json.

    Returns:
        The tokenizer.

    Raises:
        InputError: The file cannot be read, or belongs to another class than its name says.
    """
    import transformers

    name = next(name for name in SENTENCEPIECE if (folder / name).is_file())
    path = folder / name
    named, own = (settings or {}).get("tokenizer_class"), SENTENCEPIECE[name]
    if isinstance(named, str) and named.removesuffix("Fast") not in (own[:-4], _ANY_CLASS):
        what = "a file of this name has another class's ids than tokenizer_config.json says"
        step = "write the checkpoint's tokenizer.json with transformers, and bring it here"
        raise InputError(Fault(what, str(path), named, own[:-4], step, "tokenizer class"))
    try:
        kind = getattr(transformers, SENTENCEPIECE[name])
        tokenizer = kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        what = "this SentencePiece model cannot be read"
        step = "pip install sentencepiece protobuf, or add the checkpoint's tokenizer.json"
        raise InputError(Fault(what, str(path), shorten(str(error)), next_step=step)) from error
    backend: Tokenizer = tokenizer.backend_tokenizer
    return backend


def read_vocabulary(path: Path, settings: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Reads a vocab.txt: a piece a line, whose number is its id.

    Args:
        path: The file.
        settings: The content of tokenizer_config.json, which may name the unknown token.

    Returns:
        Piece to id.

    Raises:
        InputError: It is not UTF-8, is empty, or has no unknown token.
    """
    expected = "a piece of the vocabulary on each line"
    lines = read_lines_of(path, expected)
    vocabulary = {piece: index for index, piece in enumerate(lines)}
    if (unknown := unknown_of(settings or {})) not in vocabulary:
        what = f"this vocabulary has no {unknown}, which stands for what it does not know"
        received = f"{len(lines):,} lines, the first of them {shorten(lines[0])}"
        raise InputError(malformed(path, what, received, expected))
    return vocabulary


def _bpe(vocabulary: Path, merges: Path) -> BPE:
    """Reads the two files of byte-level BPE, and makes sure that they are of one vocabulary."""
    form = 'an object of pieces and their ids, {"Ġa": 3}'
    pieces = read_object(vocabulary, form)
    wrong = next((p for p, i in pieces.items() if type(i) is not int or not 0 <= i < 2**31), None)
    if wrong is not None:
        received = f"{shorten(wrong, 40)}: {shorten(pieces[wrong], 40)}"
        raise InputError(malformed(vocabulary, "an id is no whole number", received, form))
    pairs = list(_merges(merges))
    long = sum(len(piece) > 1 and not piece.startswith(("<", "[")) for piece in pieces)
    if len(pairs) < long / 2:
        what = "these merges make few of the pieces of vocab.json: the file is cut, or another's"
        received = f"{len(pairs):,} merges; {long:,} pieces of two letters and more"
        raise InputError(malformed(merges, what, received, _MERGES))
    try:
        return BPE(pieces, pairs)
    except Exception as error:  # the library raises Exception itself
        what = "these merges are not of the vocabulary beside them"
        raise InputError(malformed(merges, what, shorten(str(error)), _MERGES)) from error


def _merges(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines_of(path, _MERGES), 1):
        if line.startswith("#version") or not line.strip():
            continue
        parts = line.split(" ")
        if len(parts) != 2 or not all(parts):
            what = "a line of this file is no merge"
            raise InputError(malformed(path, what, f"line {number}: {shorten(line)}", _MERGES))
        yield parts[0], parts[1]


def apply_wordpiece_settings(backend: Tokenizer, settings: Mapping[str, Any]) -> None:
    """Applies tokenizer_config.json over tokenizer.json's normalizer, as BERT's class does."""
    normalizer = backend.normalizer
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return
    for key, attribute in _WORDPIECE_KEYS.items():
        if key in settings:
            value = settings[key]
            if not isinstance(value, bool) and (value is not None or key != "strip_accents"):
                what, where = "this is neither true nor false", f"tokenizer_config.json: {key}"
                allowed = "true or false, without quotes"
                raise InputError(Fault(what, where, shorten(value), allowed, kind="malformed"))
            setattr(normalizer, attribute, value)
    backend.normalizer = normalizer
