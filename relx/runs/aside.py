"""What `--fresh` sets aside: an earlier result is renamed, never removed."""

from __future__ import annotations

from pathlib import Path

from relx.faults import InputError
from relx.progress import say
from relx.runs.manifest import MANIFEST, aside_folder, read_manifest
from relx.runs.place import TAPT, StagePlace
from relx.runs.resume import CHECKPOINT, read_state


def set_aside(place: StagePlace) -> Path | None:
    """Renames a stage's folder and says what is kept: where, how far it came, how large it is.

    Args:
        place: The stage's place.

    Returns:
        The folder's new name, None where there was nothing.
    """
    folder = place.folder
    if not folder.exists():
        return None
    aside = aside_folder(folder)
    done, size = _done(folder), _size(folder) / 1e6
    folder.rename(aside)
    what = f"{place.stage} of {place.run}"
    say(f"the earlier {what} is kept as {aside}: {done}, {size:,.1f} MB")
    return aside


def _done(folder: Path) -> str:
    """Says how far a stage came, such as `stopped after 2 of 5 epochs and 40 steps, 1.5 hours`."""
    checkpoint = folder / CHECKPOINT
    if not (folder / MANIFEST).exists():
        return "its manifest is gone"
    try:
        manifest = read_manifest(folder)
        state = read_state(checkpoint) if checkpoint.exists() else {}
    except InputError as error:
        return error.faults[0].what
    hours, minutes = manifest.seconds / 3600, manifest.seconds / 60
    work = f"{hours:.1f} hours of work" if hours >= 1 else f"{minutes:.1f} minutes of work"
    if manifest.status == "finished":
        return f"finished, {manifest.results.get('epochs', 0)} epochs, {work}"
    section = "tapt" if manifest.stage == TAPT else "train"
    epochs = f"{state.get('epoch', 0)} of {manifest.recipe[section]['epochs']} epochs"
    return f"stopped after {epochs} and {state.get('step', 0)} steps, {work}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
