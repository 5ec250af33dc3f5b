"""Whether a finished stage's files are those that it left, and not parts of another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError
from relx.files import digest, file_digest
from relx.progress import say, warn
from relx.runs.manifest import Manifest

CARD = "README.md"  # which computes nothing, and may be written to
_SHOWN = 4  # names of files in a message
# What the manifest says of how a result is computed, and not of what it is.
_FREE = ("checkpoint", "device", "predict")
_trusting = False


def trust(*, everything: bool) -> None:
    """Says whether files are taken as they are, as --unverified asks for."""
    global _trusting
    _trusting = everything


def result_digests(folder: Path) -> dict[str, str]:
    """Hashes all files of a result but its card: SHA-256 by their path in it.

    Args:
        folder: The result's folder, such as a run's model.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _is_own(path))
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def _is_own(path: Path) -> bool:
    """Leaves out the card, and what file managers and network disks put beside any file."""
    return path.name != CARD and not path.name.startswith(".")


def seal_of(manifest: Manifest) -> str:
    """Hashes what a manifest says of a result: what made it, of what, and its files.

    Args:
        manifest: The manifest; its own seal is left out.
    """
    recipe = {key: value for key, value in manifest.recipe.items() if key not in _FREE}
    said: dict[str, Any] = {
        "stage": manifest.stage,
        "inputs": manifest.inputs,
        "recipe": recipe,
        "data": manifest.data,
        "kept": manifest.kept,
        "model": manifest.model,
        "results": manifest.results,
    }
    return digest([json.dumps(said, sort_keys=True, ensure_ascii=True)])


def sealed(manifest: Manifest) -> Manifest:
    """Returns a manifest with its seal.

    Args:
        manifest: The manifest of a stage that has ended.
    """
    return manifest.model_copy(update={"seal": seal_of(manifest)})


def require_own_parts(folder: Path, manifest: Manifest, result: str) -> None:
    """Refuses a stage whose manifest or result is not what it left.

    Args:
        folder: The stage's folder.
        manifest: Its manifest.
        result: The name of its result's folder.

    Raises:
        InputError: Something was changed, exchanged, added or is gone.
    """
    if not manifest.seal:
        say(f"note: an earlier relx made {folder}: whether its files are its own is not known")
        return
    faults = [*_manifest_faults(folder, manifest), *_file_faults(folder / result, manifest)]
    if faults and not _trusting:
        raise InputError(*faults)
    for fault in faults:
        warn(f"{fault.what} ({fault.where}): taken as it is, unverified")


def _manifest_faults(folder: Path, manifest: Manifest) -> list[Fault]:
    if seal_of(manifest) == manifest.seal:
        return []
    what = "this run's manifest is not the one that its training left"
    where = str(folder / "manifest.json")
    return [Fault(what, where, "", "", _step(), "another run's parts")]


def _file_faults(folder: Path, manifest: Manifest) -> list[Fault]:
    then, now = manifest.model, result_digests(folder)
    changed = {name: "changed" for name in then if name in now and now[name] != then[name]}
    gone = {name: "gone" for name in then if name not in now}
    added = {name: "not of this run" for name in now if name not in then}
    found = changed | gone | added
    if not found:
        return []
    named = [f"{name} ({how})" for name, how in list(found.items())[:_SHOWN]]
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    what = "files of this run's model are not those that its training left"
    received, allowed = ", ".join(named) + more, "the files whose digests manifest.json has"
    return [Fault(what, str(folder), received, allowed, _step(), "another run's parts")]


def _step() -> str:
    return "bring them back, or train anew with --fresh; --unverified takes them as they are"
