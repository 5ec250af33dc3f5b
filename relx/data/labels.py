"""The list of labels: its order, which is every probability's order, and the negative one."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from relx.data.formats.cells import NoText
from relx.data.names import NO_NAMES, name_of
from relx.data.plain_pickle import read_plain_pickle
from relx.data.table import Table, read_table, read_text
from relx.faults import Fault, InputError, nearest, shorten
from relx.recipe import DataSection

# What the label column of a test file without labels holds.
UNLABELLED = "100"

_OWN_LIST = "name your own list of labels: data.labels of a recipe, or --labels with a submission"
_SHAPES = "a list of labels, {label: id} or {id: label} with ids from 0 on, or KLUE's relation_list"


def _name_faults(names: Sequence[str]) -> Iterable[Fault]:
    if len(names) < 2:
        yield Fault("there are fewer than two labels", "", _listed(names), kind="labels")
    if any(not name.strip() for name in names):
        yield Fault("a label is empty", "", _listed(names), "text", kind="labels")
    if any(re.search("[\ud800-\udfff]", name) for name in names):
        what = "a label contains half a character (a lone surrogate)"
        yield Fault(what, "", ascii(_listed(names)), "whole characters", kind="labels")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield Fault("a label is listed twice", "", _listed(twice), "each label once", kind="labels")


def _unknown_negative(negative: str, names: Sequence[str]) -> Fault:
    guess = nearest(negative, names)
    step = f"did you mean data.negative: {guess}? " if guess else ""
    return Fault(
        "the negative label is not in the list of labels",
        "data.negative",
        negative,
        f"one of {len(names)} labels: {_listed(names)}",
        f"{step}data.negative: null counts every label",
        "unknown label",
    )


def _listed(values: Sequence[object], most: int = 40) -> str:
    """Lists values, without the end of a long list."""
    texts = [str(value) for value in values[:most]]
    return ", ".join(texts) + (f", … ({len(values)} in all)" if len(values) > most else "")


@dataclass(frozen=True)
class LabelList:
    """The labels in order, and the one that means that there is nothing to find.

    Args:
        names: The labels; a label's id is its place here.
        negative: The label that micro-F1 leaves out, or None to count all.

    Raises:
        InputError: A label is empty or listed twice, there are fewer than two, or the negative
            one is not among them.
    """

    names: tuple[str, ...]
    negative: str | None

    def __post_init__(self) -> None:
        faults = list(_name_faults(self.names))
        if self.negative is not None and self.negative not in self.names:
            faults.append(_unknown_negative(self.negative, self.names))
        if faults:
            raise InputError(*faults)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def index(self, name: str) -> int:
        """Returns a label's id.

        Args:
            name: The label.

        Returns:
            Its place in `names`.

        Raises:
            InputError: There is no such label.
        """
        if name not in self._ids:
            raise InputError(self.unknown(name))
        return self._ids[name]

    @property
    def negative_index(self) -> int | None:
        """The negative label's id, or None where every label counts."""
        return None if self.negative is None else self._ids[self.negative]

    def unknown(self, name: str, where: str = "") -> Fault:
        """Returns the fault of a label that is not in the list.

        Args:
            name: The label received.
            where: Where it was.

        Returns:
            The fault, with the nearest label.
        """
        if name not in self._guesses:
            self._guesses[name] = nearest(name, self.names)
        guess = self._guesses[name]
        step = f"did you mean {guess}?" if guess else _OWN_LIST
        return Fault(
            "this label is not in the list of labels",
            where,
            shorten(name),
            f"one of {len(self)} labels: {_listed(self.names, most=6)}",
            step,
            "unknown label",
        )

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def _guesses(self) -> dict[str, str | None]:
        """Nearest labels already looked for: a wrong label is often on thousands of rows."""
        return {}


KLUE = LabelList(
    (
        "no_relation",
        "org:top_members/employees",
        "org:members",
        "org:product",
        "per:title",
        "org:alternate_names",
        "per:employee_of",
        "org:place_of_headquarters",
        "per:product",
        "org:number_of_employees/members",
        "per:children",
        "per:place_of_residence",
        "per:alternate_names",
        "per:other_family",
        "per:colleagues",
        "per:origin",
        "per:siblings",
        "per:spouse",
        "org:founded",
        "org:political/religious_affiliation",
        "org:member_of",
        "per:parents",
        "org:dissolved",
        "per:schools_attended",
        "per:date_of_death",
        "per:date_of_birth",
        "per:place_of_birth",
        "per:place_of_death",
        "org:founded_by",
        "per:religion",
    ),
    "no_relation",
)

# The same thirty in the order of KLUE's own files (Park et al. 2021, arXiv 2105.09680).
KLUE_RELATION_LIST = LabelList(
    (
        "no_relation",
        "org:dissolved",
        "org:founded",
        "org:place_of_headquarters",
        "org:alternate_names",
        "org:member_of",
        "org:members",
        "org:political/religious_affiliation",
        "org:product",
        "org:founded_by",
        "org:top_members/employees",
        "org:number_of_employees/members",
        "per:date_of_birth",
        "per:date_of_death",
        "per:place_of_birth",
        "per:place_of_death",
        "per:place_of_residence",
        "per:origin",
        "per:employee_of",
        "per:schools_attended",
        "per:alternate_names",
        "per:parents",
        "per:children",
        "per:siblings",
        "per:spouse",
        "per:other_family",
        "per:colleagues",
        "per:product",
        "per:religion",
        "per:title",
    ),
    "no_relation",
)
NAMED_LISTS = {"klue": KLUE, "klue-relation-list": KLUE_RELATION_LIST}


