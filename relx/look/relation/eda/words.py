"""The words of a task's sentences: nouns and verbs, telling words, and word clouds."""

from __future__ import annotations

import base64
import functools
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.token_cache import cached
from relx.files import digest
from relx.look.font import korean_font, letters_of
from relx.look.relation.eda.task_data import ROLES, Role, entity
from relx.progress import bar, say
from relx.tasks.relation.rows import Example

if TYPE_CHECKING:
    from collections.abc import Iterable

# Kiwi's tags: common and proper nouns and words in Latin letters; verbs and adjectives.
NOUNS = frozenset({"NNG", "NNP", "SL"})
PREDICATES = frozenset({"VV", "VA"})
FORMAT = "1"  # of what is kept on disk
PRIOR = 0.01  # the prior's words, as a share of the corpus
CLOUD_WORDS = 36
CLOUD_SIZE = (360, 210)  # in CSS pixels; the picture has twice as many
LONGEST_IN_CLOUD = 16
# Legible on white paper as well as on a dark page.
CLOUD_COLORS = ("#3f74dd", "#cf6428", "#2a9474", "#9460cc")
_AT_ONCE = 500  # sentences between two updates of the progress bar


@dataclass(frozen=True, slots=True, eq=False)
class SentenceWords:
    """The nouns, verbs and adjectives of sentences, in a few arrays.

    Args:
        letters: The vocabulary in UTF-8, a line feed after each word, `(bytes,)` uint8.
        nouns: Whether each word of the vocabulary is a noun, `(vocabulary,)` bool.
        word_ids: The sentences' words one after the other, `(words,)` int32.
        starts: The first character of each word in its sentence, `(words,)` int32.
        ends: One past the last character, `(words,)` int32.
        offsets: Where each sentence begins, and where the last ends, `(sentences + 1,)` int64.
    """

    letters: npt.NDArray[np.uint8]
    nouns: npt.NDArray[np.bool_]
    word_ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def vocabulary(self) -> list[str]:
        """Returns the words; a verb or an adjective ends in 다, as in a dictionary."""
        return self.letters.tobytes().decode("utf-8").split("\n")[:-1]


def find_words(sentences: Sequence[str], cache: Path | None = None) -> SentenceWords:
    """Finds the nouns, verbs and adjectives of sentences with Kiwi, or takes them from the cache.

    Args:
        sentences: The sentences.
        cache: Where words are kept, as `relx.data.token_cache.token_folder` says; None keeps none.

    Returns:
        Their words, in order.
    """

    def key() -> str:
        from importlib.metadata import version

        kinds = [*sorted(NOUNS), *sorted(PREDICATES)]
        kiwi = version("kiwipiepy"), version("kiwipiepy_model")
        return digest(["words", FORMAT, *kiwi, *kinds, *sentences])

    return cached(cache, key, SentenceWords, lambda: _find(sentences))


def _find(sentences: Sequence[str]) -> SentenceWords:
    ids: dict[tuple[str, bool], int] = {}
    word_ids: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    offsets = [0]
    with bar("finding words", len(sentences), "sentences") as progress:
        for place, tokens in enumerate(_analysed(sentences), 1):
            for form, is_noun, start, end in _content_words(tokens):
                word_ids.append(ids.setdefault((form, is_noun), len(ids)))
                starts.append(start)
                ends.append(end)
            offsets.append(len(word_ids))
            if place % _AT_ONCE == 0:
                progress.advance(_AT_ONCE)
        progress.advance(len(sentences) % _AT_ONCE)
    letters = "".join(f"{form}\n" for form, _ in ids).encode("utf-8")
    return SentenceWords(
        np.frombuffer(letters, np.uint8),
        np.array([is_noun for _, is_noun in ids], np.bool_),
        np.array(word_ids, np.int32),
        np.array(starts, np.int32),
        np.array(ends, np.int32),
        np.array(offsets, np.int64),
    )


def _analysed(sentences: Sequence[str]) -> Iterator[Any]:
    # Kiwi analyses the sentences in threads of its own and returns them in order.
    yield from _kiwi().tokenize(iter(sentences))


