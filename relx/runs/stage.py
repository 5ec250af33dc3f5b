"""A stage of a run: begun, gone on with, finished, and never made of other inputs unnoticed."""

from __future__ import annotations

import contextlib
import enum
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError
from relx.files import is_temporary, replace_folder, write_text
from relx.progress import say
from relx.recipe import Recipe
from relx.recipe_file import recipe_yaml
from relx.runs.differences import file_differences, input_differences
from relx.runs.manifest import (
    MANIFEST,
    Manifest,
    as_json,
    aside_folder,
    new_manifest,
    now,
    read_manifest,
    write_manifest,
)

RECIPE = "recipe.yaml"
CHECKPOINT = "checkpoint.safetensors"
BEST = "best"


class Start(enum.Enum):
    """How a stage begins: from nothing, where it was stopped, or not at all since it is done."""

    NEW = "new"
    CONTINUED = "continued"
    FINISHED = "finished"


def begin(
    stage_folder: Path,
    stage: str,
    recipe: Recipe,
    inputs: Mapping[str, Any],
    data: Mapping[str, Any],
    result: str,
    fresh: bool = False,
    chief: bool = True,
) -> Start:
    """Opens a stage's folder and says whether its work is new, half done or done.

    Args:
        stage_folder: `runs/NAME/tapt` or `runs/NAME/train/fold-K`.
        stage: The same without the run: `tapt` or `train/fold-K`.
        recipe: The resolved recipe; written beside the manifest.
        inputs: What decides the result, as JSON takes it.
        data: The files read, by their role (`train`, `dev`, `test`): `file`, `rows`, `digest`; and
            what else is worth noting, as JSON takes it.
        result: The name of the folder that the stage leaves; without it, it is not finished.
        fresh: Set an earlier result aside and start anew.
        chief: Whether this is the first process of the run; the others only look.

    Returns:
        How the stage begins.

    Raises:
        InputError: The folder holds work on other inputs, or its manifest is broken. Where there is
            no checkpoint yet, nothing would be lost, and the stage starts anew.
    """
    if not chief:
        return Start.NEW if fresh else _standing(stage_folder, inputs, data, result)
    if fresh and stage_folder.exists():
        _set_aside(stage_folder, f"{stage} of {recipe.name}")
    start = _standing(stage_folder, inputs, data, result)
    if stage_folder.exists():
        _sweep(stage_folder, start)
    if start is Start.NEW:
        write_text(stage_folder / RECIPE, recipe_yaml(recipe))
        write_manifest(stage_folder, new_manifest(stage, recipe, inputs, data))
    return start


def _standing(
    stage_folder: Path, inputs: Mapping[str, Any], data: Mapping[str, Any], result: str
) -> Start:
    """Looks how far a stage has come, and refuses one that was made from other inputs."""
    earlier = read_manifest(stage_folder) if (stage_folder / MANIFEST).exists() else None
    if earlier is None or not _holds_work(stage_folder, earlier, result):
        return Start.NEW
    differing = input_differences(earlier.inputs, inputs)
    if differing:
        files = file_differences(earlier.data, as_json(data))
        told = tuple(["data.", "corpus: "] if files else [])
        rest = [line for line in differing if not line.startswith(told)]
        raise InputError(_other_inputs(stage_folder, [*files, *rest]))
    return Start.FINISHED if earlier.status == "finished" else Start.CONTINUED


def _holds_work(stage_folder: Path, manifest: Manifest, result: str) -> bool:
    finished = manifest.status == "finished" and (stage_folder / result).exists()
    return finished or (stage_folder / CHECKPOINT).exists()


def _set_aside(stage_folder: Path, words: str) -> None:
    """Renames a stage's folder, and says what is left behind: where, how far, how large."""
    aside = aside_folder(stage_folder)
    done, size = _done(stage_folder), _size(stage_folder) / 1e6
    stage_folder.rename(aside)
    say(f"the earlier {words} is kept as {aside}: {done}, {size:,.1f} MB")


def _done(stage_folder: Path) -> str:
    """Says how far a stage came, such as `stopped after 2 of 5 epochs and 40 steps, 1.5 hours`."""
    from relx.training.checkpoint import read_state  # `relx runs` starts without it

    try:
        manifest = read_manifest(stage_folder)
        state = read_state(stage_folder / CHECKPOINT) if _is_stopped(stage_folder) else {}
    except InputError as error:
        return error.faults[0].what
    hours, minutes = manifest.seconds / 3600, manifest.seconds / 60
    work = f"{hours:.1f} hours of work" if hours >= 1 else f"{minutes:.1f} minutes of work"
    if manifest.status == "finished":
        return f"finished, {manifest.results.get('epochs', 0)} epochs, {work}"
    section = "tapt" if manifest.stage == "tapt" else "train"
    epochs = f"{state.get('epoch', 0)} of {manifest.recipe[section]['epochs']} epochs"
    return f"stopped after {epochs} and {state.get('step', 0)} steps, {work}"


def _is_stopped(stage_folder: Path) -> bool:
    return (stage_folder / CHECKPOINT).exists()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def best_folder(stage_folder: Path, epoch: int) -> Path:
    """Returns where the model of an epoch waits for the end: `best/epoch-K`.

    The best epoch's model is written there, then the checkpoint that names it, then others are
    removed, so that the two never disagree.

    Args:
        stage_folder: The stage's folder.
        epoch: The epoch, from 0.
    """
    return stage_folder / BEST / f"epoch-{epoch + 1}"


