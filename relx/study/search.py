"""A search: Optuna chooses values, each trial is a run, and several processes share one journal."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx import progress
from relx.faults import Fault, InputError
from relx.files import disk_faults, read_json
from relx.runs.find import find_run
from relx.runs.lock import is_locked, locked
from relx.runs.place import StagePlace, fold_stage
from relx.stopping import Stop
from relx.study.processes import POLL, begin_process, relx_command
from relx.study.space import RangeSection, SearchPlan

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

JOURNAL = "journal.log"
FAILURES = 3  # trials in a row, after which something else than the values is wrong
METRICS = "metrics.jsonl"


def open_search(plan: SearchPlan, runs_dir: Path) -> Study:
    """Opens the journal of a search, or begins one.

    Args:
        plan: The search.
        runs_dir: The folder of all runs.

    Returns:
        Optuna's study.

    Raises:
        InputError: Optuna is not installed, or the journal is of another search file.
    """
    if importlib.util.find_spec("optuna") is None:
        what, step = "a search needs Optuna, which is not installed", "pip install 'relx[search]'"
        raise InputError(Fault(what, "relx study search", next_step=step))
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = plan.folder(runs_dir) / JOURNAL
    with disk_faults(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        # A lock that is a file of its own: network disks keep it.
        backend = JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file)))
        storage = optuna.storages.JournalStorage(backend)
    study = optuna.create_study(
        storage=storage,
        study_name=plan.name,
        direction="maximize",
        load_if_exists=True,
        pruner=_pruner(plan),
    )
    begun = study.user_attrs.get("made_of")
    if begun is None:
        study.set_user_attr("made_of", plan.digest)
    elif begun != plan.digest:
        what = "this search was begun with another search file or recipe"
        step = "give the changed file another name, or remove the folder to begin anew"
        raise InputError(Fault(what, str(file.parent), next_step=step))
    # Each sitting goes on with draws of its own: the same ones would try the same values again.
    seed = plan.section.seed + 1_000_003 * len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed % 2**32, constant_liar=True)
    return study


def _pruner(plan: SearchPlan) -> Any:
    import optuna

    if not plan.section.prune:
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0)


def search(plan: SearchPlan, runs_dir: Path, study: Study) -> None:
    """Runs trials until there are as many as the search file says, over all processes.

    A trial whose process was killed is taken up by the next one that is free, from its checkpoint.

    Args:
        plan: The search.
        runs_dir: The folder of all runs.
        study: What `open_search` returned.

    Raises:
        InputError: Several trials in a row failed.
    """
    failed: list[str] = []
    with Stop() as stop:
        while not stop.asked and len(failed) < FAILURES:
            with _next_trial(plan, runs_dir, study) as trial:
                if trial is None:
                    break
                fault = _Running(plan, runs_dir, study, trial, stop).run()
            failed = [*failed, fault] if fault else []
        stop.leave_if_asked()
    if len(failed) == FAILURES:
        what, step = f"{FAILURES} trials in a row failed", "mend what their logs say, then go on"
        raise InputError(Fault(what, str(plan.folder(runs_dir)), failed[-1], next_step=step))


@contextlib.contextmanager
def _next_trial(plan: SearchPlan, runs_dir: Path, study: Study) -> Iterator[Trial | None]:
    """Takes up a trial that nobody works on, or begins one; None where there are enough."""
    with contextlib.ExitStack() as stack:
        taken = _abandoned(plan, runs_dir, study, stack)
        if taken is None and _counted(study) < plan.section.trials:
            # Asked for with the search held, so that two processes do not begin the last one.
            with _alone(plan.folder(runs_dir) / "asking"):
                if _counted(study) < plan.section.trials:
                    taken = study.ask()
                    stack.enter_context(locked(_claim(plan, runs_dir, taken.number)))
                    _suggest(plan, taken)
        yield taken


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits for the others to leave a folder's lock, and holds it."""
    while True:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(folder))
            except InputError as error:
                if error.faults[0].kind != "run in use":
                    raise
                time.sleep(POLL)
                continue
            yield
            return


def _abandoned(
    plan: SearchPlan, runs_dir: Path, study: Study, stack: contextlib.ExitStack
) -> Trial | None:
    """Takes up a trial that was begun, and whose process is gone; holds its claim in the stack."""
    import optuna

    running = (optuna.trial.TrialState.RUNNING,)
    for trial in study.get_trials(deepcopy=False, states=running):
        if is_locked(_claim(plan, runs_dir, trial.number)) or is_locked(
            runs_dir / _name(plan, trial.number)
        ):
            continue
        try:
            stack.enter_context(locked(_claim(plan, runs_dir, trial.number)))
        except InputError:
            continue  # another process was faster
        progress.say(f"trial {trial.number} was begun before, and is carried on")
        return optuna.trial.Trial(study, trial._trial_id)
    return None


def _claim(plan: SearchPlan, runs_dir: Path, number: int) -> Path:
    return plan.folder(runs_dir) / f"trial-{number}"


def _name(plan: SearchPlan, number: int) -> str:
    return f"{plan.name}.trial.{number}"


