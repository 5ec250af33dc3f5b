"""Relations of INCEpTION's and WebAnno's tables of tokens, WebAnno TSV 3.

The form is that of INCEpTION's user guide, "WebAnno TSV 3.3 File format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relx.data.table import read_text
from relx.faults import Fault, InputError, shorten
from relx.spans import Span
from relx.tasks.relation.imports.found import Found, Mention, between

_FORMAT = "#FORMAT=WebAnno TSV 3"
_LAYERS = ("#T_SP=", "#T_CH=", "#T_RL=")
_BASE = "BT_"  # before the layer that a relation's ends are of
_USUAL = ("value", "label")  # the feature that names a span or a relation, where there are several
_ESCAPED = re.compile(r"\\(->|.)", re.S)
_MEANT = {"t": "\t", "n": "\n", "f": "\f", "r": "\r", "b": "\b"}
_VALUE = re.compile(r"((?:\\.|[^\\|])*?)(?:\[(\d+)\])?(?:\||$)", re.S)
_SOURCE = re.compile(r"(\d+-\d+(?:\.\d+)?)(?:\[(\d+)_(\d+)\])?")


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of annotations, and where its columns are.

    Args:
        name: Its name, such as webanno.custom.Relation.
        features: Its features.
        first: Its first column.
        base: The layer of a relation's ends; None of a layer of spans.
    """

    name: str
    features: tuple[str, ...]
    first: int
    base: str | None = None

    @property
    def past(self) -> int:
        """One past its last column."""
        width = len(self.features) + 1 if self.base else max(1, len(self.features))
        return self.first + width

    def values(self, cells: Sequence[str]) -> list[tuple[str, int]]:
        """Returns the value and the number of each annotation on a line; 0 where it has none."""
        features = self.features or ("",)
        named = [features.index(name) for name in _USUAL if name in features]
        order = dict.fromkeys([*named, *range(len(features))])
        columns = [_split(cells[self.first + at]) for at in order]
        return [
            next((pair for pair in each if pair[0]), each[0]) for each in zip(*columns, strict=True)
        ]


@dataclass(slots=True)
class _Document:
    """A document as its lines are read.

    Args:
        layers: The layers, in the order of their columns.
        text: The sentences so far, a line each.
        spans: The characters of each token and part of a token.
        mentions: The annotations by layer, and by number or, without one, by token.
        relations: Line, layer and cells of each line that has relations.
    """

    layers: list[_Layer] = field(default_factory=list)
    text: str = ""
    spans: dict[str, Span] = field(default_factory=dict)
    mentions: dict[tuple[str, int | str], Mention] = field(default_factory=dict)
    relations: list[tuple[int, _Layer, list[str]]] = field(default_factory=list)


def inception(path: Path, name: str) -> Iterator[Found]:
    """Reads a document that was exported as WebAnno TSV 3; a relation's source is the subject.

    Args:
        path: The file.
        name: What the ids of its relations begin with.

    Yields:
        The relations.

    Raises:
        InputError: It is of another form, or a line cannot be read.
    """
    lines = read_text(path, "utf-8").split("\n")
    if not lines[0].startswith(_FORMAT):
        raise InputError(_broken(f"{path}:1", shorten(lines[0]), f"{_FORMAT}.3"))
    document = _read(lines, path)
    count = 0
    for number, layer, cells in document.relations:
        for label, subject, object_ in _ends(document, layer, cells, f"{path}:{number}"):
            count += 1
            found = between(document.text.removesuffix("\n"), subject, object_)
            yield Found(f"{name}-{count}", *found, label, f"{path}:{number}")


