"""From another program's file to rows that every command reads, with all spans checked."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from relx.data.table import read_table
from relx.faults import Fault, InputError, shorten
from relx.files import whole_file
from relx.tasks.relation.imports.brat import brat
from relx.tasks.relation.imports.data_sets import docred, opennre, tacred
from relx.tasks.relation.imports.found import Found
from relx.tasks.relation.imports.inception import inception
from relx.tasks.relation.imports.tools import doccano, label_studio, prodigy

Reader = Callable[[Mapping[str, Any], str], Iterator[Found]]
FORMATS: dict[str, Reader | None] = {
    "tacred": tacred,
    "opennre": opennre,
    "docred": docred,
    "doccano": doccano,
    "label-studio": label_studio,
    "prodigy": prodigy,
    "brat": None,  # whose annotations are no records
    "inception": None,
}
_DOCUMENTS = {"brat": (brat, ".ann"), "inception": (inception, ".tsv")}
_CLOSEST = "relx import --help lists the formats"


def read_relations(path: Path, format_: str) -> list[Found]:
    """Reads the relations of a file, or of all documents in a folder.

    Args:
        path: The file; with brat and inception a document, or a folder of them.
        format_: A name of `FORMATS`.

    Returns:
        The relations, every span checked, ids different.

    Raises:
        InputError: The file cannot be read, is of another format, or has faults; all at once.
    """
    reader = FORMATS[format_]
    found = list(_of_records(path, format_, reader) if reader else _of_documents(path, format_))
    if not found:
        what = "there are no relations in this file"
        raise InputError(Fault(what, str(path), f"read as {format_}", next_step=_CLOSEST))
    faults = [fault for each in found for fault in each.faults()]
    faults += _repeated(found)
    if faults:
        raise InputError(*faults)
    return found


def source_files(path: Path) -> list[Path]:
    """Lists the files that are read: one, or each document of a folder; with brat its text too.

    Args:
        path: A file or a folder.
    """
    documents = (path.rglob(f"*{ending}") for _, ending in _DOCUMENTS.values())
    files = sorted(itertools.chain(*documents)) if path.is_dir() else [path]
    texts = [file.with_suffix(".txt") for file in files if file.suffix == ".ann"]
    return [file for file in (*files, *texts) if file.is_file()]


def _of_records(path: Path, format_: str, reader: Reader) -> Iterator[Found]:
    table = read_table(path)
    for number, row in enumerate(table.rows):
        where = f"{path}:{row.line}"
        if row.fault is not None:
            raise InputError(row.fault)
        try:
            yield from reader({"id": number, **row.cells}, where)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            what, received = f"this is no record of {format_}", shorten(list(row.cells))
            why = f"{type(error).__name__}: {shorten(error.args[0] if error.args else '')}"
            fault = Fault(what, where, f"the keys {received} ({why})", "", _CLOSEST, "import")
            raise InputError(fault) from error


def _of_documents(path: Path, format_: str) -> Iterator[Found]:
    reader, ending = _DOCUMENTS[format_]
    files = sorted(path.rglob(f"*{ending}")) if path.is_dir() else [path]
    if not files:
        what = f"this folder holds no {ending} files"
        raise InputError(Fault(what, str(path), next_step=_CLOSEST))
    for file in files:
        name = file.relative_to(path) if path.is_dir() else Path(file.name)
        yield from reader(file, name.with_suffix("").as_posix())


def _repeated(found: list[Found]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for each in found:
        if each.id in seen:
            received = f"{each.id}, which is already at {seen[each.id]}"
            yield Fault("the id appears twice", each.where, received, "each id once")
        seen.setdefault(each.id, each.where)


def write_relations(found: list[Found], out: Path) -> None:
    """Writes relations as rows, whole or not at all: as a CSV, or as JSON Lines by the name's end.

    Args:
        found: The relations.
        out: The file.
    """
    rows = [each.row() for each in found]
    with whole_file(out) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        if out.suffix == ".csv":
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)  # an entity as Python writes it, which is what KLUE's CSV has
        else:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
