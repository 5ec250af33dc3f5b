"""The readers of every kind of file that relx takes from a user, each with whole files."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save

from relx.data.labels import LabelList, read_labels
from relx.data.literals import read_literal
from relx.data.number_lists import read_numbers
from relx.data.table import read_table
from relx.models.encoder.describe import describe
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer
from relx.plain_yaml import NoPlainYamlError, read_plain
from relx.recipe import DataSection, DecideSection, MarkersSection, TrainSection
from relx.recipe_file import load_recipe
from relx.runs.manifest import read_manifest
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.predictions import Predictions
from relx.tasks.task import open_task, usual_section
from relx.training.log import read_metrics

ROOT = Path(__file__).parents[1]
LABELS = LabelList(("no_relation", "per:spouse", "org:members"), "no_relation")
EMOTIONS = LabelList(("joy", "fear"), None)
ENTITY = {"word": "가람", "start_idx": 0, "end_idx": 1, "type": "PER"}
OTHER = {"word": "나루", "start_idx": 4, "end_idx": 5, "type": "ORG"}
ROWS = [
    {
        "id": str(i),
        "sentence": "가람은 나루에 산다",
        "subject_entity": ENTITY,
        "object_entity": OTHER,
        "label": label,
    }
    for i, label in enumerate(["no_relation", "per:spouse", "org:members"])
]
EMOTION = {
    "id": "nikl-1",
    "input": {"form": "국밥이 맛있다", "target": {"form": "국밥", "begin": 0, "end": 2}},
    "output": {"joy": "True", "fear": "False"},
}


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    """Writes rows as a CSV."""
    return pd.DataFrame(rows).to_csv(index=False).encode()


def lines_of(rows: list[dict[str, Any]]) -> bytes:
    """Writes rows as JSON Lines."""
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def stream_of(write: Callable[[io.BytesIO], Any]) -> bytes:
    """Returns what is written to a stream."""
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def relation(path: Path) -> None:
    """Reads rows of relations, with their labels."""
    open_task("relation", DataSection()).scan(path, LABELS, labelled=True).whole()


def target(path: Path) -> None:
    """Reads rows of labels about a target, with their labels."""
    _target_task().scan(path, EMOTIONS, labelled=True).whole()


def _target_task() -> Any:
    data = usual_section("target", "data", DataSection)
    markers = usual_section("target", "markers", MarkersSection)
    decide = usual_section("target", "decide", DecideSection)
    pooling = usual_section("target", "train", TrainSection).pooling
    return open_task("target", data, markers, pooling, decide)


def plain_yaml(path: Path) -> None:
    """Reads the value of a setting."""
    with contextlib.suppress(NoPlainYamlError):
        read_plain(path.read_bytes().decode("utf-8", "replace"))


def text(read: Callable[[str], Any]) -> Callable[[Path], None]:
    """Makes a reader of files from one of texts."""

    def reader(path: Path) -> None:
        read(path.read_bytes().decode("utf-8", "replace"))

    return reader


def labels(path: Path) -> None:
    """Reads a label list."""
    read_labels(DataSection(labels=str(path), negative=None))


def submission(path: Path) -> None:
    """Reads a submission of relations."""
    open_task("relation", DataSection()).read(path, LABELS)


def answers(path: Path) -> None:
    """Reads answers about targets."""
    _target_task().read(path, EMOTIONS)


def metrics(folder: Path) -> None:
    """Reads the figures of a stage."""
    read_metrics(folder)


def encoder(folder: Path) -> None:
    """Reads all small files of an encoder's folder, and the header of its weights."""
    describe(str(folder), sentences=["가람은 나루에 산다"])