def read_labels(data: DataSection, train: Table | None = None) -> LabelList:
    """Reads the list of labels that a recipe names.

    Args:
        data: The recipe's data section. `labels` is a name of `NAMED_LISTS`, `from-train` (the
            labels of the training file, sorted, the negative one first), a JSON, text or pickle
            file, or the labels themselves.
        train: The training file, where `from-train` need not read it.

    Returns:
        The labels.

    Raises:
        InputError: The file cannot be read, holds no list of labels, or would run code.
    """
    try:
        return LabelList(_names(data, train), data.negative)
    except InputError as error:
        place = data.labels if isinstance(data.labels, str) else "data.labels"
        named = (replace(fault, where=fault.where or place) for fault in error.faults)
        raise InputError(*named) from error


def _names(data: DataSection, train: Table | None) -> tuple[str, ...]:
    if isinstance(data.labels, list):
        return tuple(data.labels)
    if data.labels in NAMED_LISTS:
        return NAMED_LISTS[data.labels].names
    if data.labels == "from-train":
        return _labels_of_train(
            data, train or read_table(Path(data.train), data.encoding, data.sheet)
        )
    path = Path(data.labels)
    if path.exists():
        return _labels_of_file(path, data)
    named = ", ".join((*NAMED_LISTS, "from-train"))
    allowed = f"{named}, or a file of labels: JSON, text (one per line) or a pickle"
    guess = nearest(data.labels, [*NAMED_LISTS, "from-train"])
    step = f"did you mean {guess}?" if guess else "check the path"
    raise InputError(
        Fault(
            "there is no such list of labels", "data.labels", data.labels, allowed, step, "labels"
        )
    )


def _labels_of_train(data: DataSection, table: Table) -> tuple[str, ...]:
    if "label" not in table.columns:
        received = f"the columns {', '.join(table.columns)}"
        step = "data.labels: from-train needs a labelled training file"
        raise InputError(
            Fault(
                "the column label is missing", str(table.path), received, "", step, "missing column"
            )
        )
    no_texts = [row for row in table.rows if isinstance(row.cells.get("label"), NoText)]
    if no_texts:
        places = ((row, f"{table.name}:{row.line}, column label") for row in no_texts)
        raise InputError(*(row.cells["label"].fault(place) for row, place in places))
    found = {name_of(row.cells.get("label")) for row in table.rows} - NO_NAMES - {UNLABELLED}
    if len(found) < 2 and (broken := [r.fault for r in table.rows if r.fault]):
        raise InputError(*broken)  # why there are so few
    # Sorting pairs puts the negative label first.
    return tuple(sorted(found, key=lambda name: (name != data.negative, name)))


def _labels_of_file(path: Path, data: DataSection) -> tuple[str, ...]:
    if path.suffix in (".pkl", ".pickle"):
        return _in_order(read_plain_pickle(path))
    text = read_text(path, data.encoding)
    if path.suffix != ".json" and text.lstrip()[:1] not in ("[", "{"):
        return tuple(line.strip() for line in io.StringIO(text) if line.strip())
    try:
        return _in_order(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InputError(
            Fault("this is not JSON", received=str(error), kind="JSON syntax")
        ) from error


def _in_order(value: Any) -> tuple[str, ...]:
    """Brings a list or a mapping between labels and ids into the order of the ids."""
    if isinstance(value, dict) and "relations" in value:
        value = value["relations"]
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    pairs = _pairs(value)
    if pairs is None:
        raise InputError(
            Fault("this is not a list of labels", "", shorten(value), _SHAPES, kind="labels")
        )
    ids = sorted(i for i, _ in pairs)
    if ids != list(range(len(ids))):
        raise InputError(_wrong_ids(ids))
    return tuple(name for _, name in sorted(pairs))


def _pairs(value: Any) -> list[tuple[int, str]] | None:
    """Returns (id, label) pairs of {label: id} or {id: label}, or None for anything else."""
    if not isinstance(value, dict) or not value:
        return None
    if all(type(i) is int and isinstance(name, str) for name, i in value.items()):
        return [(i, name) for name, i in value.items()]
    if all(str(i).isdecimal() and isinstance(name, str) for i, name in value.items()):
        return [(int(i), name) for i, name in value.items()]
    return None


def _wrong_ids(ids: Sequence[int]) -> Fault:
    twice = [i for i, count in Counter(ids).items() if count > 1]
    missing = sorted(set(range(len(ids))) - set(ids))
    received = [f"repeated ids: {_listed(twice)}"] if twice else []
    received += [f"missing ids: {_listed(missing)}"] if missing else []
    allowed = f"each id from 0 to {len(ids) - 1} once"
    return Fault(
        "the ids of the labels are not consecutive", "", "; ".join(received), allowed, "", "labels"
    )
