"""Stage 2: fine-tuning a classifier, from a recipe's rows to a finished run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx import progress
from relx.data.token_cache import token_folder
from relx.dataset import Dataset, token_rows
from relx.devices.device import Device, open_device
from relx.devices.processes import is_chief
from relx.engines.engine import predict_logits
from relx.faults import Fault, InputError
from relx.files import digest, whole_folder
from relx.models.arrays import SpanArrays
from relx.models.saved import (
    DEV_FILE,
    HEAD_FILE,
    LABELS_FILE,
    MODEL_FOLDER,
    write_decision,
    write_model,
)
from relx.recipe import EncoderSource, Recipe
from relx.recipe_file import recipe_yaml
from relx.runs.place import StagePlace, fold_stage
from relx.runs.stage import Stage, open_stage
from relx.scoring.decision import Scores
from relx.scoring.predictions import Predictions
from relx.scoring.printed import percent
from relx.training.dev_log import log_dev_rows
from relx.training.log import RunLog

if TYPE_CHECKING:  # importing Keras takes seconds
    import keras

    from relx.models.loaded import Loaded
    from relx.training.fit import FitState


@dataclass(frozen=True)
class Origin:
    """The encoder that stage 2 starts from.

    Args:
        source: What `load_encoder` takes.
        words: The same for people: where it comes from and why.
        digest: What tells one TAPT result from another; empty for an encoder from elsewhere.
        revision: The branch, tag or commit, where the source is a hub id.
        allow_pickle: Whether weights that are there as a pickle only are read.
    """

    source: EncoderSource
    words: str
    digest: str = ""
    revision: str | None = None
    allow_pickle: bool = False


def finetune(
    dataset: Dataset[Any], runs_dir: Path, origin: Origin, fresh: bool = False
) -> dict[str, Any]:
    """Trains the classifier of a recipe, or carries on where it was stopped.

    Args:
        dataset: The recipe and its rows.
        runs_dir: The folder of all runs.
        origin: The encoder to start from.
        fresh: Set an earlier result aside and start anew.

    Returns:
        The results: the scores of the best epoch on dev, and where it is.

    Raises:
        InputError: The data, the encoder or the run folder cannot be used.
    """
    recipe = dataset.recipe
    place = StagePlace(runs_dir, recipe.name, fold_stage(recipe.train.fold))
    inputs, chief = stage_inputs(dataset, origin), is_chief(recipe.device)
    with open_stage(
        place, recipe, inputs, dataset.facts(), MODEL_FOLDER, fresh=fresh, chief=chief
    ) as stage:
        if stage.is_finished:
            return stage.results
        progress.say(f"{recipe.name}: {origin.words}")
        rows = f"{len(dataset.train):,} rows to train on, {len(dataset.dev):,} to choose by"
        progress.say(rows)
        device = open_device(recipe.device, recipe.seed)
        progress.say(f"computing on {device}")
        return _train(dataset, origin, stage, device)


def stage_inputs(dataset: Dataset[Any], origin: Origin) -> dict[str, Any]:
    """Returns what decides the result of stage 2: a run of other inputs is another run."""
    recipe, labels = dataset.recipe, dataset.labels
    tree = recipe.tree()
    names = ("task", "seed", "markers", "tokens", "train")
    inputs: dict[str, Any] = {name: tree[name] for name in names}
    del inputs["train"]["accumulate"]  # what does not fit may be computed in more parts
    inputs["encoder"] = recipe.encoder.inputs() | {"tapt": origin.digest}
    # Marker tokens and a fresh vocabulary depend on the test file too.
    inputs["marker_tokens"] = list(dataset.marker_tokens)
    if not isinstance(recipe.encoder.source, str):
        inputs["sentences"] = digest(dataset.sentences)
    inputs["labels"] = {"names": list(labels.names), "negative": labels.negative}
    if decide := dataset.task.decision.inputs():
        inputs["decide"] = decide
    files = {role: dataset.files[role] for role in ("train", "dev")}
    return inputs | {
        "data": {role: facts["digest"] for role, facts in files.items()},
        "data_format": files["train"]["format"],
    }


def _train(dataset: Dataset[Any], origin: Origin, stage: Stage, device: Device) -> dict[str, Any]:
    """Builds the model, fits it, and closes the manifest."""
    from relx.training.fit import compile_for, fit, speed

    recipe, section = dataset.recipe, dataset.recipe.train
    with device.scope():
        model, loaded = _model(dataset, origin, stage)
    cache = token_folder(stage.place.runs_dir)
    train, dev = _arrays(dataset, loaded, model, cache)
    if dev.targets is not None and dev.targets.ndim > 1 and not dev.targets.any():
        progress.warn("no dev row has a label: neither an epoch nor cut-offs can be chosen by them")
    feeder = device.feeder(train, section.batch_size, recipe.seed, section.accumulate)
    decision, smoothing = dataset.task.decision, section.label_smoothing
    assert train.targets is not None
    options = decision.loss_options(train.targets)
    compile_for(device, model, section, feeder.steps, smoothing, decision.loss, options)
    epoch = _Epoch(dataset, origin, stage, device, model, loaded, dev)
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
    results, best = _results(state) | speed(state.history), state.best or 0
    stage.finish(device.manifest(), results, state.history, best=best, beside=[DEV_FILE])
    _say_end(results, section.epochs, len(state.history))
    device.barrier()
    return stage.results


def _model(dataset: Dataset[Any], origin: Origin, stage: Stage) -> tuple[keras.Model, Loaded]:
    """Loads the encoder, records it, and puts the head on it: (model, loaded encoder)."""
    from relx.models.classifier import span_classifier
    from relx.models.encoder.load import load_encoder

    recipe = dataset.recipe
    loaded = load_encoder(
        origin.source,
        sentences=lambda: dataset.sentences,
        marker_tokens=dataset.marker_tokens,
        revision=stage.pinned_revision(origin.revision),
        allow_pickle=origin.allow_pickle,
        seed=recipe.seed,
    )
    stage.record_encoder(loaded.source, loaded.revision, loaded.notes)
    introduce(loaded, recipe)
    model = span_classifier(
        loaded.backbone,
        classes=len(dataset.labels),
        pooling=dataset.task.pooling,
        dropout=recipe.train.dropout,
        seed=recipe.seed,
    )
    return model, loaded


def introduce(loaded: Loaded, recipe: Recipe) -> None:
    """Says what is worth knowing of a loaded encoder, and checks that it takes the window.

    Args:
        loaded: The encoder.
        recipe: The recipe; `tokens.max_length` is the window.

    Raises:
        InputError: The encoder has fewer positions than the window.
    """
    for note in loaded.notes:
        progress.say(f"encoder: {note}")
    positions, window = loaded.backbone.max_sequence_length, recipe.tokens.max_length
    if positions < window:
        what = f"this encoder takes texts of at most {positions} tokens"
        step = f"--set tokens.max_length={positions}"
        raise InputError(Fault(what, "tokens.max_length", str(window), next_step=step))


def _arrays(
    dataset: Dataset[Any], loaded: Loaded, model: keras.Model, cache: Path
) -> tuple[SpanArrays, SpanArrays]:
    """Tokenises the rows to train on and the dev rows."""
    task, tokenizer = dataset.task, loaded.tokenizer
    window, segments = dataset.recipe.tokens.max_length, "segment_ids" in model.input

    def arrays(rows: list[Any], file: str) -> SpanArrays:
        tokens = token_rows(rows, task, tokenizer, window, file, cache)
        targets = task.decision.targets(rows, dataset.labels)
        return SpanArrays(tokens, task.pooling, tokenizer.pad_token_id, segments, targets)

    train = arrays(dataset.train, dataset.recipe.data.train)
    return train, arrays(dataset.dev, dataset.dev_file)


class _Epoch:
    """What is done after each epoch: the dev rows are predicted, and the best model is kept."""

    def __init__(
        self,
        dataset: Dataset[Any],
        origin: Origin,
        stage: Stage,
        device: Device,
        model: keras.Model,
        loaded: Loaded,
        dev: SpanArrays,
    ) -> None:
        self.dataset, self.origin, self.stage = dataset, origin, stage
        self.device, self.model, self.loaded, self.dev = device, model, loaded, dev
        assert dev.targets is not None
        self.targets = dev.targets
        self.probabilities = np.empty((0, len(dataset.labels)))  # the last epoch's
        self.decision = dataset.task.decision  # as it was fitted to them

    def after(self, state: FitState) -> dict[str, float]:
        """Predicts the dev rows, keeps the model if it is the best so far, and returns figures."""
        dataset, recipe = self.dataset, self.dataset.recipe
        logits = predict_logits(self.model, self.device, self.dev, recipe.predict.batch_size)
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
            card = _card(dataset, self.origin)
            write_model(beside, self.model, self.loaded, dataset.labels, card)
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
    return (
        f"# {recipe.name}: encoder of a {recipe.task} model\n\n"
        f"Fine-tuned by relx for the task {recipe.task}; {origin.words}.\n"
        f"SHA-256 of the {facts['rows']:,} training rows: `{facts['digest']}`\n\n"
        f"The head's weights are in `{HEAD_FILE}`, the labels in `{LABELS_FILE}`.\n\n"
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
