"""Stage 2: fine-tuning the relation model, from the data files to a finished run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relx import progress
from relx.data.labels import LabelList, read_labels
from relx.data.splits import split
from relx.data.token_cache import token_folder
from relx.devices.device import Device, open_device
from relx.devices.processes import is_chief
from relx.engines.engine import predict_logits
from relx.faults import Fault, InputError
from relx.files import digest, whole_folder, write_json
from relx.predict import HEAD_FILE, LABELS_FILE, MODEL_FOLDER, softmax
from relx.recipe import Recipe
from relx.recipe_file import recipe_yaml
from relx.runs.lock import locked
from relx.runs.manifest import pinned_revision, read_manifest, record_encoder
from relx.runs.stage import (
    Sitting,
    Start,
    begin,
    best_folder,
    finish,
    nothing_left_behind,
    publish_best,
)
from relx.scoring.one_of import Scores, scores
from relx.tasks.relation.markers import marker_tokens
from relx.tasks.relation.rows import Example, read_examples
from relx.training.dev_log import log_dev_rows
from relx.training.log import RunLog


@dataclass(frozen=True)
class Task:
    """What stage 2 reads: the labels, the rows to train on, and the rows to choose the epoch by.

    Args:
        labels: The labels in order.
        train: The rows to train on.
        dev: The rows to choose the epoch by; never trained on.
        types: The entity types of all rows, those of the test included.
        sentences: The sentences of the training and test files, for a fresh vocabulary.
        files: What the manifest says of the rows of `train`, `dev` and `test`.
    """

    labels: LabelList
    train: list[Example]
    dev: list[Example]
    types: tuple[str, ...]
    sentences: tuple[str, ...]
    files: dict[str, dict[str, Any]]

    def facts(self) -> dict[str, Any]:
        """Returns what the manifest says of the data."""
        return {**self.files, "types": list(self.types)}


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

    source: Any
    words: str
    digest: str = ""
    revision: str | None = None
    allow_pickle: bool = False


def examples_digest(examples: Sequence[Example]) -> str:
    """Hashes rows, labels included.

    Args:
        examples: The rows.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    return digest(repr(example) for example in examples)


def read_task(recipe: Recipe) -> Task:
    """Reads the labelled rows of a recipe and sets the dev rows apart.

    Args:
        recipe: The recipe.

    Returns:
        The task.

    Raises:
        InputError: The faults of the files.
    """
    labels = read_labels(recipe.data)
    rows = read_examples(Path(recipe.data.train), recipe.data, labels, require_labels=True)
    if recipe.data.dev:
        dev_path = Path(recipe.data.dev)
        train, dev = rows, read_examples(dev_path, recipe.data, labels, require_labels=True)
        _look_for_trained_rows(train, dev, recipe.data.dev)
    else:
        parts = split(rows, recipe.data.folds, recipe.train.fold, recipe.seed)
        train, dev = ([rows[i] for i in part] for part in parts)
    test = read_examples(Path(recipe.data.test), recipe.data, None) if recipe.data.test else []
    sentences = dict.fromkeys(row.sentence for row in [*rows, *test])
    files = {"train": file_facts(recipe.data.train, train)}
    files["dev"] = file_facts(recipe.data.dev or "a fold of train", dev)
    if recipe.data.test:
        files["test"] = file_facts(recipe.data.test, test)
    return Task(labels, train, dev, _types_of([*rows, *dev, *test]), tuple(sentences), files)


def file_facts(file: str, examples: Sequence[Example]) -> dict[str, Any]:
    """Returns what a manifest says of a file: its name, its rows and their digest."""
    return {"file": file, "rows": len(examples), "digest": examples_digest(examples)}


def _look_for_trained_rows(train: Sequence[Example], dev: Sequence[Example], file: str) -> None:
    """Warns of dev rows that are trained on; a dev file of nothing else is a fault."""
    keys = {(row.sentence, row.subject, row.object) for row in train}
    shared = sum((row.sentence, row.subject, row.object) in keys for row in dev)
    if shared == len(dev):
        what = "every dev row is trained on too, and its scores would mean nothing"
        step = "name other rows, or set data.dev to null, which takes a fold of train"
        raise InputError(Fault(what, "data.dev", file, next_step=step))
    if shared:
        progress.warn(f"{shared} of {len(dev)} rows of {file} are trained on too")


def read_types(recipe: Recipe) -> tuple[str, ...]:
    """Reads the entity types of all of a recipe's files; labels are not looked at.

    Args:
        recipe: The recipe.

    Returns:
        The types, sorted.
    """
    files = [file for file in (recipe.data.train, recipe.data.dev, recipe.data.test) if file]
    return _types_of([row for f in files for row in read_examples(Path(f), recipe.data, None)])


def _types_of(examples: Sequence[Example]) -> tuple[str, ...]:
    return tuple(sorted({e.type for row in examples for e in (row.subject, row.object)}))


def stage_folder(recipe: Recipe, runs_dir: Path) -> Path:
    """Returns `runs/NAME/train/fold-K`."""
    return runs_dir / recipe.name / "train" / f"fold-{recipe.train.fold}"


