"""Where each task's own pages are made: `relx.look.TASK`, by the task's name."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from relx.faults import Fault, InputError, nearest
from relx.known_tasks import TASKS

ROOM = "relx.look"


def task_page(task: str, page: str) -> ModuleType:
    """Imports what makes a page of one task.

    Args:
        task: The task's name.
        page: The module within the task's room, such as `report` or `eda.page`.

    Returns:
        The module.

    Raises:
        InputError: There is no such task, or it has no such page.
    """
    if task not in TASKS:
        guess = nearest(task, TASKS)
        step = f"did you mean {guess}?" if guess else ""
        raise InputError(Fault("there is no such task", "task", task, ", ".join(TASKS), step))
    if not _exists(task, page):
        having = ", ".join(name for name in TASKS if _exists(name, page))
        what = f"this task has no page {page.partition('.')[0]}"
        raise InputError(Fault(what, "task", task, having))
    return importlib.import_module(f"{ROOM}.{task}.{page}")


def _exists(task: str, page: str) -> bool:
    try:
        return importlib.util.find_spec(f"{ROOM}.{task}.{page}") is not None
    except ModuleNotFoundError:  # the room itself is not there
        return False
