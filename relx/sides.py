"""The sides of a comparison: runs and submissions, as `relx compare` names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from relx.answers import AnswerOptions, reader_without_run
from relx.compare import require_same_dev_rows, require_same_labels
from relx.faults import Fault, InputError
from relx.predict import Run
from relx.progress import say
from relx.runs.folds import FoundRun, find_trained
from relx.score import ScoredRows, other_task_named, run_rows, submission_rows

if TYPE_CHECKING:
    from relx.engines.engine import EngineName

SUBMISSIONS = (".csv", ".json", ".jsonl")  # what a name ends in that is no run's


def is_submission(name: str) -> bool:
    """Says whether a name is a submission's, not a run's.

    Args:
        name: The name of a side.
    """
    return name.lower().endswith(SUBMISSIONS) or Path(name).is_file()


def open_runs(
    names: Iterable[str],
    gold: Path | None,
    runs_dir: Path,
    backend: str | None,
    engine: EngineName | None,
) -> dict[str, Run]:
    """Finds every run before any predicts, and says all that is wrong with the names at once.

    Args:
        names: The names of runs and submissions.
        gold: The labelled rows; None for those that all the runs chose their epochs by.
        runs_dir: The folder of all runs.
        backend: What to compute with; None leaves it to the runs.
        engine: What predicts; None leaves it to the runs.

    Returns:
        The runs by name, without the submissions.

    Raises:
        InputError: A run cannot be found, a submission has no gold rows, or the runs chose their
            epochs by different rows.
    """
    found: dict[str, FoundRun] = {}
    faults: list[Fault] = []
    for name in dict.fromkeys(names):
        if not is_submission(name):
            try:
                found[name] = find_trained(runs_dir, name)
            except InputError as error:
                faults += error.faults
        elif gold is None:
            what = "a submission is compared by the labels of the rows it predicts"
            faults.append(Fault(what, "--gold", name, next_step="name them: --gold FILE"))
    if faults:
        raise InputError(*dict.fromkeys(faults))
    if gold is None:
        require_same_dev_rows(found)
    chosen = backend or common_backend(found.values())
    return {name: Run(run, chosen, engine) for name, run in found.items()}


def common_backend(found: Iterable[FoundRun]) -> str | None:
    """Returns the first run's backend where they differ, since a process has but one.

    Args:
        found: Runs that predict in this process.

    Returns:
        The backend, which is said; None where the runs have one.
    """
    trained = [run.recipe.device.backend for run in found]
    if len(set(trained)) < 2:
        return None
    words = f"these runs were trained on several backends; all predict with {trained[0]}"
    say(f"note: {words}; --backend chooses another")
    return trained[0]


def read_sides(
    names: Sequence[str],
    gold: Path | None,
    answers: AnswerOptions,
    runs: Mapping[str, Run],
) -> list[ScoredRows]:
    """Reads the submissions, then predicts with the runs: a fault in a file costs no minutes.

    Args:
        names: The names of runs and submissions.
        gold: The labelled rows; None for those that all the runs chose their epochs by.
        answers: How submissions are read, where it says how or where there is no run; else they are
            read as the first run's.
        runs: What `open_runs` returned.

    Returns:
        The rows of each name in its order, under this name; one that comes again is numbered.

    Raises:
        InputError: The label lists differ, or a file or a run cannot be used.
    """
    if runs and answers.task is None and answers.recipe is None:
        answers = replace(answers, task=next(iter(runs.values())).recipe.task)
        told = answers.labels is not None or answers.negative is not None
    else:
        told = answers.says_how
    readers = {name: run.reader(answers) for name, run in runs.items()}
    if gold is not None and (told or not runs):
        of_submissions = reader_without_run(answers, gold)
    else:
        of_submissions = next(iter(readers.values()))
    of_side = {name: readers.get(name, of_submissions) for name in names}
    require_same_labels({name: reader.labels for name, reader in of_side.items()})
    found: dict[str, ScoredRows] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: name in runs):
        if name in runs:
            say(f"predicting with {runs[name].found.folder}")
            found[name] = run_rows(runs[name], gold, of_side[name])
        else:
            assert gold is not None  # `open_runs` refuses a submission without gold rows
            with other_task_named(answers):
                found[name] = submission_rows(Path(name), gold, of_submissions)
    titles = zip(names, _numbered(names), strict=True)
    return [replace(found[name], name=title) for name, title in titles]


def _numbered(names: Sequence[str]) -> list[str]:
    """Numbers a name that comes again."""
    titles: list[str] = []
    for place, name in enumerate(names):
        before = names[:place].count(name)
        titles.append(f"{name} ({before + 1})" if before else name)
    return titles