def drop_other_bests(stage_folder: Path, epoch: int | None) -> None:
    """Removes the models that the checkpoint does not name, once it is written.

    Args:
        stage_folder: The stage's folder.
        epoch: The best epoch, from 0; None where there is none.
    """
    kept = None if epoch is None else best_folder(stage_folder, epoch)
    for folder in (stage_folder / BEST).glob("*"):
        if folder != kept:
            shutil.rmtree(folder)


def publish_best(stage_folder: Path, epoch: int, result: str) -> None:
    """Gives the best epoch's model its last name; where it has it already, nothing is done.

    Args:
        stage_folder: The stage's folder.
        epoch: The best epoch, from 0.
        result: The name.

    Raises:
        InputError: The model is gone.
    """
    folder, target = best_folder(stage_folder, epoch), stage_folder / result
    if folder.exists():
        replace_folder(folder, target)
    elif not target.exists():
        what, step = "the best epoch's model is gone", "start anew with --fresh"
        raise InputError(Fault(what, str(folder), next_step=step))


@contextlib.contextmanager
def nothing_left_behind(
    stage_folder: Path, restore: bool = False, chief: bool = True
) -> Iterator[None]:
    """Removes a stage's folder when its work fails before the first checkpoint.

    Args:
        stage_folder: The stage's folder.
        restore: Put back what `begin` with `fresh` set aside.
        chief: Whether this is the first process of the run; the others remove nothing.
    """
    try:
        yield
    except Exception:
        if chief and not (stage_folder / CHECKPOINT).exists():
            shutil.rmtree(stage_folder, ignore_errors=True)
            aside = _last_aside(stage_folder) if restore else None
            if aside is not None:
                aside.rename(stage_folder)
                say(f"the earlier result is back in {stage_folder}")
            with contextlib.suppress(OSError):  # `train` may hold other folds
                stage_folder.parent.rmdir()
        raise


def _last_aside(stage_folder: Path) -> Path | None:
    """Finds what `--fresh` set aside last."""
    asides = stage_folder.parent.glob(f"{stage_folder.name}.old-*")
    return max(asides, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _sweep(stage_folder: Path, start: Start) -> None:
    """Removes what a killed process was still writing, and what nothing needs any more."""
    hidden = [*stage_folder.glob(".*"), *stage_folder.glob(f"{BEST}/.*")]
    leftovers = [path for path in hidden if is_temporary(path)]
    if start is not Start.CONTINUED:
        leftovers += [path for name in (CHECKPOINT, BEST) if (path := stage_folder / name).exists()]
    for leftover in leftovers:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


class Sitting:
    """Counts the working time of one sitting into the manifest, so that a kill does not lose it.

    Args:
        stage_folder: The stage's folder.
    """

    def __init__(self, stage_folder: Path) -> None:
        self.stage_folder = stage_folder
        self._last = time.monotonic()

    def count(self) -> None:
        """Adds the time since the last count, or since the beginning, to the manifest."""
        manifest = read_manifest(self.stage_folder)
        seconds = manifest.seconds + time.monotonic() - self._last
        self._last = time.monotonic()
        write_manifest(self.stage_folder, manifest.model_copy(update={"seconds": seconds}))


def finish(stage_folder: Path, device: Any, results: Mapping[str, Any]) -> None:
    """Marks a stage as finished, and removes the checkpoint, which is three times the model.

    Args:
        stage_folder: The stage's folder.
        device: What it computed on, as JSON takes it.
        results: The figures that came out, as JSON takes them.
    """
    manifest = read_manifest(stage_folder)
    news: dict[str, Any] = {"status": "finished", "finished": now(), "device": device}
    write_manifest(stage_folder, manifest.model_copy(update=news | {"results": dict(results)}))
    _sweep(stage_folder, Start.FINISHED)


def matches(stage_folder: Path, inputs: Mapping[str, Any], result: str) -> tuple[bool, list[str]]:
    """Tells whether a stage is finished and was made from these inputs.

    Args:
        stage_folder: The stage's folder.
        inputs: What decides the result, as JSON takes it.
        result: The name of the folder that the stage leaves.

    Returns:
        Whether it is so, and the reasons why not, such as `tapt.epochs: 3 → 5`.

    Raises:
        InputError: The manifest is broken.
    """
    if not (stage_folder / MANIFEST).exists():
        return False, ["it was not run"]
    manifest = read_manifest(stage_folder)
    unfinished = [] if manifest.status == "finished" else ["it is not finished"]
    if not unfinished and not (stage_folder / result).exists():
        unfinished = [f"its {result} folder is gone"]
    reasons = unfinished + input_differences(manifest.inputs, inputs)
    return not reasons, reasons


def _other_inputs(stage_folder: Path, differing: list[str]) -> Fault:
    return Fault(
        "this run was made with other settings or data",
        str(stage_folder),
        received=f"\n{'':12}".join(differing),
        next_step=f"--set name=NAME makes another run; --fresh starts this stage anew and keeps "
        f"what is there as {aside_folder(stage_folder).name}",
        kind="other inputs",
    )
