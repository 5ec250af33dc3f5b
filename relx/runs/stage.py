"""A stage of a run: begun, gone on with, finished, and never made of other inputs unnoticed."""

from __future__ import annotations

import contextlib
import enum
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from relx import progress
from relx.faults import Fault, InputError
from relx.files import file_digest, is_temporary, replace_folder, write_json, write_text
from relx.recipe import Recipe
from relx.recipe_file import recipe_yaml
from relx.runs.aside import set_aside
from relx.runs.differences import file_differences, input_differences
from relx.runs.lock import locked
from relx.runs.manifest import (
    FORMAT,
    MANIFEST,
    Manifest,
    as_json,
    aside_folder,
    new_manifest,
    now,
    read_manifest,
    write_manifest,
)
from relx.runs.place import StagePlace
from relx.runs.resume import CHECKPOINT
from relx.runs.verified import require_own_parts, result_digests, sealed

RECIPE = "recipe.yaml"
FIGURES = "metrics.json"
BEST = "best"
_OLDER = "it was made by an earlier version of relx, which wrote digests in another format"


class Start(enum.Enum):
    """How a stage begins: from nothing, where it was stopped, or not at all since it is done."""

    NEW = "new"
    CONTINUED = "continued"
    FINISHED = "finished"


class Stage:
    """A stage at work. It alone knows which process of a run writes: the chief, its first one.

    Args:
        place: Where it lies.
        result: The name of the folder that it leaves.
        start: How it begins.
        manifest: Its manifest; None where another process has yet to write it.
        chief: Whether this process is the chief; every method that writes does nothing in others.
    """

    def __init__(
        self,
        place: StagePlace,
        result: str,
        start: Start,
        manifest: Manifest | None,
        chief: bool = True,
    ) -> None:
        self.place = place
        self.folder = place.folder
        self.result = result
        self.start = start
        self.chief = chief
        self._manifest = manifest
        self._counted = time.monotonic()

    @property
    def is_finished(self) -> bool:
        """Whether there was nothing left to do when it was opened."""
        return self.start is Start.FINISHED

    @property
    def checkpoint(self) -> Path:
        """The file that the work goes on from."""
        return self.folder / CHECKPOINT

    @property
    def manifest(self) -> Manifest:
        """The manifest as it is now, which a process beside the chief reads from the disk."""
        if self._manifest is None or not self.chief:
            self._manifest = read_manifest(self.folder)
        return self._manifest

    @property
    def results(self) -> dict[str, Any]:
        """The figures that came out, empty before the end."""
        return self.manifest.results

    def pinned_revision(self, revision: str | None) -> str | None:
        """Returns the hub commit that an earlier sitting began with: a branch may have moved since.

        Args:
            revision: The revision that the recipe asks for.

        Returns:
            The commit; where nothing was loaded yet, the recipe's revision.
        """
        return self.manifest.encoder.get("revision") or revision

    def record_encoder(self, source: str, revision: str | None, notes: Sequence[str]) -> None:
        """Puts the encoder that the stage starts from into the manifest.

        Args:
            source: What was named.
            revision: The hub commit that was loaded, if it came from the hub.
            notes: What is worth knowing about how it was loaded.
        """
        self._change(encoder={"source": source, "revision": revision, "notes": list(notes)})

    def count(self) -> None:
        """Adds the time since the last count to the manifest, so that a kill does not lose it."""
        self._change()

    def keep_best(self, epoch: int, write: Callable[[Path], None]) -> None:
        """Keeps the best epoch's model beside the one that the checkpoint still names.

        The model is written first, then the checkpoint that names it, then `drop_other_bests`
        removes the rest: so the two never disagree.

        Args:
            epoch: The epoch, from 0.
            write: Writes the model to a folder, whole or not at all.
        """
        if self.chief:
            write(self._best(epoch))

    def drop_other_bests(self, epoch: int | None) -> None:
        """Removes the models that the checkpoint does not name, once it is written.

        Args:
            epoch: The best epoch, from 0; None where there is none.
        """
        if not self.chief:
            return
        kept = None if epoch is None else self._best(epoch)
        for folder in (self.folder / BEST).glob("*"):
            if folder != kept:
                shutil.rmtree(folder)

    def finish(
        self,
        device: Mapping[str, Any],
        results: Mapping[str, Any],
        history: Sequence[Mapping[str, float]] = (),
        best: int | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        """Publishes the best model, writes the figures, and removes what only the work needed.

        Args:
            device: What the stage computed on, as JSON takes it.
            results: The figures that came out, as JSON takes them.
            history: Every epoch's figures.
            best: The epoch, from 0, whose model `keep_best` kept and that is the result; None where
                the result has been written already.
            beside: Files that were written with the model and belong beside the result.

        Raises:
            InputError: The best epoch's model is gone, or the disk is full.
        """
        if not self.chief:
            return
        if best is not None:
            self._publish(best, beside)
        write_json(self.folder / FIGURES, {**results, "history": list(history)})
        kept = {name: file_digest(self.folder / name) for name in beside}
        self._change(
            status="finished",
            finished=now(),
            device=dict(device),
            results=dict(results),
            kept=kept,
            model=result_digests(self.folder / self.result),
        )
        _sweep(self.folder, Start.FINISHED)

    def _best(self, epoch: int) -> Path:
        return self.folder / BEST / f"epoch-{epoch + 1}"

    def _publish(self, epoch: int, beside: Sequence[str]) -> None:
        """Gives the best epoch's model its last name, unless a killed process did.

        The files beside it are moved out first, each in one step: no epoch follows, so that the
        next process finds the same epoch's wherever this one is killed.
        """
        folder, target = self._best(epoch), self.folder / self.result
        for name in beside:
            if (folder / name).exists():
                (folder / name).replace(self.folder / name)
        if folder.exists():
            replace_folder(folder, target)
        elif not target.exists():
            what, step = "the best epoch's model is gone", "start anew with --fresh"
            raise InputError(Fault(what, str(folder), next_step=step))

    def _change(self, **news: Any) -> None:
        """Writes the manifest with some fields changed and the time counted."""
        if not self.chief:
            return
        before, self._counted = self._counted, time.monotonic()
        seconds = self.manifest.seconds + self._counted - before
        changed = self.manifest.model_copy(update={**news, "seconds": seconds})
        self._manifest = sealed(changed) if news.get("status") == "finished" else changed
        write_manifest(self.folder, self._manifest)


@contextlib.contextmanager
def open_stage(
    place: StagePlace,
    recipe: Recipe,
    inputs: Mapping[str, Any],
    data: Mapping[str, Any],
    result: str,
    *,
    fresh: bool = False,
    chief: bool = True,
) -> Iterator[Stage]:
    """Opens a stage to work on, alone in its run; what fails before a checkpoint leaves nothing.

    Args:
        place: Where the stage lies.
        recipe: The resolved recipe; written beside the manifest.
        inputs: What decides the result, as JSON takes it.
        data: The files read, by their role (`train`, `dev`, `test`): `file`, `rows`, `digest`; and
            what else is worth noting, as JSON takes it.
        result: The name of the folder that the stage leaves; without it, it is not finished.
        fresh: Set an earlier result aside and start anew.
        chief: Whether this is the first process of the run; the others write nothing, lock
            nothing, and say nothing.

    Yields:
        The stage; with `is_finished` there is nothing left to do, which has been said.

    Raises:
        InputError: Another process is at work in the run, the folder holds work on other inputs, or
            its manifest is broken. Where there is no checkpoint yet, nothing would be lost, and
            the stage starts anew.
    """
    with locked(place.run_folder, chief):
        aside = set_aside(place) if fresh and chief else None
        start, earlier = Start.NEW, None
        if chief or not fresh:  # beside the chief, nobody knows what it has set aside already
            start, earlier = _standing(place.folder, inputs, data, result)
        if chief and start is Start.NEW and _is_unaccounted(place.folder, result):
            aside = set_aside(place)
        if chief and place.folder.exists():
            _sweep(place.folder, start)
        if chief and start is Start.NEW:
            earlier = new_manifest(place.stage, recipe, inputs, data)
            write_text(place.folder / RECIPE, recipe_yaml(recipe))
            write_manifest(place.folder, earlier)
        stage = Stage(place, result, start, earlier, chief)
        if stage.is_finished:
            require_own_parts(place.folder, stage.manifest, result)
            progress.say(f"{place.folder} is finished already; --fresh starts it anew")
        elif not chief:
            progress.configure(quiet=True)  # the first process says it all
        with _nothing_left_behind(stage, aside):
            yield stage


def compare_stage(
    folder: Path, inputs: Callable[[], Mapping[str, Any]], result: str
) -> tuple[Manifest | None, list[str]]:
    """Compares a stage with what a finished one of these inputs would be.

    Args:
        folder: The stage's folder.
        inputs: Gives what decides the result, as JSON takes it; called where there is something to
            compare with.
        result: The name of the folder that the stage leaves.

    Returns:
        Its manifest, None where it was not run; and the reasons why it is another, such as
        `tapt.epochs: 3 → 5`, none where it is the one.

    Raises:
        InputError: The manifest is broken.
    """
    if not (folder / MANIFEST).exists():
        return None, ["it was not run"]
    manifest = read_manifest(folder)
    if manifest.status != "finished":
        reasons = ["it is not finished"]
    else:
        reasons = [] if (folder / result).exists() else [f"its {result} folder is gone"]
    if manifest.format != FORMAT:
        return manifest, [*reasons, _OLDER]
    return manifest, reasons + [str(d) for d in input_differences(manifest.inputs, inputs())]


def _standing(
    folder: Path, inputs: Mapping[str, Any], data: Mapping[str, Any], result: str
) -> tuple[Start, Manifest | None]:
    """Looks how far a stage has come, and refuses one that was made from other inputs."""
    earlier = read_manifest(folder) if (folder / MANIFEST).exists() else None
    if earlier is None or not _holds_work(folder, earlier, result):
        return Start.NEW, None
    if earlier.format != FORMAT:
        raise InputError(_other_inputs(folder, "this run was begun with another version", [_OLDER]))
    differing = input_differences(earlier.inputs, inputs)
    if differing:
        files = file_differences(earlier.data, as_json(data))
        rest = [str(d) for d in differing if not files or not _is_of_files(d.key)]
        what = "this run was made with other settings or data"
        raise InputError(_other_inputs(folder, what, [*files, *rest]))
    finished = earlier.status == "finished"
    return (Start.FINISHED if finished else Start.CONTINUED), earlier


def _is_of_files(key: str) -> bool:
    """Tells whether an input is the digest of a file's rows, of which the files say more."""
    return key == "corpus" or key.startswith("data.")


def _holds_work(folder: Path, manifest: Manifest, result: str) -> bool:
    finished = manifest.status == "finished" and (folder / result).exists()
    return finished or (folder / CHECKPOINT).exists()


def _is_unaccounted(folder: Path, result: str) -> bool:
    """Tells whether a stage holds a result, or the way to one, that no manifest speaks of."""
    unnamed = (folder / CHECKPOINT).exists() and not (folder / MANIFEST).exists()
    return unnamed or (folder / result).exists()


@contextlib.contextmanager
def _nothing_left_behind(stage: Stage, aside: Path | None) -> Iterator[None]:
    """Removes a stage's folder when its work fails before the first checkpoint.

    Args:
        stage: The stage.
        aside: What `--fresh` set aside for it, which is put back then.
    """
    try:
        yield
    except Exception:
        if stage.chief and not _holds_work(stage.folder, stage.manifest, stage.result):
            shutil.rmtree(stage.folder, ignore_errors=True)
            if aside is not None:
                aside.rename(stage.folder)
                progress.say(f"the earlier result is back in {stage.folder}")
            with contextlib.suppress(OSError):  # `train` may hold other folds
                stage.folder.parent.rmdir()
        raise


def _sweep(folder: Path, start: Start) -> None:
    """Removes what a killed process was still writing, and what nothing needs any more."""
    hidden = [*folder.glob(".*"), *folder.glob(f"{BEST}/.*")]
    leftovers = [path for path in hidden if is_temporary(path)]
    if start is not Start.CONTINUED:
        leftovers += [path for name in (CHECKPOINT, BEST) if (path := folder / name).exists()]
    for leftover in leftovers:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _other_inputs(folder: Path, what: str, differing: list[str]) -> Fault:
    return Fault(
        what,
        str(folder),
        received=f"\n{'':12}".join(differing),
        next_step=f"--set name=NAME makes another run; --fresh starts this stage anew and keeps "
        f"what is there as {aside_folder(folder).name}",
        kind="other inputs",
    )
