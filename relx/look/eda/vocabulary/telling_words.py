"""Words that give a label away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.look.eda.vocabulary.word_counts import WordCounts

PRIOR = 0.01  # the prior's words, as a share of the corpus


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
        ratio: The log-odds ratio, label against the rows without the label.
        rows: In how many rows of the label it occurs outside of what they ask about.
        all_rows: All rows in which it does.
    """

    word: str
    part: str
    z: float
    ratio: float
    rows: int
    all_rows: int


def telling_words(counts: WordCounts, most: int) -> dict[str, list[TellingWord]]:
    """Finds the words around those asked about that are most typical of each label.

    The rows of each label are compared with all others. The prior is informative: the whole
    corpus at a hundredth of its size (`PRIOR`), so that a word that occurs once tells nothing.

    Args:
        counts: The words.
        most: How many words of a label to list.

    Returns:
        By label its words, the highest z-score first; only those above 0.
    """
    total = counts.all_rows
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
