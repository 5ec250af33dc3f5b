"""What one file holds, whatever its task: sentences, lengths, and rows that are doubtful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from relx.data.rows.repeats import shared
from relx.data.rows.row import Row
from relx.doubts import contradictions, repeated_rows
from relx.look.eda.lengths import Quantiles, character_lengths, quantiles
from relx.spans import Span

# Signs that entity markers are made of, or that look like a piece of one.
MARKER_CHARACTERS = "@#^§⊙*&["


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file holds.

    Args:
        path: The file.
        rows: Its rows.
        sentences: Its different sentences.
        sentences_in_several_rows: Those that more than one row has.
        duplicate_rows: Rows that ask what an earlier row asked of the same sentence.
        contradictory_keys: Questions that rows answer differently.
        spans: The words that its rows ask about: as many as rows, twice as many, or fewer.
        first_match_elsewhere: Those that also occur earlier in the sentence.
        characters: Lengths of the rows' sentences.
        marker_characters: Sentences that hold a sign which markers are made of.
    """

    path: str
    rows: int
    sentences: int
    sentences_in_several_rows: int
    duplicate_rows: int
    contradictory_keys: int
    spans: int
    first_match_elsewhere: int
    characters: Quantiles
    marker_characters: dict[str, int]

    @property
    def first_match_elsewhere_percent(self) -> float:
        """The share of the words asked about that also occur earlier, in percent."""
        return 100 * self.first_match_elsewhere / max(self.spans, 1)

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as `json.dumps` takes them."""
        share = self.first_match_elsewhere_percent
        return asdict(self) | {"first_match_elsewhere_percent": share}


def describe_file(path: str, rows: Sequence[Row]) -> FileFacts:
    """Counts what one file holds.

    Args:
        path: The file.
        rows: Its rows.

    Returns:
        The counts.
    """
    sentences = Counter(row.sentence for row in rows)
    groups = repeated_rows(rows)
    return FileFacts(
        path=path,
        rows=len(rows),
        sentences=len(sentences),
        sentences_in_several_rows=sum(count > 1 for count in sentences.values()),
        duplicate_rows=sum(len(group) - 1 for group in groups),
        contradictory_keys=len(contradictions(rows)),
        spans=sum(len(row.spans) for row in rows),
        first_match_elsewhere=sum(
            occurs_earlier(row.sentence, span) for row in rows for span in row.spans
        ),
        characters=quantiles(character_lengths(rows)),
        marker_characters={
            sign: sum(sign in sentence for sentence in sentences) for sign in MARKER_CHARACTERS
        },
    )


def occurs_earlier(sentence: str, span: Span) -> bool:
    """Says whether a search for a span's words would find them before the span itself."""
    return sentence.find(span.of(sentence)) < span.start


def shared_sentences(one: Sequence[Row], other: Sequence[Row]) -> tuple[int, int]:
    """Counts the sentences that are in both files.

    Args:
        one: The rows of one file.
        other: The rows of another.

    Returns:
        The sentences, and the rows of `other` that have them.
    """
    rows = shared((row.sentence for row in one), (row.sentence for row in other))
    return len({other[i].sentence for i in rows}), len(rows)
