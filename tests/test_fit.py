"""The training loop: stopped anywhere it goes on there, and ends as one that was not stopped."""

import os
import signal

import keras
import numpy as np
import pytest

from relx.data.batches import Feeder
from relx.devices.device import open_device
from relx.faults import InputError
from relx.recipe import CheckpointSection, DeviceSection, TrainSection
from relx.stopping import Stop
from relx.training import callbacks
from relx.training import fit as fits
from relx.training.callbacks import Listeners, Pace
from relx.training.checkpoint import read_state
from relx.training.fit import compile_for, fit, speed

ROWS, STEPS, EPOCHS = 22, 3, 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 6)).astype(np.float32)
Y = RNG.integers(0, 3, ROWS).astype(np.int32)
LENGTHS = RNG.integers(3, 9, ROWS)
SIGNALS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """Gives the signals Python's own handlers, which a runner of tests may have changed."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def assemble(batch, rng):
    noise = rng.normal(size=(len(batch.rows), 6)).astype(np.float32)
    return {"x": X[batch.rows] + noise}, Y[batch.rows], batch.weights() / np.float32(batch.real)


class Toy:
    """A toy model with dropout, its batches, and a folder to be fitted in."""

    def __init__(self, folder, accumulate=1, **device):
        self.folder = folder
        self.device = open_device(DeviceSection(**device), 0)
        multiple = self.device.replicas
        self.feeder = Feeder(LENGTHS, 8, 0, assemble, multiple=multiple, accumulate=accumulate)
        with self.device.scope():
            x = keras.Input((6,), name="x")
            hidden = keras.layers.Dropout(0.3, seed=1)(keras.layers.Dense(16, "tanh")(x))
            self.model = keras.Model({"x": x}, keras.layers.Dense(3, dtype="float32")(hidden))
        section = TrainSection(epochs=EPOCHS, learning_rate=0.05, accumulate=accumulate)
        compile_for(self.device, self.model, section, self.feeder.steps)

    def fit(self, steps=None, after_epoch=lambda state: {}):
        self.folder.mkdir(exist_ok=True)
        return fit(
            self.model,
            self.feeder,
            self.device,
            epochs=EPOCHS,
            folder=self.folder,
            title="train",
            after_epoch=after_epoch,
            checkpoint=CheckpointSection(steps=steps),
        )

    def outcome(self):
        """Fits to the end: the weights, and each epoch's loss and padding."""
        history = self.fit().history
        figures = [(row["loss"], row["padding_percent"]) for row in history]
        return [np.array(value) for value in self.model.get_weights()], figures

    @property
    def place(self):
        state = read_state(self.folder / "checkpoint.safetensors")
        return state["epoch"], state["step"]


class Interrupted(BaseException):
    """Ends a process where it stands."""


def interrupt_after(monkeypatch, saves):
    """Lets nothing happen after so many checkpoints."""
    save, left = fits.save_checkpoint, iter(range(saves - 1, -1, -1))

    def save_and_interrupt(*arguments):
        save(*arguments)
        if next(left) == 0:
            raise Interrupted

    monkeypatch.setattr(fits, "save_checkpoint", save_and_interrupt)


def same(one, other):
    (weights, figures), (other_weights, other_figures) = one, other
    assert figures == other_figures
    return all((a == b).all() for a, b in zip(weights, other_weights, strict=True))


DEVICES = [{}, {"accumulate": 2}, {"strategy": "mirrored", "virtual_devices": 2}]


@pytest.mark.parametrize("device", DEVICES, ids=["one", "accumulate", "mirrored"])
def test_a_fit_that_was_stopped_twice_ends_as_one_that_was_not(device, tmp_path, monkeypatch):
    whole = Toy(tmp_path / "whole", **device).outcome()
    for saves, place in ((2, (0, 2)), (3, (1, 2))):
        toy = Toy(tmp_path / "stopped", **device)
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            interrupt_after(patch, saves)
            toy.fit(steps=1)
        assert toy.place == place
    assert same(Toy(toy.folder, **device).outcome(), whole)


def test_checkpoints_come_every_so_many_steps_and_after_each_epoch(tmp_path, monkeypatch):
    places, save = [], fits.save_checkpoint

    def note(path, model, state, running):
        places.append((state["epoch"], state["step"]))
        save(path, model, state, running)

    monkeypatch.setattr(fits, "save_checkpoint", note)
    Toy(tmp_path / "two", accumulate=2).fit(steps=2)
    assert places == [(0, 2), (1, 0), (1, 2), (2, 0)]
    del places[:]
    Toy(tmp_path / "all").fit(steps=1)  # the last step's is the epoch's
    assert places == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    del places[:]
    Toy(tmp_path / "none").fit()
    assert places == [(1, 0), (2, 0)]


