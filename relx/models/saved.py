"""A trained classifier in a run's folder: what its files are called, and how they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from relx.data.labels import LabelList
from relx.data.tokenizing.pooling import Pooling
from relx.faults import Fault, InputError, shorten
from relx.files import read_json
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.tensors import read_tensors

if TYPE_CHECKING:  # importing Keras takes seconds
    import keras

    from relx.models.loaded import Loaded
    from relx.scoring.decisions.decision import Decision

MODEL_FOLDER = "model"
HEAD_FILE = "relation_head.safetensors"
LABELS_FILE = "labels.json"
DEV_FILE = "dev.npz"
THRESHOLDS_FILE = "thresholds.json"


def write_model(
    folder: Path, model: keras.Model, loaded: Loaded, labels: LabelList, card: str
) -> None:
    """Writes a classifier: a Hugging Face folder with the head and the labels beside it.

    Args:
        folder: A folder that exists.
        model: The classifier.
        loaded: What it was built on.
        labels: The label list.
        card: The model card, the content of README.md.
    """
    from safetensors.numpy import save_file

    from relx.models.classifier import head_weights

    loaded.write(folder, card)
    save_file(head_weights(model), folder / HEAD_FILE)
    write_labels(folder, labels)


def write_labels(folder: Path, labels: LabelList) -> None:
    """Writes the label list of a classifier into its folder."""
    tree = {"names": list(labels.names), "negative": labels.negative}
    text = json.dumps(tree, ensure_ascii=False, indent=2)
    (folder / LABELS_FILE).write_text(text + "\n", encoding="utf-8")


def read_label_list(folder: Path) -> LabelList:
    """Reads the label list of a classifier.

    Args:
        folder: The classifier's folder.

    Returns:
        The labels in order.

    Raises:
        InputError: The file is gone or broken.
    """
    path = folder / LABELS_FILE
    if not path.exists():
        step = "relx train --fresh with the run's recipe.yaml makes it again"
        raise InputError(Fault("the model of this run is gone", str(folder), next_step=step))
    content = read_json(path)
    try:
        names, negative = content["names"], content["negative"]
        if not all(isinstance(name, str) for name in (*names, negative or "")):
            raise TypeError("a name is no text")
        return LabelList(tuple(names), negative)
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(Fault("this is not a run's list of labels", str(path))) from error


def write_decision(folder: Path, decision: Decision) -> None:
    """Writes what a classifier's labels are chosen by, where that is more than its probabilities.

    Args:
        folder: The classifier's folder.
        decision: The decision.
    """
    if decision.cutoffs is not None:
        decision.cutoffs.save(folder / THRESHOLDS_FILE, decision.search)


def read_decision(folder: Path, decision: Decision, labels: LabelList) -> Decision:
    """Reads what `write_decision` wrote.

    Args:
        folder: The classifier's folder.
        decision: The decision of the classifier's recipe.
        labels: The classifier's labels.

    Returns:
        The decision with the run's cut-offs, where it has cut-offs.

    Raises:
        InputError: The file is gone or broken.
    """
    if not decision.takes_cutoffs:
        return decision
    file = folder / THRESHOLDS_FILE
    if not file.is_file():
        raise InputError(Fault("a part of this run's model is gone", str(file)))
    return decision.with_thresholds(Cutoffs.load(file, labels.names))


def model_files(folder: Path) -> list[Path]:
    """Lists the files that decide what a classifier computes, and for which labels.

    Args:
        folder: The classifier's folder.

    Returns:
        The files.

    Raises:
        InputError: One of them is gone.
    """
    files = [folder / name for name in ("config.json", "model.safetensors", HEAD_FILE, LABELS_FILE)]
    if gone := next((file for file in files if not file.is_file()), None):
        raise InputError(Fault("a part of this run's model is gone", str(gone)))
    return files


def load_model(
    folder: Path, labels: LabelList, pooling: Pooling, dropout: float, seed: int
) -> keras.Model:
    """Builds a classifier with the weights of a run.

    Args:
        folder: The classifier's folder.
        labels: Its label list.
        pooling: Which tokens it reads.
        dropout: Its head's dropout rate.
        seed: The run's seed.

    Returns:
        The classifier.

    Raises:
        InputError: A file is gone, or is not of these labels, this pooling and this encoder.
    """
    from relx.models.classifier import DENSE, LOGITS, assign_head, span_classifier
    from relx.models.encoder.load import load_encoder

    file = folder / HEAD_FILE
    if not file.exists():
        raise InputError(Fault("the head of this run's model is gone", str(file)))
    weights = read_tensors(file)
    backbone = load_encoder(str(folder), seed=seed).backbone
    shape = (pooling.count * backbone.hidden_dim, len(labels))
    try:
        found = (weights[f"{DENSE}/kernel"].shape[0], weights[f"{LOGITS}/bias"].shape[0])
    except (KeyError, IndexError) as error:
        what = "this is not the head of a classifier"
        raise InputError(Fault(what, str(file), shorten(list(weights)))) from error
    if found != shape:
        what = "the model's head is not that of this run's labels, pooling and encoder"
        raise InputError(Fault(what, str(file), str(found), str(shape)))
    model = span_classifier(
        backbone, classes=len(labels), pooling=pooling, dropout=dropout, seed=seed
    )
    assign_head(model, weights)
    return model
