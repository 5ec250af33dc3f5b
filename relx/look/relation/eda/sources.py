"""The sources of the sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from relx.look.eda.corpus import Corpus
from relx.tasks.relation.rows import Example


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of sentences.

    Args:
        name: Its name; empty where the file says none.
        rows: Its rows by file.
        headline_percent: The headline label's share of its rows in percent, by `train`, `dev` and
            `predicted`; without the files that have no row of it.
    """

    name: str
    rows: dict[str, int]
    headline_percent: dict[str, float]


def source_rows(data: Corpus[Example], label: str) -> list[SourceRow]:
    """Counts the rows of each source, and how many of them have one label.

    Args:
        data: The rows.
        label: The label.

    Returns:
        A row a source, the one with most rows first.
    """
    files = data.files
    rows = {role: Counter(row.source for row in own) for role, own in files.items()}
    labelled = {
        series: list(zip((row.source for row in _rows_of(data, series)), own, strict=True))
        for series, own in data.golds().items()
    }
    all_of = {series: Counter(source for source, _ in own) for series, own in labelled.items()}
    of_label = {
        series: Counter(source for source, name in own if name == label)
        for series, own in labelled.items()
    }
    total: Counter[str] = sum(rows.values(), Counter())
    return [
        SourceRow(
            name,
            {role: counts[name] for role, counts in rows.items()},
            {
                series: 100 * of_label[series][name] / counts[name]
                for series, counts in all_of.items()
                if counts[name]
            },
        )
        for name, _ in total.most_common()
    ]


def _rows_of(data: Corpus[Example], series: str) -> list[Example]:
    return data.files["test" if series == "predicted" else series]
