"""The one training loop: epochs with progress, logs and checkpoints, and going on with them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import keras

from relx import progress
from relx.data.batches import Feeder, padding_share
from relx.devices.device import Device
from relx.devices.memory import BatchWatch, memory_faults
from relx.faults import Fault, InputError
from relx.recipe import CheckpointSection, TaptSection, TrainSection
from relx.runs.resume import FRESH, read_state
from relx.runs.stage import Stage
from relx.stopping import Stop
from relx.training.averages import Averages
from relx.training.callbacks import Advance, Pace, UnfetchedCallbacks, Watch
from relx.training.checkpoint import frozen_sum, load_checkpoint, save_checkpoint
from relx.training.finite import require_finite
from relx.training.log import RunLog
from relx.training.mixed_losses import make_loss
from relx.training.optimizer import make_optimizer

Figures = dict[str, float]
USUAL = CheckpointSection()
NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True)
class FitState:
    """How far a fit has come: with the model, its optimizer and the seed, all that it is.

    Args:
        epoch: The epoch under way or next, from 0.
        step: Its next step, from 0.
        seconds: The time spent in its steps so far, over all sittings.
        history: One dictionary of figures an epoch that is done.
        best: The best epoch, from 0, or None.
        best_figures: Its figures; later ones break ties.
        stopped: Whether an early stop ended the fit.
        before: Figures from before the first step.
    """

    epoch: int = 0
    step: int = 0
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

    def end_epoch(self, figures: Figures) -> None:
        """Notes an epoch's figures and turns to the next."""
        self.history.append(figures)
        self.epoch, self.step, self.seconds = self.epoch + 1, 0, 0.0


def compile_for(
    device: Device,
    model: keras.Model,
    section: TaptSection | TrainSection,
    steps: int,
    label_smoothing: float = 0.0,
    loss: str = "cross_entropy",
    loss_options: Mapping[str, Any] = NONE,
    depths: Sequence[int] | None = None,
    averages: Averages | None = None,
) -> None:
    """Compiles a model for a stage: AdamW and a loss, in XLA where the device says so.

    Args:
        device: What the model was built on.
        model: The model.
        section: The stage's section of the recipe.
        steps: Steps an epoch.
        label_smoothing: See the losses.
        loss: The decision's loss, by its name in `LOSSES`.
        loss_options: The loss's other arguments; see `make_loss`.
        depths: How far each trainable variable, in their order, lies below the head: with
            `layer_decay` its learning rate falls with that. None: they all have the same.
        averages: What averages the weights, or None.
    """
    decay = section.layer_decay if isinstance(section, TrainSection) else None
    with device.scope():
        optimizer = make_optimizer(
            model,
            learning_rate=section.learning_rate,
            weight_decay=section.weight_decay,
            warmup=section.warmup,
            clip_norm=section.clip_norm,
            steps=steps * section.epochs,
            accumulate=section.accumulate,
            shares=None if depths is None or decay is None else [decay**n for n in depths],
            averages=averages,
        )
        computed = make_loss(loss, label_smoothing, loss_options)
        model.compile(optimizer, computed, jit_compile=device.compiles, auto_scale_loss=False)


def speed(history: list[Figures]) -> Figures:
    """Returns the time in training steps and the sentences a second, over all epochs."""
    seconds = sum(figures["seconds"] for figures in history)
    sentences = sum(figures["sentences_per_second"] * figures["seconds"] for figures in history)
    return {"training_seconds": seconds, "sentences_per_second": sentences / seconds}


