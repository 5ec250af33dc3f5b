"""How a run learnt: the learning curves of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from relx.look.plots import FAINT, Plot, empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relx.runs.find import FoundStage
    from relx.runs.folds import FoundRun
    from relx.runs.manifest import Manifest

# Panels of a stage: the title, then what is drawn there, by its name in the log.
TRAIN = (
    ("training loss", {"loss": "loss"}),
    ("on the held-out rows, percent", {"micro_f1": "micro-F1", "auprc": "AUPRC"}),
    ("learning rate", {"learning_rate": "learning rate"}),
)
TAPT = (
    ("training loss", {"loss": "loss"}),
    ("pseudo-perplexity of held-out sentences", {"pseudo_perplexity": "pseudo-perplexity"}),
    ("learning rate", {"learning_rate": "learning rate"}),
)
BEST_BY = {"micro_f1": "micro-F1", "macro_f1": "macro-F1", "auprc": "AUPRC"}
WIDE = 20.0  # where the largest value is so many times the smallest, the axis is logarithmic

Epochs = Sequence[Mapping[str, Any]]


def learning_plots(found: FoundRun) -> list[Plot]:
    """Draws the learning curves of each stage of a run that left a log.

    Args:
        found: The run.

    Returns:
        `learning-train`, of several folds `learning-train-K` each, and `learning-tapt` where the
        run has that stage.
    """
    from relx.runs.manifest import read_manifest
    from relx.runs.place import TAPT
    from relx.training.log import read_metrics

    plots = []
    for stage in found.folds:
        if train := read_metrics(stage.folder):
            plots.append(_train_plot(train, stage, several=len(found.folds) > 1))
    tapt_folder = found.first.place.beside(TAPT).folder
    if tapt := read_metrics(tapt_folder):
        plots.append(_tapt_plot(tapt, read_manifest(tapt_folder)))
    return plots


def _train_plot(epochs: Epochs, stage: FoundStage, *, several: bool) -> Plot:
    manifest = stage.manifest
    best, by = manifest.results.get("best_epoch"), manifest.recipe["train"]["best_by"]
    note = f"The model is from epoch {best}, the best by {BEST_BY.get(by, by)}." if best else ""
    name, title = "learning-train", "Fine-tuning, by epoch"
    if several:
        name, title = f"{name}-{stage.fold}", f"Fine-tuning of fold {stage.fold}, by epoch"
    return _stage_plot(name, title, TRAIN, epochs, note, best)


def _tapt_plot(epochs: Epochs, manifest: Manifest) -> Plot:
    before = manifest.results.get("pseudo_perplexity_before")
    begun = [{"epoch": -1, "pseudo_perplexity": before}] if before else []
    note = "Epoch 0 is the encoder before this stage." if before else ""
    title = "Task-adaptive pretraining, by epoch"
    return _stage_plot("learning-tapt", title, TAPT, [*begun, *epochs], note, None)


def _stage_plot(
    name: str,
    title: str,
    panels: Sequence[tuple[str, Mapping[str, str]]],
    epochs: Epochs,
    note: str,
    best: int | None,
) -> Plot:
    """Draws a panel for each kind of figure that the log has."""
    shown = [(head, keys) for head, keys in panels if _logged(epochs, keys)]
    figure = empty_figure(max(4.0, 3.2 * len(shown)), 2.9)
    panels_of = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (head, keys) in zip(panels_of, shown, strict=True):
        _draw(axes, head, keys, epochs, best)
    columns = _columns(epochs)
    rows = [(epoch["epoch"] + 1, *(epoch.get(key) for key in columns)) for epoch in epochs]
    return Plot(name, title, figure, ("epoch", *columns), rows, note)


def _draw(axes: Axes, head: str, keys: Mapping[str, str], epochs: Epochs, best: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    steps = [epoch["epoch"] + 1 for epoch in epochs]
    found: list[float] = []
    for key in _logged(epochs, keys):
        values = [float("nan") if epoch.get(key) is None else epoch[key] for epoch in epochs]
        axes.plot(steps, values, marker="o", markersize=3.5, label=keys[key])
        found += [value for value in values if value == value]
    if found and min(found) > 0 and max(found) > WIDE * min(found):
        axes.set_yscale("log")
    if best is not None:
        axes.axvline(best, color=FAINT, linestyle=":", linewidth=1.2)
    if len(_logged(epochs, keys)) > 1:
        axes.legend(loc="best")
    axes.set_title(head, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _logged(epochs: Epochs, keys: Mapping[str, str]) -> list[str]:
    return [key for key in keys if any(epoch.get(key) is not None for epoch in epochs)]


def _columns(epochs: Epochs) -> list[str]:
    """Lists every number that the log has, in its order."""
    longest = max(epochs, key=len)  # what was measured before the first epoch is one number
    names = dict.fromkeys([*longest, *(key for epoch in epochs for key in epoch)])
    return [name for name in names if name != "epoch"]