def targets(kind: Callable[..., Any]) -> list[Any]:
    """Lists the readers.

    Args:
        kind: The class of a reader and its files.
    """
    shares = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    given = [
        {"id": row["id"], "pred_label": row["label"], "probs": str(own)}
        for row, own in zip(ROWS, shares, strict=True)
    ]
    columns = [
        {"id": row["id"], **dict(zip(LABELS.names, own, strict=True))}
        for row, own in zip(ROWS, shares, strict=True)
    ]
    named = list(LABELS.names)
    numbered = {name: i for i, name in enumerate(named)}
    frame = pd.DataFrame(ROWS).astype({"subject_entity": str, "object_entity": str})
    recipes = [path.read_bytes() for path in sorted((ROOT / "recipes").glob("*.yaml"))]
    cut = json.dumps({"cutoffs": {"joy": 0.5, "fear": 0.4}}).encode()
    return [
        kind("csv of relations", relation, [csv_of(ROWS)], ".csv"),
        kind("json of relations", relation, [lines_of(ROWS), json.dumps(ROWS).encode()], ".json"),
        kind("parquet", read_table, [stream_of(frame.to_parquet)], ".parquet"),
        kind("excel", read_table, [stream_of(lambda s: frame.to_excel(s, index=False))], ".xlsx"),
        kind("rows of targets", target, [lines_of([EMOTION]), csv_of([EMOTION])], ".jsonl"),
        kind("submissions", submission, [csv_of(given), lines_of(given), csv_of(columns)], ".csv"),
        kind("answers", answers, [lines_of([EMOTION])], ".jsonl"),
        kind(
            "labels as json", labels, [json.dumps(v).encode() for v in (named, numbered)], ".json"
        ),
        kind("labels as text", labels, ["\n".join(named).encode()], ".txt"),
        kind("labels as pickle", labels, [pickle.dumps(numbered, p) for p in range(6)], ".pkl"),
        kind("recipes", load_recipe, recipes, ".yaml"),
        kind("settings", plain_yaml, [b"[1, {a: 1e-5}]", b"{joy: .5}", b"klue"], ".yaml"),
        kind("literals", text(read_literal), [str(ENTITY).encode(), b"{'a': [1, (2,)]}"]),
        kind("lists of numbers", text(read_numbers), [str(own).encode() for own in shares]),
        kind("cut-offs", lambda path: Cutoffs.load(path, EMOTIONS.names), [cut], ".json"),
        kind("dev probabilities", Predictions.load, [dev_probabilities()], ".npz"),
        kind("manifests", read_manifest, [manifest()], file="manifest.json"),
        kind("figures", metrics, [b'{"step": 1, "loss": 0.5}\n' * 3], file="metrics.jsonl"),
        *encoders(kind),
    ]


def dev_probabilities() -> bytes:
    """Returns what a fold keeps of its dev rows."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "dev.npz"
        ids = tuple(row["id"] for row in ROWS)
        Predictions(ids, np.arange(3), np.full((3, 3), 1 / 3), LABELS.names).save(path)
        return path.read_bytes()


def manifest() -> bytes:
    """Returns a manifest of a stage that has begun."""
    from relx.recipe_file import recipe_from_tree
    from relx.runs.manifest import new_manifest

    recipe = recipe_from_tree({"name": "a", "encoder": {"from": "klue/bert-base"}})
    return json.dumps(new_manifest("tapt", recipe, {}, {}).model_dump()).encode()


def encoders(kind: Callable[..., Any]) -> list[Any]:
    """Lists the files of an encoder's folder: two with a tokenizer.json, two with a vocab.txt."""
    config = {
        **{"model_type": "bert", "vocab_size": 200, "hidden_size": 8, "num_hidden_layers": 1},
        **{"num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32},
    }
    backend = fresh_tokenizer(["가람은 나루에 산다"] * 3, 200)
    pieces = sorted(backend.get_vocab(), key=backend.get_vocab().get)  # type: ignore[arg-type]
    files = {
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": backend.backend_tokenizer.to_str().encode(),
        "tokenizer_config.json": b'{"tokenizer_class": "BertTokenizer", "do_lower_case": false}',
        "special_tokens_map.json": b'{"cls_token": "[CLS]", "mask_token": "[MASK]"}',
        "model.safetensors": save({"bert.embeddings.word_embeddings.weight": np.zeros((200, 8))}),
    }
    old = {name: content for name, content in files.items() if name != "tokenizer.json"}
    old["vocab.txt"] = "\n".join(pieces).encode()
    old["added_tokens.json"] = b'{"[E1]": 200}'
    changed = [(files, name) for name in files] + [
        (old, name) for name in ("vocab.txt", "added_tokens.json")
    ]
    return [
        kind(f"encoder {name}", encoder, [content[name]], file=name, folder=content)
        for content, name in changed
    ]
