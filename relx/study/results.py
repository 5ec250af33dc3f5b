"""What a cell of a study found: its predictions, scores and time, kept as two small files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.data.labels import LabelList
from relx.data.rows.gold_rows import GoldRow
from relx.faults import Fault, InputError
from relx.files import facts_digest, file_digest, read_json, write_json
from relx.score import ScoredRows
from relx.scoring.predictions import Predictions
from relx.study.plan import Cell
from relx.tasks.task import task_of

FORMAT = 1
PARTS = ("tapt", "train", "predict")  # of a cell's seconds


@dataclass(frozen=True, slots=True, eq=False)
class CellResult:
    """A cell that is done.

    Args:
        cell: The cell.
        rows: The rows it is scored on, and what was predicted for them.
        seconds: The time of its parts, by `PARTS`.
    """

    cell: Cell
    rows: ScoredRows
    seconds: Mapping[str, float]


def keep_result(folder: Path, cell: Cell, rows: ScoredRows, seconds: Mapping[str, float]) -> None:
    """Writes what a cell found: its arrays first, then the file that says that it is done.

    Args:
        folder: The study's folder.
        cell: The cell.
        rows: The scored rows.
        seconds: The time of its parts, by `PARTS`.
    """
    shares = rows.require_probabilities("a study")
    ids = tuple(row.id for row in rows.examples)
    arrays = folder / f"{cell.name}.npz"
    Predictions(ids, rows.gold, shares, rows.labels.names, rows.predicted).save(arrays)
    tree = {
        "format": FORMAT,
        "option": cell.option,
        "seed": cell.seed,
        "made_of": made_of(cell),
        "gold": rows.gold_file,
        "negative": rows.labels.negative,
        "scores": rows.scores().figures(),
        "seconds": dict(seconds),
        "rows": file_digest(arrays),
    }
    write_json(folder / f"{cell.name}.json", tree)


def kept_result(folder: Path, cell: Cell) -> CellResult | None:
    """Reads what a cell found.

    Args:
        folder: The study's folder.
        cell: The cell.

    Returns:
        The result; None where the cell is not done, or was of another recipe.

    Raises:
        InputError: The files are not those that the cell left.
    """
    path = folder / f"{cell.name}.json"
    if not path.is_file():
        return None
    tree = read_json(path)
    if not isinstance(tree, dict) or tree.get("made_of") != made_of(cell):
        return None
    file = folder / f"{cell.name}.npz"
    if not file.is_file() or file_digest(file) != tree["rows"]:
        what, step = "this is not what the cell of the study left", f"remove {path} to redo it"
        raise InputError(Fault(what, str(file), next_step=step))
    kept = Predictions.load(file)
    assert kept.gold is not None and kept.chosen is not None  # `keep_result` writes both
    rows = ScoredRows(
        name=cell.name,
        gold_file=tree["gold"],
        examples=[GoldRow(id_, None) for id_ in kept.ids],
        labels=LabelList(kept.labels, tree["negative"]),
        gold=kept.gold,
        predicted=kept.chosen,
        probabilities=kept.probabilities,
        decision=task_of(cell.recipe).decision,
        task=cell.recipe.task,
    )
    return CellResult(cell, rows, tree["seconds"])


def made_of(cell: Cell) -> str:
    """Hashes what decides a cell's result: a study whose file has changed computes anew.

    Args:
        cell: The cell.
    """
    # Keys that came later, at their usual values, make no other recipe.
    given: dict[str, Any] = cell.recipe.model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )
    for section in ("checkpoint", "device", "predict"):
        given.pop(section, None)
    gold = None if cell.gold is None else file_digest(cell.gold)
    return facts_digest("cell", [[given, cell.tapt, cell.folds, gold]])
