"""What stage 2 trains for: the decision's loss, as the recipe's options change it."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from relx.data.batches import TrainingRows
from relx.recipe import TrainSection
from relx.scoring.decisions.decision import Decision
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
    if section.dropout_samples > 1:
        options = {**options, "dropout_samples": section.dropout_samples}
    return name, options


def rows_of(section: TrainSection, rows: TrainingRows, targets: npt.NDArray[Any]) -> TrainingRows:
    """Gives rows what the recipe's options have them carry to the loss.

    Args:
        section: The recipe's `train`.
        rows: The rows to train on.
        targets: What they have, as the decision's `targets` gives it.

    Returns:
        The rows with their weights; themselves where no option asks for any.
    """
    if section.class_weights != "none":
        weights = class_weights(targets, section.class_weights)
        rows = WeightedRows(rows, targets, weights, section.class_weights_from - 1)
    return rows