def _counted(study: Study) -> int:
    """Counts the trials that were begun; those that failed do not count."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    return sum(trial.state != optuna.trial.TrialState.FAIL for trial in trials)


def _suggest(plan: SearchPlan, trial: Trial) -> dict[str, Any]:
    """Chooses a trial's values, or returns those that were chosen when it was begun."""
    values: dict[str, Any] = {}
    for key, domain in plan.section.space.items():
        if not isinstance(domain, RangeSection):
            values[key] = trial.suggest_categorical(key, domain)
        elif domain.whole:
            values[key] = trial.suggest_int(key, int(domain.low), int(domain.high), log=domain.log)
        else:
            values[key] = trial.suggest_float(key, domain.low, domain.high, log=domain.log)
    return values


@dataclass(slots=True)
class _Running:
    """A trial at work: a process, and the figures that it leaves after each epoch."""

    plan: SearchPlan
    runs_dir: Path
    study: Study
    trial: Trial
    stop: Stop
    seen: int = field(default=0)

    def run(self) -> str:
        """Computes the trial, and tells the study what came out; returns what went wrong."""
        import optuna

        values = _suggest(self.plan, self.trial)
        number = self.trial.number
        chosen = ", ".join(f"{key}={shown(value)}" for key, value in values.items())
        progress.say(f"trial {number}: {chosen}")
        words = ["train", "--recipe", str(self.plan.source), "--runs-dir", str(self.runs_dir)]
        for setting in self.plan.settings(number, values):
            words += ["--set", setting]
        log = self.plan.folder(self.runs_dir) / "logs" / f"trial-{number}.log"
        process = begin_process(relx_command(words), log)
        pruned = self._watch(process)
        if self.stop.asked:
            return ""
        if pruned:
            self.study.tell(self.trial, state=optuna.trial.TrialState.PRUNED)
            progress.say(f"trial {number} is pruned after epoch {self.seen}")
            return ""
        if process.returncode != 0:
            self.study.tell(self.trial, state=optuna.trial.TrialState.FAIL)
            progress.warn(f"trial {number} failed with status {process.returncode}: see {log}")
            return f"status {process.returncode}, {log}"
        value = self._value()
        self.study.tell(self.trial, value)
        progress.say(f"trial {number}: {value:.2f}; the best so far is {self.study.best_value:.2f}")
        return ""

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Waits for the process; ends it where a stop is asked for, or its curve is hopeless."""
        while process.poll() is None:
            time.sleep(POLL)
            if self.stop.asked or self._is_hopeless():
                process.terminate()
                process.wait()
                return not self.stop.asked
        return False

    def _is_hopeless(self) -> bool:
        """Notes the epochs that are done, and asks whether earlier trials did better by then."""
        for value in self._curve()[self.seen :]:
            self.trial.report(value, self.seen)
            self.seen += 1
            if self.trial.should_prune():
                return True
        return False

    def _curve(self) -> list[float]:
        """Returns the dev score of each epoch so far."""
        recipe = self.plan.recipe(self.trial.number, {})
        file = self._place(recipe.train.fold).folder / METRICS
        if not file.is_file():
            return []
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        epochs = [json.loads(line) for line in lines if line.endswith("\n")]
        return [epoch.get(recipe.train.best_by) or 0.0 for epoch in epochs]

    def _value(self) -> float:
        """Returns the score of the best epoch."""
        recipe = self.plan.recipe(self.trial.number, {})
        tree = read_json(self._place(recipe.train.fold).folder / "metrics.json")
        value = float(tree.get(recipe.train.best_by, math.nan))
        return value if math.isfinite(value) else 0.0

    def _place(self, fold: int) -> StagePlace:
        return StagePlace(self.runs_dir, _name(self.plan, self.trial.number), fold_stage(fold))


def shown(value: Any) -> str:
    """Returns a value of a trial as it is printed."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial as it is shown.

    Args:
        number: Its number.
        state: `complete`, `pruned`, `failed` or `running`.
        value: The dev score of its best epoch, in percent; None where it has none.
        values: What was chosen, by key.
    """

    number: int
    state: str
    value: float | None
    values: dict[str, Any]


def trial_rows(study: Study) -> list[TrialRow]:
    """Lists the trials of a search, the best first.

    Args:
        study: What `open_search` returned.
    """
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False)]
    return sorted(rows, key=lambda row: -math.inf if row.value is None else row.value, reverse=True)


def _row(trial: FrozenTrial) -> TrialRow:
    states = {"FAIL": "failed"}
    state = states.get(trial.state.name, trial.state.name.lower())
    value = trial.value if state == "complete" else None
    return TrialRow(trial.number, state, value, dict(trial.params))


def best_stage(plan: SearchPlan, runs_dir: Path, study: Study) -> Path:
    """Returns the folder of the best trial's training.

    Args:
        plan: The search.
        runs_dir: The folder of all runs.
        study: What `open_search` returned.

    Raises:
        InputError: No trial is complete.
    """
    rows = trial_rows(study)
    if not rows or rows[0].value is None:
        what, step = "no trial is complete yet", f"relx study search {plan.file}"
        raise InputError(Fault(what, str(plan.folder(runs_dir)), next_step=step))
    return find_run(runs_dir, _name(plan, rows[0].number)).folder
