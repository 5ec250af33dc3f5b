"""What stage 2 trains for: the decision's loss, as the recipe's options change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.batches import TrainingRows
from relx.recipe import TrainSection
from relx.scoring.decisions.decision import Decision
from relx.scoring.soft_labels import tempered
from relx.training.soft_rows import SoftRows
from relx.training.weighted_rows import WeightedRows, class_weights


def objective(
    section: TrainSection, decision: Decision, targets: npt.NDArray[Any]
) -> tuple[str, dict[str, Any]]:
    """Names the loss of stage 2.

    Args:
        section: The recipe's `train`.
        decision: How labels are chosen.
        targets: What the rows to train on have, as the decision's `targets` gives it.

    Returns:
        The name and the options of the loss that `make_loss` makes.

    Raises:
        InputError: The recipe's values do not fit the labels.
    """
    name, options = decision.loss, decision.loss_options(targets)
    if section.focal is not None:
        name, options = "focal", {"gamma": section.focal}
    distill = section.distill
    if distill.file is not None:
        own = {"weight": distill.weight, "temperature": distill.temperature}
        options = {**options, "distilled": own | {"one": targets.ndim == 1}}
    if section.dropout_samples > 1:
        options = {**options, "dropout_samples": section.dropout_samples}
    return name, options


def rows_of(
    section: TrainSection,
    rows: TrainingRows,
    targets: npt.NDArray[Any],
    soft: npt.NDArray[np.float64] | None = None,
) -> TrainingRows:
    """Gives rows what the recipe's options have them carry to the loss.

    Args:
        section: The recipe's `train`.
        rows: The rows to train on.
        targets: What they have, as the decision's `targets` gives it.
        soft: The soft labels of the rows, `(rows, labels)`, where there are any.

    Returns:
        The rows with their weights and soft labels; themselves where no option asks for any.
    """
    if section.class_weights != "none":
        weights = class_weights(targets, section.class_weights)
        rows = WeightedRows(rows, targets, weights, section.class_weights_from - 1)
    if soft is not None:
        one = targets.ndim == 1
        rows = SoftRows(rows, tempered(soft, section.distill.temperature, one=one))
    return rows
