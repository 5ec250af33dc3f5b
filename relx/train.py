"""Stage 2: fine-tuning a classifier, from a recipe's rows to a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx import progress
from relx.data.tokenizing.token_cache import token_folder
from relx.dataset import Dataset
from relx.deadline import Deadline
from relx.devices.device import Device, open_device
from relx.devices.processes import is_chief
from relx.engines.engine import predict_logits
from relx.family.family import LabelledRows, Opened, Origin, family_of
from relx.faults import Fault, InputError
from relx.files import facts_digest, whole_folder
from relx.models.saved import DEV_FILE, MODEL_FOLDER, write_decision
from relx.recipe import AugmentSection, TrainSection
from relx.recipe_file import recipe_yaml
from relx.runs.place import StagePlace, fold_stage
from relx.runs.stage import Stage, open_stage
from relx.scoring.decisions.decision import Scores
from relx.scoring.predictions import Predictions
from relx.scoring.printed import percent
from relx.scoring.soft_labels import agreement, soft_labels
from relx.training.dev_log import log_dev_rows
from relx.training.log import RunLog
from relx.training.time_left import TimeLeft

if TYPE_CHECKING:  # importing Keras takes seconds
    import keras

    from relx.training.averages import EpochAverages
    from relx.training.fit import FitState

Soft = npt.NDArray[np.float64] | None


def finetune(
    dataset: Dataset[Any],
    runs_dir: Path,
    origin: Origin,
    fresh: bool = False,
    deadline: Deadline | None = None,
) -> dict[str, Any]:
    """Trains the classifier of a recipe, or carries on where it was stopped.

    Args:
        dataset: The recipe and its rows.
        runs_dir: The folder of all runs.
        origin: The encoder to start from.
        fresh: Set an earlier result aside and start anew.
        deadline: When it has to be done: an epoch that would not end in time is not begun, and the
            best one so far is the result. The first is begun in any case.

    Returns:
        The results: the scores of the best epoch on dev, and where it is.

    Raises:
        InputError: The data, the encoder or the run folder cannot be used.
    """
    recipe = dataset.recipe
    if deadline is not None and recipe.device.strategy == "multi_worker":
        what = "several processes do not tell the same time"
        step = "leave --deadline out, and stop them with SIGTERM"
        raise InputError(Fault(what, "--deadline", next_step=step))
    place = StagePlace(runs_dir, recipe.name, fold_stage(recipe.train.fold))
    soft = _soft_labels(dataset)
    inputs, chief = stage_inputs(dataset, origin, soft), is_chief(recipe.device)
    with open_stage(
        place, recipe, inputs, dataset.facts(), MODEL_FOLDER, fresh=fresh, chief=chief
    ) as stage:
        if stage.is_finished:
            return stage.results
        progress.say(f"{recipe.name}: {origin.words}")
        dataset = dataset.augmented()
        rows = f"{len(dataset.learnt):,} rows to train on, {len(dataset.dev):,} to choose by"
        if made := len(dataset.learnt) - len(dataset.train):
            rows += f"; {made:,} of those to train on are made of others"
        progress.say(rows)
        device = open_device(recipe.device, recipe.seed)
        progress.say(f"computing on {device}")
        return _train(dataset, origin, stage, device, deadline, soft)


def _soft_labels(dataset: Dataset[Any]) -> Soft:
    """Reads the soft labels of the rows to train on, (rows, labels), if the recipe names any."""
    recipe, file = dataset.recipe, dataset.recipe.train.distill.file
    if file is None:
        return None
    read, ids = dataset.task.read(Path(file), dataset.labels), [row.id for row in dataset.train]
    one = recipe.decide.labels == "one"
    return soft_labels(read, ids, Path(file), recipe.data.train, one=one)


def stage_inputs(dataset: Dataset[Any], origin: Origin, soft: Soft = None) -> dict[str, Any]:
    """Returns what decides the result of stage 2: a run of other inputs is another run."""
    recipe, labels = dataset.recipe, dataset.labels
    tree = recipe.tree()
    names = ("task", "seed", "markers", "tokens", "train")
    inputs: dict[str, Any] = {name: tree[name] for name in names}
    for name in ("accumulate", "remat"):  # what does not fit may be computed in more parts
        inputs["train"].pop(name, None)
    usual = TrainSection()
    for name in TrainSection.LATER:
        if getattr(recipe.train, name) == getattr(usual, name):
            inputs["train"].pop(name, None)
    if soft is not None:  # whatever their file is called
        del inputs["train"]["distill"]["file"]
        inputs["soft_labels"] = facts_digest("soft labels", soft.tolist())
    inputs |= family_of(recipe).inputs(dataset, origin)
    inputs["labels"] = {"names": list(labels.names), "negative": labels.negative}
    if recipe.augment != AugmentSection():  # a run from before there was any is the same run
        inputs["augment"] = tree["augment"]
    if decide := dataset.task.decision.inputs():
        inputs["decide"] = decide
    files = {role: dataset.files[role] for role in ("train", "dev")}
    return inputs | {
        "data": {role: facts["digest"] for role, facts in files.items()},
        "data_format": files["train"]["format"],
    }


def _train(
    dataset: Dataset[Any],
    origin: Origin,
    stage: Stage,
    device: Device,
    deadline: Deadline | None,
    soft: Soft,
) -> dict[str, Any]:
    """Builds the model, fits it, and closes the manifest."""
    from relx.training.averages import EpochAverages
    from relx.training.fit import compile_for, fit, speed
    from relx.training.objective import objective, rows_of
    from relx.training.steps.choose import stepping

    recipe, section = dataset.recipe, dataset.recipe.train
    with device.scope():
        opened = _opened(dataset, origin, stage)
        model = stepping(opened.model, device, section, dataset.task.decision.softmax)
    train = opened.arrays(dataset.learnt, recipe.data.train)
    dev = opened.arrays(dataset.dev, dataset.dev_file)
    if dev.targets is not None and dev.targets.ndim > 1 and not dev.targets.any():
        progress.warn("no dev row has a label: neither an epoch nor cut-offs can be chosen by them")
    decision, smoothing = dataset.task.decision, section.label_smoothing
    assert train.targets is not None
    if soft is not None:
        progress.say(f"the soft labels agree with {agreement(soft, train.targets):.1f} % of labels")
    rows = rows_of(section, train, train.targets, soft)
    feeder = device.feeder(rows, section.batch_size, recipe.seed, section.accumulate)
    depths = opened.depths(model) if section.layer_decay is not None else None
    averaged, loss = EpochAverages(section), objective(section, decision, train.targets)
    compile_for(device, model, section, feeder.steps, smoothing, *loss, depths, averaged.averages)
    epoch = _Epoch(dataset, origin, stage, device, opened, dev, model, averaged, TimeLeft(deadline))
    state = fit(
        model,
        feeder,
        device,
        epochs=section.epochs,
        stage=stage,
        title="train",
        checkpoint=recipe.checkpoint,
        after_epoch=epoch.after,
        describe=epoch.describe,
    )
    results, best = (
        _results(state) | speed(state.history) | epoch.time_left.facts(),
        state.best or 0,
    )
    stage.finish(device.manifest(), results, state.history, best=best, beside=[DEV_FILE])
    _say_end(results, section.epochs, len(state.history))
    device.barrier()
    return stage.results


def _opened(dataset: Dataset[Any], origin: Origin, stage: Stage) -> Opened:
    """Loads the model, records where it is from, and says what is worth knowing of it."""
    revision = stage.pinned_revision(origin.revision)
    cache = token_folder(stage.place.runs_dir)
    opened = family_of(dataset.recipe).open(dataset, origin, revision, cache)
    stage.record_encoder(opened.source, opened.revision, opened.notes)
    for note in opened.notes:
        progress.say(f"{dataset.recipe.family}: {note}")
    return opened


class _Epoch:
    """What is done after each epoch: the dev rows are predicted, and the best model is kept."""

    def __init__(
        self,
        dataset: Dataset[Any],
        origin: Origin,
        stage: Stage,
        device: Device,
        opened: Opened,
        dev: LabelledRows,
        model: keras.Model,
        averaged: EpochAverages,
        time_left: TimeLeft,
    ) -> None:
        self.dataset, self.origin, self.stage = dataset, origin, stage
        self.device, self.opened, self.dev = device, opened, dev
        self.model, self.averaged, self.time_left = model, averaged, time_left
        assert dev.targets is not None
        self.targets = dev.targets
        self.probabilities = np.empty((0, len(dataset.labels)))  # the last epoch's
        self.decision = dataset.task.decision  # as it was fitted to them

    def after(self, state: FitState) -> dict[str, float]:
        """Measures the epoch, with the averages of weights that it has; see `_measured`."""
        with self.averaged.after(state.epoch):
            return self._measured(state)

    def _measured(self, state: FitState) -> dict[str, float]:
        """Predicts the dev rows, keeps the model if it is the best so far, and returns figures."""
        dataset, recipe = self.dataset, self.dataset.recipe
        logits = predict_logits(self.model, self.device, self.dev, recipe.predict.batch_size)
        from relx.training.finite import require_finite_outputs

        require_finite_outputs(logits, "the dev rows' logits", state.epoch)
        self.probabilities = dataset.task.decision.probabilities(logits)
        self.decision = dataset.task.decision.fitted(
            self.targets, self.probabilities, [row.sentence for row in dataset.dev], dataset.labels
        )
        # Cut-offs flatter the rows that they were searched on, the epochs' most that learnt least.
        chosen = self.decision.choose_unseen(self.probabilities)
        result = self.decision.scores(self.targets, self.probabilities, dataset.labels, chosen)
        _report(state.epoch, result)
        auprc = result.auprc or 0.0  # there is none where no dev row has a label
        if state.is_better([getattr(result, recipe.train.best_by) or 0.0, auprc]):
            self.stage.keep_best(state.epoch, self._save)
        state.stopped = _has_patience_ended(state, recipe.train.patience)
        if not state.stopped:
            state.stopped = self.time_left.has_ended(
                recipe.train.epochs - state.epoch - 1, state.history
            )
        return result.figures()

    def describe(self, log: RunLog, epoch: int) -> None:
        """Logs the curves and the surest mistakes."""
        rows, roles, labels = self.dataset.dev, self.dataset.task.roles, self.dataset.labels
        count, probabilities = len(labels), self.probabilities
        gold = self.decision.cells(self.targets, count)
        chosen = self.decision.cells(self.decision.choose(probabilities), count)
        log_dev_rows(log, epoch, rows, roles, labels, gold, chosen, probabilities)

    def _save(self, folder: Path) -> None:
        """Writes the model and its dev probabilities, both or neither."""
        dataset, ids = self.dataset, tuple(row.id for row in self.dataset.dev)
        found = Predictions(ids, self.targets, self.probabilities, dataset.labels.names)
        with whole_folder(folder) as beside:
            self.opened.write(beside, _card(dataset, self.origin))
            write_decision(beside, self.decision)
            found.save(beside / DEV_FILE)


def _report(epoch: int, result: Scores) -> None:
    """Says an epoch's scores, and says it loudly when a single class was predicted."""
    progress.say(
        f"epoch {epoch + 1}: dev micro-F1 {result.micro_f1:.2f}, AUPRC {percent(result.auprc)}, "
        f"accuracy {result.accuracy:.2f}"
    )
    if result.collapsed:
        progress.warn(
            f"every dev row was given the same answer ({result.collapsed_to}): the model has not "
            "learnt yet. A plateau at first is common; if it stays, give it more epochs, a lower "
            "or higher learning rate, or smaller batches"
        )


