"""A finished run whose model is random, with rows to look at: for the tests of attention."""

import csv
import json
from pathlib import Path

import numpy as np
from made_stages import begin, finish
from safetensors.numpy import save_file

from relx.dataset import file_facts
from relx.devices.device import open_device
from relx.files import write_json
from relx.models.classifier import head_weights, span_classifier
from relx.models.encoder.load import load_encoder, write_encoder
from relx.models.saved import write_decision
from relx.recipe import DeviceSection, FreshSizes, FreshSource, Recipe
from relx.tasks.task import task_of

SAMPLE = Path(__file__).parents[1] / "sample"
TYPES = ("DAT", "LOC", "NOH", "ORG", "PER", "POH")
LAYERS, HEADS = 3, 2


def targets_of(folder):
    """Some rows of each of the emotion sample's files; dev's first asks of the whole."""
    parts = {}
    for part, count in (("train", 30), ("dev", 8), ("test", 4)):
        lines = (SAMPLE / f"emotion/{part}.jsonl").read_text(encoding="utf-8").splitlines()[:count]
        rows = [json.loads(line) for line in lines]
        if part == "dev":
            rows[0]["input"]["target"] = dict.fromkeys(("form", "begin", "end"))
        parts[part] = str(folder / f"{part}.jsonl")
        texts = (json.dumps(row, ensure_ascii=False) for row in rows)
        Path(parts[part]).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return parts


def write_target_run(folder, style="entity_marker", name="tiny", **settings):
    """Writes a run of the emotion sample's rows, with a fresh encoder and one cut-off of .5."""
    tree = {"task": "target", "decide": {"thresholds": 0.5}, **settings}
    return write_run(folder, style, name, parts=targets_of, **tree)


def parts_of(folder):
    """Some rows of each of the sample's files; those of test have ids of their own."""
    parts = {}
    for part, count in (("train", 20), ("dev", 8), ("test", 4)):
        with (SAMPLE / f"{part}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))[:count]
        if part == "test":
            rows = [row | {"id": f"t{row['id']}"} for row in rows]
        parts[part] = str(folder / f"{part}.csv")
        with Path(parts[part]).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return parts


def write_run(
    folder, style="typed_entity_marker", name="tiny", source=None, parts=parts_of, **settings
):
    """Writes a run of a sample's rows, from an encoder's folder or a fresh encoder.

    Returns:
        The folder of all runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = parts(folder)
    open_device(DeviceSection(), 0)
    sizes = FreshSizes(layers=LAYERS, hidden=16, heads=HEADS, intermediate=32, vocabulary=500)
    tree = {
        "name": name,
        "data": parts,
        "encoder": {"from": source or FreshSource(fresh=sizes)},
        "markers": {"style": style},
        "tokens": {"max_length": 128},
        **settings,
    }
    recipe = Recipe.model_validate(tree)
    task = task_of(recipe)
    labels = task.read_labels()
    dev, train = (
        task.scan(Path(parts[part]), labels).whole().examples for part in ("dev", "train")
    )
    stage = folder / "runs" / name / "train/fold-0"
    facts = {"types": list(TYPES), "dev": file_facts(parts["dev"], dev)}
    begin(stage, "train/fold-0", recipe, {}, facts, "model")
    loaded = load_encoder(
        recipe.encoder.source,
        sentences=lambda: [row.sentence for row in train],
        marker_tokens=task.marker_tokens(TYPES),
        seed=1,
    )
    rng = np.random.default_rng(0)
    for variable in loaded.encoder.weights:  # heads that look somewhere
        shift = 0.4 * rng.standard_normal(variable.shape).astype("float32")
        variable.assign_add(shift)
    sizes = {"classes": len(labels), "pooling": task.pooling, "dropout": 0.1}
    model = span_classifier(loaded.encoder, **sizes, seed=1)
    (stage / "model").mkdir()
    write_encoder(loaded, stage / "model", "")
    save_file(head_weights(model), stage / "model/relation_head.safetensors")
    write_json(
        stage / "model/labels.json", {"names": list(labels.names), "negative": labels.negative}
    )
    write_decision(stage / "model", task.decision.fitted(*[None] * 3, labels))
    finish(stage, {}, {})
    return folder / "runs"
