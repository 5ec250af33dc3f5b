"""A finished run whose model is random, with rows to look at: for the tests of attention."""

import csv
from pathlib import Path

import numpy as np
from made_stages import begin, finish
from safetensors.numpy import save_file

from relx.data.labels import read_labels
from relx.dataset import file_facts
from relx.devices.device import open_device
from relx.files import write_json
from relx.models.classifier import head_weights, span_classifier
from relx.models.encoder.load import load_encoder, write_encoder
from relx.recipe import DeviceSection, FreshSizes, FreshSource, Recipe
from relx.tasks.relation.markers import marker_tokens
from relx.tasks.relation.rows import read_examples
from relx.tasks.task import task_of

SAMPLE = Path(__file__).parents[1] / "sample"
TYPES = ("DAT", "LOC", "NOH", "ORG", "PER", "POH")
LAYERS, HEADS = 3, 2


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


def write_run(folder, style="typed_entity_marker", name="tiny", source=None, **settings):
    """Writes a run of the sample's rows, from an encoder's folder or a fresh encoder.

    Returns:
        The folder of all runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = parts_of(folder)
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
    labels = read_labels(recipe.data)
    dev = read_examples(Path(parts["dev"]), recipe.data, labels)
    train = read_examples(Path(parts["train"]), recipe.data, labels)
    stage = folder / "runs" / name / "train/fold-0"
    facts = {"types": list(TYPES), "dev": file_facts(parts["dev"], dev)}
    begin(stage, "train/fold-0", recipe, {}, facts, "model")
    loaded = load_encoder(
        recipe.encoder.source,
        sentences=lambda: [row.sentence for row in train],
        marker_tokens=marker_tokens(recipe.markers, TYPES),
        seed=1,
    )
    rng = np.random.default_rng(0)
    for variable in loaded.encoder.weights:  # heads that look somewhere
        shift = 0.4 * rng.standard_normal(variable.shape).astype("float32")
        variable.assign_add(shift)
    pooling = task_of(recipe).pooling
    sizes = {"classes": len(labels), "pooling": pooling, "dropout": 0.1}
    model = span_classifier(loaded.encoder, **sizes, seed=1)
    (stage / "model").mkdir()
    write_encoder(loaded, stage / "model", "")
    save_file(head_weights(model), stage / "model/relation_head.safetensors")
    write_json(
        stage / "model/labels.json", {"names": list(labels.names), "negative": labels.negative}
    )
    finish(stage, {}, {})
    return folder / "runs"