def _has_patience_ended(state: FitState, patience: int | None) -> bool:
    best = state.best if state.best is not None else state.epoch
    return patience is not None and state.epoch - best >= patience


def _card(dataset: Dataset[Any], origin: Origin) -> str:
    recipe, facts = dataset.recipe, dataset.files["train"]
    title, files = family_of(recipe).card(recipe.name, recipe.task)
    return (
        f"# {title}\n\n"
        f"Fine-tuned by relx for the task {recipe.task}; {origin.words}.\n"
        f"SHA-256 of the {facts['rows']:,} training rows: `{facts['digest']}`\n\n"
        f"{files}\n\n"
        f"```yaml\n{recipe_yaml(recipe)}```\n"
    )


def _results(state: FitState) -> dict[str, Any]:
    assert state.best is not None
    best = state.history[state.best]
    names = ("micro_f1", "macro_f1", "auprc", "accuracy")
    results = {name: best[name] for name in names if name in best}
    return results | {"best_epoch": state.best + 1, "epochs": len(state.history)}


def _say_end(results: dict[str, Any], epochs: int, done: int) -> None:
    early = f", stopped early after {done} of {epochs}" if done < epochs else ""
    progress.say(
        f"best epoch {results['best_epoch']}{early}: dev micro-F1 {results['micro_f1']:.2f}, "
        f"AUPRC {results['auprc']:.2f}; {results['sentences_per_second']:.1f} sentences/s"
    )
