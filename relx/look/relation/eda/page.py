"""The page about relations and their entities: what is in a recipe's data, and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relx.data.tokenizing.token_cache import token_folder
from relx.look.eda.corpus import read_corpus
from relx.look.eda.glance import (
    Group,
    kinds_glance,
    lengths_glance,
    rows_glance,
    signs_glance,
    token_glance,
)
from relx.look.eda.notices import place_notices, sentence_notices, token_notices
from relx.look.eda.page import LARGE_SHIFT, SHOWN_ROWS, bars, card, common_context
from relx.look.eda.plots import percent_text
from relx.look.eda.vocabulary.clouds import Cloud, draw_clouds
from relx.look.eda.vocabulary.word_plots import MOST_LABELS
from relx.look.page import write_page
from relx.look.relation.eda.entity_types import TypeTable
from relx.look.relation.eda.file_facts import type_shifts
from relx.look.relation.eda.findings import RelationFindings, examine, facts
from relx.look.relation.eda.plots import CLOUDS, plots, type_heading
from relx.look.relation.eda.sources import source_rows
from relx.progress import say
from relx.recipe import Recipe

SHOWN_SHIFTS = 4
SHOWN_PAIRS = 5  # of types, of a label
REPEATS = (
    "{count} of train repeat the sentence and entities of an earlier row; {contradictory} of "
    "these pairs have two labels."
)

WORDS = {
    "is": "is",
    "be": "be",
    "answers": "s.csv",
    "contradictions": "Same sentence, same entities, two labels",
    "asked": "entities",
    "others": "all others",
}


def write_eda(recipe: Recipe, pred: Path | None, out: Path, runs_dir: Path) -> dict[str, Any]:
    """Reads a recipe's data and writes the page about them, with the plots beside it.

    Args:
        recipe: The recipe.
        pred: A submission of its test rows; None for a page without predictions.
        out: The page to write.
        runs_dir: The folder of all runs, in which the words found are kept for the next time.

    Returns:
        The facts, as `facts` says.

    Raises:
        InputError: A file cannot be read, or the page cannot be written.
    """
    say(f"reading the files of {recipe.name}")
    found = examine(read_corpus(recipe, pred), token_folder(runs_dir))
    clouds = draw_clouds(found.common.counts, found.common.labels[:MOST_LABELS])
    say("drawing")
    figures = facts(found)
    write_page(out, "relation/eda.html", plots(found, clouds), context(found, clouds), figures)
    return figures


def context(found: RelationFindings, clouds: Mapping[str, Mapping[str, Cloud]]) -> dict[str, Any]:
    """Gives the template what it reads.

    Args:
        found: What was found.
        clouds: The clouds by label and role.

    Returns:
        Texts and numbers, ready to print.
    """
    common = found.common
    return {
        **common_context(common),
        "words": WORDS,
        "word_pictures": ["subjects", "objects", *(f"clouds-{role}" for role in CLOUDS)],
        "notices": _notices(found),
        "glance": _glance(found),
        "sources": _sources(found),
        "types": _type_rows(found.types),
        "cards": [
            card(common, clouds, label, CLOUDS, [("Types", bars(_pairs(found.types, label)))])
            for label in common.labels[:MOST_LABELS]
        ],
    }


def _notices(found: RelationFindings) -> list[str]:
    """Says what to know before training, the weightiest first."""
    common = found.common
    return [
        *_type_notices(found),
        *sentence_notices(common, REPEATS),
        *place_notices(common),
        *token_notices(common, "both entities are"),
    ]


def _type_notices(found: RelationFindings) -> list[str]:
    if "test" not in found.kinds:
        return []
    shifts = type_shifts(found.kinds["train"], found.kinds["test"], LARGE_SHIFT)
    return [
        f"{one.role.capitalize()}s of type {one.type} are {one.train_percent:.1f} % of train and "
        f"{one.test_percent:.1f} % of test."
        for one in shifts[:SHOWN_SHIFTS]
    ]


def _glance(found: RelationFindings) -> list[Group]:
    """Facts about the files side by side."""
    files, kinds = list(found.common.files.values()), list(found.kinds.values())
    return [
        ("Rows", rows_glance(files, found.common.data.task.asked)),
        ("Characters", lengths_glance([own.characters for own in files])),
        *token_glance(found.common),
        ("Subjects", kinds_glance([own.subject_types for own in kinds], files)),
        ("Objects", kinds_glance([own.object_types for own in kinds], files)),
        ("Sentences with a sign that markers are made of", signs_glance(files)),
    ]


def _sources(found: RelationFindings) -> dict[str, Any]:
    common = found.common
    rows = source_rows(common.data, common.headline)
    totals = {role: max(len(own), 1) for role, own in common.data.files.items()}
    return {
        "label": common.headline,
        "left_out": max(len(rows) - SHOWN_ROWS, 0),
        "rows": [
            (
                row.name or "(none)",
                [f"{n:,} ({100 * n / totals[role]:.1f} %)" for role, n in row.rows.items()],
                [
                    f"{row.headline_percent[series]:.1f} %"
                    if series in row.headline_percent
                    else "–"
                    for series in common.shares.counts
                ],
            )
            for row in rows[:SHOWN_ROWS]
        ],
    }


def _type_rows(types: TypeTable) -> dict[str, Any]:
    percent = types.percent()
    groups = [group for group, _ in types.columns]
    first = [at == 0 or groups[at] != groups[at - 1] for at in range(len(groups))]
    return {
        "columns": [
            (type_heading(group, name), edge)
            for (group, name), edge in zip(types.columns, first, strict=True)
        ],
        "rows": [
            (
                label,
                f"{sum(types.counts[i, j] for j, g in enumerate(groups) if g == 'subject'):,}",
                [
                    {
                        "heat": percent[i, j] / 100,
                        "text": percent_text(percent[i, j]),
                        "title": f"{label}, {type_heading(*column)}: {types.counts[i, j]:,} rows",
                        "edge": first[j],
                    }
                    for j, column in enumerate(types.columns)
                ],
            )
            for i, label in enumerate(types.labels)
        ],
    }


def _pairs(types: TypeTable, label: str) -> list[tuple[str, int]]:
    """The most frequent pairs of types of a label."""
    counts = types.counts[types.labels.index(label)]
    pairs = [
        (name, int(counts[at])) for at, (group, name) in enumerate(types.columns) if group == "pair"
    ]
    return [pair for pair in sorted(pairs, key=lambda pair: -pair[1]) if pair[1]][:SHOWN_PAIRS]