class Checkpoints:
    """A fit's checkpoint: when it is due, and what it is written from and read into.

    Args:
        stage: The stage.
        device: What the model was built on.
        feeder: The batches.
        section: How often one is due within an epoch.
    """

    def __init__(
        self, stage: Stage, device: Device, feeder: Feeder, section: CheckpointSection
    ) -> None:
        self.stage = stage
        self.path = stage.checkpoint
        self.device = device
        self.feeder = feeder
        self.pace = Pace(section)
        self._frozen: str | None = None

    def load(self, model: keras.Model, epochs: int) -> FitState | None:
        """Sets a model to the checkpoint and returns the state of its fit, None without one."""
        state = None
        if self.path.exists():
            self._require_precision(read_state(self.path)["device"]["precision"])
            saved = load_checkpoint(self.path, model)
            earlier = saved.pop("device")
            self._require_frozen(saved.pop("frozen"), model)
            state = FitState(**saved)
            _say_where(state, epochs)
            self._say_differences(earlier, state)
        number = state.epoch * 10**6 + state.step if state else 0
        self.device.require_same(number, str(self.path))
        return state

    def save(self, model: keras.Model, state: FitState) -> None:
        """Writes the checkpoint in the place of the one before."""
        self.pace.saved()
        if self.stage.chief:
            self.stage.count()
            # Within an epoch a single process cannot read the loss that several run up together.
            running = self.device.machine.process.count == 1
            where = {"device": self._place(), "frozen": self._frozen_sum(model)}
            save_checkpoint(self.path, model, asdict(state) | where, running)

    def _frozen_sum(self, model: keras.Model) -> str:
        """Sums up what does not train, once: it is read from the device for that."""
        if self._frozen is None:
            self._frozen = frozen_sum(model)
        return self._frozen

    def _require_frozen(self, earlier: str, model: keras.Model) -> None:
        now = self._frozen_sum(model)
        if earlier != now:
            what = "the weights that are not trained are not those that this run began with"
            received = f"CRC-32 {earlier or 'of none'} then, {now or 'of none'} now"
            step = f"give encoder.from the files of before; or {FRESH}"
            raise InputError(Fault(what, str(self.path), received, next_step=step))

    def _place(self) -> dict[str, Any]:
        device = {name: getattr(self.device, name) for name in ("backend", "precision", "replicas")}
        lengths = self.feeder.bucket_lengths
        return device | {"bucket_lengths": None if lengths is None else list(lengths)}

    def _require_precision(self, earlier: str) -> None:
        now = self.device.precision
        if earlier != now:
            step = f"--set device.precision={earlier} goes on with it; or {FRESH}"
            what = "this checkpoint is of another precision"
            raise InputError(Fault(what, str(self.path), f"{earlier}, now {now}", next_step=step))

    def _say_differences(self, earlier: dict[str, Any], state: FitState) -> None:
        """Says what another device means to a run that goes on there."""
        now = self._place()
        pairs = [(name, earlier[name], now[name]) for name in ("backend", "replicas")]
        other = ", ".join(f"{name}: {old} → {new}" for name, old, new in pairs if old != new)
        if other:
            progress.warn(
                f"the checkpoint was made elsewhere ({other}): the run goes on, but not bit for "
                "bit as it would have there"
            )
        if state.step and earlier["bucket_lengths"] != now["bucket_lengths"]:
            progress.warn(
                "batches are put together in another way here: in this epoch some sentences are "
                "read twice, and others not at all"
            )


def _say_where(state: FitState, epochs: int) -> None:
    place = f"after epoch {state.epoch} of {epochs}"
    if state.step:
        place = f"with step {state.step + 1} of epoch {state.epoch + 1} of {epochs}"
    progress.say(f"continuing {place}")


