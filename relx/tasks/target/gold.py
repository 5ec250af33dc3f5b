"""The labels of a row of the task target, in each of the forms that files have them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from relx.data.formats.cells import NoText
from relx.data.labels import UNLABELLED, LabelList
from relx.data.literals import read_literal
from relx.data.names import NO_NAMES, name_of
from relx.data.rows.row_checks import RowChecks
from relx.data.table import Header, Table
from relx.faults import Fault, InputError, nearest, shorten
from relx.progress import say

Gold = str | frozenset[str] | None
Cells = Mapping[str, Any]

OUTPUT, LIST, SINGLE = "output", "labels", "label"
_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_EMPTY = (None, "", UNLABELLED)
_BOOLEAN = "True or False, or 1 or 0"


class GoldReader(Protocol):
    """Reads the labels of rows."""

    def read(self, cells: Cells, checks: RowChecks) -> Gold:
        """Reads the labels of a row.

        Args:
            cells: The row's cells.
            checks: Receives what is wrong with them.

        Returns:
            The labels, or the one; None where the row is unlabelled, or wrong.
        """


def gold_reader(table: Header, labels: LabelList, *, one: bool, required: bool) -> GoldReader:
    """Chooses how the labels of a file are read, by its columns.

    Args:
        table: The file.
        labels: The labels that may be there.
        one: Whether exactly one label is true in a row.
        required: Whether a row without labels is a fault.

    Returns:
        What reads them.

    Raises:
        InputError: The file has no labels, and needs them; or it lacks the columns of some.
    """
    how = _How(labels, one, required)
    columns = table.columns
    if OUTPUT in columns:
        return _Output(how)
    if LIST in columns:
        return _Listed(how)
    if SINGLE in columns:
        return _Single(how)
    missing = [name for name in labels.names if name not in columns]
    if not missing:
        return _Columns(how)
    if len(missing) < len(labels) or required:
        raise InputError(_no_labels(table, missing))
    return _Columns(how)


def _no_labels(table: Header, missing: Sequence[str]) -> Fault:
    what = f"there is no column for {', '.join(missing[:8])}"
    received = f"the columns {shorten(', '.join(table.columns))}"
    allowed = f"{OUTPUT}, {LIST} or {SINGLE}, or a column for each label"
    guess = nearest(missing[0], table.columns)
    step = f"rename {guess} to {missing[0]}" if guess else ""
    return Fault(what, table.name, received, allowed, step, "missing column")


@dataclass(frozen=True, slots=True)
class _How:
    """What labels there are, and how many a row has."""

    labels: LabelList
    one: bool
    required: bool

    def empty(self, column: str, checks: RowChecks) -> None:
        """Notes a row without labels, where that is a fault."""
        if self.required:
            what, kind = "the row has no labels, and training needs them", "missing label"
            none = "" if self.one else "; where none is true, [] in a list or False for each"
            checks.fault(column, what, "nothing", f"labels of data.labels{none}", "", kind)

    def chosen(self, names: Sequence[str], column: str, checks: RowChecks) -> Gold:
        """Returns labels that are all known, and as many as there may be."""
        if not self.one:
            return frozenset(names)
        if len(names) == 1:
            return names[0]
        what, kind = "a row has exactly one label (decide.labels: one)", "number of labels"
        received = ", ".join(names) or "no label that is true"
        step = "set decide.labels: many where a row may have several or none"
        checks.fault(column, what, received, "one label", step, kind)
        return None


@dataclass(frozen=True, slots=True)
class _Output:
    """The contest's form: a mapping of each label to True or False."""

    how: _How

    def read(self, cells: Cells, checks: RowChecks) -> Gold:
        value = cells.get(OUTPUT)
        if value in _EMPTY or value == {}:
            self.how.empty(OUTPUT, checks)
            return None
        found = read_literal(value) if isinstance(value, str) else value
        if isinstance(found, dict):
            return truths(found, OUTPUT, self.how, checks)
        what, allowed = "the output is no object", '{"joy": "True", "fear": "False", …}'
        checks.fault(OUTPUT, what, shorten(value), allowed, "", "output")
        return None


@dataclass(frozen=True, slots=True)
class _Columns:
    """One column a label."""

    how: _How

    def read(self, cells: Cells, checks: RowChecks) -> Gold:
        found = {name: cells[name] for name in self.how.labels.names if name in cells}
        if all(value in _EMPTY for value in found.values()):
            self.how.empty(", ".join(self.how.labels.names[:3]) + " …", checks)
            return None
        return truths(found, "", self.how, checks)


@dataclass(frozen=True, slots=True)
class _Listed:
    """One column with a list of labels, as a list or as text with | or commas."""

    how: _How

    def read(self, cells: Cells, checks: RowChecks) -> Gold:
        value = cells.get(LIST)
        if value in _EMPTY:
            self.how.empty(LIST, checks)
            return None
        names = listed(value)
        if names is None:
            what, allowed = "the labels are no list", '["joy", "trust"], or joy|trust'
            checks.fault(LIST, what, shorten(value), allowed, "", "labels")
            return None
        labels = self.how.labels
        unknown = [name for name in names if name not in labels]
        twice = sorted({name for name in names if names.count(name) > 1})
        place = f"{checks.where}, column {LIST}"
        checks.faults += [labels.unknown(name, place) for name in dict.fromkeys(unknown)]
        if twice:
            what = "a label is listed twice"
            checks.fault(LIST, what, ", ".join(twice), "each once", "", "repeated label")
        if unknown or twice:
            return None
        return self.how.chosen(names, LIST, checks)


