"""The run folder `runs/NAME/STAGE`: who works in it, what it was made from, and what came out."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import importlib.metadata
import itertools
import json
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from relx.faults import Fault, InputError, nearest, shorten
from relx.files import (
    disk_faults,
    is_temporary,
    read_json,
    replace_folder,
    write_json,
    write_text,
)
from relx.progress import say, warn
from relx.recipe import Recipe

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
LOCK = ".lock"
CHECKPOINT = "checkpoint.safetensors"
BEST = "best"
DIGITS = 12  # of a digest, in messages
PACKAGES = (
    *("relx", "keras", "keras-hub", "tensorflow", "jax", "jaxlib", "torch", "openvino", "numpy"),
    *("tokenizers", "transformers"),
)


class Start(enum.Enum):
    """How a stage begins: from nothing, where it was stopped, or not at all since it is done."""

    NEW = "new"
    CONTINUED = "continued"
    FINISHED = "finished"


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
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of one run, as `relx runs list` shows it.

    Args:
        name: The run's name.
        stage: `tapt` or `train/fold-K`.
        folder: The stage's folder.
        state: `finished`, `running` (a process is at it), `stopped`, or `broken`.
        manifest: The manifest, None where it is broken.
    """

    name: str
    stage: str
    folder: Path
    state: str
    manifest: Manifest | None


@contextlib.contextmanager
def locked(run_folder: Path, chief: bool = True) -> Iterator[None]:
    """Keeps every other process out of a run for as long as the block runs.

    The system drops the lock when the process ends, however it ends.

    Args:
        run_folder: `runs/NAME`; it is created.
        chief: Whether this is the first process of the run: it holds the lock for the others too.

    Raises:
        InputError: Another process is at work there.
    """
    if not chief:
        yield
        return
    with _open_lock(run_folder) as stream:
        words = [f"process {os.getpid()} on {socket.gethostname()}", shlex.join(sys.argv), _now()]
        stream.truncate(0)
        stream.write("\n".join(words) + "\n")
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)
            if [path.name for path in run_folder.iterdir()] == [LOCK]:
                (run_folder / LOCK).unlink()
                run_folder.rmdir()


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
        write_text(stage_folder / RECIPE, recipe.yaml())
        _write(stage_folder, _new_manifest(stage, recipe, inputs, data))
    return start


def _standing(
    stage_folder: Path, inputs: Mapping[str, Any], data: Mapping[str, Any], result: str
) -> Start:
    """Looks how far a stage has come, and refuses one that was made from other inputs."""
    earlier = read_manifest(stage_folder) if (stage_folder / MANIFEST).exists() else None
    if earlier is None or not _holds_work(stage_folder, earlier, result):
        return Start.NEW
    differing = _differences(earlier.inputs, inputs)
    if differing:
        files = _file_differences(earlier.data, _as_json(data))
        told = tuple(["data.", "corpus: "] if files else [])
        rest = [line for line in differing if not line.startswith(told)]
        raise InputError(_other_inputs(stage_folder, [*files, *rest]))
    return Start.FINISHED if earlier.status == "finished" else Start.CONTINUED


def _holds_work(stage_folder: Path, manifest: Manifest, result: str) -> bool:
    finished = manifest.status == "finished" and (stage_folder / result).exists()
    return finished or (stage_folder / CHECKPOINT).exists()


def _set_aside(stage_folder: Path, words: str) -> None:
    """Renames a stage's folder, and says what is left behind: where, how far, how large."""
    aside = _aside(stage_folder)
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
        _write(self.stage_folder, manifest.model_copy(update={"seconds": seconds}))


def pinned_revision(stage_folder: Path, revision: str | None) -> str | None:
    """Returns the hub commit that an earlier sitting began with: a branch may have moved since.

    Args:
        stage_folder: The stage's folder.
        revision: The revision that the recipe asks for.

    Returns:
        The commit; where nothing was loaded yet, the recipe's revision.
    """
    return read_manifest(stage_folder).encoder.get("revision") or revision


def record_encoder(
    stage_folder: Path, source: str, revision: str | None, notes: Sequence[str]
) -> None:
    """Puts the encoder that a stage starts from into its manifest.

    Args:
        stage_folder: The stage's folder.
        source: What was named.
        revision: The hub commit that was loaded, if it came from the hub.
        notes: What is worth knowing about how it was loaded.
    """
    encoder = {"source": source, "revision": revision, "notes": list(notes)}
    _write(stage_folder, read_manifest(stage_folder).model_copy(update={"encoder": encoder}))


