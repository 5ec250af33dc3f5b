"""A study as a job array of a cluster's scheduler: one task a cell, begun again where it is cut."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from relx.files import write_text
from relx.study.plan import Study
from relx.study.processes import cell_command

BEFORE_THE_END = 120  # seconds in which a cell writes its checkpoint

_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}{at_once}
#SBATCH --output={logs}/%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@{seconds}
{more}
# Each task computes one cell of the study. Before its time is over the scheduler sends SIGTERM: the
# cell writes its checkpoint and ends with status 143, and the task is queued again to carry on.
cd {folder} || exit 1

{command} &
cell=$!
asked=
trap 'asked=1; kill -TERM "$cell" 2>/dev/null' TERM
wait "$cell"
status=$?
if [ -n "$asked" ]; then  # the signal has ended the wait, and not yet the cell
    wait "$cell"
    status=$?
fi
if [ "$status" -eq 143 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$status"
"""


def write_job_array(
    study: Study, runs_dir: Path, out: Path, options: Sequence[str] = (), at_once: int | None = None
) -> None:
    """Writes the script that `sbatch` takes.

    Args:
        study: The study.
        runs_dir: The folder of all runs, on a disk that the machines share.
        out: The script.
        options: More options of sbatch, such as `--gres=gpu:1`.
        at_once: How many tasks may run at a time; None leaves it to the scheduler.

    Raises:
        InputError: The script or the folder of logs cannot be written.
    """
    logs = (study.folder(runs_dir) / "logs").absolute()
    words = cell_command(study, "CELL", runs_dir)
    command = shlex.join(words).replace("CELL", '"$SLURM_ARRAY_TASK_ID"', 1)
    text = _SCRIPT.format(
        name=study.name,
        last=len(study.cells) - 1,
        at_once="" if at_once is None else f"%{at_once}",
        logs=logs,
        seconds=BEFORE_THE_END,
        more="".join(f"#SBATCH {option}\n" for option in options),
        folder=shlex.quote(str(Path.cwd())),
        command=command,
    )
    write_text(logs / "README", "A log for each task of the job array, by its number.\n")
    write_text(out, text)
    out.chmod(0o755)