def finetune(recipe: Recipe, runs_dir: Path, origin: Origin, fresh: bool = False) -> dict[str, Any]:
    """Trains the relation model of a recipe, or carries on where it was stopped.

    Args:
        recipe: The recipe.
        runs_dir: The folder of all runs.
        origin: The encoder to start from.
        fresh: Set an earlier result aside and start anew.

    Returns:
        The results: the scores of the best epoch on dev, and where it is.

    Raises:
        InputError: The data, the encoder or the run folder cannot be used.
    """
    task = read_task(recipe)
    folder, chief = stage_folder(recipe, runs_dir), is_chief(recipe.device)
    with locked(runs_dir / recipe.name, chief):
        stage = f"train/fold-{recipe.train.fold}"
        inputs = stage_inputs(recipe, task, origin)
        start = begin(folder, stage, recipe, inputs, task.facts(), MODEL_FOLDER, fresh, chief)
        if start is Start.FINISHED:
            progress.say(f"{folder} is finished already; --fresh would train it anew")
            return read_manifest(folder).results
        progress.say(f"{recipe.name}: {origin.words}")
        progress.say(f"{len(task.train):,} rows to train on, {len(task.dev):,} to choose by")
        if not chief:
            progress.configure(quiet=True)  # the first process says it all
        with nothing_left_behind(folder, restore=fresh, chief=chief):
            device = open_device(recipe.device, recipe.seed)
            progress.say(f"computing on {device}")
            return _train(recipe, task, origin, folder, device)


def stage_inputs(recipe: Recipe, task: Task, origin: Origin) -> dict[str, Any]:
    """Returns what decides the result of stage 2: a run of other inputs is another run."""
    tree = recipe.tree()
    names = ("seed", "markers", "tokens", "train")
    inputs: dict[str, Any] = {name: tree[name] for name in names}
    del inputs["train"]["accumulate"]  # what does not fit may be computed in more parts
    inputs["encoder"] = recipe.encoder.inputs() | {"tapt": origin.digest}
    # Marker tokens and a fresh vocabulary depend on the test file too.
    inputs["marker_tokens"] = list(marker_tokens(recipe.markers, task.types))
    if not isinstance(recipe.encoder.source, str):
        inputs["sentences"] = digest(task.sentences)
    inputs["labels"] = {"names": list(task.labels.names), "negative": task.labels.negative}
    return inputs | {"data": {role: task.files[role]["digest"] for role in ("train", "dev")}}


def _train(
    recipe: Recipe, task: Task, origin: Origin, folder: Path, device: Device
) -> dict[str, Any]:
    """Builds the model, fits it, and closes the manifest."""
    from relx.training.fit import FitState, compile_for, fit, speed

    sitting = Sitting(folder)
    probabilities = np.empty((len(task.dev), len(task.labels)))  # the last epoch's
    with device.scope():
        model, loaded = _model(recipe, task, origin, folder, device)
    train, dev = _arrays(recipe, task, loaded, model, folder)
    section = recipe.train
    feeder = device.feeder(train, section.batch_size, recipe.seed, section.accumulate)
    compile_for(device, model, section, feeder.steps, section.label_smoothing)

    def after_epoch(state: FitState) -> dict[str, float]:
        logits = predict_logits(model, device, dev, recipe.predict.batch_size)
        probabilities[:] = softmax(logits)
        result = scores(dev.targets, probabilities, task.labels)
        _report(state.epoch, result, task.labels)
        better = state.is_better([getattr(result, section.best_by), result.auprc])
        if better and device.chief:
            _save(best_folder(folder, state.epoch), model, loaded, task, recipe, origin)
        state.stopped = _has_patience_ended(state, section.patience)
        return {"micro_f1": result.micro_f1, "auprc": result.auprc, "accuracy": result.accuracy}

    def describe(log: RunLog, epoch: int) -> None:
        log_dev_rows(log, epoch, task.dev, task.labels, dev.targets, probabilities)

    state = fit(
        model,
        feeder,
        device,
        epochs=section.epochs,
        folder=folder,
        title="train",
        checkpoint=recipe.checkpoint,
        before_saving=sitting.count,
        after_epoch=after_epoch,
        describe=describe,
    )
    if device.chief:
        results = _results(state) | speed(state.history)
        publish_best(folder, state.best or 0, MODEL_FOLDER)
        write_json(folder / "metrics.json", results | {"history": state.history})
        sitting.count()
        finish(folder, device.manifest(), results)
        _say_end(results, section.epochs, len(state.history))
    device.barrier()
    return read_manifest(folder).results


