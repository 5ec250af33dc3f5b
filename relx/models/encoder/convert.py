"""Any encoder as a Hugging Face folder with safe weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from relx.models.encoder.load import FRESH_HEAD, LoadedEncoder, load_encoder, save_encoder
from relx.models.stored.folder import require_free


def load_as_it_is(
    source: str, revision: str | None = None, allow_pickle: bool = False
) -> LoadedEncoder:
    """Loads an encoder with the masked-LM head that it has, and none where it has none.

    Args:
        source: A folder, hub id or preset as `encoder.from` names it.
        revision: The branch, tag or commit of a hub id; the main branch unless given.
        allow_pickle: Whether weights that exist only as a pickle are read, as tensors alone.

    Returns:
        The encoder, nothing of which started random.

    Raises:
        InputError: The encoder cannot be loaded.
    """
    loaded = load_encoder(
        source, with_head=True, revision=revision, allow_pickle=allow_pickle, seed=0
    )
    if FRESH_HEAD not in loaded.notes:
        return loaded
    notes = [note for note in loaded.notes if note != FRESH_HEAD]
    return dataclasses.replace(loaded, head=None, notes=notes)


def convert(
    source: str,
    folder: Path,
    *,
    revision: str | None = None,
    allow_pickle: bool = False,
    force: bool = False,
) -> LoadedEncoder:
    """Writes an encoder as a Hugging Face folder, whole or not at all.

    Args:
        source: A folder, hub id or preset as `encoder.from` names it.
        folder: The folder to write.
        revision: The branch, tag or commit of a hub id; the main branch unless given.
        allow_pickle: Whether weights that exist only as a pickle are read, as tensors alone.
        force: Whether an encoder that is in the folder already is replaced.

    Returns:
        What was written.

    Raises:
        InputError: The encoder cannot be loaded, or the folder is taken or cannot be written.
    """
    require_free(folder, force)
    loaded = load_as_it_is(source, revision, allow_pickle)
    save_encoder(loaded, folder, _card(loaded))
    return loaded


def _card(loaded: LoadedEncoder) -> str:
    at = f" at commit `{loaded.revision}`" if loaded.revision else ""
    head = "with" if loaded.head is not None else "without"
    kind = loaded.encoder.configuration.model_type
    lines = [
        f"# {loaded.source}, converted",
        "",
        f"The weights of `{loaded.source}`{at}, written by relx in float32: {kind}, {head} a "
        "masked-LM head.",
        *(f"- {note}" for note in loaded.notes),
    ]
    return "\n".join(lines) + "\n"
