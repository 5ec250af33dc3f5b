"""Tokens that a folder adds to its vocabulary, under the ids that its files give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import AddedToken, Tokenizer

from relx.faults import Fault, InputError, shorten
from relx.models.stored.text_files import read_object

FILE = "added_tokens.json"
CONFIG = "tokenizer_config.json"
_LISTS = ("additional_special_tokens", "extra_special_tokens")  # older transformers, and 5
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
_FORM = '{"content": "…", "special": true}'


class _Named(NamedTuple):
    """A token that a file names: its id where the file has it, and where that stands."""

    token: AddedToken
    id: int | None
    where: str


def add_named_tokens(backend: Tokenizer, folder: Path, settings: Mapping[str, Any]) -> None:
    """Adds the tokens of `added_tokens_decoder` or added_tokens.json, then the listed special ones.

    Tokens that the vocabulary has stay where they are. As in transformers, the decoder of
    tokenizer_config.json stands in for added_tokens.json, and tokens without an id come last.

    Args:
        backend: The tokenizer; it is changed.
        folder: The folder.
        settings: The content of its tokenizer_config.json and special_tokens_map.json.

    Raises:
        InputError: A file is malformed, or gives a token another id than it can have.
    """
    listed = list(_listed(folder, settings))
    special = {named.token.content for named in listed}
    numbered = _numbered(folder, settings, special)
    for named in [*sorted(numbered, key=lambda named: named.id or 0), *listed]:
        _add(backend, named)


def added_token(value: Any, where: str, special: bool = True) -> AddedToken:
    """Reads a token, which is a text or a mapping with its flags.

    Args:
        value: What a file has.
        where: The file and the key, for messages.
        special: Whether it is special where the file does not say.

    Raises:
        InputError: It is neither.
    """
    if isinstance(value, str) and value:
        return AddedToken(value, special=special, normalized=not special)
    content = value.get("content") if isinstance(value, dict) else None
    if not isinstance(content, str) or not content:
        what, received = "this is no token", shorten(value)
        raise InputError(Fault(what, where, received, f"a text, or {_FORM}", kind="malformed"))
    flags = {flag: bool(value.get(flag)) for flag in _FLAGS}
    return AddedToken(content, special=bool(value.get("special", special)), **flags)


def _numbered(folder: Path, settings: Mapping[str, Any], special: set[str]) -> list[_Named]:
    if (decoder := settings.get("added_tokens_decoder")) is not None:
        where = f"{folder / CONFIG}: added_tokens_decoder"
        if not isinstance(decoder, dict):
            raise InputError(_no_ids(where, decoder, f'{{"32000": {_FORM}}}'))
        return [
            _Named(added_token(value, f"{where}.{id}", False), _id(id, where), where)
            for id, value in decoder.items()
        ]
    path = folder / FILE
    if not path.is_file():
        return []
    where = str(path)
    return [
        _Named(added_token(token, where, token in special), _id(id, where), where)
        for token, id in read_object(path, 'an object such as {"[E1]": 32000}').items()
    ]


def _listed(folder: Path, settings: Mapping[str, Any]) -> Iterator[_Named]:
    """Yields the special tokens of which no file gives the id."""
    for key in _LISTS:
        values, where = settings.get(key), f"{folder / CONFIG}: {key}"
        if isinstance(values, dict):  # of transformers 5: names that a model has for them
            values = list(values.values())
        if values is not None and not isinstance(values, list):
            what, allowed = "this is no list of tokens", '["[E1]", "[/E1]"]'
            raise InputError(Fault(what, where, shorten(values), allowed, kind="malformed"))
        for value in values or ():
            yield _Named(added_token(value, where), None, where)


def _id(value: Any, where: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if type(value) is not int or not 0 <= value < 10**9:
        raise InputError(_no_ids(where, value, "a whole number from 0"))
    return value


def _no_ids(where: str, value: Any, allowed: str) -> Fault:
    return Fault("this gives no ids of tokens", where, shorten(value), allowed, kind="malformed")


def _add(backend: Tokenizer, named: _Named) -> None:
    token, content = named.token, named.token.content
    own, next_ = backend.token_to_id(content), _next_id(backend)
    place = next_ if own is None else own
    if named.id not in (None, place):
        raise InputError(_another_id(backend, named, own, place))
    known = backend.get_added_tokens_decoder()
    if place in known and known[place].content == content:
        return
    if token.special:
        backend.add_special_tokens([token])
    else:
        backend.add_tokens([token])


def _next_id(backend: Tokenizer) -> int:
    """The id of the next token to be added, which the library counts and nobody chooses."""
    return int(backend.get_vocab_size(with_added_tokens=True))


def _another_id(backend: Tokenizer, named: _Named, own: int | None, place: int) -> Fault:
    content, holder = named.token.content, backend.id_to_token(named.id or 0)
    if own is not None:
        why = f"the vocabulary has it at {own}"
    elif holder is not None:
        why = f"{holder} has that id in the vocabulary"
    else:
        why = f"the vocabulary ends before {place}, and ids between have no token"
    return Fault(
        "this file gives a token an id that it cannot have",
        named.where,
        f"{content} {named.id}: {why}",
        f"{content} {place}",
        "bring vocabulary and added tokens of one checkpoint, its tokenizer.json best",
        "added tokens",
    )
