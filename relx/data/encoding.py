"""The encoding of a text file: UTF-8, or cp949 where it is not and Korean comes out.

cp949 gives some meaning to nearly all bytes: text in GBK or Shift-JIS becomes Hangul and Hanja.
Real Korean is told from that by its syllables, a few of which make up half of any text.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Literal

from relx.faults import Fault, InputError, shorten
from relx.progress import say, warn

Encoding = Literal["auto", "utf-8", "cp949"]
# Endings, particles and what else is frequent: 47 % of the Hangul and Hanja of KLUE-RE's train
# file, and 15 % at least of any of its sentences. Of Chinese read as cp949 they are 1 %.
FREQUENT = frozenset(
    "이다는의을에가고지하한사기로은어도리대서자시인나정수아라구스해부그일주보과장제니게만성조전원상으공요면를"
)
_LEAST_FREQUENT = 0.08  # the share of frequent syllables below which a text is not taken for Korean
_LETTERS = re.compile("[가-힣\u3400-\u9fff\uf900-\ufaff]")
_WORDS = re.compile(r"[^\s,\"'{}\[\]:]*[가-힣][^\s,\"'{}\[\]:]*")
_SHOWN = 3  # words
_SAMPLE = 100_000  # letters that are looked at


def decoded(path: Path, data: bytes, encoding: Encoding = "auto") -> str:
    """Decodes a text file, and says so where it was not UTF-8.

    Args:
        path: The file, as messages name it.
        data: Its bytes.
        encoding: `auto` tries UTF-8 (with or without a mark), then cp949 where Korean comes out.

    Returns:
        The text.

    Raises:
        InputError: It is in another encoding.
    """
    if encoding == "auto" and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16(path, data)
    try:
        if encoding != "cp949":
            return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            raise InputError(_not_in(path, data, error, encoding)) from error
        return _korean(path, data, error)
    try:
        return data.decode("cp949")
    except UnicodeDecodeError as error:
        raise InputError(_not_in(path, data, error, encoding)) from error


def _utf16(path: Path, data: bytes) -> str:
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as error:
        what, where = "this file begins as UTF-16, and is not", f"{path}, byte {error.start}"
        fault = Fault(what, where, "", "UTF-8", "save it as UTF-8", "wrong encoding")
        raise InputError(fault) from error
    say(f"note: {path} is in UTF-16, and is read so")
    return text


def _korean(path: Path, data: bytes, bad: UnicodeDecodeError) -> str:
    """Decodes cp949, or refuses what is no Korean in it."""
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError as error:
        # Nearly all files are UTF-8, so its first bad byte is the one worth showing.
        raise InputError(_not_in(path, data, bad, "auto")) from error
    words = ", ".join(shorten(word) for word in _WORDS.findall(text)[:_SHOWN])
    if frequent_share(text) < _LEAST_FREQUENT:
        what = "this file is not in UTF-8, and in cp949 it is no Korean"
        received = f"cp949 gives {words}" if words else "cp949 gives no Hangul"
        step = "save it as UTF-8; if it is cp949, set data.encoding: cp949 (--encoding cp949)"
        where, allowed = f"{path}:{_line(data, bad.start)}", "UTF-8, or Korean in cp949"
        raise InputError(Fault(what, where, received, allowed, step, "wrong encoding"))
    at = f"byte {bad.start}, line {_line(data, bad.start)}"
    warn(f"{path} is not in UTF-8 ({at}): it is read as cp949, with words such as {words}")
    return text


def frequent_share(text: str) -> float:
    """Returns the share of the most frequent Korean syllables among Hangul and Hanja.

    Args:
        text: The text; its first letters are looked at.

    Returns:
        From 0 to 1; 0 where there is neither.
    """
    letters = _LETTERS.findall(text[: 10 * _SAMPLE])[:_SAMPLE]
    return sum(letter in FREQUENT for letter in letters) / max(1, len(letters))


def _not_in(path: Path, data: bytes, error: UnicodeDecodeError, encoding: Encoding) -> Fault:
    tried = {"auto": "UTF-8 or cp949", "utf-8": "UTF-8", "cp949": "cp949"}[encoding]
    other = {"auto": "", "utf-8": "cp949", "cp949": "utf-8"}[encoding]
    at = error.start
    step = f", or set data.encoding: {other} (--encoding)" if other else ""
    return Fault(
        f"this byte is not {tried}",
        f"{path}:{_line(data, at)}",
        f"{data[at : at + 4]!r} at byte {at}",
        "UTF-8 or cp949",
        "save the file as UTF-8" + step,
        "wrong encoding",
    )


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1
