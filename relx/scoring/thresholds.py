"""Local only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Method = Literal["shared", "per_label", "joint"]
Measure = Literal["micro_f1", "macro_f1", "accuracy"]


@dataclass(frozen=True, slots=True)
class Cutoffs:
    values: tuple[float, ...]
    labels: tuple[str, ...]
    at_least_one: bool
    source: str

    def save(self, path: Any, search: Any = None) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, path: Any, labels: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Search:
    preferred: Method


def search(
    gold: Any, probabilities: Any, method: Method, measure: Measure
) -> npt.NDArray[np.float64]:
    grid = np.linspace(0.02, 0.98, 49)

    def f1(c: Any) -> float:
        chosen = probabilities >= c
        return float(2 * (gold & chosen).sum() / max(gold.sum() + chosen.sum(), 1))

    if method == "shared":
        return np.full(gold.shape[1], max(grid, key=f1))
    return np.full(gold.shape[1], 0.3)


def search_all(
    gold: Any,
    probabilities: Any,
    sentences: Sequence[str],
    measure: Measure,
    folds: int = 10,
    seed: int = 0,
) -> Search:
    return Search("shared")
