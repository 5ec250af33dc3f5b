"""What there is to say about any task's data, before it is drawn or printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from relx.data.rows.row import R
from relx.look.eda.corpus import Corpus
from relx.look.eda.file_facts import FileFacts, describe_file, shared_sentences
from relx.look.eda.label_shares import LabelShares, headline_label, label_shares
from relx.look.eda.token_lengths import TokenLengths, token_lengths
from relx.look.eda.vocabulary.telling_words import TellingWord, telling_words
from relx.look.eda.vocabulary.word_counts import WordCounts, count_words, frequent_words

TOLD_WORDS = 12  # of a label, in the facts
KEPT = 50  # words of a label, in the CSV files


@dataclass(frozen=True, slots=True)
class Findings(Generic[R]):
    """What the page of any task's data is made of.

    Args:
        data: The rows.
        shares: The labels' shares.
        headline: The label that a reader looks at first.
        labels: The labels that train has, the most frequent first.
        files: The facts of each file.
        tokens: The lengths in tokens.
        frequent: By role and label of train, the most frequent words asked about and their rows.
        counts: The words of train.
        telling: By label, the words that give it away.
    """

    data: Corpus[R]
    shares: LabelShares
    headline: str
    labels: tuple[str, ...]
    files: dict[str, FileFacts]
    tokens: TokenLengths
    frequent: dict[str, dict[str, list[tuple[str, int]]]]
    counts: WordCounts
    telling: dict[str, list[TellingWord]]


def examine(data: Corpus[R], cache: Path | None = None) -> Findings[R]:
    """Counts what the page of any task's data shows.

    Args:
        data: The rows.
        cache: Where the words found are kept; None keeps none.

    Returns:
        What was found.
    """
    shares, roles = label_shares(data), data.task.roles
    of_train = zip(shares.names, shares.counts["train"], strict=True)
    labels = tuple(name for name, rows in of_train if rows)
    counts = count_words(data.train, roles, labels, cache)
    return Findings(
        data=data,
        shares=shares,
        headline=headline_label(shares, data.labels.negative),
        labels=labels,
        files={role: describe_file(data.path(role), rows) for role, rows in data.files.items()},
        tokens=token_lengths(data),
        frequent={
            role: frequent_words(data.train, number, KEPT) for number, role in enumerate(roles)
        },
        counts=counts,
        telling=telling_words(counts, KEPT),
    )


def facts(found: Findings[Any]) -> dict[str, Any]:
    """Returns the figures of the page for programs.

    Args:
        found: What was found.

    Returns:
        What `json.dumps` takes: `files`, `tokens`, `labels`, `headline`, `shared_sentences`,
        `telling_words`; shares are in percent.
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
        "telling_words": {
            label: [[word.word, round(word.z, 3)] for word in words[:TOLD_WORDS]]
            for label, words in found.telling.items()
        },
    }


def headline_facts(found: Findings[Any]) -> dict[str, Any]:
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


def shared_with_train(data: Corpus[Any]) -> dict[str, tuple[int, int]]:
    """Counts the sentences of dev and test that are also in train, and their rows."""
    others = {role: rows for role, rows in data.files.items() if role != "train"}
    return {role: shared_sentences(data.train, rows) for role, rows in others.items()}
