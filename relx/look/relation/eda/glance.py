"""Facts about the files side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relx.look.relation.eda.file_facts import FileFacts, quantiles
from relx.look.relation.eda.findings import Findings


def glance(found: Findings) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Groups of facts; each fact has a text a file."""
    files = list(found.files.values())
    lengths = [own.characters for own in files]
    return [
        (
            "Rows",
            [
                ("rows", [f"{own.rows:,}" for own in files]),
                ("different sentences", [f"{own.sentences:,}" for own in files]),
                (
                    "sentences in several rows",
                    [f"{own.sentences_with_several_pairs:,}" for own in files],
                ),
                ("rows that repeat a row", [f"{own.duplicate_rows:,}" for own in files]),
                (
                    "entities whose word also occurs earlier",
                    [f"{own.first_match_elsewhere_percent:.1f} %" for own in files],
                ),
            ],
        ),
        (
            "Characters",
            [
                ("median", [f"{own.median:,}" for own in lengths]),
                ("95 % are at most", [f"{own.p95:,}" for own in lengths]),
                ("99 % are at most", [f"{own.p99:,}" for own in lengths]),
                ("longest", [f"{own.longest:,}" for own in lengths]),
            ],
        ),
        *_token_glance(found),
        ("Subjects", _kinds([own.subject_types for own in files], found)),
        ("Objects", _kinds([own.object_types for own in files], found)),
        ("Sentences with a sign that markers are made of", _signs(files)),
    ]


def _signs(files: Sequence[FileFacts]) -> list[tuple[str, list[str]]]:
    counts = [own.marker_characters for own in files]
    return [(sign, [f"{own[sign]:,}" for own in counts]) for sign in counts[0]]


def _token_glance(found: Findings) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    tokens = found.tokens
    if tokens.missing:
        return []
    own = [quantiles(tokens.lengths[role]) for role in found.files]
    over = [tokens.over(role) for role in found.files]
    rows = [max(len(tokens.lengths[role]), 1) for role in found.files]
    cut = [f"{o:,} ({100 * o / n:.2f} %)" for o, n in zip(over, rows, strict=True)]
    listed = [
        ("median", [f"{one.median:,}" for one in own]),
        ("95 % are at most", [f"{one.p95:,}" for one in own]),
        ("99 % are at most", [f"{one.p99:,}" for one in own]),
        ("longest", [f"{one.longest:,}" for one in own]),
        (f"rows over the window of {tokens.window}", cut),
        ("rows whose entities do not fit", [f"{tokens.refused[role]:,}" for role in found.files]),
    ]
    return [("Tokens, with markers", listed)]


def _kinds(counts: Sequence[Mapping[str, int]], found: Findings) -> list[tuple[str, list[str]]]:
    rows = [max(own.rows, 1) for own in found.files.values()]
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
