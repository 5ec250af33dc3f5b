"""What was predicted for rows: kept by relx in a file of its own, or read from an answer file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.files import whole_file

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The probabilities of some rows.

    Args:
        ids: The rows' ids, in order.
        gold: What is right, as `targets` of the decision gives it: `(rows,)` or `(rows, labels)`;
            None where nobody knows.
        probabilities: `(rows, labels)` float64.
        labels: The labels' names, in the order of the probabilities.
        chosen: What was chosen for each row, as `choose` of the decision gives it; None where it
            was not kept.
    """

    ids: tuple[str, ...]
    gold: npt.NDArray[Any] | None
    probabilities: npt.NDArray[np.float64]
    labels: tuple[str, ...]
    chosen: npt.NDArray[Any] | None = None

    def save(self, path: Path) -> None:
        """Writes a `.npz` file, whole or not at all; equal predictions give equal bytes.

        Args:
            path: The file.

        Raises:
            InputError: The disk is full, or the place cannot be written.
        """
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT),
            "ids": _as_bytes(self.ids),
            "labels": _as_bytes(self.labels),
            "probabilities": np.asarray(self.probabilities, np.float64),
        }
        if self.gold is not None:
            arrays["gold"] = self.gold
        if self.chosen is not None:
            arrays["chosen"] = self.chosen
        with whole_file(path) as beside, beside.open("wb") as stream:
            np.savez(stream, **arrays)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads what `save` wrote; no pickle is ever read.

        Args:
            path: The file.

        Returns:
            The predictions.

        Raises:
            InputError: The file is not one of this format, or not whole.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["format"]) != FORMAT:
                    raise ValueError(f"format {int(file['format'])}")
                gold, chosen = file.get("gold"), file.get("chosen")
                ids, labels = _as_texts(file["ids"]), _as_texts(file["labels"])
                found = cls(ids, gold, file["probabilities"], labels, chosen)
        except Exception as error:  # a damaged archive raises nearly anything
            allowed = f"predictions in format {FORMAT}"
            what = "these predictions cannot be read"
            raise InputError(Fault(what, str(path), str(error), allowed)) from error
        shape = (len(found.ids), len(found.labels))
        of_rows = [array for array in (gold, chosen) if array is not None]
        if found.probabilities.shape != shape or any(len(a) != shape[0] for a in of_rows):
            what = "these predictions do not fit together"
            received = f"{shape[0]} ids, {shape[1]} labels, {found.probabilities.shape}"
            raise InputError(Fault(what, str(path), received))
        return found


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer file as it was read.

    Args:
        ids: The rows' ids, in the file's order; None where its rows are in the order of the rows
            that it answers.
        predicted: What the file gives each row, as the decision chooses: `(rows,)` or
            `(rows, labels)`; None where it leaves that to probabilities.
        probabilities: `(rows, labels)` float64, the labels in their order; None where the file
            has none.
        named: Whether the file names the label of each probability; else their order is
            supposed to be that of the labels.
    """

    ids: Sequence[str] | None
    predicted: npt.NDArray[Any] | None
    probabilities: npt.NDArray[np.float64] | None
    named: bool = True

    def __len__(self) -> int:
        """How many rows there are."""
        found = self.probabilities if self.predicted is None else self.predicted
        return 0 if found is None else len(found)


def _as_bytes(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Texts as the bytes of JSON: an array of texts would lose what ends in a zero character."""
    return np.frombuffer(json.dumps(list(texts)).encode("ascii"), np.uint8)


def _as_texts(array: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(json.loads(array.tobytes()))