@functools.cache
def _kiwi() -> Any:
    from kiwipiepy import Kiwi

    say("loading the dictionary of Korean words")
    return Kiwi(num_workers=os.cpu_count(), load_typo_dict=False)


def _content_words(tokens: Iterable[Any]) -> Iterator[tuple[str, bool, int, int]]:
    """Yields form, whether it is a noun, first character and one past the last."""
    for token in tokens:
        tag = token.tag.partition("-")[0]  # VV-R and VV-I are regular and irregular verbs
        if tag in NOUNS:
            yield token.form, True, token.start, token.start + token.len
        elif tag in PREDICATES:
            yield f"{token.form}다", False, token.start, token.start + token.len


# --- counting --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class WordCounts:
    """In how many rows of each label a word occurs; it counts once per row.

    Args:
        labels: The labels.
        vocabulary: The words.
        nouns: Whether each is a noun, `(vocabulary,)` bool.
        context: Rows with the word outside both entities, `(labels, vocabulary)` int64.
        entities: By role, the nouns inside the entity and their rows, by label. An entity
            without a noun, such as a date, counts as one word.
    """

    labels: tuple[str, ...]
    vocabulary: list[str]
    nouns: npt.NDArray[np.bool_]
    context: npt.NDArray[np.int64]
    entities: dict[Role, dict[str, Counter[str]]]


def count_words(
    examples: Sequence[Example], labels: Sequence[str], cache: Path | None = None
) -> WordCounts:
    """Counts the words of labelled rows.

    Args:
        examples: Labelled rows.
        labels: The labels that they have.
        cache: See `find_words`.

    Returns:
        The counts.
    """
    place = {sentence: i for i, sentence in enumerate(dict.fromkeys(r.sentence for r in examples))}
    words = find_words(list(place), cache)
    index = {label: i for i, label in enumerate(labels)}
    classes = np.array([index[row.label or ""] for row in examples], np.int64)
    sentences = np.array([place[row.sentence] for row in examples], np.int64)
    rows, ids, inside = _words_of_rows(words, sentences, examples)
    outside = ~(inside["subject"] | inside["object"])
    vocabulary = words.vocabulary()
    context = _count(rows[outside], ids[outside], classes, (len(labels), len(vocabulary)))
    nouns = words.nouns[ids]
    entities = {
        role: _entity_words(
            examples, role, rows[inside[role] & nouns], ids[inside[role] & nouns], vocabulary
        )
        for role in ROLES
    }
    return WordCounts(tuple(labels), vocabulary, words.nouns, context, entities)


def _words_of_rows(
    words: SentenceWords, sentences: npt.NDArray[np.int64], examples: Sequence[Example]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[Role, npt.NDArray[np.bool_]]]:
    """Lists the words of every row: its row, its id, and whether it touches each entity."""
    lengths = np.diff(words.offsets)[sentences]
    rows = np.repeat(np.arange(len(examples)), lengths)
    firsts = np.cumsum(lengths) - lengths
    places = np.arange(len(rows)) - np.repeat(firsts - words.offsets[sentences], lengths)
    starts, ends = words.starts[places], words.ends[places]
    inside: dict[Role, npt.NDArray[np.bool_]] = {}
    for role in ROLES:
        spans = np.array([entity(row, role).span for row in examples], np.int64).reshape(-1, 2)
        inside[role] = (starts < spans[rows, 1]) & (ends > spans[rows, 0])
    return rows, words.word_ids[places].astype(np.int64), inside


