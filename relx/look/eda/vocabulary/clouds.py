"""Word clouds of a label."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from relx.look.eda.vocabulary.word_counts import WordCounts
from relx.look.font import korean_font, letters_of
from relx.progress import bar

AROUND = "context"  # the cloud of the words around those that rows ask about
CLOUD_WORDS = 36
CLOUD_SIZE = (360, 210)  # in CSS pixels; the picture has twice as many
LONGEST_IN_CLOUD = 16
# Legible on white paper as well as on a dark page.
CLOUD_COLORS = ("#3f74dd", "#cf6428", "#2a9474", "#9460cc")


@dataclass(frozen=True, slots=True)
class Cloud:
    """A word cloud.

    Args:
        words: Its words, and in how many rows each occurs.
        png: The picture.
    """

    words: dict[str, int]
    png: bytes


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


def cloud_words(counts: WordCounts, label: str) -> dict[str, dict[str, int]]:
    """Chooses the words of a label's clouds.

    Args:
        counts: The words.
        label: The label.

    Returns:
        For each role, and for `context` around them, the most frequent nouns and their rows.
    """
    own = counts.context[counts.labels.index(label)] * counts.nouns
    best = np.argsort(-own, kind="stable")[: 4 * CLOUD_WORDS]
    every = {role: asked.get(label, Counter()) for role, asked in counts.asked.items()}
    every[AROUND] = Counter({counts.vocabulary[at]: int(own[at]) for at in best if own[at]})
    known = letters_of(korean_font())
    return {role: _drawn_words(words, known) for role, words in every.items()}


def _drawn_words(words: Counter[str], known: frozenset[int]) -> dict[str, int]:
    """Leaves out words with letters that the font lacks, and those too long for a cloud."""
    drawn = [
        (word, count)
        for word, count in words.most_common()
        if len(word) <= LONGEST_IN_CLOUD and word.strip() and known.issuperset(map(ord, word))
    ]
    return dict(drawn[:CLOUD_WORDS])


def cloud(words: Mapping[str, int]) -> bytes:
    """Draws a word cloud; the same words give the same picture.

    Args:
        words: Words and how often each occurs; at least one.

    Returns:
        A PNG on a transparent ground.
    """
    from wordcloud import WordCloud

    width, height = CLOUD_SIZE
    places = {word: place for place, word in enumerate(words)}
    drawn = WordCloud(
        font_path=str(korean_font()),
        width=width,
        height=height,
        scale=2,
        mode="RGBA",
        background_color=None,
        prefer_horizontal=1.0,
        max_font_size=64,
        min_font_size=8,
        relative_scaling=0.4,
        font_step=2,
        margin=4,
        random_state=0,
        color_func=lambda word, **_: CLOUD_COLORS[places.get(word, 0) % len(CLOUD_COLORS)],
    ).generate_from_frequencies(dict(words))
    stream = io.BytesIO()
    # A few colours with soft edges: a quarter of the bytes, and no visible difference.
    drawn.to_image().quantize(48).save(stream, "PNG")
    return stream.getvalue()


def data_address(png: bytes) -> str:
    """Returns a PNG as an address that a page can hold in itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