def fit(
    model: keras.Model,
    feeder: Feeder,
    device: Device,
    *,
    epochs: int,
    stage: Stage,
    title: str,
    after_epoch: Callable[[FitState], Figures],
    before_first: Callable[[], Figures] = dict,
    checkpoint: CheckpointSection = USUAL,
    describe: Callable[[RunLog, int], None] = lambda log, epoch: None,
) -> FitState:
    """Trains for the epochs that are left, and can be stopped at any moment.

    Order, masks and dropout are functions of (seed, epoch, step) and of what a checkpoint holds, so
    that a fit that was stopped, however often, ends with the weights of one that was not. The first
    Ctrl-C or SIGTERM lets the step end, writes a checkpoint and ends the command.

    Args:
        model: A compiled model; it is set to the stage's checkpoint if there is one.
        feeder: The batches.
        device: What the model was built on.
        epochs: The number of epochs in all.
        stage: Where the checkpoint and the logs are, and whether this process writes them.
        title: `tapt` or `train`, as the progress bar and messages name it.
        after_epoch: Called after each epoch's steps with the state, which it may change; it returns
            figures for the log. It runs before the checkpoint is written, so that what it leaves on
            disk is never behind the checkpoint.
        before_first: Called before the first step; its figures are kept in `FitState.before`.
        checkpoint: How often one is written within an epoch; after an epoch it always is.
        describe: Called on the process that writes, with the log and the epoch, after the epoch's
            figures are noted; it may note texts and curves.

    Returns:
        The state after the last epoch.

    Raises:
        InputError: The loss is not a number any more, or the memory does not suffice.
    """
    checkpoints = Checkpoints(stage, device, feeder, checkpoint)
    state = checkpoints.load(model, epochs) or FitState(before=before_first())
    with Stop(leaves=stage.chief) as stop, _log(stage, state) as log:
        while state.epoch < epochs and not state.stopped:
            figures = _one_epoch(model, feeder, device, state, (title, epochs), checkpoints, stop)
            figures |= after_epoch(state)
            if log is not None:
                log.epoch(state.epoch, figures)
                describe(log, state.epoch)
            state.end_epoch(figures)
            checkpoints.save(model, state)
            stage.drop_other_bests(state.best)
            stop.leave_if_asked()
    return state


@contextlib.contextmanager
def _log(stage: Stage, state: FitState) -> Iterator[RunLog | None]:
    """Opens the log, on the process that writes."""
    if not stage.chief:
        yield None
        return
    with RunLog(stage.folder, from_epoch=state.epoch) as log:
        yield log


def _one_epoch(
    model: keras.Model,
    feeder: Feeder,
    device: Device,
    state: FitState,
    place: tuple[str, int],
    checkpoints: Checkpoints,
    stop: Stop,
) -> Figures:
    """Runs the steps that are left of an epoch, and returns the figures of the whole of it."""
    plan = feeder.plan(state.epoch)
    started = time.monotonic() - state.seconds

    def after_step(step: int, logs: Mapping[str, Any]) -> None:
        due = checkpoints.pace.is_due() and step < len(plan)
        if due or stop.asked:
            require_finite(float(logs["loss"]), watch.model, state.epoch, step)
            state.step, state.seconds = step, time.monotonic() - started
            checkpoints.save(watch.model, state)
        stop.leave_if_asked()

    watch = Watch(after_step, state.step, feeder.parts)
    if state.step < len(plan):
        _train(model, feeder, device, state, place, watch)
    loss = float(model.get_metrics_result()["loss"])  # waits for the last step
    require_finite(loss, model, state.epoch, len(plan))
    seconds = time.monotonic() - started
    tokens = sum(int(feeder.lengths[batch.rows[: batch.real]].sum()) for batch in plan)
    return {
        "loss": loss,
        "learning_rate": float(model.optimizer.learning_rate),  # that of the next step
        "seconds": seconds,
        "sentences_per_second": sum(batch.real for batch in plan) / seconds,
        "tokens_per_second": tokens / seconds,
        "padding_percent": padding_share(plan, feeder.lengths),
    }


def _train(
    model: keras.Model,
    feeder: Feeder,
    device: Device,
    state: FitState,
    place: tuple[str, int],
    watch: Watch,
) -> None:
    """Has Keras run the steps that are left of an epoch."""
    (title, epochs), plan = place, feeder.plan(state.epoch)
    words = f"{title} {state.epoch + 1}/{epochs}"
    words += f" from step {state.step + 1}" if state.step else ""
    batches = BatchWatch(plan, parts=feeder.parts, first_step=state.step)
    with (
        progress.bar(words, len(plan) - state.step, "steps") as bar,
        memory_faults(device, title, batches),
    ):
        callbacks = [batches, Advance(bar, feeder.parts), watch]
        model.fit(
            device.dataset(feeder, state.epoch, state.step),
            initial_epoch=state.epoch,
            epochs=state.epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=UnfetchedCallbacks(callbacks, add_history=True, model=model),
        )
