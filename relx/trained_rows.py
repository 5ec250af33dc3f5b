"""The rows that a run was trained on: nothing found on them says how the run does on others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relx.data.rows.reading import require_good
from relx.data.rows.row import ROWS_FORMAT, Row, rows_digest
from relx.dataset import split_rows
from relx.faults import Fault, InputError
from relx.predict import Run
from relx.progress import warn
from relx.scoring.joined import some_of
from relx.tasks.task import task_of


def require_unseen(run: Run, rows: Sequence[Row], file: str) -> None:
    """Refuses labelled rows that a run was trained on, as far as its training file still says.

    Args:
        run: The run; of several folds, what any of them was trained on counts.
        rows: The rows.
        file: Where they are from, for messages.

    Raises:
        InputError: The run was trained on some of them.
    """
    trained = _trained_rows(run, file)
    keys = {row.key for row in trained}
    shared = [row.id for row in rows if row.key in keys]
    if shared:
        what = f"{run.name} was trained on {len(shared)} of these {len(rows)} rows"
        step = "name a file without them with --gold"
        if run.recipe.data.dev is None:
            step = "leave --gold out, which takes the rows that the runs chose their epochs by"
        raise InputError(Fault(what, file, some_of(shared), "rows it never saw", step))


def _trained_rows(run: Run, file: str) -> list[Row]:
    """Reads the rows that a run was trained on; none where its file is gone, which is said."""
    recipe, told = run.recipe, f"whether {run.name} was trained on rows of {file}"
    train = recipe.data.train
    try:
        scan = task_of(recipe).scan(Path(train), run.labels, labelled=True)
        rows: list[Row] = require_good(scan.whole(), recipe.data.skip_bad_rows)
    except InputError:
        warn(f"{train} cannot be read: {told} is taken on trust")
        return []
    single = rows if recipe.data.dev else split_rows(rows, recipe)[0]
    then = run.manifest.data.get("train") or {}
    if then.get("format") == ROWS_FORMAT and then.get("digest") != rows_digest(single):
        warn(f"{train} has changed since {run.name} was trained: {told} is partly taken on trust")
        return rows
    return single if len(run.folds) == 1 else rows
