"""What the folds of a run are worth together, kept beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.files import file_digest, read_json, write_json
from relx.models.saved import DEV_FILE, THRESHOLDS_FILE
from relx.runs.folds import FoundRun
from relx.scoring.decisions.cutoffs import Cutoffs

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.scoring.decisions.decision import Decision

FILE = "out-of-fold.json"
FORMAT = 1


def keep_out_of_fold(found: FoundRun, figures: Mapping[str, Any], decision: Decision) -> Path:
    """Writes the scores of the folds' dev rows together, and the cut-offs searched on them.

    Args:
        found: The run's folds.
        figures: The scores, as JSON takes them.
        decision: How labels are chosen by the mean of the folds.

    Returns:
        The file of the scores.
    """
    tree: dict[str, Any] = {"format": FORMAT, "folds": _digests(found)}
    if decision.cutoffs is not None:
        file = found.folder / THRESHOLDS_FILE
        decision.cutoffs.save(file, decision.search)
        tree["cutoffs"] = file_digest(file)
    write_json(found.folder / FILE, tree | dict(figures))
    return found.folder / FILE


def kept_cutoffs(found: FoundRun, labels: LabelList) -> Cutoffs | None:
    """Returns the cut-offs that were searched on the dev rows of just these folds.

    Args:
        found: The run's folds.
        labels: Its labels.

    Returns:
        The cut-offs; None where none were kept, or those of other folds.
    """
    path, file = found.folder / FILE, found.folder / THRESHOLDS_FILE
    if not path.is_file() or not file.is_file():
        return None
    tree = read_json(path)
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        return None
    if tree.get("folds") != _digests(found) or tree.get("cutoffs") != file_digest(file):
        return None
    return Cutoffs.load(file, labels.names)


def _digests(found: FoundRun) -> dict[str, str]:
    """Names the dev predictions that each fold left."""
    return {str(stage.fold): stage.manifest.kept.get(DEV_FILE, "") for stage in found.folds}