def _read(lines: Sequence[str], path: Path) -> _Document:
    document, sentence, begin = _Document(), "", 0
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if line.startswith(_LAYERS):
            first = document.layers[-1].past if document.layers else 3
            document.layers.append(_layer(line, first))
        elif line.startswith("#Text="):
            text = _unescaped(line.removeprefix("#Text="))
            sentence = f"{sentence} {text}" if sentence else text  # a line's end is one character
        elif line and not line.startswith("#"):
            cells = line.split("\t")
            try:
                if sentence:
                    begin = int(cells[1].partition("-")[0])
                    document.text += sentence + "\n"
                    current, sentence = sentence, ""
                _add(document, cells, current, begin, number)
            except (ValueError, IndexError, UnboundLocalError) as error:
                raise InputError(_broken(f"{path}:{number}", shorten(line))) from error
    return document


def _layer(line: str, first: int) -> _Layer:
    """Reads `#T_RL=webanno.custom.Relation|label|BT_webanno.custom.Span`."""
    name, *features = line.partition("=")[2].split("|")
    base = features.pop().removeprefix(_BASE) if line.startswith("#T_RL=") else None
    return _Layer(name, tuple(filter(None, features)), first, base)


def _add(document: _Document, cells: list[str], sentence: str, begin: int, number: int) -> None:
    """Adds a token, or a part of one, and its annotations."""
    unit, (first, past) = cells[0], map(int, cells[1].split("-"))
    start = len(document.text) - len(sentence) - 1
    span = Span(*(start + _characters(sentence, at - begin) for at in (first, past)))
    if span.of(document.text) != _unescaped(cells[2]):
        raise ValueError(f"the text there is {span.of(document.text)}")
    document.spans[unit] = span
    for layer in document.layers:
        if layer.base is not None:
            if cells[layer.past - 1] != "_":
                document.relations.append((number, layer, cells))
        elif cells[layer.first] != "_":
            for value, id_ in layer.values(cells):
                key = layer.name, id_ or unit
                whole = document.mentions.get(key, Mention(span, value)).span
                held = Span(min(whole.start, span.start), max(whole.end, span.end))
                document.mentions[key] = Mention(held, value)


def _characters(text: str, units: int) -> int:
    """Returns how many characters so many UTF-16 units are, in which the form counts."""
    data = text.encode("utf-16-le")
    if not 0 <= 2 * units <= len(data):
        raise ValueError(f"{units} is outside of the sentence")
    return len(data[: 2 * units].decode("utf-16-le"))


def _ends(
    document: _Document, layer: _Layer, cells: list[str], where: str
) -> Iterator[tuple[str, Mention, Mention]]:
    """Yields the label and both ends of each relation on a line, whose token is the target."""
    sources = cells[layer.past - 1].split("|")
    labels = layer.values(cells) if layer.features else [("", 0)] * len(sources)
    if len(labels) != len(sources):
        raise InputError(_broken(where, shorten("\t".join(cells[layer.first : layer.past]))))
    for (label, _), source in zip(labels, sources, strict=True):
        match = _SOURCE.fullmatch(source)
        unit, first, second = match.groups() if match else (source, None, None)
        keys = (
            (layer.base or "", int(first or 0) or unit),
            (layer.base or "", int(second or 0) or cells[0]),
        )
        missing = [key for key in keys if key not in document.mentions]
        if missing:
            base, place = missing[0]
            raise InputError(_broken(where, f"{source}: there is no {base} at {place}"))
        subject, object_ = (document.mentions[key] for key in keys)
        yield label or layer.name.rpartition(".")[2], subject, object_


def _split(cell: str) -> list[tuple[str, int]]:
    """Reads `PER[1]|ORG[2]`: values, empty for `*`, and their numbers."""
    found: list[tuple[str, int]] = []
    at = 0
    while at < len(cell) or not found:
        match = _VALUE.match(cell, at)
        assert match is not None  # it matches the empty text
        value = "" if match[1] == "*" else _unescaped(match[1])
        found.append((value, int(match[2] or 0)))
        at = max(match.end(), at + 1)
    return found


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: _MEANT.get(match[1], match[1]), text)


def _broken(where: str, received: str, allowed: str = "") -> Fault:
    return Fault("this is no line of WebAnno TSV 3", where, received, allowed, kind="import")
