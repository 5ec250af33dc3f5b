"""Facts about the files side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relx.look.eda.file_facts import FileFacts
from relx.look.eda.findings import Findings
from relx.look.eda.lengths import Quantiles, quantiles

Fact = tuple[str, list[str]]  # what it is, and a text a file
Group = tuple[str, list[Fact]]


def rows_glance(files: Sequence[FileFacts], asked: str) -> list[Fact]:
    """Facts about rows.

    Args:
        files: The facts of each file.
        asked: What rows ask about: a noun in the plural.

    Returns:
        The facts.
    """
    return [
        ("rows", [f"{own.rows:,}" for own in files]),
        ("different sentences", [f"{own.sentences:,}" for own in files]),
        ("sentences in several rows", [f"{own.sentences_in_several_rows:,}" for own in files]),
        ("rows that repeat a row", [f"{own.duplicate_rows:,}" for own in files]),
        (
            f"{asked} whose word also occurs earlier",
            [f"{own.first_match_elsewhere_percent:.1f} %" for own in files],
        ),
    ]


def lengths_glance(files: Sequence[Quantiles]) -> list[Fact]:
    """Facts about lengths."""
    return [
        ("median", [f"{own.median:,}" for own in files]),
        ("95 % are at most", [f"{own.p95:,}" for own in files]),
        ("99 % are at most", [f"{own.p99:,}" for own in files]),
        ("longest", [f"{own.longest:,}" for own in files]),
    ]


def token_glance(found: Findings[Any]) -> list[Group]:
    """A group of facts about lengths in tokens; none where there is no tokenizer."""
    tokens = found.tokens
    if tokens.missing:
        return []
    rows = [max(len(tokens.lengths[role]), 1) for role in found.files]
    over = [tokens.over(role) for role in found.files]
    cut = [f"{o:,} ({100 * o / n:.2f} %)" for o, n in zip(over, rows, strict=True)]
    refused = [f"{tokens.refused[role]:,}" for role in found.files]
    listed = [
        *lengths_glance([quantiles(tokens.lengths[role]) for role in found.files]),
        (f"rows over the window of {tokens.window}", cut),
        (f"rows whose {found.data.task.asked} do not fit", refused),
    ]
    return [("Tokens, with markers", listed)]


def signs_glance(files: Sequence[FileFacts]) -> list[Fact]:
    """Facts about signs that markers are made of."""
    counts = [own.marker_characters for own in files]
    return [(sign, [f"{own[sign]:,}" for own in counts]) for sign in counts[0]]


def kinds_glance(counts: Sequence[Mapping[str, int]], files: Sequence[FileFacts]) -> list[Fact]:
    """Facts about how many rows of each file are of a kind, such as of a type.

    Args:
        counts: By file, rows by kind.
        files: The facts of each file.

    Returns:
        A fact a kind, with its share of the file's rows.
    """
    rows = [max(own.rows, 1) for own in files]
    names = dict.fromkeys(name for own in counts for name in own)
    return [
        (
            name or "(none)",
            [
                f"{own.get(name, 0):,} ({100 * own.get(name, 0) / n:.1f} %)" if name in own else "0"
                for own, n in zip(counts, rows, strict=True)
            ],
        )
        for name in names
    ]
