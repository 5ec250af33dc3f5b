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
    for section, values in known.usual.items() if known else ():
        own = tree.get(section, {})
        if isinstance(own, Mapping):
            filled[section] = {**values, **own}
    return filled
