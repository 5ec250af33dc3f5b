"""The device section that an earlier run is read with."""

from __future__ import annotations

from pathlib import Path

from relx.recipe import DeviceSection
from relx.recipe_file import recipe_from_tree
from relx.runs.find import find_run
from relx.runs.manifest import read_manifest


def device_of(runs_dir: Path, run_name: str | None, backend: str | None) -> DeviceSection | None:
    """Returns what a run is to be read with on another backend.

    Args:
        runs_dir: The folder of all runs.
        run_name: The run's name; None for the latest finished one.
        backend: What to compute with.

    Returns:
        A section with the backend and the run's precision, and whatever devices there are; None
        without a backend, which leaves it to the run.

    Raises:
        InputError: There is no such run, or none has finished.
    """
    if backend is None:
        return None
    recipe = recipe_from_tree(read_manifest(find_run(runs_dir, run_name)).recipe)
    return DeviceSection.model_validate({"backend": backend, "precision": recipe.device.precision})
