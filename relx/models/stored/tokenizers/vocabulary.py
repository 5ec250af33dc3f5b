"""A WordPiece vocabulary trained on sentences; the same sentences give the same vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers.models import WordPiece

from relx.faults import Fault, InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_vocabulary(
    sentences: Iterable[str],
    size: int,
    normalizer: normalizers.Normalizer,
    splitter: pre_tokenizers.PreTokenizer,
) -> list[str]:
    """Trains a WordPiece vocabulary.

    The trainer breaks ties by the order in which it meets single characters, which differs from
    run to run; so it is given them in an order that does not.

    Args:
        sentences: The texts.
        size: The most pieces to have, special tokens included.
        normalizer: What the tokenizer does to a text first.
        splitter: What splits a text into words.

    Returns:
        The pieces; special tokens first, then single characters, the frequent ones first.

    Raises:
        InputError: There are no words.
    """
    words = [
        word
        for sentence in sentences
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(sentence))
    ]
    if not words:
        what = "there are no sentences to train a vocabulary on"
        raise InputError(Fault(what, "encoder.from.fresh", kind="no sentences"))
    counts = Counter(symbol for word in words for symbol in _symbols(word))
    symbols = _most_frequent(counts, size - len(SPECIAL_TOKENS))
    kept = set(symbols)
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[*SPECIAL_TOKENS, *symbols], show_progress=False
    )
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # The trainer would add a character that was left out if it met a word with it.
    tokenizer.train_from_iterator((w for w in words if kept.issuperset(_symbols(w))), trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _most_frequent(counts: Counter[str], room: int) -> list[str]:
    """Lists the most frequent symbols; with `##x` the trainer takes `x`, which needs room too."""
    kept: dict[str, None] = {}
    for symbol in sorted(counts, key=lambda symbol: (-counts[symbol], symbol)):
        new = {form: None for form in (symbol, symbol.removeprefix("##")) if form not in kept}
        if len(kept) + len(new) <= room:
            kept |= new
    return list(kept)


def _symbols(word: str) -> list[str]:
    """Splits a word into the pieces of one character: the first, then `##` and each further."""
    return [word[0], *(f"##{character}" for character in word[1:])]