def finish(stage_folder: Path, device: Any, results: Mapping[str, Any]) -> None:
    """Marks a stage as finished, and removes the checkpoint, which is three times the model.

    Args:
        stage_folder: The stage's folder.
        device: What it computed on, as JSON takes it.
        results: The figures that came out, as JSON takes them.
    """
    manifest = read_manifest(stage_folder)
    news: dict[str, Any] = {"status": "finished", "finished": _now(), "device": device}
    _write(stage_folder, manifest.model_copy(update=news | {"results": dict(results)}))
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
    reasons = unfinished + _differences(manifest.inputs, inputs)
    return not reasons, reasons


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
    step = f"--fresh starts this stage anew and keeps what is there as {_aside(stage_folder).name}"
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


def find_run(runs_dir: Path, name: str | None, stage: str = "train") -> Path:
    """Finds the finished stage of the named run, or of the run that finished last.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name, None for the latest.
        stage: `train`, `tapt`, or one fold: `train/fold-K`.

    Returns:
        The stage's folder; of several folds, the one that finished last.

    Raises:
        InputError: There is no such run, or none has finished; says what to type.
    """
    folders = [
        folder
        for run in _chosen(runs_dir, name)
        for folder in _stage_folders(run)
        if f"{folder.relative_to(run).as_posix()}/".startswith(f"{stage}/")
    ]
    manifests = [(manifest, f) for f in folders if (manifest := _readable(f, name is None))]
    finished = [(manifest.finished, folder) for manifest, folder in manifests if manifest.finished]
    if finished:
        return max(finished)[1]
    raise InputError(_unfinished(runs_dir, name, stage, folders))


def _readable(stage_folder: Path, skip_broken: bool) -> Manifest | None:
    """Reads a manifest; of all runs, a broken one is left out with a warning."""
    try:
        return read_manifest(stage_folder)
    except InputError as error:
        if not skip_broken:
            raise
        warn(f"{stage_folder} is left out: {error.faults[0].what}")
        return None


def list_runs(runs_dir: Path, name: str | None = None) -> list[StageRow]:
    """Lists the stages of every run, or of one.

    Args:
        runs_dir: The folder of all runs.
        name: The one run to list, None for all.

    Returns:
        A row a stage, by run, TAPT first; a broken manifest is a row, not an error.

    Raises:
        InputError: There is no runs folder, or no run of this name.
    """
    return [row for run in _chosen(runs_dir, name) for row in _rows(run)]


def _open_lock(run_folder: Path) -> TextIO:
    """Opens and takes the lock file; the last one out may just have removed it."""
    while True:
        with disk_faults(run_folder):
            run_folder.mkdir(parents=True, exist_ok=True)
            stream = (run_folder / LOCK).open("a+", encoding="utf-8")
        if not _take(stream.fileno()):
            with stream:
                stream.seek(0)
                raise InputError(_in_use(run_folder, stream.read()))
        path = run_folder / LOCK
        if path.exists() and path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
            return stream
        stream.close()


def _take(handle: int) -> bool:
    """Takes the lock; tries again for a moment, since `relx runs list` touches it in passing."""
    for pause in (0.05, 0.15, None):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pause is not None:
                time.sleep(pause)
        else:
            return True
    return False


def _is_locked(run_folder: Path) -> bool:
    """Tells whether a process is at work in a run."""
    if not (run_folder / LOCK).exists():
        return False
    with (run_folder / LOCK).open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _in_use(run_folder: Path, holder: str) -> Fault:
    who, command, since = [*holder.splitlines(), "", "", ""][:3]
    return Fault(
        "another process is at work in this run",
        str(run_folder),
        received=", ".join(
            filter(None, [who, command and f"`{command}`", since and f"since {since}"])
        ),
        next_step="wait for it or stop it; or give this recipe another name: --set name=NAME",
        kind="run in use",
    )


def _other_inputs(stage_folder: Path, differing: list[str]) -> Fault:
    return Fault(
        "this run was made with other settings or data",
        str(stage_folder),
        received=f"\n{'':12}".join(differing),
        next_step=f"--set name=NAME makes another run; --fresh starts this stage anew and keeps "
        f"what is there as {_aside(stage_folder).name}",
        kind="other inputs",
    )


def _unfinished(runs_dir: Path, name: str | None, stage: str, folders: list[Path]) -> Fault:
    command = "relx tapt" if stage == "tapt" else "relx train"
    recipe = next((folder / RECIPE for folder in folders), "PATH")
    what = f"no {stage} stage has finished" + (" in this run" if name else "")
    step = f"{command} --recipe {recipe}{_in(runs_dir)}"
    return Fault(what, str(runs_dir / (name or "")), next_step=step)


