"""What a chain of commands left behind, as trees of JSON in which two chains can be compared.

Times, speeds, versions, commits, dates, digests and the places of files are taken out: what is left
must not change as long as relx computes the same.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from safetensors import deserialize

# A training table has columns of these names, JSON has keys.
TIME = re.compile(r"(^|_)seconds$|_per_second$|^(started|finished|when)$")
TRACE = re.compile(r"(^|\.)(versions|git|commit|code|computed|device)(\.|$)|digest$")
PLACES = {"path", "file", "gold"}  # of files, where their value is a text
DATE = re.compile(r"\d{4}-\d\d-\d\d\S*")
DIGEST = re.compile(r"\b(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}\b")
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
FIGURES = {"td", "dd", "li"}  # the elements of a page whose numbers are figures, not prose


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tensors(path: Path) -> dict[str, str]:
    """Returns type, shape and digest of each tensor of a safetensors file, by its name."""
    found = deserialize(path.read_bytes())
    return {
        name: f"{tensor['dtype']} {list(tensor['shape'])} {digest(bytes(tensor['data']))}"
        for name, tensor in sorted(found)
    }


def model_folder(folder: Path) -> dict[str, Any]:
    """Returns the tensors of a model's folder, and the digest of each other file but its card."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.suffix != ".md")
    weights = [file for file in files if file.suffix == ".safetensors"]
    if not weights:
        raise SystemExit(f"{folder} holds no tensors")
    others = [file for file in files if file not in weights]
    return {
        "tensors": {file.name: tensors(file) for file in weights},
        "files": {file.name: digest(file.read_bytes()) for file in others},
    }


def submission(path: Path) -> dict[str, Any]:
    """Returns the digest of a submission, and its cells, which show where two differ."""
    return {"bytes": digest(path.read_bytes()), "table": table(path)}


def table(path: Path) -> list[list[str]]:
    """Returns the lines of a CSV without the columns of times."""
    with path.open(encoding="utf-8", newline="") as stream:
        heading, *rows = csv.reader(stream)
    kept = [place for place, name in enumerate(heading) if not TIME.search(name)]
    return [[row[place] for place in kept] for row in (heading, *rows)]


def cloud_table(path: Path) -> list[list[str]]:
    """Returns a cloud's words as far as they are sure.

    Words of entities come out of a set. In which order those of one count stand, and which of the
    least count are still drawn, differs from process to process: the former are sorted here, and
    of the latter the count alone is kept.
    """
    _, *rows = table(path)
    least: dict[str, int] = {}
    for label, _, _, count in rows:
        least[label] = min(least.get(label, int(count)), int(count))
    sure = [
        [label, count, word if int(count) > least[label] else ""] for label, _, word, count in rows
    ]
    return sorted(sure)


def stage(folder: Path) -> dict[str, Any]:
    """Returns the figures that a stage noted, in the end and after each epoch."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "metrics": clean(read_json(folder / "metrics.json")),
        "epochs": [clean(json.loads(line)) for line in lines],
    }


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def clean(value: Any) -> Any:
    """Takes out of a tree what may differ between two runs that compute the same."""
    if isinstance(value, dict):
        return {key: clean(own) for key, own in value.items() if not _passing(key, own)}
    if isinstance(value, list):
        return [clean(own) for own in value]
    return DIGEST.sub("DIGEST", DATE.sub("DATE", value)) if isinstance(value, str) else value


def _passing(key: str, value: Any) -> bool:
    is_place = key in PLACES and isinstance(value, str)
    return is_place or bool(TIME.search(key) or TRACE.search(key))


def numbers(text: str) -> list[str]:
    """Returns the numbers that stand in a text, without dates and digests."""
    return NUMBER.findall(DIGEST.sub("", DATE.sub("", text)))


def page(path: Path) -> dict[str, Any]:
    """Returns the numbers behind a page: its data, its figures, its facts and its plots' tables."""
    reader = _PageReader()
    reader.feed(path.read_text(encoding="utf-8"))
    folder = path.with_name(f"{path.stem}_plots")
    tables = {
        file.stem: cloud_table(file) if file.stem.startswith("clouds") else table(file)
        for file in sorted(folder.glob("*.csv"))
    }
    if not tables or not reader.figures:
        raise SystemExit(f"{path} shows no figures, or {folder} holds no tables")
    return {
        "data": {name: clean(json.loads(text)) for name, text in reader.data.items()},
        "figures": reader.figures,
        "facts": clean(read_json(folder / "plots.json")["facts"]),
        "plots": tables,
    }


class _PageReader(HTMLParser):
    """Gathers embedded JSON by its id, and the figures by the id of the element around them."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.figures: dict[str, list[str]] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append((tag, dict(attributes)))
            self._note(dict(attributes).get("title") or "")

    def handle_endtag(self, tag: str) -> None:
        while any(tag == name for name, _ in self._open):
            if self._open.pop()[0] == tag:
                return

    def handle_data(self, text: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            name = attributes.get("id") or ""
            self.data[name] = self.data.get(name, "") + text
        elif tag not in ("script", "style"):
            self._note(text)

    def _note(self, text: str) -> None:
        tags = {tag for tag, _ in self._open}
        if tags & FIGURES and "svg" not in tags:
            ids = [own["id"] for _, own in self._open if own.get("id")]
            self.figures.setdefault(str(ids[-1]) if ids else "", []).extend(numbers(text))
