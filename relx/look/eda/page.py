"""What the template `eda/page.html` reads: the page of any task's data, ready to print."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from relx.data.rows.row import Row, labels_of
from relx.doubts import contradictions
from relx.look.eda.findings import TOLD_WORDS, Findings, headline_facts
from relx.look.eda.plots import SERIES, signed
from relx.look.eda.vocabulary.clouds import Cloud, data_address
from relx.look.eda.vocabulary.telling_words import TellingWord
from relx.look.eda.vocabulary.word_plots import MOST_LABELS

LARGE_SHIFT = 5.0  # percentage points
SHOWN_ROWS = 20  # contradictions, and sources
SHOWN_WORDS = 8  # of those that the rows of a label ask about


def common_context(found: Findings[Any]) -> dict[str, Any]:
    """Gives the template what it shows of any task; notices, glance and cards are the task's own.

    Args:
        found: What was found.

    Returns:
        Texts and numbers, ready to print.
    """
    return {
        "title": f"Data of {found.data.recipe.name}",
        "lead": _lead(found),
        "headline": _headline(found),
        "shares": _share_rows(found),
        "series": [(series, SERIES[series]) for series in found.shares.counts],
        "roles": list(found.data.files),
        "tokens": found.tokens,
        "contradictions": contradictory_rows(found.data.train, found.data.task.roles),
        "contradictory_keys": found.files["train"].contradictory_keys,
        "cards_left_out": max(len(found.labels) - MOST_LABELS, 0),
        "overview": [
            (_anchor(found, label), label, found.telling[label][:TOLD_WORDS])
            for label in found.labels
        ],
    }


def _lead(found: Findings[Any]) -> str:
    files = [f"{own.rows:,} rows of {role}" for role, own in found.files.items()]
    labels, present = len(found.data.labels), len(found.labels)
    return f"{', '.join(files)}; {labels} labels, {present} of them in train."


def _headline(found: Findings[Any]) -> dict[str, Any]:
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


def _share_rows(found: Findings[Any]) -> list[dict[str, Any]]:
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


def _anchor(found: Findings[Any], label: str) -> str | None:
    """Names the card of a label; None where it has none."""
    if label not in found.labels[:MOST_LABELS]:
        return None
    return f"label-{found.data.labels.index(label)}"


def contradictory_rows(rows: Sequence[Row], roles: Sequence[str]) -> list[dict[str, Any]]:
    """Shows the first groups of rows that contradict each other, their sentence in pieces.

    Args:
        rows: The rows.
        roles: What each of their spans is called.

    Returns:
        By group the pieces of the sentence, and id and labels of each row.
    """
    return [
        {
            "pieces": _pieces(rows[group[0]], roles),
            "rows": [(rows[place].id, labels_of(rows[place])) for place in group],
        }
        for group in contradictions(rows)[:SHOWN_ROWS]
    ]


def _pieces(row: Row, roles: Sequence[str]) -> list[tuple[str, str]]:
    """Cuts a sentence into pieces, each with the role that it belongs to, or with nothing."""
    spans = dict(zip(roles, row.spans, strict=False))
    cuts = sorted({0, len(row.sentence), *(place for span in spans.values() for place in span)})
    pieces = []
    for start, end in itertools.pairwise(cuts):
        own = [role for role, span in spans.items() if span.start <= start and end <= span.end]
        pieces.append((row.sentence[start:end], own[0] if own else ""))
    return pieces


def card(
    found: Findings[Any],
    clouds: Mapping[str, Mapping[str, Cloud]],
    label: str,
    titles: Mapping[str, str],
    more: Sequence[tuple[str, list[dict[str, str]]]] = (),
) -> dict[str, Any]:
    """Shows everything about one label.

    Args:
        found: What was found.
        clouds: The clouds by label and role.
        label: The label.
        titles: The headings of the clouds by role; lists of the roles have the same.
        more: Further lists of bars, with their headings.

    Returns:
        Texts and numbers, ready to print.
    """
    words = found.telling[label][:TOLD_WORDS]
    share = found.shares.names.index(label)
    lists = [(titles[role], bars(own[label][:SHOWN_WORDS])) for role, own in found.frequent.items()]
    return {
        "label": label,
        "anchor": _anchor(found, label),
        "rows": f"{found.shares.counts['train'][share]:,}",
        "percent": f"{found.shares.percent('train')[share]:.1f}",
        "words": [_bar(w.word, w.z, words[0].z, f"{w.z:.1f}", _told(w)) for w in words],
        "lists": [*lists, *more],
        "clouds": [
            (
                titles[role],
                data_address(drawn.png),
                f"Word cloud, {titles[role].lower()} of {label}: {', '.join([*drawn.words][:8])}",
            )
            for role, drawn in clouds[label].items()
        ],
    }


def _told(word: TellingWord) -> str:
    return f"in {word.rows:,} rows of this label, {word.all_rows:,} in all"


def bars(counts: Sequence[tuple[str, int]]) -> list[dict[str, str]]:
    """Shows counted words as bars, the longest of which is as wide as there is room."""
    highest = max((count for _, count in counts), default=1)
    return [_bar(word, count, highest, f"{count:,}", "") for word, count in counts]


def _bar(word: str, value: float, highest: float, text: str, title: str) -> dict[str, str]:
    width = f"{100 * value / (highest or 1):.1f}"
    return {"word": word, "width": width, "text": text, "title": title or word}
