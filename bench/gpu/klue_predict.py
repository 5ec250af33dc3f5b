"""Predicts the test rows and dev with a finished run: RUNS NAME TEST DEV OUT, an .npz."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from relx.predict import open_run
from relx.tasks.relation.rows import read_examples


def main() -> None:
    runs, name, test, dev, out = sys.argv[1:]
    run = open_run(Path(runs), name)
    arrays = {"labels": np.array(run.labels.names)}
    for part, file in (("test", test), ("dev", dev)):
        rows = read_examples(Path(file), run.data, None)
        arrays[f"{part}_ids"] = np.array([row.id for row in rows])
        arrays[f"{part}_probabilities"] = run.predict(rows).astype(np.float16)
    with Path(out).open("wb") as stream:
        np.savez_compressed(stream, **arrays)


if __name__ == "__main__":
    main()
