"""Runs and submissions beside each other: what differs, whether by chance, and what made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.progress import bar
from relx.scoring.comparison import (
    KINDS,
    McNemar,
    changes,
    mcnemar,
    mcnemar_by_label,
    right_rows,
)
from relx.scoring.intervals import Difference, paired_bootstrap

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.runs.folds import FoundRun
    from relx.runs.manifest import Manifest
    from relx.score import ScoredRows

ABSENT = object()


@dataclass(frozen=True, slots=True, eq=False)
class PairedComparison:
    """One set of predictions compared with the reference.

    Args:
        rows: The rows and what was predicted for them.
        scores: By how much each of its scores is higher than the reference's.
        classes: The same for each label and the scores of a class.
        mcnemar: The test of the rows; `first` is the reference.
        kinds: How what is predicted for each row changed, `(rows,)`: an index into `KINDS`, or -1
            where it did not.
        labels: The test of the cells of each label, where a row may have several labels; their
            `second` were fixed, and their `first` broken.
    """

    rows: ScoredRows
    scores: dict[str, Difference]
    classes: dict[str, dict[str, Difference]]
    mcnemar: McNemar
    kinds: npt.NDArray[np.int8]
    labels: dict[str, McNemar] = field(default_factory=dict)

    def changed(self) -> dict[str, int]:
        """Counts the rows of each kind."""
        return {kind: int((self.kinds == place).sum()) for place, kind in enumerate(KINDS)}

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them; percentages are not rounded."""
        tree = {
            "scores": {name: asdict(value) for name, value in self.scores.items()},
            "classes": {
                label: {name: asdict(value) for name, value in figures.items()}
                for label, figures in self.classes.items()
            },
            "mcnemar": asdict(self.mcnemar),
            "changed": self.changed(),
        }
        labels = {label: asdict(test) for label, test in self.labels.items()}
        return tree | {"labels": labels} if labels else tree


