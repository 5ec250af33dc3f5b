"""Going on in the middle of an epoch, on each backend, and on another than the one before."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from relx.recipe import CheckpointSection

SHARED = Path(os.environ["RELX_TEST_FOLDER"])
HALF = "half-{}"


class Interrupted(BaseException):
    """Ends a process where it stands."""


def fit(trained, folder, **rest):
    return trained.fit(folder, **rest)


def interrupted(trained, folder, monkeypatch, saves, **rest):
    """Fits with a checkpoint after every step, and ends after some of them."""
    from relx.training import fit as fits

    save, done = fits.save_checkpoint, []

    def save_and_end(*arguments):
        save(*arguments)
        done.append(arguments)
        if len(done) == saves:
            raise Interrupted

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(fits, "save_checkpoint", save_and_end)
        fit(trained, folder, checkpoint=CheckpointSection(steps=1), **rest)


def test_a_fit_stopped_within_an_epoch_ends_as_one_that_was_not(
    open_, trainer, tmp_path, monkeypatch
):
    whole = trainer(open_(), dropout=0.1, accumulate=2)
    history = fit(whole, tmp_path / "whole").history
    stopped = trainer(open_(), dropout=0.1, accumulate=2)
    interrupted(stopped, tmp_path / "parts", monkeypatch, saves=5)  # the second epoch's second step
    resumed = trainer(open_(), dropout=0.1, accumulate=2)
    again = fit(resumed, tmp_path / "parts").history
    assert [row["loss"] for row in again] == [row["loss"] for row in history]
    assert all((a == b).all() for a, b in zip(whole.weights(), resumed.weights(), strict=True))


# What is fitted, and how many checkpoints it is stopped after: in the last epoch's second step.
OPTIONS = [
    ({"r_drop": 1.0, "ema": 0.7, "layer_decay": 0.5}, 5),
    ({"swa": 2, "epochs": 3, "adversarial": "fgm"}, 8),
]


@pytest.mark.parametrize(("options", "stop"), OPTIONS, ids=["ema", "swa"])
def test_a_fit_with_options_is_resumed_to_the_bit_with_what_it_averages(
    open_, trainer, tmp_path, monkeypatch, options, stop
):
    def fitted(folder, saves=None):
        trained, seen = trainer(open_(), dropout=0.1, accumulate=2, **options), []

        def after(state):
            with trained.averaged.after(state.epoch):
                seen.append(trained.weights())
            return {}

        if saves is None:
            fit(trained, folder, after_epoch=after)
        else:
            interrupted(trained, folder, monkeypatch, saves, after_epoch=after)
        return trained.weights(), seen

    raw, averaged = fitted(tmp_path / "whole")
    fitted(tmp_path / "parts", stop)
    again, averages = fitted(tmp_path / "parts")
    assert all((a == b).all() for a, b in zip(raw, again, strict=True))
    assert len(averages) == 1 and len(averaged) == options.get("epochs", 2)
    assert all((a == b).all() for a, b in zip(averaged[-1], averages[-1], strict=True))
    assert any((a != b).any() for a, b in zip(averaged[-1], raw, strict=True))


def test_a_fit_goes_on_on_another_backend(backend, open_, trainer, tmp_path, monkeypatch, capsys):
    own = SHARED / HALF.format(backend)
    interrupted(trainer(open_()), own, monkeypatch, saves=2)
    whole = trainer(open_())
    fit(whole, tmp_path / "whole")
    others = [folder for folder in SHARED.glob(HALF.format("*")) if folder != own]
    for folder in others:
        went_on = trainer(open_())
        history = fit(went_on, Path(shutil.copytree(folder, tmp_path / folder.name))).history
        said = capsys.readouterr().err
        assert f"→ {backend}" in said and np.isfinite([row["loss"] for row in history]).all()
        if "in another way here" in said:
            assert "jax" in (backend, folder.name.removeprefix(HALF.format("")))
            continue
        for ours, theirs in zip(went_on.weights(), whole.weights(), strict=True):
            assert np.abs(ours - theirs).max() < 1e-3