def _count(
    rows: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64],
    shape: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Counts, by class, the rows in which each word occurs."""
    size = max(shape[1], 1)
    once = np.unique(rows * size + ids)
    found = classes[once // size] * size + once % size
    return np.bincount(found, minlength=shape[0] * shape[1]).reshape(shape)


def _entity_words(
    examples: Sequence[Example],
    role: Role,
    rows: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    vocabulary: Sequence[str],
) -> dict[str, Counter[str]]:
    """Counts, by label, the nouns inside the entities, or the entity where it has none."""
    # Words of equal count stay in the order in which they are first counted. A set would give
    # them an order of its own in every process, and that decides which words a cloud leaves out.
    found: list[dict[str, None]] = [{} for _ in examples]
    for row, id in zip(rows.tolist(), ids.tolist(), strict=True):
        found[row][vocabulary[id]] = None
    counts: dict[str, Counter[str]] = {}
    for row, nouns in zip(examples, found, strict=True):
        counts.setdefault(row.label or "", Counter()).update([*nouns] or [entity(row, role).word])
    return counts


# --- words that give a label away -------------------------------------------------------------


def log_odds(
    own: npt.NDArray[Any], other: npt.NDArray[Any], prior: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compares the words of two corpora by the log-odds ratio with a Dirichlet prior.

    Monroe, Colaresi and Quinn 2008, "Fightin' Words", equations 16, 18 and 21 (the variance in its
    usual short form, 1 / (own + prior) + 1 / (other + prior)). Swapping the corpora changes the
    sign and nothing else.

    Args:
        own: How often each word occurs in one corpus, `(words,)`.
        other: How often it occurs in the other, `(words,)`.
        prior: How often it is expected, `(words,)`, above 0; the larger, the more it takes to
            differ from it.

    Returns:
        The log-odds ratios and their z-scores, `(words,)` float64; positive for words of `own`.
    """
    if len(prior) < 2:  # a single word cannot be more frequent than others
        return np.zeros(len(prior)), np.zeros(len(prior))
    one, two = own + prior, other + prior
    ratio = np.log(one / (one.sum() - one)) - np.log(two / (two.sum() - two))
    return ratio, ratio / np.sqrt(1 / one + 1 / two)


@dataclass(frozen=True, slots=True)
class TellingWord:
    """A word that gives a label away.

    Args:
        word: The word.
        part: `noun` or `verb`; adjectives are verbs here, as in Korean.
        z: The z-score of its log-odds ratio.
        ratio: The log-odds ratio, label against all other labels.
        rows: In how many rows of the label it occurs outside the entities.
        all_rows: All rows in which it does.
    """

    word: str
    part: str
    z: float
    ratio: float
    rows: int
    all_rows: int


def telling_words(counts: WordCounts, most: int) -> dict[str, list[TellingWord]]:
    """Finds the words around the entities that are most typical of each label.

    Each label is compared with all others. The prior is informative: the whole corpus at a
    hundredth of its size (`PRIOR`), so that a word that occurs once tells nothing.

    Args:
        counts: The words.
        most: How many words of a label to list.

    Returns:
        By label its words, the highest z-score first; only those above 0.
    """
    total = counts.context.sum(axis=0)
    used = np.flatnonzero(total)
    found = {}
    for label, own in zip(counts.labels, counts.context, strict=True):
        ratios, scores = log_odds(own[used], (total - own)[used], PRIOR * total[used])
        best = np.argsort(-scores, kind="stable")[:most]
        found[label] = [
            TellingWord(
                counts.vocabulary[used[at]],
                "noun" if counts.nouns[used[at]] else "verb",
                float(scores[at]),
                float(ratios[at]),
                int(own[used[at]]),
                int(total[used[at]]),
            )
            for at in best
            if scores[at] > 0 and own[used[at]]
        ]
    return found


# --- clouds ----------------------------------------------------------------------------------


def cloud_words(counts: WordCounts, label: str) -> dict[str, dict[str, int]]:
    """Chooses the words of a label's three clouds.

    Args:
        counts: The words.
        label: The label.

    Returns:
        For `subject`, `object` and `context` the most frequent nouns and their rows.
    """
    own = counts.context[counts.labels.index(label)] * counts.nouns
    best = np.argsort(-own, kind="stable")[: 4 * CLOUD_WORDS]
    context = Counter({counts.vocabulary[at]: int(own[at]) for at in best if own[at]})
    every = {
        "subject": counts.entities["subject"].get(label, Counter()),
        "object": counts.entities["object"].get(label, Counter()),
        "context": context,
    }
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