def _model(
    recipe: Recipe, task: Task, origin: Origin, folder: Path, device: Device
) -> tuple[Any, Any]:
    """Loads the encoder, records it, and puts the relation head on it: (model, loaded encoder)."""
    from relx.models.classifier import reads_single_tokens, relation_model, spans_of
    from relx.models.encoder.load import load_encoder

    loaded = load_encoder(
        origin.source,
        sentences=lambda: task.sentences,
        marker_tokens=marker_tokens(recipe.markers, task.types),
        revision=pinned_revision(folder, origin.revision),
        allow_pickle=origin.allow_pickle,
        seed=recipe.seed,
    )
    if device.chief:
        record_encoder(folder, loaded.source, loaded.revision, loaded.notes)
    introduce(loaded, recipe)
    model = relation_model(
        loaded.encoder,
        classes=len(task.labels),
        spans=spans_of(recipe.train.pooling),
        single=reads_single_tokens(recipe.train.pooling),
        dropout=recipe.train.dropout,
        seed=recipe.seed,
    )
    return model, loaded


def introduce(loaded: Any, recipe: Recipe) -> None:
    """Says what is worth knowing of a loaded encoder, and checks that it takes the window.

    Args:
        loaded: The `LoadedEncoder`.
        recipe: The recipe; `tokens.max_length` is the window.

    Raises:
        InputError: The encoder has fewer positions than the window.
    """
    for note in loaded.notes:
        progress.say(f"encoder: {note}")
    positions, window = loaded.encoder.max_sequence_length, recipe.tokens.max_length
    if positions < window:
        what = f"this encoder takes texts of at most {positions} tokens"
        step = f"--set tokens.max_length={positions}"
        raise InputError(Fault(what, "tokens.max_length", str(window), next_step=step))


def _arrays(recipe: Recipe, task: Task, loaded: Any, model: Any, folder: Path) -> list[Any]:
    """Tokenises train and dev into `RelationArrays`."""
    from relx.models.arrays import RelationArrays, tokenize_examples

    window, segments = recipe.tokens.max_length, "segment_ids" in model.input
    arrays, cache = [], token_folder(folder.parents[2])  # runs/NAME/train/fold-K
    files = (recipe.data.train, recipe.data.dev or recipe.data.train)
    for examples, file in zip((task.train, task.dev), files, strict=True):
        rows = tokenize_examples(examples, recipe.markers, loaded.tokenizer, window, file, cache)
        targets = np.array([task.labels.index(row.label or "") for row in examples], np.int32)
        pad = loaded.tokenizer.pad_token_id
        arrays.append(RelationArrays(rows, recipe.train.pooling, pad, segments, targets))
    return arrays


def _report(epoch: int, result: Scores, labels: LabelList) -> None:
    """Says an epoch's scores, and says it loudly when a single class was predicted."""
    progress.say(
        f"epoch {epoch + 1}: dev micro-F1 {result.micro_f1:.2f}, AUPRC {result.auprc:.2f}, "
        f"accuracy {result.accuracy:.2f}"
    )
    if result.collapsed:
        progress.warn(
            f"every dev row was given one and the same of {len(labels)} classes: the model has not "
            "learnt yet. A plateau at first is common; if it stays, give it more epochs, a lower "
            "or higher learning rate, or smaller batches"
        )


def _has_patience_ended(state: Any, patience: int | None) -> bool:
    best = state.best if state.best is not None else state.epoch
    return patience is not None and state.epoch - best >= patience


def _save(
    folder: Path, model: Any, loaded: Any, task: Task, recipe: Recipe, origin: Origin
) -> None:
    """Writes the relation model: a Hugging Face folder with the head and the labels beside it."""
    from safetensors.numpy import save_file

    from relx.models.classifier import head_weights
    from relx.models.encoder.load import write_encoder

    with whole_folder(folder) as beside:
        write_encoder(loaded, beside, _card(recipe, task, origin))
        save_file(head_weights(model), beside / HEAD_FILE)
        labels = {"names": list(task.labels.names), "negative": task.labels.negative}
        text = json.dumps(labels, ensure_ascii=False, indent=2)
        (beside / LABELS_FILE).write_text(text + "\n", encoding="utf-8")


def _card(recipe: Recipe, task: Task, origin: Origin) -> str:
    return (
        f"# {recipe.name}: encoder of a relation model\n\n"
        f"Fine-tuned by relx for relation extraction; {origin.words}.\n"
        f"SHA-256 of the {len(task.train):,} training rows: `{examples_digest(task.train)}`\n\n"
        f"The head's weights are in `{HEAD_FILE}`, the labels in `{LABELS_FILE}`.\n\n"
        f"```yaml\n{recipe_yaml(recipe)}```\n"
    )


def _results(state: Any) -> dict[str, Any]:
    best = state.history[state.best]
    results = {name: best[name] for name in ("micro_f1", "auprc", "accuracy")}
    return results | {"best_epoch": state.best + 1, "epochs": len(state.history)}


def _say_end(results: dict[str, Any], epochs: int, done: int) -> None:
    early = f", stopped early after {done} of {epochs}" if done < epochs else ""
    progress.say(
        f"best epoch {results['best_epoch']}{early}: dev micro-F1 {results['micro_f1']:.2f}, "
        f"AUPRC {results['auprc']:.2f}; {results['sentences_per_second']:.1f} sentences/s"
    )
