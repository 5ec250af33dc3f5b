"""Predictions of the same rows beside each other: how they differ, and whether by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.progress import bar
from relx.scoring.intervals import Difference, paired_bootstrap

if TYPE_CHECKING:
    from relx.runs.manifest import Manifest
    from relx.score import ScoredRows

EXACT_BELOW = 25  # rows that one of two has right and the other wrong
KINDS = ("fixed", "broken", "otherwise")
SAME = -1
ABSENT = object()

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of whether two are right equally often (McNemar 1947, Psychometrika 12).

    Args:
        both: Rows that both have right.
        first: Rows that the first alone has right.
        second: Rows that the second alone has right.
        neither: Rows that both have wrong.
        test: `exact`, or `chi-square` with the continuity correction of Edwards (1948).
        statistic: Chi-square with one degree of freedom; None of the exact test.
        p: Two-sided.
    """

    both: int
    first: int
    second: int
    neither: int
    test: str
    statistic: float | None
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class Versus:
    """One set of predictions beside the reference.

    Args:
        rows: The rows and what was predicted for them.
        scores: By how much its scores are higher than the reference's.
        classes: The same by label and the scores of a class.
        mcnemar: The test; the reference is its first.
        kinds: Of each row the place in `KINDS` of how its label changed; -1 where it did not.
    """

    rows: ScoredRows
    scores: dict[str, Difference]
    classes: dict[str, dict[str, Difference]]
    mcnemar: McNemar
    kinds: npt.NDArray[np.int8]

    def changed(self) -> dict[str, int]:
        """Counts the rows of each kind."""
        return {kind: int((self.kinds == place).sum()) for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Setting:
    """A key in which what runs were made from differs.

    Args:
        key: Such as `train.epochs`.
        values: The value of each run, as JSON has it; `ABSENT` where it has no such key.
    """

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Everything that `relx compare` shows.

    Args:
        reference: What the others are compared with.
        others: The others.
        draws: How many draws the intervals are from.
        runs: The names of those that are runs.
        settings: In what these runs differ.
    """

    reference: ScoredRows
    others: tuple[Versus, ...]
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
            "differences": {
                other.rows.name: {
                    "scores": {name: asdict(value) for name, value in other.scores.items()},
                    "classes": {
                        label: {name: asdict(value) for name, value in figures.items()}
                        for label, figures in other.classes.items()
                    },
                    "mcnemar": asdict(other.mcnemar),
                    "changed": other.changed(),
                }
                for other in self.others
            },
            "recipe": {
                setting.key: {
                    name: None if value is ABSENT else value
                    for name, value in zip(self.runs, setting.values, strict=True)
                }
                for setting in self.settings
            },
        }


def compare(sides: Sequence[ScoredRows], draws: int = 1000) -> Comparison:
    """Compares sets of predictions with the first of them.

    Args:
        sides: Two or more, of the same rows with the same labels; their names differ.
        draws: How many draws the intervals are from.

    Returns:
        The comparison; of those with a folder also the settings that differ.

    Raises:
        InputError: They are not of the same rows, or have other labels.
    """
    _require_comparable(sides)
    reference, *others = sides
    compared = []
    with bar("bootstrap", len(others), "comparisons") as progress:
        for other in others:
            compared.append(_versus(reference, other, draws))
            progress.advance()
    folders = {side.name: side.folder for side in sides if side.folder is not None}
    settings = differing_settings([*folders.values()])
    return Comparison(reference, tuple(compared), draws, tuple(folders), settings)


def _versus(reference: ScoredRows, other: ScoredRows, draws: int) -> Versus:
    scores, classes = paired_bootstrap(reference, other, draws)
    before, after = (side.predicted == side.gold for side in (reference, other))
    kinds = changes(reference.predicted, other.predicted, reference.gold)
    return Versus(other, scores, classes, mcnemar(before, after), kinds)


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Tests whether two are right equally often, by the rows that only one of them has right.

    Args:
        first: Which rows the first has right, `(rows,)`.
        second: Which rows the second has right, `(rows,)`.

    Returns:
        The test: exact by the binomial distribution where fewer than 25 rows decide it, and
        chi-square with continuity correction elsewhere.
    """
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    counts = (both, first_only, second_only, neither)
    deciding = first_only + second_only
    if deciding < EXACT_BELOW:
        tail = sum(math.comb(deciding, k) for k in range(min(first_only, second_only) + 1))
        return McNemar(*counts, "exact", None, min(1.0, 2 * tail / 2**deciding))
    statistic = max(0, abs(first_only - second_only) - 1) ** 2 / deciding
    # With one degree of freedom, chi-square is the square of a standard normal variable.
    return McNemar(*counts, "chi-square", statistic, math.erfc(math.sqrt(statistic / 2)))


def changes(
    before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], gold: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """Says of each row how its predicted label changed.

    Args:
        before: The class that the reference predicts, `(rows,)`.
        after: The class that the other predicts, `(rows,)`.
        gold: The gold class, `(rows,)`.

    Returns:
        Places in `KINDS`, `(rows,)`: fixed is wrong before and right after, broken the reverse,
        otherwise both are wrong; -1 where the label stayed.
    """
    kinds = np.where(after == gold, 0, np.where(before == gold, 1, 2))
    return np.where(before == after, SAME, kinds).astype(np.int8)


def require_same_dev_rows(folders: Mapping[str, Path]) -> None:
    """Checks that runs chose their epochs by the same rows, before anything is predicted.

    Args:
        folders: Each run's `train/fold-K` folder by its name.

    Raises:
        InputError: They did not.
    """
    from relx.runs.manifest import read_manifest

    facts = {name: read_manifest(path).data.get("dev") or {} for name, path in folders.items()}
    if len({fact.get("digest") for fact in facts.values()}) > 1:
        rows = (f"{name}: {fact.get('rows')} of {fact.get('file')}" for name, fact in facts.items())
        what = "these runs did not choose their epochs by the same rows"
        step = "name labelled rows that none was trained on: --gold FILE"
        raise InputError(Fault(what, "--gold", "; ".join(rows), next_step=step))


def require_same_labels(sides: Mapping[str, Any]) -> None:
    """Checks that label lists are equal.

    Args:
        sides: The list by the name of who has it.

    Raises:
        InputError: One differs from the first; says where.
    """
    (first, expected), *others = sides.items()
    for name, labels in others:
        if labels == expected:
            continue
        pairs = zip(expected.names, labels.names, strict=False)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        received = f"{len(labels)} labels, of which {labels.negative} is the negative one"
        if place is not None:
            received = f"label {place} is {labels.names[place]}"
            allowed = f"{expected.names[place]}, as of {first}"
        else:
            allowed = f"{len(expected)} and {expected.negative}, as of {first}"
        what = "this has another list of labels, and cannot be compared"
        raise InputError(Fault(what, name, received, allowed, kind="other labels"))


def _require_comparable(sides: Sequence[ScoredRows]) -> None:
    require_same_labels({side.name: side.labels for side in sides})
    first = sides[0]
    for side in sides[1:]:
        if [row.id for row in side.examples] != [row.id for row in first.examples]:
            what = "these are not the same rows"
            received = f"{len(side.examples)} rows of {side.gold_file}"
            allowed = f"the {len(first.examples)} rows of {first.gold_file}, as of {first.name}"
            raise InputError(Fault(what, side.name, received, allowed, "name them with --gold"))
        if not np.array_equal(side.gold, first.gold):
            what = f"the same rows have other gold labels than with {first.name}"
            raise InputError(Fault(what, side.name, next_step="name one file with --gold"))


def differing_settings(folders: Sequence[Path]) -> tuple[Setting, ...]:
    """Lists in what runs differ: recipe, seed, rows, encoder, code and versions.

    Args:
        folders: The runs' `train/fold-K` folders.

    Returns:
        The keys whose values are not all equal, the recipe's first; without the names.
    """
    from relx.runs.manifest import read_manifest

    trees = [dict(_leaves(made_from(read_manifest(folder)))) for folder in folders]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    settings = (Setting(key, tuple(tree.get(key, ABSENT) for tree in trees)) for key in keys)
    return tuple(s for s in settings if any(value != s.values[0] for value in s.values))


def made_from(manifest: Manifest) -> dict[str, Any]:
    """Returns what a run was made from, as a tree that two runs can be compared by.

    Args:
        manifest: The run's manifest.

    Returns:
        The recipe without its name, then `rows` (of each file), `start` (the encoder that was
        loaded), `computed` (the device), `code` and `versions`.
    """
    files = {role: facts for role, facts in manifest.data.items() if isinstance(facts, dict)}
    rows = {f: {key: facts.get(key) for key in ("rows", "digest")} for f, facts in files.items()}
    tapt = (manifest.inputs.get("encoder") or {}).get("tapt")
    start = {key: manifest.encoder.get(key) for key in ("source", "revision")}
    # An adapted encoder is a folder of the run itself: what tells two apart is what is in them.
    start |= {"source": "TAPT", "digest": tapt} if tapt else {}
    return {
        **{key: value for key, value in manifest.recipe.items() if key != "name"},
        "rows": rows | {"types": manifest.data.get("types")},
        "start": start,
        "computed": manifest.device,
        "code": manifest.git.model_dump() if manifest.git else None,
        "versions": manifest.versions,
    }


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
