"""What a recipe starts from: a local folder, a hub id or a KerasHub preset, found as a folder."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relx.faults import Fault, InputError
from relx.models.stored.presets import find_preset

_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
_PICKLES = ("pytorch_model*.bin",)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WITH_ARTICLE = {"encoder": "an encoder", "decoder": "a decoder"}
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class LocalCheckpoint:
    """A checkpoint on this machine.

    Args:
        folder: Its folder.
        kind: Whose layout the folder has.
        revision: The commit of a checkpoint from the hub, None for any other.
        allow_pickle: Whether weights that exist only as a pickle may be read.
    """

    folder: Path
    kind: Literal["huggingface", "keras"]
    revision: str | None = None
    allow_pickle: bool = False


def find_source(
    source: str,
    revision: str | None = None,
    allow_pickle: bool = False,
    section: str = "encoder",
) -> LocalCheckpoint:
    """Finds the checkpoint that a text names, and fetches one that is not on this machine.

    Fetching goes through the hub's cache: HF_HUB_CACHE, HF_HOME and HF_HUB_OFFLINE mean what they
    mean to huggingface_hub. A pickle is fetched only where there are no safetensors.

    Args:
        source: A folder, a Hugging Face hub id, or `keras:` and a preset's name or folder.
        revision: The branch, tag or commit of a hub id; the main branch unless given.
        allow_pickle: Whether weights that exist only as a pickle may be fetched and read.
        section: The section of the recipe that names it, for messages.

    Returns:
        The checkpoint's folder.

    Raises:
        InputError: There is no such folder, it cannot be fetched, or a revision was asked for where
            there are none.
    """
    if (found := _found_here(source, revision, allow_pickle, section)) is not None:
        return found
    folder = _fetch(source, revision, _FILES, section)
    if allow_pickle and not any(folder.glob("*.safetensors")):
        folder = _fetch(source, revision, _FILES + _PICKLES, section)
    return LocalCheckpoint(folder, "huggingface", _commit(folder), allow_pickle)


def find_configuration(
    source: str, revision: str | None = None, section: str = "encoder"
) -> LocalCheckpoint:
    """Finds the config.json of the checkpoint that a text names, and fetches no other file.

    Args:
        source: A folder, a Hugging Face hub id, or `keras:` and a preset's folder.
        revision: The branch, tag or commit of a hub id; the main branch unless given.
        section: The section of the recipe that names it, for messages.

    Returns:
        A folder that holds config.json, and perhaps nothing else.

    Raises:
        InputError: There is no such folder, it cannot be fetched, or it is a preset that is not on
            this machine.
    """
    preset = source.removeprefix("keras:")
    if preset != source and not Path(preset).expanduser().is_dir():
        what = "a preset is fetched with its weights, and here config.json alone is read"
        step = f"name the folder of one that is here: --set {section}.from=keras:FOLDER"
        raise InputError(Fault(what, f"{section}.from", source, next_step=step))
    found = _found_here(source, revision, False, section)
    if found is not None:
        return found
    folder = _fetch_configuration(source, revision, section).parent
    return LocalCheckpoint(folder, "huggingface", _commit(folder))


def _found_here(
    source: str, revision: str | None, allow_pickle: bool, section: str
) -> LocalCheckpoint | None:
    """Finds a preset or a local folder; None for a hub id."""
    if source.startswith("keras:"):
        _forbid_revision(revision, source, "this is a KerasHub preset", section)
        return LocalCheckpoint(find_preset(source.removeprefix("keras:"), section), "keras")
    folder = Path(source).expanduser()
    if folder.is_dir():
        _forbid_revision(revision, source, "this is a local folder", section)
        kind: Literal["huggingface", "keras"] = "keras" if _is_preset(folder) else "huggingface"
        return LocalCheckpoint(folder, kind, allow_pickle=allow_pickle)
    if folder.is_file():
        what = f"this is a file, but {_WITH_ARTICLE[section]} is a folder"
        fault = Fault(what, f"{section}.from", source)
        raise InputError(fault)
    if not _HUB_ID.fullmatch(source):
        raise InputError(
            Fault("there is no such folder", f"{section}.from", source, next_step=_remedy(section))
        )
    return None


def _remedy(section: str) -> str:
    return f"name a folder that holds the checkpoint: --set {section}.from=FOLDER"


def _forbid_revision(revision: str | None, source: str, because: str, section: str) -> None:
    if revision is not None:
        what = f"{because}: only a hub id has revisions"
        step = f"leave {section}.revision out, or name a hub id in {section}.from"
        received = f"{revision} of {source}"
        raise InputError(Fault(what, f"{section}.revision", received, next_step=step))


def _is_preset(folder: Path) -> bool:
    """KerasHub's config.json names a Keras class, Hugging Face's a model_type."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # the reader of the folder says what is amiss
        return False
    return isinstance(values, dict) and "registered_name" in values


