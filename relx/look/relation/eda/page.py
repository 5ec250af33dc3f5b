"""The page about a task's data: what is in it, and where."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relx.data.token_cache import token_folder
from relx.look.page import write_page
from relx.look.relation.eda.entity_types import TypeTable
from relx.look.relation.eda.file_facts import type_shifts
from relx.look.relation.eda.findings import (
    TOLD_WORDS,
    Cloud,
    Findings,
    draw_clouds,
    examine,
    facts,
    headline_facts,
    shared_with_train,
)
from relx.look.relation.eda.glance import glance
from relx.look.relation.eda.plots import (
    CLOUDS,
    MOST_LABELS,
    SERIES,
    percent_text,
    plots,
    signed,
    type_heading,
)
from relx.look.relation.eda.sources import source_rows
from relx.look.relation.eda.task_data import read_task_data
from relx.look.relation.eda.words import TellingWord, data_address
from relx.progress import say
from relx.recipe import Recipe
from relx.tasks.relation.rows import Example
from relx.validate import contradictions

SHOWN_ENTITIES = 8
LARGE_SHIFT = 5.0  # percentage points
SHOWN_SHIFTS = 4
SHOWN_ROWS = 20  # contradictions, and sources


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
    found = examine(read_task_data(recipe, pred), token_folder(runs_dir))
    clouds = draw_clouds(found.counts, found.types.labels[:MOST_LABELS])
    say("drawing")
    figures = facts(found)
    write_page(out, "relation/eda.html", plots(found, clouds), context(found, clouds), figures)
    return figures


def context(found: Findings, clouds: Mapping[str, Mapping[str, Cloud]]) -> dict[str, Any]:
    """Gives the template what it reads.

    Args:
        found: What was found.
        clouds: The clouds by label and role.

    Returns:
        Texts and numbers, ready to print.
    """
    data = found.data
    return {
        "title": f"Data of {data.recipe.name}",
        "lead": _lead(found),
        "headline": _headline(found),
        "shares": _share_rows(found),
        "series": [(series, SERIES[series]) for series in found.shares.counts],
        "notices": _notices(found),
        "glance": glance(found),
        "roles": list(data.files),
        "sources": _sources(found),
        "types": _type_rows(found.types),
        "tokens": found.tokens,
        "contradictions": _contradictory_rows(data.train),
        "contradictory_keys": found.files["train"].contradictory_keys,
        "cards": [_card(found, clouds, label) for label in found.types.labels[:MOST_LABELS]],
        "cards_left_out": max(len(found.types.labels) - MOST_LABELS, 0),
        "overview": [
            (_anchor(found, label), label, found.telling[label][:TOLD_WORDS])
            for label in found.types.labels
        ],
    }


def _lead(found: Findings) -> str:
    files = [f"{own.rows:,} rows of {role}" for role, own in found.files.items()]
    labels = len(found.data.labels)
    return f"{', '.join(files)}; {labels} labels, {len(found.types.labels)} of them in train."


def _headline(found: Findings) -> dict[str, Any]:
    figures = headline_facts(found)
    shift = figures["shift_points"]
    texts = {series: f"{percent:.1f}" for series, percent in figures["percent"].items()}
    return {
        "label": found.headline,
        "negative": figures["negative"],
        "percent": texts,
        "shift": None if shift is None else signed(shift),
        "large": shift is not None and abs(shift) >= LARGE_SHIFT,
        "has_test": "test" in found.data.files,
    }


def _share_rows(found: Findings) -> list[dict[str, Any]]:
    shares, shift = found.shares, found.shares.shift()
    percent = {series: shares.percent(series) for series in shares.counts}
    highest = max((float(own.max()) for own in percent.values()), default=0) or 1
    return [
        {
            "label": name,
            "anchor": _anchor(found, name),
            "bars": [
                {
                    "series": series,
                    "share": f"{percent[series][place] / highest:.4f}",
                    "percent": f"{percent[series][place]:.1f}",
                    "rows": f"{shares.counts[series][place]:,}",
                }
                for series in shares.counts
            ],
            "shift": None if shift is None else signed(float(shift[place])),
            "headline": name == found.headline,
        }
        for place, name in enumerate(shares.names)
    ]


def _anchor(found: Findings, label: str) -> str | None:
    """Names the card of a label; None where it has none."""
    if label not in found.types.labels[:MOST_LABELS]:
        return None
    return f"label-{found.data.labels.index(label)}"


def _notices(found: Findings) -> list[str]:
    """Says what to know before training, the weightiest first."""
    train, notices = found.files["train"], _type_notices(found)
    for role, (sentences, rows) in shared_with_train(found.data).items():
        if sentences:
            notices.append(
                f"{_counted(sentences, 'sentence')} of train {_are(sentences)} also in {role} "
                f"({_counted(rows, 'row')}): scores there are a little too good."
            )
    if train.sentences_with_several_pairs:
        notices.append(
            f"{_counted(train.sentences_with_several_pairs, 'sentence')} of train "
            f"{_are(train.sentences_with_several_pairs)} in more than one row: a split that "
            "separates those rows gives scores that are too good. relx splits by sentence."
        )
    if train.duplicate_rows:
        notices.append(
            f"{_counted(train.duplicate_rows, 'row')} of train repeat the sentence and entities "
            f"of an earlier row; {train.contradictory_keys} of these pairs have two labels."
        )
    for role, own in found.files.items():
        if own.first_match_elsewhere:
            share = f"{own.first_match_elsewhere_percent:.1f} %"
            notices.append(
                f"The words of {own.first_match_elsewhere:,} entities of {role} ({share}) also "
                "occur earlier in the sentence: searching for the word finds the wrong place."
            )
    return notices + _token_notices(found)


def _type_notices(found: Findings) -> list[str]:
    if "test" not in found.files:
        return []
    shifts = type_shifts(found.files["train"], found.files["test"], LARGE_SHIFT)
    return [
        f"{one.role.capitalize()}s of type {one.type} are {one.train_percent:.1f} % of train and "
        f"{one.test_percent:.1f} % of test."
        for one in shifts[:SHOWN_SHIFTS]
    ]


def _token_notices(found: Findings) -> list[str]:
    tokens, notices = found.tokens, []
    for role, lengths in tokens.lengths.items():
        over, refused = tokens.over(role), tokens.refused[role]
        if over:
            share = f"{100 * over / len(lengths):.2f} %"
            kept = "" if refused else "; both entities are kept in every one"
            notices.append(
                f"{_counted(over, 'row')} of {role} ({share}) are longer than the window of "
                f"{tokens.window} tokens and are cut{kept}."
            )
        if refused:
            notices.append(
                f"In {_counted(refused, 'row')} of {role} the entities do not fit into the window "
                "or leave no token: training and prediction refuse them."
            )
    return notices


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _sources(found: Findings) -> dict[str, Any]:
    rows = source_rows(found.data, found.headline)
    totals = {role: max(len(own), 1) for role, own in found.data.files.items()}
    return {
        "label": found.headline,
        "left_out": max(len(rows) - SHOWN_ROWS, 0),
        "rows": [
            (
                row.name or "(none)",
                [f"{n:,} ({100 * n / totals[role]:.1f} %)" for role, n in row.rows.items()],
                [
                    f"{row.headline_percent[series]:.1f} %"
                    if series in row.headline_percent
                    else "–"
                    for series in found.shares.counts
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


def _contradictory_rows(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """The first groups of rows that contradict each other, their sentence in pieces."""
    return [
        {
            "pieces": _pieces(examples[group[0]]),
            "rows": [(examples[place].id, examples[place].label) for place in group],
        }
        for group in contradictions(examples)[:SHOWN_ROWS]
    ]


def _pieces(row: Example) -> list[tuple[str, str]]:
    """Cuts a sentence into pieces, each with what it belongs to: subject, object, or nothing."""
    spans = {"subject": row.subject.span, "object": row.object.span}
    cuts = sorted({0, len(row.sentence), *(place for span in spans.values() for place in span)})
    pieces = []
    for start, end in itertools.pairwise(cuts):
        roles = [role for role, span in spans.items() if span.start <= start and end <= span.end]
        pieces.append((row.sentence[start:end], roles[0] if roles else ""))
    return pieces


def _card(found: Findings, clouds: Mapping[str, Mapping[str, Cloud]], label: str) -> dict[str, Any]:
    """Everything about one label."""
    types, place = found.types, found.types.labels.index(label)
    counts = types.counts[place]
    pairs = [
        (name, int(counts[at])) for at, (group, name) in enumerate(types.columns) if group == "pair"
    ]
    words = found.telling[label][:TOLD_WORDS]
    share = found.shares.names.index(label)
    return {
        "label": label,
        "anchor": _anchor(found, label),
        "rows": f"{found.shares.counts['train'][share]:,}",
        "percent": f"{found.shares.percent('train')[share]:.1f}",
        "words": [_bar(w.word, w.z, words[0].z, f"{w.z:.1f}", _told(w)) for w in words],
        "lists": [
            ("Subjects", _bars(found.entities["subject"][label][:SHOWN_ENTITIES])),
            ("Objects", _bars(found.entities["object"][label][:SHOWN_ENTITIES])),
            ("Types", _bars([p for p in sorted(pairs, key=lambda p: -p[1]) if p[1]][:5])),
        ],
        "clouds": [
            (
                CLOUDS[role],
                data_address(drawn.png),
                f"Word cloud, {CLOUDS[role].lower()} of {label}: {', '.join([*drawn.words][:8])}",
            )
            for role, drawn in clouds[label].items()
        ],
    }


def _told(word: TellingWord) -> str:
    return f"in {word.rows:,} rows of this label, {word.all_rows:,} in all"


def _bars(counts: Sequence[tuple[str, int]]) -> list[dict[str, str]]:
    highest = max((count for _, count in counts), default=1)
    return [_bar(word, count, highest, f"{count:,}", "") for word, count in counts]


def _bar(word: str, value: float, highest: float, text: str, title: str) -> dict[str, str]:
    width = f"{100 * value / (highest or 1):.1f}"
    return {"word": word, "width": width, "text": text, "title": title or word}
