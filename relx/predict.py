"""Prediction: a finished run's relation model, and the probabilities that it gives to rows."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relx import progress
from relx.data.labels import LabelList
from relx.engines.engine import Engine, EngineName, Trained, open_engine
from relx.engines.engine import predict_logits as predict_logits
from relx.engines.openvino import graph_name
from relx.faults import Fault, InputError
from relx.files import read_json
from relx.models.arrays import RelationArrays, tokenize_examples
from relx.recipe import DataSection, DeviceSection, Recipe
from relx.recipe_file import recipe_from_tree
from relx.runs.differences import DIGITS
from relx.runs.find import find_run
from relx.runs.manifest import read_manifest
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.markers import shows_types
from relx.tasks.relation.rows import Example, read_examples

MODEL_FOLDER = "model"
HEAD_FILE = "relation_head.safetensors"
LABELS_FILE = "labels.json"


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the probabilities (rows, classes) float64 of logits (rows, classes)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


class Run:
    """A finished run, opened for prediction.

    Args:
        folder: The run's `train/fold-K` folder.
        device: The device section to use in place of the recipe's, or None.
        engine: The engine to use in place of the recipe's, or None.
    """

    def __init__(
        self,
        folder: Path,
        device: DeviceSection | None = None,
        engine: EngineName | None = None,
    ) -> None:
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
        section = device or self.recipe.device
        if section.strategy == "multi_worker":  # one process predicts, however many have trained
            section = section.model_copy(update={"strategy": "auto"})
        self._section = section
        self._wanted: EngineName = engine or self.recipe.predict.engine
        self._engine: Engine | None = None

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
        from relx.models.encoder.tokenizers.tokenizer import read_tokenizer

        tokenizer = read_tokenizer(self.folder / MODEL_FOLDER)
        window = self.recipe.tokens.max_length
        rows = tokenize_examples(examples, self.recipe.markers, tokenizer, window)
        engine = self._open()
        pooling, pad = self.recipe.train.pooling, tokenizer.pad_token_id
        arrays = RelationArrays(rows, pooling, pad, engine.segments)
        return softmax(engine.logits(arrays, batch_size or self.recipe.predict.batch_size))

    def dev_rows(self) -> list[Example]:
        """Reads the labelled rows that the run chose its epoch by, and never trained on.

        Returns:
            The rows of `data.dev`, else of the run's fold of `data.train`.

        Raises:
            InputError: They cannot be read, or are not the ones they were.
        """
        from relx.train import read_task

        task = read_task(self.recipe)
        then = read_manifest(self.folder).data.get("dev") or {}
        now = task.files["dev"]
        if then.get("digest") != now["digest"]:
            what = "the rows that this run chose its epoch by have changed since"
            received = f"{_named(then)} then, {_named(now)} now"
            step = "name labelled rows with --gold"
            raise InputError(Fault(what, now["file"], received, next_step=step))
        return task.dev

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

    def _open(self) -> Engine:
        """Opens the engine on first use, and says which one it is."""
        if self._engine is None:
            folder = self.folder / MODEL_FOLDER
            trained = Trained(
                self.folder,
                functools.cache(lambda: _graph_name(folder, self.recipe)),
                lambda: _load_model(folder, self.labels, self.recipe),
                self._section,
                self.recipe.seed,
            )
            self._engine = open_engine(trained, self._wanted)
            progress.say(f"computing with {self._engine}")
        return self._engine


def _named(facts: Mapping[str, Any]) -> str:
    return f"{facts.get('rows')} rows, SHA-256 {str(facts.get('digest'))[:DIGITS]}"


def _read_label_list(path: Path) -> LabelList:
    content = read_json(path)
    try:
        return LabelList(tuple(content["names"]), content["negative"])
    except (KeyError, TypeError) as error:
        raise InputError(Fault("this is no list of labels of a run", str(path))) from error


def _graph_name(folder: Path, recipe: Recipe) -> str:
    """Names the graph by all that decides what the model computes, and for which labels."""
    files = [folder / name for name in ("config.json", "model.safetensors", HEAD_FILE, LABELS_FILE)]
    if gone := next((file for file in files if not file.is_file()), None):
        raise InputError(Fault("a part of this run's model is gone", str(gone)))
    return graph_name(files, [recipe.train.pooling])


def _load_model(folder: Path, labels: LabelList, recipe: Recipe) -> Any:
    """Builds the relation model with the weights of a run."""
    from safetensors.numpy import load_file

    from relx.models.classifier import assign_head, reads_single_tokens, relation_model, spans_of
    from relx.models.encoder.load import load_encoder

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
        single=reads_single_tokens(recipe.train.pooling),
        dropout=recipe.train.dropout,
        seed=recipe.seed,
    )
    assign_head(model, weights)
    return model


def open_run(
    runs_dir: Path,
    name: str | None,
    device: DeviceSection | None = None,
    engine: EngineName | None = None,
) -> Run:
    """Opens a run for prediction and says which one it is.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; None for the latest finished one.
        device: The device section to use in place of the recipe's, or None.
        engine: The engine to use in place of the recipe's, or None.

    Returns:
        The run.

    Raises:
        InputError: There is no such run, or none is finished.
    """
    folder = find_run(runs_dir, name)
    progress.say(f"predicting with {folder}")
    return Run(folder, device, engine)


def predict_file(
    runs_dir: Path,
    name: str | None,
    test: Path | None,
    out: Path,
    batch_size: int | None = None,
    device: DeviceSection | None = None,
    engine: EngineName | None = None,
) -> None:
    """Predicts the rows of a file and writes the submission.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; None for the latest finished one.
        test: The rows; None for the test file of the run's recipe.
        out: The CSV to write.
        batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.
        device: The device section to use in place of the recipe's, or None.
        engine: The engine to use in place of the recipe's, or None.

    Raises:
        InputError: The run, the rows or the place to write to cannot be used.
    """
    run = open_run(runs_dir, name, device, engine)
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
