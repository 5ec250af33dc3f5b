"""Stages that tests make without the work: begun, and finished with the figures that they need."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relx.files import write_text
from relx.recipe_file import recipe_from_tree, recipe_yaml
from relx.runs.manifest import new_manifest, now, read_manifest, write_manifest
from relx.runs.place import StagePlace
from relx.runs.stage import RECIPE, Stage, open_stage


def begin(folder, stage, recipe, inputs, data, result):
    """Writes what a stage's folder has from its beginning; `result` is nothing yet."""
    write_text(folder / RECIPE, recipe_yaml(recipe))
    write_manifest(folder, new_manifest(stage, recipe, inputs, data))


def finish(folder, device, results, seconds=0.0):
    """Marks a stage as finished."""
    news = {"status": "finished", "finished": now(), "device": device, "results": dict(results)}
    manifest = read_manifest(folder).model_copy(update=news | {"seconds": seconds})
    write_manifest(folder, manifest)


@contextmanager
def toy_stage(runs_dir: Path) -> Iterator[Stage]:
    """A stage to fit something in: `runs_dir/toy/train/fold-0`."""
    recipe = recipe_from_tree({"name": "toy", "encoder": {"from": "klue/bert-base"}})
    with open_stage(toy_place(runs_dir), recipe, {}, {}, "model") as stage:
        yield stage


def toy_place(runs_dir: Path) -> StagePlace:
    """Where `toy_stage` lies."""
    return StagePlace(runs_dir, "toy", "train/fold-0")
