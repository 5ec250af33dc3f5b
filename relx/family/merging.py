"""A run's adapters and their base as one folder."""

from __future__ import annotations

from pathlib import Path

from relx import progress
from relx.family.decoder import TrainedDecoder
from relx.faults import Fault, InputError
from relx.models.saved import MODEL_FOLDER, read_label_list
from relx.runs.folds import find_trained, require_one_fold
from relx.runs.verified import require_own_parts
from relx.tasks.task import task_of


def merge_run(runs_dir: Path, name: str | None, folder: Path) -> None:
    """Writes a run's adapters and their base as one Hugging Face folder.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name, with `/fold-K` where it has several; None for the latest finished.
        folder: The folder to write; one that is there has to be empty.

    Raises:
        InputError: There is no such run, its model is an encoder, or the folder cannot be written.
    """
    found = require_one_fold(find_trained(runs_dir, name), "a folder holds")
    recipe = found.recipe
    if recipe.decoder is None:
        what = "this run's model is an encoder, which has no adapters"
        step = f"{found.folder / MODEL_FOLDER} is a Hugging Face folder already"
        raise InputError(Fault(what, found.run, next_step=step))
    model = found.folder / MODEL_FOLDER
    require_own_parts(found.folder, found.manifest, MODEL_FOLDER)
    progress.say(f"merging {model}")
    trained = TrainedDecoder(model, recipe, task_of(recipe), read_label_list(model))
    trained.merge(folder)