@dataclass(frozen=True, slots=True)
class _Single:
    """One column with one label."""

    how: _How

    def read(self, cells: Cells, checks: RowChecks) -> Gold:
        name = checks.label(cells.get(SINGLE), self.how.labels, required=self.how.required)
        return None if name is None else self.how.chosen([name], SINGLE, checks)


def listed(value: Any) -> list[str] | None:
    """Reads a list of labels; None where it is none."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            value = read_literal(text)
        else:
            parts = text.split("|") if "|" in text else text.split(",")
            value = [part.strip() for part in parts]
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    return None


def truths(found: Cells, column: str, how: _How, checks: RowChecks) -> Gold:
    """Reads a mapping of labels to True or False.

    Args:
        found: The mapping; each label has to be there.
        column: What holds it; empty where its keys are columns.
        how: What labels there are, and how many a row has.
        checks: Receives what is wrong.

    Returns:
        The labels that are true, or the one; None where something is wrong.
    """
    before = len(checks.faults)
    for name in found:
        if name not in how.labels:
            checks.faults.append(how.labels.unknown(str(name), f"{checks.where}, column {column}"))
    missing = [name for name in how.labels.names if found.get(name) in (None, "")]
    if missing:
        what, received = f"the row has no value for {', '.join(missing)}", shorten(dict(found))
        checks.fault(column or missing[0], what, received, _BOOLEAN, "", "missing label")
    values = {name: truth(found.get(name)) for name in how.labels.names if name not in missing}
    for name, value in values.items():
        if value is None:
            place = f"{column}.{name}" if column else name
            what, kind = "this is neither true nor false", "label not true or false"
            checks.fault(place, what, shorten(found[name]), _BOOLEAN, "", kind)
    if len(checks.faults) > before:
        return None
    names = [name for name, value in values.items() if value]
    return how.chosen(names, column or how.labels.names[0], checks)


def truth(value: Any) -> bool | None:
    """Reads True or False, 1 or 0, of whatever type; None for anything else."""
    if isinstance(value, NoText):
        return None
    return _TRUTHS.get(str(value).strip().lower())


def labels_in(table: Table, named: set[str], negative: str | None) -> tuple[str, ...]:
    """Lists the labels of a training file.

    Args:
        table: The file.
        named: The columns that are no label's.
        negative: The label that comes first where the order is that of names.

    Returns:
        Of the contest's form and of columns, in the file's order; of lists and single labels,
        sorted.

    Raises:
        InputError: The file shows no labels.
    """
    columns = table.columns
    if OUTPUT in columns:
        outputs = (row.cells.get(OUTPUT) for row in table.rows)
        objects = (read_literal(o) if isinstance(o, str) and o else o for o in outputs)
        keys = dict.fromkeys(str(key) for o in objects if isinstance(o, dict) for key in o)
        if not keys:
            raise InputError(_unlabelled(table))
        return tuple(keys)
    if LIST in columns or SINGLE in columns:
        return _sorted_names(table, negative)
    found = [name for name in columns if name not in named and _is_of_truths(table, name)]
    if found:
        say(f"labels by the columns of {table.name}: {', '.join(found)}")
        return tuple(found)
    what = "the training file shows no labels"
    received = f"the columns {shorten(', '.join(columns))}"
    allowed = f"{OUTPUT}, {LIST} or {SINGLE}, or columns of True and False"
    step = "name the file that has labels in data.train, or list them in data.labels"
    raise InputError(Fault(what, table.name, received, allowed, step, "missing column"))


def _unlabelled(table: Table) -> Fault:
    what = "no row of this file has labels"
    received = f"{OUTPUT} is empty in {len(table.rows)} rows"
    step = "name the file that has labels, or list them in data.labels"
    return Fault(what, table.name, received, f"{OUTPUT} of labels", step, "missing label")


def _sorted_names(table: Table, negative: str | None) -> tuple[str, ...]:
    names: set[str] = set()
    for row in table.rows:
        if LIST in table.columns:
            value = row.cells.get(LIST)
            names.update(() if value in _EMPTY else listed(value) or ())
        elif (value := row.cells.get(SINGLE)) not in _EMPTY and not isinstance(value, NoText):
            names.add(name_of(value))
    return tuple(sorted(names - NO_NAMES, key=lambda name: (name != negative, name)))


def _is_of_truths(table: Table, column: str) -> bool:
    """Tells whether a column holds True and False; a few cells that do not are their rows' faults.

    A column that is left out because of them would be a label less, and nobody would see it.
    """
    values = [value for row in table.rows if (value := row.cells.get(column)) not in (None, "")]
    return 2 * sum(truth(value) is not None for value in values) > len(values)
