"""The stages of runs as `relx runs` shows them: their files, and their facts for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relx.runs.state import StageRow


def files_of(folder: Path) -> dict[str, int]:
    """Lists a stage's files.

    Args:
        folder: The stage's folder.

    Returns:
        Their sizes in bytes, by their paths in the folder.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def stage_json(row: StageRow) -> dict[str, Any]:
    """Returns a stage as `json.dumps` takes it.

    Args:
        row: The stage.
    """
    return {
        "name": row.name,
        "stage": row.stage,
        "state": row.state,
        "folder": str(row.folder),
        "files": files_of(row.folder),
        "manifest": row.manifest.model_dump() if row.manifest else None,
    }
