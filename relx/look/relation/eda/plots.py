"""The plots of the page about relations: what any page of data has, and entity types."""

from __future__ import annotations

from collections.abc import Mapping

from relx.look.eda.plots import length_plots, percent_text, share_plot
from relx.look.eda.vocabulary.clouds import AROUND, Cloud
from relx.look.eda.vocabulary.word_plots import clouds_plot, frequent_plot, telling_plot
from relx.look.plots import FAINT, Plot, heat_map, new_figure
from relx.look.relation.eda.entity_types import TypeTable
from relx.look.relation.eda.findings import RelationFindings

TELLING = (
    "z-scores of the log-odds ratio against all other labels, with the whole corpus as the "
    "prior; entities are left out."
)
CLOUDS = {"subject": "Subjects", "object": "Objects", AROUND: "Words around them"}


def plots(found: RelationFindings, clouds: Mapping[str, Mapping[str, Cloud]]) -> list[Plot]:
    """Draws everything that is shown as a picture.

    Args:
        found: What was found.
        clouds: The clouds by label and role.

    Returns:
        The plots, in the page's order.
    """
    common = found.common
    labels = common.labels
    drawn = [share_plot(common.shares), types_plot(found.types), *length_plots(common)]
    drawn.append(telling_plot(common.telling, labels, TELLING))
    drawn += [frequent_plot(words, labels, role) for role, words in common.frequent.items()]
    drawn += [clouds_plot(clouds, role, title) for role, title in CLOUDS.items()]
    return drawn


def types_plot(types: TypeTable) -> Plot:
    """Draws in what share of a label's rows the entities are of which types."""
    percent = types.percent()
    texts = [[percent_text(value) for value in row] for row in percent]
    # The arrow is barely visible in some fonts.
    names = [type_heading(group, name).replace("→", ">") for group, name in types.columns]
    width, height = 2.6 + 0.3 * len(names), 1.4 + 0.19 * len(types.labels)
    figure, axes = new_figure(max(width, 4.0), height)
    heat_map(axes, percent, types.labels, names, 100.0, texts)
    groups = [group for group, _ in types.columns]
    for at in range(1, len(groups)):
        if groups[at] != groups[at - 1]:
            axes.axvline(at, color=FAINT, linewidth=1)
    rows = [
        (label, group, name, int(types.counts[i, j]), round(float(percent[i, j]), 3))
        for i, label in enumerate(types.labels)
        for j, (group, name) in enumerate(types.columns)
    ]
    columns = ("label", "group", "types", "rows", "percent_of_label")
    note = "In percent of the label's rows of train."
    if types.left_out:
        note += f" {types.left_out} rarer pairs of types have no column."
    return Plot("types", "Entity types by label", figure, columns, rows, note)


def type_heading(group: str, name: str) -> str:
    """Heads a column of the type table: whether the type is the subject's or the object's."""
    return {"subject": f"{name} →", "object": f"→ {name}"}.get(group, name)