def test_the_pace_is_kept_by_steps_and_by_the_clock(monkeypatch):
    now = 0.0
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now)
    steps = Pace(CheckpointSection(steps=3, minutes=None))
    assert [steps.is_due() for _ in range(3)] == [False, False, True]
    steps.saved()
    assert not steps.is_due()
    clock = Pace(CheckpointSection(steps=None, minutes=2.0))
    now = 119.0
    assert not clock.is_due()
    now = 120.0
    assert clock.is_due()
    clock.saved()
    assert not clock.is_due()
    never = Pace(CheckpointSection(steps=None, minutes=None))
    now = 1e9
    assert not never.is_due()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_lets_the_step_end_and_saves(number, tmp_path, monkeypatch, capfd):
    whole = Toy(tmp_path / "whole").outcome()
    toy, dataset = Toy(tmp_path / "stopped"), Feeder.arrays
    handler = signal.getsignal(number)

    def feed(*arguments):
        for i, batch in enumerate(dataset(*arguments)):
            if i == STEPS - 1:
                os.kill(os.getpid(), number)
            yield batch

    with monkeypatch.context() as patch, pytest.raises(SIGNALS[number]) as caught:
        patch.setattr(Feeder, "arrays", feed)
        toy.fit()
    assert number == signal.SIGINT or caught.value.code == 143
    assert "a second signal stops at once" in capfd.readouterr().err
    assert signal.getsignal(number) is handler
    epoch, step = toy.place
    assert (epoch, step) == (0, step) and 1 <= step <= STEPS
    assert same(Toy(toy.folder).outcome(), whole)


def test_a_signal_at_the_end_of_an_epoch_leaves_its_last_steps_done(tmp_path, monkeypatch):
    whole = Toy(tmp_path / "whole").outcome()
    toy, step = Toy(tmp_path / "stopped"), callbacks.Watch.on_train_batch_end

    def stop_in_the_last(watch, batch, logs=None):
        if batch == STEPS - 1:
            os.kill(os.getpid(), signal.SIGINT)
        step(watch, batch, logs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks.Watch, "on_train_batch_end", stop_in_the_last)
        toy.fit(after_epoch=lambda state: pytest.fail("the epoch is not measured any more"))
    assert toy.place == (0, STEPS)
    assert same(Toy(toy.folder).outcome(), whole)


def test_a_second_signal_stops_at_once():
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it went on")


def test_a_process_beside_the_first_leaves_when_it_misses_it():
    with pytest.raises(SystemExit) as caught, Stop(leaves=False) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        stop.leave_if_asked()
        raise RuntimeError("the first process is gone")
    assert caught.value.code == 143


def test_another_precision_is_refused_with_the_setting_that_goes_on(tmp_path, monkeypatch):
    toy = Toy(tmp_path / "run", precision="mixed_bfloat16")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(patch, 1)
        toy.fit()
    with pytest.raises(InputError, match="another precision") as caught:
        Toy(toy.folder).fit()
    assert "--set device.precision=mixed_bfloat16" in caught.value.faults[0].next_step


def test_another_number_of_devices_goes_on_and_says_so(tmp_path, monkeypatch, capsys):
    toy = Toy(tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(patch, 3)
        toy.fit(steps=2)
    done = read_state(toy.folder / "checkpoint.safetensors")["history"]
    _, figures = Toy(toy.folder, strategy="mirrored", virtual_devices=2).outcome()
    assert "replicas: 1 → 2" in capsys.readouterr().err.replace("\n", " ")
    assert [figures[0][0]] == [row["loss"] for row in done]  # the first epoch was over
    assert len(figures) == EPOCHS


def test_a_fit_that_has_diverged_saves_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setitem(assemble.__globals__, "X", np.full_like(X, np.nan))
    toy = Toy(tmp_path / "run")
    with pytest.raises(InputError, match="diverged"):
        toy.fit(steps=1)
    assert not (toy.folder / "checkpoint.safetensors").exists()


def test_a_steps_figures_are_handed_on_without_fetching_them():
    seen = []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    listeners = Listeners([Note()], add_history=True, model=model)
    history = model.fit(X, X[:, :1], batch_size=8, verbose=0, callbacks=listeners)
    assert len(seen) == STEPS and not any(isinstance(loss, float) for loss in seen)
    assert float(seen[-1]) == pytest.approx(history.history["loss"][0])


def test_speed_is_that_of_all_epochs():
    history = [
        {"seconds": 2.0, "sentences_per_second": 10.0},
        {"seconds": 6.0, "sentences_per_second": 30.0},
    ]
    assert speed(history) == {"training_seconds": 8.0, "sentences_per_second": 25.0}
