"""Files that hold data in a container which relx does not open, by their first bytes."""

from __future__ import annotations

import shlex
from pathlib import Path

from relx.faults import Fault, InputError

# First bytes: what it is, and what to do; {file} is the file, quoted.
_KNOWN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip", "gunzip -k {file}, and name the file in it"),
    *(
        (
            b"BZh%d1AY&SY" % level,
            "compressed with bzip2",
            "bunzip2 -k {file}, and name the file in it",
        )
        for level in range(1, 10)
    ),
    (b"\xfd7zXZ\0", "compressed with xz", "unxz -k {file}, and name the file in it"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unzstd {file}, and name the file in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it, and name the file in it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it, and name the file in it"),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "save it as Parquet: pandas' to_parquet"),
    (
        b"\xff\xff\xff\xff",
        "an Arrow stream, as datasets saves it",
        "save it as Parquet: to_parquet",
    ),
    (b"\x89HDF", "an HDF5 file", "save it as Parquet or CSV: pandas' to_parquet"),
    (b"\x93NUMPY", "a NumPy array", "save the rows as CSV or JSON Lines"),
    (b"SQLite format 3\0", "an SQLite database", "save its table as CSV"),
    (b"%PDF", "a PDF", "name the data file"),
    (b"\x80\x03", "a pickle", "save it as CSV or Parquet: pandas' to_csv"),
    (b"\x80\x04", "a pickle", "save it as CSV or Parquet: pandas' to_csv"),
    (b"\x80\x05", "a pickle", "save it as CSV or Parquet: pandas' to_csv"),
    (b"version https://git-lfs", "a pointer of Git LFS, without the data", "git lfs pull"),
    (
        b"<!doctype html",
        "a web page",
        "download the file itself, which may need a login",
    ),
    (b"<html", "a web page", "download the file itself, which may need a login"),
    (b"<?xml", "an XML file", "save the rows as CSV or JSON Lines"),
)


def refuse_container(path: Path, data: bytes, allowed: str) -> None:
    """Raises for a file that is something else than a table, and is known to be.

    Args:
        path: The file.
        data: Its content.
        allowed: What it may be.

    Raises:
        InputError: It is compressed, an archive, another program's format or no data at all.
    """
    head = data[:64].lstrip().lower()
    for begins, what, step in _KNOWN:
        if data.startswith(begins) or (begins[:1] == b"<" and head.startswith(begins)):
            step = step.format(file=shlex.quote(str(path)))
            fault = Fault(f"this file is {what}", str(path), "", allowed, step, "another format")
            raise InputError(fault)
