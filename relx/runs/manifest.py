"""A stage's manifest: everything that traces its result to what produced it."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from relx.faults import Fault, InputError
from relx.files import read_json, write_json
from relx.recipe import Recipe

MANIFEST = "manifest.json"
FORMAT = 2  # of what a manifest says: 1 had digests of what Python prints of its objects
PACKAGES = (
    *("relx", "keras", "keras-hub", "tensorflow", "jax", "jaxlib", "torch", "openvino", "numpy"),
    *("tokenizers", "transformers"),
)


class Git(BaseModel):
    """The state of the working folder's repository.

    Args:
        commit: The commit checked out, 40 hexadecimal characters.
        dirty: Whether tracked files differ from it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    commit: str
    dirty: bool


class Manifest(BaseModel):
    """Everything that traces a stage's result to what produced it.

    Args:
        format: Which way its digests were made, see `FORMAT`.
        stage: `tapt` or `train/fold-K`.
        status: `running` from the first start to the end, also while nothing runs.
        inputs: What decides the result: sections of the recipe, digests of the data.
        recipe: The resolved recipe.
        data: The files read, their rows and digests.
        versions: The version of each package, None where it is not installed.
        seed: The recipe's seed.
        git: The repository's state, None outside of one.
        device: What the stage computed on, as `finish` was told.
        encoder: The encoder started from: what was named, its hub commit, and notes on loading it.
        started: When the stage first began, ISO 8601 in UTC.
        finished: When it ended, likewise; None before.
        seconds: The working time of all sittings.
        results: The figures that came out.
        kept: The SHA-256 of the files beside the result, by name, as the stage left them.
        model: The SHA-256 of the result's own files, by their path in it, likewise.
        seal: The SHA-256 of what the manifest says of the result; empty before the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    stage: str
    status: Literal["running", "finished"] = "running"
    inputs: dict[str, Any]
    recipe: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str | None]
    seed: int
    git: Git | None
    device: Any = None
    encoder: dict[str, Any] = {}
    started: str
    finished: str | None = None
    seconds: float = 0.0
    results: dict[str, Any] = {}
    kept: dict[str, str] = {}
    model: dict[str, str] = {}
    seal: str = ""


def versions() -> dict[str, str | None]:
    """Returns the versions of Python and of what results depend on, without importing any."""
    return {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()}


def git_state() -> Git | None:
    """Returns the commit of the working folder's repository, None outside of one."""
    commit = _git_says("rev-parse", "HEAD")
    if not commit:
        return None
    changed = _git_says("status", "--porcelain", "--untracked-files=no")
    return Git(commit=commit, dirty=bool(changed))


def read_manifest(stage_folder: Path) -> Manifest:
    """Reads a stage's manifest.

    Args:
        stage_folder: The stage's folder.

    Returns:
        The manifest.

    Raises:
        InputError: The file is not a manifest of this version.
    """
    path = stage_folder / MANIFEST
    aside = aside_folder(stage_folder).name
    step = f"--fresh starts this stage anew and keeps what is there as {aside}"
    try:
        return Manifest.model_validate(read_json(path))
    except ValidationError as error:
        detail = error.errors()[0]
        received = f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix(": ")
    except InputError as error:
        received = error.faults[0].received
    raise InputError(
        Fault("this run's manifest is broken", str(path), received, "", step, "broken manifest")
    )


def new_manifest(
    stage: str, recipe: Recipe, inputs: Mapping[str, Any], data: Mapping[str, Any]
) -> Manifest:
    """Makes the manifest of a stage that begins.

    Args:
        stage: `tapt` or `train/fold-K`.
        recipe: The resolved recipe.
        inputs: What decides the result, as JSON takes it.
        data: The files read, as JSON takes them.

    Returns:
        The manifest.
    """
    return Manifest(
        format=FORMAT,
        stage=stage,
        inputs=as_json(inputs),
        recipe=recipe.tree(),
        data=as_json(data),
        versions=versions(),
        seed=recipe.seed,
        git=git_state(),
        started=now(),
    )


def write_manifest(stage_folder: Path, manifest: Manifest) -> None:
    """Writes a stage's manifest into its folder."""
    write_json(stage_folder / MANIFEST, manifest.model_dump())


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what reading the written JSON back would give."""
    tree: dict[str, Any] = json.loads(json.dumps(value))
    return tree


def aside_folder(stage_folder: Path) -> Path:
    """Finds the first free name `STAGE.old-N`."""
    names = (f"{stage_folder.name}.old-{number}" for number in itertools.count(1))
    return next(path for path in map(stage_folder.with_name, names) if not path.exists())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_says(*words: str) -> str:
    """Asks git; empty where there is no git, no repository or no commit."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def now() -> str:
    """Returns the time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
