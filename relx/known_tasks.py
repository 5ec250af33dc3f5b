"""The tasks by name: where each is, and the recipe values that are usual for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task that a recipe can name.

    Args:
        where: `module:Class`, imported when the task is chosen.
        usual: Values by section and key that a recipe of the task has where it does not say
            otherwise, and that differ from those of the schema.
    """

    where: str
    usual: Mapping[str, Tree] = field(default_factory=dict)


TASKS = {
    "relation": KnownTask("relx.tasks.relation.task:RelationTask"),
    "target": KnownTask(
        "relx.tasks.target.task:TargetTask",
        {
            "data": {"labels": "from-train", "negative": None, "ends": "exclusive"},
            "markers": {"style": "entity_marker"},
            "train": {"pooling": "target_start"},
            "decide": {"labels": "many"},
        },
    ),
}
USUAL = "relation"
# What is usual for a decoder, whatever the task: a prompt names what it asks about, and adapters
# learn at a higher rate than whole models do.
DECODERS: Mapping[str, Tree] = {
    "markers": {"style": "none"},
    "train": {"learning_rate": 2e-4, "label_smoothing": 0.0, "batch_size": 16, "epochs": 3},
}
ANY_OF_WORDS: Tree = {"loss": "soft_cross_entropy"}  # usual where any number of them is true


def with_usual(tree: Tree) -> dict[str, Any]:
    """Fills in what a recipe of its task leaves unsaid.

    Args:
        tree: A recipe as YAML gives it, right or wrong.

    Returns:
        The tree with the usual values of its task beneath its own.
    """
    name = tree.get("task", USUAL)
    known = TASKS.get(name) if isinstance(name, str) else None
    filled = dict(tree)
    if known:
        filled = _filled(filled, known.usual)
    if tree.get("decoder") is not None:
        filled = _filled(filled, DECODERS, tree)
        decide = filled.get("decide", {})
        if isinstance(decide, Mapping) and decide.get("labels") == "many":
            filled["decide"] = {**ANY_OF_WORDS, **decide}
    return filled


def _filled(
    tree: dict[str, Any], usual: Mapping[str, Tree], said: Tree | None = None
) -> dict[str, Any]:
    """Puts usual values beneath a tree's own: beneath what it `said`, where others came first."""
    filled, said = dict(tree), tree if said is None else said
    for section, values in usual.items():
        own = said.get(section, {})
        if isinstance(own, Mapping):
            filled[section] = {**filled.get(section, {}), **values, **own}
    return filled
