"""Cut-offs as a file: small JSON that a run keeps, and that predict and score take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.faults import Fault, InputError, shorten
from relx.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from relx.data.labels import LabelList
    from relx.scoring.decisions.cross_fitting import Search

FORMAT = 1
SOURCES = ("given", "shared", "per_label", "joint")
HIGHEST = 1.0000001  # above 1, nobody passes


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The probability from which on each label is chosen.

    Args:
        values: A cut-off for each label, in label order.
        labels: The labels' names.
        at_least_one: Whether a row in which no label passes is given the most probable one.
        source: Where they come from: `given`, or the method that found them.
    """

    values: tuple[float, ...]
    labels: tuple[str, ...]
    at_least_one: bool = False
    source: str = "given"

    def save(self, path: Path, search: Search | None = None) -> None:
        """Writes them as JSON, whole or not at all.

        Args:
            path: The file.
            search: What was found when they were searched; None where they were not.
        """
        tree: dict[str, Any] = {
            "format": FORMAT,
            "cutoffs": dict(zip(self.labels, self.values, strict=True)),
            "at_least_one": self.at_least_one,
            "source": self.source,
        }
        if search is not None:
            tree["search"] = search.to_json()
        write_json(path, tree)

    @classmethod
    def load(cls, path: Path, labels: tuple[str, ...]) -> Cutoffs:
        """Reads what `save` wrote, or `{"cutoffs": {label: number}}` from elsewhere.

        Args:
            path: The file.
            labels: The labels that it has to be of.

        Returns:
            The cut-offs, in the order of `labels`.

        Raises:
            InputError: There is no such file, or it is not of these labels.
        """
        if not path.is_file():
            step = "relx thresholds --out FILE writes one"
            raise InputError(Fault("there is no such file of cut-offs", str(path), next_step=step))
        tree = read_json(path)
        found = tree.get("cutoffs") if isinstance(tree, dict) else None
        if not isinstance(found, dict) or tree.get("format", FORMAT) != FORMAT:
            allowed = f'{{"format": {FORMAT}, "cutoffs": {{label: number}}}}'
            what = "this is no file of cut-offs"
            raise InputError(Fault(what, str(path), shorten(tree), allowed))
        _require_labels(found, path, labels)
        at_least_one, source = tree.get("at_least_one", False), tree.get("source", "given")
        if not isinstance(at_least_one, bool) or source not in SOURCES:
            what, received = "this is no file of cut-offs", f"{at_least_one}, {source}"
            allowed = f"at_least_one: true or false; source: {', '.join(SOURCES)}"
            raise InputError(Fault(what, str(path), received, allowed))
        return cls(tuple(float(found[name]) for name in labels), labels, at_least_one, source)


def _require_labels(found: dict[str, Any], path: Path, labels: tuple[str, ...]) -> None:
    """Checks that there is a number for each label and nothing else."""
    if set(found) != set(labels):
        what, received = "these cut-offs are of other labels", ", ".join(found)
        step = "search them for this run: relx thresholds"
        raise InputError(Fault(what, str(path), received, ", ".join(labels), step))
    wrong = [
        Fault("this is no cut-off", f"{path}, {name}", shorten(value), "a number from 0 to 1")
        for name, value in found.items()
        if isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= HIGHEST
    ]
    if wrong:
        raise InputError(*wrong)


def require_names(cuts: Mapping[str, float], labels: LabelList) -> None:
    """Checks that a recipe's cut-offs are of exactly the labels.

    Args:
        cuts: A cut-off by label.
        labels: The label list.

    Raises:
        InputError: One is of no label, or a label has none.
    """
    where, allowed = "decide.thresholds", f"a cut-off for each of {', '.join(labels.names)}"
    faults = []
    unknown = [name for name in cuts if name not in labels]
    for name in unknown:
        step = labels.unknown(name).next_step
        what = "there is a cut-off for what is no label"
        faults.append(Fault(what, where, name, allowed, step, "unknown label"))
    missing = [name for name in labels.names if name not in cuts]
    if missing:
        what = f"there is no cut-off for {', '.join(missing)}"
        received = f"cut-offs for {', '.join(cuts)}"
        faults.append(Fault(what, where, received, allowed, kind="missing cut-off"))
    if faults:
        raise InputError(*faults)
