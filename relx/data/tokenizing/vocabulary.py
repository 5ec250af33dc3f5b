"""The entries of a vocabulary as people read them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenizers.pre_tokenizers import ByteLevel

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

SPACE = "␣"  # what a space at a piece's beginning or end shows
_HALF = re.compile("[\udc80-\udcff]+")  # bytes of no whole character, as Python decodes them
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Vocabulary:
    """What the tokens of a tokenizer stand for.

    Args:
        tokenizer: A fast tokenizer of any kind.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        tree = json.loads(tokenizer.backend_tokenizer.to_str())
        self._tokenizer = tokenizer
        self._bytes = _byte_letters() if _has_byte_level(tree) else None
        prefix = tree["model"].get("continuing_subword_prefix")
        self._inner = prefix if tree["model"]["type"] == "WordPiece" else None
        self._added = {str(token) for token in tokenizer.added_tokens_decoder.values()}

    def text(self, token: str) -> str | None:
        """Returns the text of an entry, with the space that it begins with.

        Args:
            token: The entry, as the tokenizer calls it.

        Returns:
            The text; None where it is bytes that are no whole characters.
        """
        if token in self._added:
            return token
        if self._bytes is not None:
            return _decoded([self._bytes[letter] for letter in token if letter in self._bytes])
        if self._inner is not None:
            inside = token.startswith(self._inner)
            return token.removeprefix(self._inner) if inside else f" {token}"
        byte = _BYTE.fullmatch(token)
        return _decoded([int(byte[1], 16)]) if byte else token.replace("▁", " ")

    def shown(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Shows tokens to people.

        Args:
            ids: The tokens.

        Returns:
            A text for each: `␣` for a space, bytes such as `‹EA·B8›` where they are a part of a
            character, and `##` before what continues a word in WordPiece.
        """
        return tuple(map(self._shown, self._tokenizer.convert_ids_to_tokens(list(ids))))

    def texts(self) -> dict[str, int]:
        """Returns the texts of all entries that are whole characters, with their tokens."""
        special = set(self._tokenizer.all_special_ids)
        entries = self._tokenizer.get_vocab().items()
        texts = ((self.text(token), id) for token, id in entries if id not in special)
        return {text: id for text, id in texts if text}

    def raw(self, token: str) -> bytes:
        """Returns the bytes of an entry's text, whole characters or not.

        Args:
            token: The entry, as the tokenizer calls it.
        """
        if (text := self.text(token)) is not None:
            return text.encode("utf-8", "surrogatepass")
        if self._bytes is not None:
            return bytes(self._bytes[letter] for letter in token if letter in self._bytes)
        byte = _BYTE.fullmatch(token)
        return bytes([int(byte[1], 16)]) if byte else b""

    def broken(self) -> frozenset[int]:
        """Returns the tokens that are bytes of no whole character."""
        backend = self._tokenizer.backend_tokenizer
        if self._bytes is None and backend.token_to_id("<0x80>") is None:
            return frozenset()
        entries = self._tokenizer.get_vocab().items()
        return frozenset(id for token, id in entries if self.text(token) is None)

    def _shown(self, token: str) -> str:
        if self._inner is not None:
            return token
        byte = _BYTE.fullmatch(token)
        if token in self._added:
            text = token
        elif self._bytes is not None:
            values = bytes(self._bytes[letter] for letter in token if letter in self._bytes)
            text = _HALF.sub(_as_bytes, values.decode("utf-8", "surrogateescape"))
        else:
            text = f"‹{byte[1].upper()}›" if byte else token.replace("▁", " ")
        return text.replace(" ", SPACE).replace("\n", "⏎")


def _as_bytes(half: re.Match[str]) -> str:
    values = half[0].encode("utf-8", "surrogateescape")
    return f"‹{values.hex(' ').upper().replace(' ', '·')}›"


def _decoded(values: Sequence[int]) -> str | None:
    try:
        return bytes(values).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _has_byte_level(tree: object) -> bool:
    """Whether any step of a tokenizer, by its JSON, writes bytes as letters."""
    if isinstance(tree, dict):
        steps = ("normalizer", "pre_tokenizer", "decoder", "pretokenizers", "normalizers")
        inner = [tree[name] for name in (*steps, "decoders") if name in tree]
        return tree.get("type") == "ByteLevel" or any(map(_has_byte_level, inner))
    return isinstance(tree, list) and any(map(_has_byte_level, tree))


def _byte_letters() -> dict[str, int]:
    """The byte that each letter stands for in a byte-level vocabulary.

    Bytes that are visible letters of Latin-1 stand for themselves, all others for the letters
    from U+0100 on, in order.
    """
    letters = sorted(ByteLevel.alphabet())
    own = {letter: ord(letter) for letter in letters if ord(letter) < 256}
    others = (value for value in range(256) if chr(value) not in own)
    return own | dict(zip((letter for letter in letters if letter not in own), others, strict=True))
