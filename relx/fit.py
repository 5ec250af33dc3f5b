"""The one training loop: epochs with progress, logs, a checkpoint after each, and resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras

from relx import progress
from relx.batches import Feeder, padding_share
from relx.callbacks import Advance
from relx.checkpoint import load_checkpoint, save_checkpoint
from relx.devices import Device
from relx.faults import Fault, InputError
from relx.logs import RunLog
from relx.losses import CrossEntropy
from relx.optimizer import make_optimizer
from relx.recipe import TaptSection, TrainSection
from relx.runs import CHECKPOINT

Figures = dict[str, float]


@dataclass(slots=True)
class FitState:
    """How far a fit has come.

    Args:
        epoch: The next epoch, from 0.
        seconds: The time spent in training steps so far, over all sittings.
        history: One dictionary of figures an epoch.
        best: The best epoch, from 0, or None.
        best_figures: Its figures; later ones break ties.
        stopped: Whether an early stop ended the fit.
        before: Figures from before the first step.
    """

    epoch: int = 0
    seconds: float = 0.0
    history: list[Figures] = field(default_factory=list)
    best: int | None = None
    best_figures: list[float] = field(default_factory=list)
    stopped: bool = False
    before: Figures = field(default_factory=dict)

    def is_better(self, figures: list[float]) -> bool:
        """Notes an epoch's figures and says whether they are the best so far (first of equals)."""
        better = self.best is None or figures > self.best_figures
        if better:
            self.best, self.best_figures = self.epoch, figures
        return better


def compile_for(
    device: Device,
    model: keras.Model,
    section: TaptSection | TrainSection,
    steps: int,
    label_smoothing: float = 0.0,
) -> None:
    """Compiles a model for a stage: AdamW and cross-entropy, in XLA where the device says so.

    Args:
        device: What the model was built on.
        model: The model.
        section: The stage's section of the recipe.
        steps: Steps an epoch.
        label_smoothing: See `CrossEntropy`.
    """
    with device.scope():
        optimizer = make_optimizer(
            model,
            learning_rate=section.learning_rate,
            weight_decay=section.weight_decay,
            warmup=section.warmup,
            clip_norm=section.clip_norm,
            steps=steps * section.epochs,
        )
        loss = CrossEntropy(label_smoothing)
        model.compile(optimizer, loss, jit_compile=device.compiles, auto_scale_loss=False)


def speed(history: list[Figures]) -> Figures:
    """Returns the time in training steps and the sentences a second, over all epochs."""
    seconds = sum(figures["seconds"] for figures in history)
    sentences = sum(figures["sentences_per_second"] * figures["seconds"] for figures in history)
    return {"training_seconds": seconds, "sentences_per_second": sentences / seconds}


def fit(
    model: keras.Model,
    feeder: Feeder,
    device: Device,
    *,
    epochs: int,
    folder: Path,
    title: str,
    after_epoch: Callable[[FitState], Figures],
    before_first: Callable[[], Figures] = dict,
) -> FitState:
    """Trains for the epochs that are left, and leaves a checkpoint after each.

    Args:
        model: A compiled model; it is set to the folder's checkpoint if there is one.
        feeder: The batches.
        device: What the model was built on.
        epochs: The number of epochs in all.
        folder: Where the checkpoint and the logs are.
        title: What the progress bar says, such as `train`.
        after_epoch: Called after each epoch's steps with the state, which it may change; it returns
            figures for the log. It runs before the checkpoint is written, so that what it leaves on
            disk is never behind the checkpoint.
        before_first: Called before the first step; its figures are kept in `FitState.before`.

    Returns:
        The state after the last epoch.

    Raises:
        InputError: The loss is not a number any more.
    """
    state = _resume(model, folder / CHECKPOINT, epochs) or FitState(before=before_first())
    log = RunLog(folder, from_epoch=state.epoch)
    while state.epoch < epochs and not state.stopped:
        figures = _one_epoch(model, feeder, device, state, f"{title} {state.epoch + 1}/{epochs}")
        state.seconds += figures["seconds"]
        figures |= after_epoch(state)
        state.history.append(figures)
        log.epoch(state.epoch, figures)
        state.epoch += 1
        save_checkpoint(folder / CHECKPOINT, model, asdict(state))
    log.close()
    return state


def _resume(model: keras.Model, path: Path, epochs: int) -> FitState | None:
    if not path.exists():
        return None
    state = FitState(**load_checkpoint(path, model))
    progress.say(f"continuing after epoch {state.epoch} of {epochs}")
    return state


def _one_epoch(
    model: keras.Model, feeder: Feeder, device: Device, state: FitState, title: str
) -> Figures:
    """Runs an epoch's steps and measures them."""
    epoch, plan = state.epoch, feeder.plan(state.epoch)
    rows = sum(batch.real for batch in plan)
    tokens = sum(int(feeder.lengths[batch.rows[: batch.real]].sum()) for batch in plan)
    started = time.monotonic()
    with progress.bar(title, len(plan), "steps") as bar:
        callbacks = [Advance(bar)]
        data = device.dataset(feeder, epoch)
        history = model.fit(
            data,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    seconds = time.monotonic() - started
    loss = float(history.history["loss"][-1])
    if not math.isfinite(loss):
        raise InputError(_diverged(epoch))
    return {
        "loss": loss,
        "seconds": seconds,
        "sentences_per_second": rows / seconds,
        "tokens_per_second": tokens / seconds,
        "padding_percent": padding_share(plan, feeder.lengths),
    }


def _diverged(epoch: int) -> Fault:
    return Fault(
        "the loss is not a number any more: training has diverged",
        f"epoch {epoch + 1}",
        next_step="lower the learning rate or raise warmup; then start anew with --fresh",
        kind="diverged",
    )