def _commit(folder: Path) -> str | None:
    """Returns the commit of a folder in the hub's cache: models--X--Y/snapshots/COMMIT."""
    return folder.name if _COMMIT.fullmatch(folder.name) else None


@functools.cache
def _fetch(hub_id: str, revision: str | None, patterns: tuple[str, ...], section: str) -> Path:
    """Fetches a checkpoint from the Hugging Face hub, or finds it in the hub's cache."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            hub_id, revision=revision, allow_patterns=list(patterns), etag_timeout=5
        )
    except Exception as error:  # the hub's own, the network library's, and the system's
        raise InputError(_unfetched(hub_id, revision, error, section)) from error
    return Path(folder)


@functools.cache
def _fetch_configuration(hub_id: str, revision: str | None, section: str) -> Path:
    """Fetches the config.json of a checkpoint, or finds it in the hub's cache."""
    from huggingface_hub import errors, hf_hub_download

    try:
        path = hf_hub_download(hub_id, "config.json", revision=revision, etag_timeout=5)
    except errors.RemoteEntryNotFoundError as error:
        what = "this checkpoint has no config.json"
        step = "name a checkpoint as transformers' save_pretrained writes them"
        raise InputError(Fault(what, f"{section}.from", hub_id, next_step=step)) from error
    except Exception as error:  # the hub's own, the network library's, and the system's
        raise InputError(_unfetched(hub_id, revision, error, section)) from error
    return Path(path)


def _unfetched(hub_id: str, revision: str | None, error: Exception, section: str) -> Fault:
    """Says why a checkpoint could not be fetched, and what helps."""
    from huggingface_hub import errors

    # To the library a gated repository is one of those that are not found.
    if isinstance(error, errors.GatedRepoError):
        return _gated(hub_id, section)
    if isinstance(error, errors.RepositoryNotFoundError):
        return _unknown(hub_id, section)
    if isinstance(error, errors.RevisionNotFoundError):
        what = "this checkpoint has no such branch, tag or commit"
        step = f"the page of {hub_id} on the Hugging Face hub lists the commits"
        received = f"{revision} of {hub_id}"
        return Fault(what, f"{section}.revision", received, next_step=step, kind="no revision")
    if isinstance(error, errors.LocalEntryNotFoundError) and _is_offline():
        return _offline(hub_id, revision, section)
    what = "there is no folder of this name, and it cannot be fetched from the Hugging Face hub"
    words = str(error).strip() or type(error).__name__
    received = f"{hub_id} ({words.splitlines()[0]})"
    return Fault(what, f"{section}.from", received, next_step=_remedy(section), kind="no network")


def _gated(hub_id: str, section: str) -> Fault:
    what = "this checkpoint is gated: its owner has to grant access"
    step = (
        f"ask for access on the page of {hub_id} on the Hugging Face hub, then log in with "
        "`hf auth login` or set HF_TOKEN"
    )
    return Fault(what, f"{section}.from", hub_id, next_step=step, kind="gated")


def _unknown(hub_id: str, section: str) -> Fault:
    what = "there is no folder of this name, and no checkpoint on the hub that you may read"
    step = "check the spelling; a private one needs `hf auth login` or HF_TOKEN"
    return Fault(what, f"{section}.from", hub_id, next_step=step, kind="no repository")


def _is_offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def _offline(hub_id: str, revision: str | None, section: str) -> Fault:
    named = hub_id if revision is None else f"{hub_id} at revision {revision}"
    what = (
        "there is no folder of this name, no complete copy in the hub's cache, and HF_HUB_OFFLINE"
    )
    what += " forbids fetching it"
    option = "" if revision is None else f" --revision {revision}"
    step = (
        f"unset HF_HUB_OFFLINE, or run `hf download {hub_id}{option}` where there is a network, or "
        f"{_remedy(section)}"
    )
    return Fault(what, f"{section}.from", named, next_step=step, kind="offline")