@dataclass(frozen=True, slots=True)
class Setting:
    """A key whose value differs between what runs were made from.

    Args:
        key: Such as `train.epochs`.
        values: The value of each run, as in its manifest; `ABSENT` where it has no such key.
    """

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPredictions:
    """Everything that `relx compare` shows.

    Args:
        reference: The predictions that the others are compared with.
        others: The others.
        draws: How many draws the intervals are from.
        runs: The names of the sides that are runs.
        settings: What these runs differ in.
    """

    reference: ScoredRows
    others: tuple[PairedComparison, ...]
    draws: int
    runs: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()

    @property
    def sides(self) -> tuple[ScoredRows, ...]:
        """The reference and the others."""
        return (self.reference, *(other.rows for other in self.others))

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them; percentages are not rounded."""
        return {
            "gold": self.reference.gold_file,
            "rows": len(self.reference.gold),
            "draws": self.draws,
            "reference": self.reference.name,
            "scores": {side.name: side.scores().to_json() for side in self.sides},
            "differences": {other.rows.name: other.to_json() for other in self.others},
            "recipe": {
                setting.key: {
                    name: None if value is ABSENT else value
                    for name, value in zip(self.runs, setting.values, strict=True)
                }
                for setting in self.settings
            },
        }


def compare(sides: Sequence[ScoredRows], draws: int = 1000) -> ComparedPredictions:
    """Compares sets of predictions with the first of them.

    Args:
        sides: Two or more sets of predictions of the same rows and labels, each with its own name.
        draws: How many draws the intervals are from.

    Returns:
        The comparison, and the settings that the runs among them differ in.

    Raises:
        InputError: Their rows or their label lists differ.
    """
    _require_comparable(sides)
    reference, *others = sides
    compared = []
    with bar("bootstrap", len(others), "comparisons") as progress:
        for other in others:
            compared.append(_compared(reference, other, draws))
            progress.advance()
    runs = {side.name: side.found for side in sides if side.found is not None}
    settings = differing_settings([found.manifest for found in runs.values()])
    return ComparedPredictions(reference, tuple(compared), draws, tuple(runs), settings)


def _compared(reference: ScoredRows, other: ScoredRows, draws: int) -> PairedComparison:
    scores, classes = paired_bootstrap(reference, other, draws)
    before, after, gold = reference.predicted_cells, other.predicted_cells, reference.gold_cells
    rows = mcnemar(right_rows(before, gold), right_rows(after, gold))
    labels = {}
    if reference.gold.ndim > 1:  # of one label in a row, the rows say it all
        tests = mcnemar_by_label(before, after, gold)
        labels = dict(zip(reference.labels.names, tests, strict=True))
    return PairedComparison(other, scores, classes, rows, changes(before, after, gold), labels)


def require_same_dev_rows(runs: Mapping[str, FoundRun]) -> None:
    """Checks that runs chose their epochs by the same rows, before anything is predicted.

    Runs whose digests are of different formats cannot be told apart by them, nor can those that
    were trained on all folds, however they were dealt: their number of rows decides here, and the
    rows themselves are compared once they are read.

    Args:
        runs: The runs by their names.

    Raises:
        InputError: They did not.
    """
    facts = {
        name: [stage.manifest.data.get("dev") or {} for stage in run.folds]
        for name, run in runs.items()
    }
    formats = {run.manifest.format for run in runs.values()}
    told_by = "rows" if len(formats) > 1 or all(map(_has_all_folds, runs.values())) else "digest"
    told = {name: [fact.get(told_by) for fact in of_run] for name, of_run in facts.items()}
    if told_by == "rows":
        told = {name: [sum(filter(None, counts))] for name, counts in told.items()}
    if len(set(map(tuple, told.values()))) > 1:
        rows = (
            f"{name}: {sum(fact.get('rows', 0) for fact in of_run)} of {of_run[0].get('file')}"
            for name, of_run in facts.items()
        )
        what = "these runs did not choose their best epoch by the same rows"
        step = "name labelled rows that none of them was trained on: --gold FILE"
        raise InputError(Fault(what, "--gold", "; ".join(rows), next_step=step))


def _has_all_folds(run: FoundRun) -> bool:
    return len(run.folds) == run.recipe.data.folds


def require_same_labels(lists: Mapping[str, LabelList]) -> None:
    """Checks that label lists are equal.

    Args:
        lists: The label lists, each by the name of the run or submission that has it.

    Raises:
        InputError: One differs from the first; the message says where.
    """
    (first, expected), *others = lists.items()
    for name, labels in others:
        if labels == expected:
            continue
        pairs = zip(expected.names, labels.names, strict=False)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        received = _counted_labels(labels)
        allowed = f"{_counted_labels(expected)}, as {first} has"
        if place is not None:
            received = f"label {place} is {labels.names[place]}"
            allowed = f"{expected.names[place]}, as in {first}"
        what = f"this has a different label list from {first}, and cannot be compared with it"
        raise InputError(Fault(what, name, received, allowed, kind="other labels"))


def _counted_labels(labels: LabelList) -> str:
    negative = f"{labels.negative} as the negative one" if labels.negative else "no negative one"
    return f"{len(labels)} labels with {negative}"


def _require_comparable(sides: Sequence[ScoredRows]) -> None:
    require_same_labels({side.name: side.labels for side in sides})
    first = sides[0]
    for side in sides[1:]:
        if side.task != first.task:
            what = f"this is of another task than {first.name}, and cannot be compared with it"
            raise InputError(Fault(what, side.name, side.task, first.task, kind="other task"))
        if [row.id for row in side.examples] != [row.id for row in first.examples]:
            what = f"these are not the rows that {first.name} predicted"
            received = f"{len(side.examples)} rows of {side.gold_file}"
            allowed = f"the {len(first.examples)} rows of {first.gold_file}, in their order"
            step = "name one file of labelled rows for all: --gold FILE"
            raise InputError(Fault(what, side.name, received, allowed, step))
        if not np.array_equal(side.gold, first.gold):
            what = f"the gold labels of these rows differ from those that {first.name} has"
            step = "name one file of labelled rows for all: --gold FILE"
            raise InputError(Fault(what, side.name, next_step=step))


def differing_settings(manifests: Sequence[Manifest]) -> tuple[Setting, ...]:
    """Lists what runs differ in: recipe, seed, rows, encoder, code and versions.

    Args:
        manifests: The runs' `train/fold-K` manifests.

    Returns:
        The keys whose values are not all equal, the recipe's first; the runs' names are left out.
    """
    from relx.runs.differences import leaves

    trees = [dict(leaves(made_from(manifest))) for manifest in manifests]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    settings = (Setting(key, tuple(tree.get(key, ABSENT) for tree in trees)) for key in keys)
    return tuple(s for s in settings if any(value != s.values[0] for value in s.values))


def made_from(manifest: Manifest) -> dict[str, Any]:
    """Returns what a run was made from, as a tree in which two runs can be compared.

    Args:
        manifest: The run's manifest.

    Returns:
        The recipe without its name, then `rows` (those of each file), `start` (the encoder that
        was loaded), `computed` (the device), `code` and `versions`.
    """
    files = {role: facts for role, facts in manifest.data.items() if isinstance(facts, dict)}
    rows = {f: {key: facts.get(key) for key in ("rows", "digest")} for f, facts in files.items()}
    tapt = (manifest.inputs.get("encoder") or {}).get("tapt")
    start = {key: manifest.encoder.get(key) for key in ("source", "revision")}
    # TAPT's encoder is in a folder of the run itself, so its source tells nothing; a digest does.
    start |= {"source": "TAPT", "digest": tapt} if tapt else {}
    return {
        **{key: value for key, value in manifest.recipe.items() if key != "name"},
        "rows": rows | {"types": manifest.data.get("types")},
        "start": start,
        "computed": manifest.device,
        "code": manifest.git.model_dump() if manifest.git else None,
        "versions": manifest.versions,
    }
