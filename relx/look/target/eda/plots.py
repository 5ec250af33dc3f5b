"""The plots of the page about targets: what any page of data has, and how labels go together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relx.look.eda.plots import COLORS, SERIES, length_plots, lengths_plot, share_plot
from relx.look.eda.vocabulary.clouds import AROUND, Cloud
from relx.look.eda.vocabulary.word_plots import clouds_plot, frequent_plot, telling_plot
from relx.look.plots import Plot, heat_map, new_figure
from relx.look.target.eda.findings import TargetFindings
from relx.look.target.eda.target_facts import target_lengths

TELLING = (
    "z-scores of the log-odds ratio against the rows without the label, with the whole corpus as "
    "the prior; targets are left out."
)
CLOUDS = {"target": "Targets", AROUND: "Words around them"}


def plots(found: TargetFindings, clouds: Mapping[str, Mapping[str, Cloud]]) -> list[Plot]:
    """Draws everything that is shown as a picture.

    Args:
        found: What was found.
        clouds: The clouds by label and role.

    Returns:
        The plots, in the page's order.
    """
    common, drawn = found.common, [share_plot(found.common.shares), numbers_plot(found)]
    drawn += [together_plot(found), targets_plot(found), *length_plots(common)]
    lengths = {role: target_lengths(rows) for role, rows in common.data.files.items()}
    if any(len(own) for own in lengths.values()):
        drawn.append(lengths_plot("lengths-targets", "Lengths of targets in characters", lengths))
    drawn.append(telling_plot(common.telling, common.labels, TELLING))
    drawn += [frequent_plot(words, common.labels, role) for role, words in common.frequent.items()]
    return drawn + [clouds_plot(clouds, role, title) for role, title in CLOUDS.items()]


def numbers_plot(found: TargetFindings) -> Plot:
    """Draws how many labels rows have."""
    figure, axes = new_figure(5.0, 2.6)
    most = max(map(len, found.labels_a_row.values()))
    width = 0.8 / len(found.labels_a_row)
    rows = []
    for place, (series, counts) in enumerate(found.labels_a_row.items()):
        total = max(sum(counts), 1)
        percent = [100 * count / total for count in counts]
        at = np.arange(len(counts)) + (place - (len(found.labels_a_row) - 1) / 2) * width
        axes.bar(at, percent, width, color=COLORS[series], label=SERIES[series])
        rows += [(series, n, c, p) for n, (c, p) in enumerate(zip(counts, percent, strict=True))]
    axes.set_xticks(range(most))
    axes.grid(False, axis="x")
    axes.set_xlabel("labels of a row")
    axes.set_ylabel("percent of the rows")
    axes.legend()
    columns = ("series", "labels", "rows", "percent")
    return Plot("labels-a-row", "Labels of a row", figure, columns, rows)


def together_plot(found: TargetFindings) -> Plot:
    """Draws which labels rows of train have together."""
    labels, counts = found.common.labels, found.together
    alone = np.maximum(counts.diagonal()[:, None], 1)
    shares = 100 * counts / alone
    np.fill_diagonal(shares, np.nan)
    texts = [[f"{count:,}" if count else "" for count in line] for line in counts.tolist()]
    size = max(3.2, 1.6 + 0.34 * len(labels))
    figure, axes = new_figure(size, size)
    heat_map(axes, shares, labels, labels, None, texts)
    axes.set_aspect("equal")
    rows = [
        (one, other, int(counts[i, j]), float(100 * counts[i, j] / alone[i, 0]))
        for i, one in enumerate(labels)
        for j, other in enumerate(labels)
    ]
    note = "Rows of train that have both labels; on the diagonal, all that have the label."
    columns = ("label", "other", "rows", "percent_of_label")
    return Plot("labels-together", "Labels that rows have together", figure, columns, rows, note)


def targets_plot(found: TargetFindings) -> Plot:
    """Draws the labels of the most frequent targets."""
    labels, words = found.common.labels, found.frequent
    shares = 100 * found.by_target / np.maximum(found.target_rows[:, None], 1)
    texts = [[f"{count:,}" if count else "" for count in line] for line in found.by_target.tolist()]
    named = [f"{word}  {rows:,}" for word, rows in zip(words, found.target_rows, strict=True)]
    figure, axes = new_figure(2.6 + 0.34 * len(labels), 1.4 + 0.24 * max(len(words), 1))
    heat_map(axes, shares, named, labels, 100.0, texts)
    rows = [
        (word, label, int(found.by_target[i, j]), float(shares[i, j]))
        for i, word in enumerate(words)
        for j, label in enumerate(labels)
    ]
    note = "The most frequent targets of train with their rows, and how many have each label."
    columns = ("target", "label", "rows", "percent_of_target")
    return Plot("target-labels", "Labels of the most frequent targets", figure, columns, rows, note)
