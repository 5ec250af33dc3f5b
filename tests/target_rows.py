"""Rows about targets with made predictions, for the tests of pages."""

import numpy as np

from relx.data.labels import LabelList
from relx.score import ScoredRows
from relx.scoring.decisions.any_of import AnyOf
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.decisions.one_of import ONE_OF
from relx.spans import Span
from relx.tasks.target.rows import Target, TargetRow

LABELS = LabelList(("joy", "trust", "fear", "anger"), None)
CUTOFFS = (0.5, 0.4, 0.6, 0.3)
WORDS = ("국밥", "영화", "Jeju", "시험")


def row(id_, sentence, word=None, gold=frozenset()):
    """A row whose target is the word where it first stands, or the whole sentence."""
    if word is None:
        return TargetRow(id_, sentence, None, gold)
    start = sentence.index(word)
    return TargetRow(id_, sentence, Target(word, Span(start, start + len(word))), gold)


def scored(examples, gold, probabilities, cutoffs=CUTOFFS, name="made", labels=LABELS):
    """Rows of any number of labels, cut at the cut-offs.

    Args:
        gold: The indices of each row's labels.
        probabilities: `(rows, labels)`, or None where the answers alone are known.
    """
    cells = np.zeros((len(examples), len(labels)), bool)
    for place, indices in enumerate(gold):
        cells[place, list(indices)] = True
    decision = AnyOf(cutoffs=Cutoffs(cutoffs, labels.names, source="per_label"))
    shares = np.array(probabilities, float)
    return ScoredRows(
        name,
        "gold.jsonl",
        tuple(examples),
        labels,
        cells,
        decision.choose(shares),
        shares,
        decision=decision,
        task="target",
    )


def many(count, seed=0, noise=0.25, name="made"):
    """Rows of every kind: targets and none, up to four labels, right and wrong in all ways."""
    draw = np.random.default_rng(0)
    examples, gold = [], []
    for place in range(count):
        word = WORDS[draw.integers(len(WORDS))]
        asked = word if draw.random() < 0.8 else None
        labels = np.flatnonzero(draw.random(len(LABELS)) < 0.35).tolist()
        sentence = f"손님{place}에게 {word} 이야기를 한참 동안 들었다."
        names = frozenset(LABELS.names[index] for index in labels)
        examples.append(row(f"r{place}", sentence, asked, names))
        gold.append(labels)
    has = np.array([[index in own for index in range(len(LABELS))] for own in gold])
    noisy = np.random.default_rng(seed).normal(np.where(has, 0.75, 0.2), noise, has.shape)
    return scored(examples, gold, np.clip(noisy, 0.01, 0.99).round(4), name=name)


def one_label(count=60, seed=0):
    """Rows of the same task of which each has exactly one label."""
    draw = np.random.default_rng(seed)
    gold = draw.integers(len(LABELS), size=count)
    weights = draw.random((count, len(LABELS))) + 0.9 * np.eye(len(LABELS))[gold]
    shares = weights / weights.sum(axis=1, keepdims=True)
    examples = [
        row(f"r{i}", f"{i}번째 국밥은 맛있었다.", "국밥" if i % 5 else None, LABELS.names[label])
        for i, label in enumerate(gold)
    ]
    return ScoredRows(
        "made",
        "gold.jsonl",
        tuple(examples),
        LABELS,
        gold,
        shares.argmax(axis=1),
        shares,
        decision=ONE_OF,
        task="target",
    )