def _in(runs_dir: Path) -> str:
    """The option that a command needs to look into this runs folder."""
    return "" if runs_dir == Path("runs") else f" --runs-dir {shlex.quote(str(runs_dir))}"


def _chosen(runs_dir: Path, name: str | None) -> list[Path]:
    """Lists the folders of every run, or of the one named."""
    if not runs_dir.is_dir():
        step = "relx train --recipe PATH makes the first; --runs-dir names another folder"
        raise InputError(Fault("there are no runs here", str(runs_dir), next_step=step))
    runs = sorted(folder for folder in runs_dir.iterdir() if _stage_folders(folder))
    if name is None:
        return runs
    names = [run.name for run in runs]
    if name not in names:
        guess = nearest(name, names)
        step = f"did you mean {guess}?" if guess else f"relx runs list{_in(runs_dir)} shows all"
        raise InputError(Fault("there is no run of this name", str(runs_dir), name, "", step))
    return [runs_dir / name]


def _stage_folders(run_folder: Path) -> list[Path]:
    """Lists a run's stages that have a manifest; what `--fresh` set aside is left out."""
    train = run_folder / "train"
    folds = [fold for fold in train.glob("fold-*") if re.fullmatch(r"fold-\d+", fold.name)]
    folds.sort(key=lambda fold: int(fold.name.removeprefix("fold-")))
    return [stage for stage in [run_folder / "tapt", *folds] if (stage / MANIFEST).is_file()]


def _rows(run_folder: Path) -> list[StageRow]:
    rows = []
    for folder in _stage_folders(run_folder):
        try:
            manifest = read_manifest(folder)
        except InputError:
            manifest = None
        stage = folder.relative_to(run_folder).as_posix()
        state = _state(manifest, run_folder)
        rows.append(StageRow(run_folder.name, stage, folder, state, manifest))
    return rows


def _state(manifest: Manifest | None, run_folder: Path) -> str:
    if manifest is None:
        return "broken"
    if manifest.status == "running" and not _is_locked(run_folder):
        return "stopped"
    return manifest.status


def _new_manifest(
    stage: str, recipe: Recipe, inputs: Mapping[str, Any], data: Mapping[str, Any]
) -> Manifest:
    return Manifest(
        stage=stage,
        inputs=_as_json(inputs),
        recipe=recipe.tree(),
        data=_as_json(data),
        versions=versions(),
        seed=recipe.seed,
        git=git_state(),
        started=_now(),
    )


def _write(stage_folder: Path, manifest: Manifest) -> None:
    write_json(stage_folder / MANIFEST, manifest.model_dump())


def _differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists the keys that differ, in the form `train.epochs: 3 → 5`."""
    before, after = dict(_leaves(earlier)), dict(_leaves(_as_json(now)))
    keys = [*before, *(key for key in after if key not in before)]
    absent = object()
    return [
        f"{key}: {_shown(before, key)} → {_shown(after, key)}"
        for key in keys
        if before.get(key, absent) != after.get(key, absent)
    ]


def _file_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists the data files that differ, such as `data.train: a.csv, 60 → 61 rows, …`."""
    lines = []
    for role in ("train", "dev", "test"):
        old, new = earlier.get(role) or {}, now.get(role) or {}
        if old != new and "digest" in old and "digest" in new:
            file, rows, digest = (_shift(old, new, key) for key in ("file", "rows", "digest"))
            lines.append(f"data.{role}: {file}{rows and f', {rows} rows'}, SHA-256 {digest}")
    sentences = _shift(earlier, now, "sentences")
    return lines + ([f"sentences: {sentences}"] if "→" in sentences else [])


def _shift(earlier: Mapping[str, Any], now: Mapping[str, Any], key: str) -> str:
    """Returns a fact, or what it was and is; of a digest the first digits."""
    width = DIGITS if key == "digest" else None
    old, new = (str(facts.get(key, ""))[:width] for facts in (earlier, now))
    return old if old == new else f"{old} → {new}"


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    if key not in leaves:
        return "absent"
    value = leaves[key]
    is_digest = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value)
    return str(value)[:DIGITS] if is_digest else shorten(value, 40)


def _as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what reading the written JSON back would give."""
    tree: dict[str, Any] = json.loads(json.dumps(value))
    return tree


def _aside(stage_folder: Path) -> Path:
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
