"""Relations of brat's standoff files: a text, and its annotations beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relx.data.table import read_text
from relx.faults import Fault, InputError, shorten
from relx.spans import Span
from relx.tasks.relation.imports.found import Found, Mention, between


def brat(annotations: Path, name: str) -> Iterator[Found]:
    """Reads a file of annotations and the text beside it (Stenetorp et al. 2012, E12-2021).

    Args:
        annotations: The file that ends in .ann; its text ends in .txt. An empty one has none.
        name: What the ids of its relations begin with.

    Yields:
        The relations.

    Raises:
        InputError: A line cannot be read, or an entity has several parts.
    """
    if annotations.is_file() and not annotations.read_bytes().strip():
        return
    lines = read_text(annotations).splitlines()
    entities = dict(_entity(line, f"{annotations}:{n}") for n, line in _of(lines, "T"))
    text = read_text(annotations.with_suffix(".txt"))
    if any(mention.span.of(text) != mention.word for mention in entities.values()):
        text = text.replace("\r\n", "\n")  # some tools count a line's end as one character
    for number, line in _of(lines, "R"):
        where = f"{annotations}:{number}"
        id_, label, first, second = _relation(line, where)
        missing = [end for end in (first, second) if end not in entities]
        if missing:
            raise InputError(_broken(where, f"there is no entity {missing[0]}"))
        found = between(text, entities[first], entities[second])
        yield Found(f"{name}-{id_}", *found, label, where)


def _of(lines: list[str], kind: str) -> Iterator[tuple[int, str]]:
    return ((n, line) for n, line in enumerate(lines, 1) if line.startswith(kind))


def _entity(line: str, where: str) -> tuple[str, Mention]:
    """Reads `T1<tab>PER 0 5<tab>words`."""
    parts = line.split("\t")
    try:
        type_, first, past = parts[1].split(" ")
        return parts[0], Mention(Span(int(first), int(past)), type_, parts[2])
    except (ValueError, IndexError) as error:
        what = "an entity has several parts" if ";" in line else "this is no entity of brat's"
        raise InputError(_broken(where, f"{what}: {shorten(line)}")) from error


def _relation(line: str, where: str) -> tuple[str, str, str, str]:
    """Reads `R1<tab>label Arg1:T1 Arg2:T2`."""
    try:
        id_, rest = line.split("\t")[:2]
        label, first, second = rest.split()
        return id_, label, first.partition(":")[2], second.partition(":")[2]
    except ValueError as error:
        raise InputError(
            _broken(where, f"this is no relation of brat's: {shorten(line)}")
        ) from error


def _broken(where: str, received: str) -> Fault:
    return Fault("an annotation cannot be read", where, received, kind="import")
