"""What there is to say about a task's data, before it is drawn or printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.look.relation.eda.entity_types import TypeTable, frequent_entities, type_table
from relx.look.relation.eda.file_facts import FileFacts, describe_file, shared_sentences
from relx.look.relation.eda.label_shares import LabelShares, headline_label, label_shares
from relx.look.relation.eda.task_data import ROLES, TaskData
from relx.look.relation.eda.token_lengths import TokenLengths, token_lengths
from relx.look.relation.eda.words import (
    TellingWord,
    WordCounts,
    cloud,
    cloud_words,
    count_words,
    telling_words,
)
from relx.progress import bar

TOLD_WORDS = 12  # of a label, in the facts
KEPT = 50  # words and entities of a label, in the CSV files


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the page is made of.

    Args:
        data: The rows.
        shares: The labels' shares.
        headline: The label that a reader looks at first.
        files: The facts of each file.
        tokens: The lengths in tokens.
        types: The entity types of train by label.
        entities: By role and label of train, the most frequent words and their rows.
        counts: The words of train.
        telling: By label, the words that give it away.
    """

    data: TaskData
    shares: LabelShares
    headline: str
    files: dict[str, FileFacts]
    tokens: TokenLengths
    types: TypeTable
    entities: dict[str, dict[str, list[tuple[str, int]]]]
    counts: WordCounts
    telling: dict[str, list[TellingWord]]


@dataclass(frozen=True, slots=True)
class Cloud:
    """A word cloud.

    Args:
        words: Its words, and in how many rows each occurs.
        png: The picture.
    """

    words: dict[str, int]
    png: bytes


def examine(data: TaskData, cache: Path | None = None) -> Findings:
    """Counts everything that the page shows.

    Args:
        data: The rows.
        cache: Where the words found are kept; None keeps none.

    Returns:
        What was found.
    """
    shares = label_shares(data)
    types = type_table(data.train, shares.names)
    counts = count_words(data.train, types.labels, cache)
    return Findings(
        data=data,
        shares=shares,
        headline=headline_label(shares, data.labels.negative),
        files={role: describe_file(data.path(role), rows) for role, rows in data.files.items()},
        tokens=token_lengths(data),
        types=types,
        entities={role: frequent_entities(data.train, role, KEPT) for role in ROLES},
        counts=counts,
        telling=telling_words(counts, KEPT),
    )


def draw_clouds(counts: WordCounts, labels: Sequence[str]) -> dict[str, dict[str, Cloud]]:
    """Draws the clouds of some labels.

    Args:
        counts: The words.
        labels: The labels.

    Returns:
        By label and role a cloud; none where there is no word to draw.
    """
    clouds: dict[str, dict[str, Cloud]] = {}
    with bar("drawing word clouds", len(labels), "labels") as progress:
        for label in labels:
            words = cloud_words(counts, label)
            clouds[label] = {role: Cloud(own, cloud(own)) for role, own in words.items() if own}
            progress.advance()
    return clouds


def facts(found: Findings) -> dict[str, Any]:
    """Returns the figures of the page for programs.

    Args:
        found: What was found.

    Returns:
        What `json.dumps` takes: `files`, `tokens`, `labels`, `headline`, `shared_sentences`,
        `types`, `telling_words`; shares are in percent.
    """
    shares, tokens = found.shares, found.tokens
    return {
        "recipe": found.data.recipe.name,
        "files": {role: own.to_json() for role, own in found.files.items()},
        "tokens": {role: tokens.to_json(role) for role in tokens.lengths},
        "tokens_missing": tokens.missing,
        "labels": {
            series: dict(zip(shares.names, counts.tolist(), strict=True))
            for series, counts in shares.counts.items()
        },
        "headline": headline_facts(found),
        "shared_sentences": {
            role: dict(zip(("sentences", "rows"), pair, strict=True))
            for role, pair in shared_with_train(found.data).items()
        },
        "types": {
            label: dict(zip(map(": ".join, found.types.columns), row, strict=True))
            for label, row in zip(found.types.labels, found.types.counts.tolist(), strict=True)
        },
        "telling_words": {
            label: [[word.word, round(word.z, 3)] for word in words[:TOLD_WORDS]]
            for label, words in found.telling.items()
        },
    }


def headline_facts(found: Findings) -> dict[str, Any]:
    """Returns the headline label's shares in percent, and its shift in percentage points."""
    shares = found.shares
    place = shares.names.index(found.headline)
    shift = shares.shift()
    return {
        "label": found.headline,
        "negative": found.headline == found.data.labels.negative,
        "percent": {series: float(shares.percent(series)[place]) for series in shares.counts},
        "shift_points": None if shift is None else float(shift[place]),
    }


def shared_with_train(data: TaskData) -> dict[str, tuple[int, int]]:
    """Counts the sentences of dev and test that are also in train, and their rows."""
    others = {role: rows for role, rows in data.files.items() if role != "train"}
    return {role: shared_sentences(data.train, rows) for role, rows in others.items()}
