"""Prediction: a finished run's relation model, and the probabilities that it gives to rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relx import progress
from relx.batches import ladder, reading_plan
from relx.devices import Device, open_device
from relx.examples import Example, read_examples
from relx.faults import Fault, InputError
from relx.files import read_json
from relx.labels import LabelList
from relx.markers import shows_types
from relx.recipe import DataSection, DeviceSection, Recipe, recipe_from_tree
from relx.runs import find_run, read_manifest
from relx.submission import write_submission

MODEL_FOLDER = "model"
HEAD_FILE = "relation_head.safetensors"
LABELS_FILE = "labels.json"


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the probabilities (rows, classes) float64 of logits (rows, classes)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def predict_logits(model: Any, device: Device, arrays: Any, batch_size: int) -> np.ndarray:
    """Computes the logits of rows, the longest first, and puts them back in the rows' order.

    Args:
        model: A relation model.
        device: What the model was built on.
        arrays: The rows, as `RelationArrays`.
        batch_size: Rows a batch.

    Returns:
        (rows, classes) float32.
    """
    from relx.callbacks import Advance

    rungs = ladder(arrays.lengths) if device.compiles else None
    plan = reading_plan(arrays.lengths, batch_size, rungs=rungs, multiple=device.replicas)
    signature = arrays.signature(len(plan[0].rows))
    data = device.stream(lambda: arrays.stream(plan), signature, len(plan))
    with progress.bar("predict", len(plan), "batches") as bar:
        computed = model.predict(data, verbose=0, callbacks=[Advance(bar)])
    real = np.concatenate([np.arange(len(b.rows)) < b.real for b in plan])
    logits = np.empty((len(arrays.rows), computed.shape[1]), np.float32)
    logits[np.concatenate([b.rows for b in plan])[real]] = computed[real]
    return logits


class Run:
    """A finished run, opened for prediction.

    Args:
        folder: The run's `train/fold-K` folder.
        device: The device section to use in place of the recipe's, or None.
    """

    def __init__(self, folder: Path, device: DeviceSection | None = None) -> None:
        self.folder = folder
        manifest = read_manifest(folder)
        self.recipe: Recipe = recipe_from_tree(manifest.recipe)
        self.types: tuple[str, ...] = tuple(manifest.data.get("types", ()))
        if not (folder / MODEL_FOLDER / LABELS_FILE).exists():
            step = "relx train --fresh with the run's recipe.yaml makes it again"
            what = "the model of this run is gone"
            raise InputError(Fault(what, str(folder / MODEL_FOLDER), next_step=step))
        self.labels = _read_label_list(folder / MODEL_FOLDER / LABELS_FILE)
        # Of rows to predict none may be left out.
        self.data: DataSection = self.recipe.data.model_copy(update={"skip_bad_rows": None})
        self._section = device or self.recipe.device
        self._model: tuple[Any, Any, Device] | None = None

    def predict(self, examples: Sequence[Example], batch_size: int | None = None) -> np.ndarray:
        """Computes the probabilities of rows.

        Args:
            examples: The rows; their labels are not looked at.
            batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.

        Returns:
            (rows, classes) float64, in the rows' order; each row sums to 1.

        Raises:
            InputError: The entities of some rows cannot be found or do not fit the window.
        """
        self._warn_of_new_types(examples)
        model, tokenizer, device = self._open()
        from relx.inputs import RelationArrays, tokenize_examples

        markers, window = self.recipe.markers, self.recipe.tokens.max_length
        rows = tokenize_examples(examples, markers, tokenizer, window)
        segments = "segment_ids" in model.input
        arrays = RelationArrays(rows, self.recipe.train.pooling, tokenizer.pad_token_id, segments)
        size = batch_size or self.recipe.predict.batch_size
        return softmax(predict_logits(model, device, arrays, size))

    def require_types(self, given: dict[str, str | None]) -> None:
        """Checks that types are given where the run's markers show them.

        Args:
            given: The type by the name of its option; None where it was not given.

        Raises:
            InputError: A type is needed and missing.
        """
        missing = [option for option, type_ in given.items() if type_ is None]
        if missing and shows_types(self.recipe.markers):
            what = f"the run's markers ({self.recipe.markers.style}) show the entities' types"
            allowed = ", ".join(self.types)
            raise InputError(*(Fault(what, option, "no type", allowed) for option in missing))

    def _warn_of_new_types(self, examples: Sequence[Example]) -> None:
        types = {entity.type for row in examples for entity in (row.subject, row.object)}
        new = sorted(types - set(self.types))
        if new and shows_types(self.recipe.markers):
            progress.warn(
                f"entities of type {', '.join(new)} are in none of the run's files; it knows "
                f"{', '.join(self.types)}"
            )

    def _open(self) -> tuple[Any, Any, Device]:
        """Loads the model on first use: (model, tokenizer, device)."""
        if self._model is None:
            device = open_device(self._section, self.recipe.seed)
            with device.scope():
                loaded = _load_model(self.folder / MODEL_FOLDER, self.labels, self.recipe)
                self._model = (*loaded, device)
        return self._model


def _read_label_list(path: Path) -> LabelList:
    content = read_json(path)
    try:
        return LabelList(tuple(content["names"]), content["negative"])
    except (KeyError, TypeError) as error:
        raise InputError(Fault("this is no list of labels of a run", str(path))) from error


def _load_model(folder: Path, labels: LabelList, recipe: Recipe) -> tuple[Any, Any]:
    from safetensors.numpy import load_file

    from relx.encoder.load import load_encoder
    from relx.relation_model import assign_head, relation_model, spans_of

    if not (folder / HEAD_FILE).exists():
        raise InputError(Fault("the relation head of this run is gone", str(folder / HEAD_FILE)))
    weights = load_file(folder / HEAD_FILE)
    loaded = load_encoder(str(folder), seed=recipe.seed)
    spans = spans_of(recipe.train.pooling)
    shape = (spans * loaded.encoder.hidden_dim, len(labels))
    found = (weights["relation_dense/kernel"].shape[0], weights["relation_logits/bias"].shape[0])
    if found != shape:
        what = "the relation head is not that of this run's labels, pooling and encoder"
        raise InputError(Fault(what, str(folder / HEAD_FILE), str(found), str(shape)))
    model = relation_model(
        loaded.encoder,
        classes=len(labels),
        spans=spans,
        dropout=recipe.train.dropout,
        seed=recipe.seed,
    )
    assign_head(model, weights)
    return model, loaded.tokenizer


def open_run(runs_dir: Path, name: str | None, device: DeviceSection | None = None) -> Run:
    """Opens a run for prediction and says which one it is.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; None for the latest finished one.
        device: The device section to use in place of the recipe's, or None.

    Returns:
        The run.

    Raises:
        InputError: There is no such run, or none is finished.
    """
    folder = find_run(runs_dir, name)
    progress.say(f"predicting with {folder}")
    return Run(folder, device)


def predict_file(
    runs_dir: Path, name: str | None, test: Path | None, out: Path, batch_size: int | None = None
) -> None:
    """Predicts the rows of a file and writes the submission.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; None for the latest finished one.
        test: The rows; None for the test file of the run's recipe.
        out: The CSV to write.
        batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.

    Raises:
        InputError: The run, the rows or the place to write to cannot be used.
    """
    run = open_run(runs_dir, name)
    if test is None and run.data.test is None:
        fault = Fault("the run's recipe names no test file", "data.test", next_step="name --test")
        raise InputError(fault)
    rows = test or Path(run.data.test or "")
    if out.exists() and rows.exists() and out.samefile(rows):
        what = "the submission would replace the rows that are predicted"
        raise InputError(Fault(what, "--out", str(out), next_step="name another file"))
    progress.say(f"predicting the rows of {rows}")
    examples = read_examples(rows, run.data, None)
    started = time.monotonic()
    probabilities = run.predict(examples, batch_size)
    seconds = time.monotonic() - started
    write_submission(out, [example.id for example in examples], probabilities, run.labels)
    progress.say(
        f"{len(examples):,} rows in {seconds:.1f} s, {len(examples) / seconds:.1f} sentences/s, "
        f"loading included; written to {out}"
    )
