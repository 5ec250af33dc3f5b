"""Where a stage of a run lies: told by names, from the runs folder down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TAPT = "tapt"


@dataclass(frozen=True, slots=True)
class StagePlace:
    """Where a stage lies.

    Args:
        runs_dir: The folder of all runs.
        run: The run's name.
        stage: `tapt` or `train/fold-K`.
    """

    runs_dir: Path
    run: str
    stage: str

    @property
    def run_folder(self) -> Path:
        """The run's folder, `RUNS_DIR/RUN`."""
        return self.runs_dir / self.run

    @property
    def folder(self) -> Path:
        """The stage's folder, `RUNS_DIR/RUN/STAGE`."""
        return self.run_folder / self.stage

    def beside(self, stage: str) -> StagePlace:
        """Returns the place of another stage of the same run."""
        return StagePlace(self.runs_dir, self.run, stage)


def fold_stage(fold: int) -> str:
    """Returns the name of the stage that trains on all folds but one, `train/fold-K`."""
    return f"train/fold-{fold}"
