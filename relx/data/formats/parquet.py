"""Parquet files, read with pyarrow.

pandas would turn whole numbers into floats in a column that misses one, and so change ids.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from relx.data.formats.cells import (
    MOST_BYTES,
    MOST_CELLS,
    bounded,
    cell,
    first_line,
    not_installed,
    too_large,
)
from relx.data.formats.file_bytes import FileBytes
from relx.data.formats.rows import OpenTable, Row
from relx.faults import Fault, InputError

_BATCH = 1024  # rows that are unpacked at once


def open_parquet(source: FileBytes) -> OpenTable:
    """Opens a Parquet file.

    Args:
        source: The file.

    Returns:
        The rows, numbered from 1; a struct is a dictionary without the keys that are null. Reading
        on raises an `InputError` where the file is damaged or unpacks to too much.

    Raises:
        InputError: pyarrow is not installed, or the file is damaged or has too many cells.
    """
    path = source.path
    try:
        import pyarrow  # noqa: F401 - whether it is there
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise not_installed(path, "pyarrow") from error
    with _damage_said(path):
        where = path if path.is_file() else io.BytesIO(source.whole())
        file = ParquetFile(where, page_checksum_verification=True)
        cells = file.metadata.num_rows * len(file.schema_arrow.names)
        if cells > MOST_CELLS:
            raise too_large(path, f"{cells:,} cells", f"{MOST_CELLS:,} cells")
        index = _range_index(file)
        columns = (*file.schema_arrow.names, *index)

    def rows() -> Iterator[Row]:
        with _damage_said(path):
            found = bounded(path, _rows(path, file, index.values()))
            for number, row in enumerate(found, 1):
                yield Row(number, dict(zip(columns, row, strict=True)))

    return OpenTable(path, columns, rows=rows(), has_rows=file.metadata.num_rows > 0)


@contextlib.contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    """Turns what pyarrow raises of a damaged file into a fault."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _range_index(file: Any) -> dict[str, range]:
    """Returns the index of a data frame, where pandas wrote down how it counts and no column."""
    try:
        kept = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
        ranges = [index for index in kept if isinstance(index, dict) and index.get("name")]
        found = {i["name"]: range(i["start"], i["stop"], i["step"]) for i in ranges}
    except (AttributeError, LookupError, TypeError, ValueError):  # not as pandas writes it
        return {}
    rows = file.metadata.num_rows
    return {name: numbers for name, numbers in found.items() if len(numbers) == rows}


def _rows(path: Path, file: Any, index: Collection[range]) -> Iterator[list[Any]]:
    """Yields the cells of each row; a batch of rows is unpacked at a time."""
    read = 0
    numbers = zip(*index, strict=True) if index else itertools.repeat(())
    for batch in file.iter_batches(_BATCH, use_threads=False):
        read += batch.nbytes
        if read > MOST_BYTES:
            most = f"{MOST_BYTES:,} bytes"
            raise too_large(path, f"more than {most}", most)
        columns = [_cells(column) for column in batch.columns]
        for i in range(batch.num_rows):
            yield [*(column[i] for column in columns), *next(numbers)]


def _cells(column: Any) -> list[Any]:
    dictionary = getattr(column, "dictionary", None)
    if dictionary is None:
        return [cell(value) for value in column.to_pylist()]
    values = _cells(dictionary)  # each text once, however many rows have it
    return ["" if i is None else values[i] for i in column.indices.to_pylist()]


def _unreadable(path: Path, error: Exception) -> InputError:
    what = "this Parquet file cannot be read"
    step = "copy or write it again: it may be cut off or damaged"
    return InputError(
        Fault(what, str(path), first_line(error), "a whole Parquet file", step, "broken file")
    )
