"""Scores where any number of labels is true in a row, each figure as scikit-learn has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.scoring.curves import precision_recall, ranking, rates, reliability
from relx.scoring.printed import UNKNOWN, counted, percent

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelScores:
    """The figures of one label; all but the Brier score and the counts are in percent.

    Args:
        tp: Rows that have it and were given it.
        tn: Rows that neither have it nor were given it.
        fp: Rows that were given it and do not have it.
        fn: Rows that have it and were not given it.
        precision: 0 where no row was given it.
        recall: 0 where no gold row has it.
        f1: 0 where no gold row has it and none was given it.
        auprc: The area under the precision-recall curve by the trapezoidal rule, as for relation;
            None where no gold row has the label: every curve would end in the same point.
        auroc: The area under the ROC curve; None where all gold rows have it or none has.
        brier: The mean squared distance of probability and truth, from 0, the best, to 1.
        ece: The expected calibration error of its probability, in 15 bins of equal width.
    """

    tp: int
    tn: int
    fp: int
    fn: int
    precision: float
    recall: float
    f1: float
    auprc: float | None = None
    auroc: float | None = None
    brier: float | None = None
    ece: float | None = None

    @property
    def support(self) -> int:
        """How many gold rows have the label."""
        return self.tp + self.fn

    @property
    def predicted(self) -> int:
        """How many rows were given it."""
        return self.tp + self.fp

    def to_json(self) -> dict[str, Any]:
        """Returns the figures by the names of the fields, then `support` and `predicted`."""
        return asdict(self) | {"support": self.support, "predicted": self.predicted}


@dataclass(frozen=True, slots=True)
class CellScores:
    """What a set of predictions is worth; all but the Brier score and the counts are in percent.

    `micro_f1` is the score of NIKL's emotion contest (2023): F1 over the answers "True" of all
    labels together, which is what scikit-learn calls micro-F1 of a multi-label answer. Were the
    answers "False" a class beside "True", every wrong cell would be an error of both, and micro-F1
    would be `cell_accuracy`. Of the cells of the contest's dev rows 86 % are "False", so that a
    micro-F1 of 90 is a cell accuracy of 97: seven points more for the same answers. The scores
    that the contest gave are of the first kind.

    The negative label, where there is one, is left out of every F1, of precision and of recall.

    Args:
        rows: How many rows were scored.
        micro_f1: Of the cells of all labels together.
        macro_f1: The mean of the labels' F1.
        weighted_f1: The mean of the labels' F1, each by its gold rows; 0 where there are none.
        sample_f1: The mean of the rows' F1; a row without any label, gold or chosen, counts 0.
        precision: Micro.
        recall: Micro.
        accuracy: The share of rows whose labels are all right.
        cell_accuracy: The share of cells that are right.
        auprc: The mean of the labels that gold rows have; None without probabilities or labels.
        auroc: The mean of the labels for which there is one.
        brier: The mean of the labels, from 0, the best, to 1.
        ece: The mean of the labels.
        gold_sets: How many different sets of labels the gold rows have.
        chosen_sets: How many different sets of labels were chosen.
        classes: The figures of each label, in label order.
    """

    rows: int
    micro_f1: float
    macro_f1: float
    weighted_f1: float
    sample_f1: float
    precision: float
    recall: float
    accuracy: float
    cell_accuracy: float
    auprc: float | None
    auroc: float | None
    brier: float | None
    ece: float | None
    gold_sets: int
    chosen_sets: int
    classes: dict[str, LabelScores]

    @property
    def gold_classes(self) -> int:
        """How many labels the gold rows have."""
        return sum(figures.support > 0 for figures in self.classes.values())

    @property
    def predicted_classes(self) -> int:
        """How many labels were given at least once."""
        return sum(figures.predicted > 0 for figures in self.classes.values())

    @property
    def collapsed(self) -> bool:
        """Whether every row was given the same labels although the gold rows differ in theirs."""
        return self.chosen_sets == 1 < self.gold_sets

    @property
    def collapsed_to(self) -> str:
        """The labels that were given at least once, in words."""
        given = [name for name, figures in self.classes.items() if figures.predicted]
        return ", ".join(given) or "of no label"

    @property
    def titles(self) -> dict[str, str]:
        """The scores that have intervals: their titles by name, in the order of printing."""
        return {
            "micro_f1": "micro-F1",
            "macro_f1": "macro-F1",
            "auprc": "AUPRC",
            "precision": "precision",
            "recall": "recall",
            "accuracy": "exact match",
        }

    def figures(self) -> dict[str, float]:
        """Returns the figures that an epoch is logged with; 0 for an AUPRC that there is not."""
        return {
            "micro_f1": self.micro_f1,
            "macro_f1": self.macro_f1,
            "auprc": self.auprc or 0.0,
            "accuracy": self.accuracy,
        }

    def totals(self) -> list[tuple[str, float | None]]:
        """Returns the figures of all labels together: title and percent, None where unknown."""
        return [
            ("micro-F1", self.micro_f1),
            ("macro-F1", self.macro_f1),
            ("weighted F1", self.weighted_f1),
            ("sample F1", self.sample_f1),
            ("precision", self.precision),
            ("recall", self.recall),
            ("exact match", self.accuracy),
            ("cell accuracy", self.cell_accuracy),
            ("AUPRC", self.auprc),
            ("AUROC", self.auroc),
            ("ECE", self.ece),
        ]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns headings and a row of texts a label, which is named in the first column."""
        headings = ("label", "precision", "recall", "F1", "AUPRC", "AUROC", "Brier", "ECE")
        rows = []
        for name, row in self.classes.items():
            ranked = map(percent, (row.precision, row.recall, row.f1, row.auprc, row.auroc))
            counts = map(str, (row.tp, row.fp, row.fn, row.tn))
            rows.append((name, *ranked, _share(row.brier), percent(row.ece), *counts))
        return (*headings, "TP", "FP", "FN", "TN"), rows

    def notes(self) -> list[str]:
        """Returns what is to be said beneath the table, a line each."""
        given = counted(self.predicted_classes, "label")
        lines = [f"{counted(self.rows, 'row')}; {given} given, in {self.chosen_sets:,} sets"]
        if self.brier is not None:
            lines.append(f"Brier score {self.brier:.4f}, the mean of the labels: 0 is the best")
        absent = len(self.classes) - self.gold_classes
        if absent:
            words = "has" if absent == 1 else "have"
            lines.append(
                f"{counted(absent, 'label')} {words} no gold rows: no AUPRC, and an F1 of 0 in "
                "macro-F1"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them, under the names of the fields."""
        classes = {name: figures.to_json() for name, figures in self.classes.items()}
        return asdict(self) | {"classes": classes}


def label_scores(
    gold: Bools, chosen: Bools, probabilities: Floats | None, labels: LabelList
) -> CellScores:
    """Computes every figure of predicted labels.

    Args:
        gold: Which labels each row has, `(rows, labels)`, at least one row.
        chosen: Which labels each row was given, `(rows, labels)`.
        probabilities: `(rows, labels)`; None where nobody knows them.
        labels: The label list.

    Returns:
        The figures. They are those of scikit-learn, with `zero_division=0`.
    """
    table = _counts(gold, chosen)  # (4, labels): TP, TN, FP, FN
    tp, _, fp, fn = table
    by_label = rates(tp, tp + fp, tp + fn)  # precision, recall, F1, each (labels,)
    columns = zip(*(figure.tolist() for figure in (*table, *by_label)), strict=True)
    ranked = _of_probabilities(gold, probabilities)
    figures = [LabelScores(*[*a, *b]) for a, b in zip(columns, ranked, strict=True)]
    counting = np.arange(len(labels)) != labels.negative_index  # (labels,)
    micro = rates(*(n[counting].sum() for n in (tp, tp + fp, tp + fn)))
    precision, recall, micro_f1 = (float(rate) for rate in micro)
    f1, support = by_label[2][counting], (tp + fn)[counting]
    return CellScores(
        rows=len(gold),
        micro_f1=micro_f1,
        macro_f1=float(f1.mean()),
        weighted_f1=float((f1 * support).sum() / max(support.sum(), 1)),
        sample_f1=_sample_f1(gold[:, counting], chosen[:, counting]),
        precision=precision,
        recall=recall,
        accuracy=float(100 * (gold == chosen).all(axis=1).mean()),
        cell_accuracy=float(100 * (gold == chosen).mean()),
        auprc=_mean(row.auprc for row in figures),
        auroc=_mean(row.auroc for row in figures),
        brier=_mean(row.brier for row in figures),
        ece=_mean(row.ece for row in figures),
        gold_sets=_distinct(gold),
        chosen_sets=_distinct(chosen),
        classes=dict(zip(labels.names, figures, strict=True)),
    )


def _counts(gold: Bools, chosen: Bools) -> Counts:
    """Counts TP, TN, FP and FN of each label, `(4, labels)`."""
    kinds = (gold & chosen, ~gold & ~chosen, ~gold & chosen, gold & ~chosen)
    return np.stack([cells.sum(axis=0, dtype=np.int64) for cells in kinds])


def _sample_f1(gold: Bools, chosen: Bools) -> float:
    """Computes the mean of the rows' F1, in percent."""
    hits = (gold & chosen).sum(axis=1)  # (rows,)
    _, _, f1 = rates(hits, chosen.sum(axis=1), gold.sum(axis=1))
    return float(f1.mean())


Ranked = tuple[float | None, float | None, float | None, float | None]


def _of_probabilities(gold: Bools, probabilities: Floats | None) -> list[Ranked]:
    """Computes AUPRC, AUROC, Brier score and ECE of each label."""
    if probabilities is None:
        return [(None, None, None, None)] * gold.shape[1]
    columns = zip(gold.T, np.asarray(probabilities, np.float64).T, strict=True)
    return [
        (
            100 * precision_recall(has, score).area if has.any() else None,
            auroc(has, score),
            float(np.mean((score - has) ** 2)),
            reliability(score, has).ece,
        )
        for has, score in columns
    ]


def auroc(positive: Bools, score: Floats) -> float | None:
    """Computes the area under a label's ROC curve by the trapezoidal rule.

    Args:
        positive: Which rows have the label, `(rows,)`, at least one row.
        score: What the rows are ranked by, `(rows,)`.

    Returns:
        The area in percent, as scikit-learn's `roc_auc_score`; None where all rows have the label
        or none has.
    """
    order, found = ranking(score)  # (rows,), (thresholds,)
    hits = np.append(0, np.cumsum(positive[order])[found - 1])  # (thresholds + 1,)
    misses = np.append(0, found) - hits
    if not hits[-1] or not misses[-1]:
        return None
    twice = np.sum(np.diff(misses) * (hits[1:] + hits[:-1]))
    return float(100 * twice / (2 * hits[-1] * misses[-1]))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _distinct(cells: Bools) -> int:
    """Counts the different rows."""
    return len(np.unique(np.packbits(cells, axis=1), axis=0))


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.4f}"
