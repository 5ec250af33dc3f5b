"""Measures how the costs of relx's commands grow with the data, and writes the result as JSON.

    python bench/scaling.py
    python bench/scaling.py --sizes 1000 10000
    python bench/scaling.py --stages predict score --sizes 1000 1000000 --limit 3600

Validate, tokenise, one epoch of TAPT, predict and score, each as a process, on 1,000, 10,000,
40,000 and 400,000 sentences: KLUE-RE's rows over and over (the sample's where ../shared is not at
hand), with a number at the end of each, so that no two are equal. The encoder is tiny and starts
from random weights, since growth is what counts. A linear cost grows by 10 for ten times the data,
by less where it has a constant part. The result is bench/results/scaling.json.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peer_figures import growth, markdown
from peer_process import Measured, measure, say

from relx.files import write_json
from relx.recipe_file import load_recipe, recipe_from_tree, recipe_yaml
from relx.runs.manifest import git_state, versions

RESULT = Path("bench/results/scaling.json")
FOLDER = Path("runs/bench-scaling")
DATA = Path("../shared/data/klue_re/train.csv")
SAMPLE = Path("sample/train.csv")
SIZES = (1_000, 10_000, 40_000, 400_000)
STAGES = ("validate", "tokenise", "tapt", "predict", "score")
MODEL_STAGES = ("tapt", "predict")
LIMIT = 600.0  # seconds that a stage with a model may be expected to take
TINY = {"layers": 1, "hidden": 32, "heads": 2, "intermediate": 64, "vocabulary": 2000}
BATCH = 128
LONGEST = 240  # characters: no sentence is cut, so that each is one row at every size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sentences")
    parser.add_argument("--data", type=Path, default=DATA if DATA.exists() else SAMPLE)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that a stage may take")
    parser.add_argument("--tokenise", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tokenise:
        tokenise(options.tokenise)
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    encoder = _prepare(options.data)
    found: dict[str, dict[str, Any]] = {}
    for size in options.sizes:
        for stage, figures in _of_size(options, size, encoder, found):
            found.setdefault(stage, {})[str(size)] = figures
            say(f"{size:,} sentences, {stage}: {figures}")
            write_json(options.out, _result(options, found))
        shutil.rmtree(FOLDER / str(size))
    result = _result(options, found)
    print(tables(result))
    say(f"written to {options.out}")


def _prepare(data: Path) -> Path:
    """Trains a tiny run on a few rows: its encoder is tapt's, and predict predicts with it.

    It predicts once here, since what a first prediction prepares for later ones does not grow.
    """
    rows = FOLDER / "train.csv"
    write_rows(data, 1000, rows)
    fresh = _recipe(FOLDER / "fresh.yaml", rows, {"fresh": TINY})
    _relx("tapt", "--recipe", str(fresh), "--runs-dir", str(FOLDER))
    _relx("train", "--recipe", str(fresh), "--runs-dir", str(FOLDER))
    run = ["--runs-dir", str(FOLDER), "--run", "scaling"]
    _relx("predict", *run, "--test", str(rows), "--out", str(FOLDER / "submission.csv"))
    return FOLDER / "scaling" / "tapt" / "encoder"


def _recipe(path: Path, train: Path, source: Any) -> Path:
    section = {"epochs": 1, "batch_size": BATCH}
    tree = {
        "name": "scaling",
        "data": {"train": str(train)},
        "encoder": {"from": source},
        "tokens": {"max_length": 256},
        "tapt": section | {"held_out": 0.01},
        "train": section,
        "predict": {"batch_size": BATCH},
        "device": {"precision": "float32"},
    }
    path.write_text(recipe_yaml(recipe_from_tree(tree)), encoding="utf-8")
    return path


def write_rows(data: Path, size: int, path: Path) -> None:
    """Writes so many rows of different sentences.

    Args:
        data: A CSV of labelled rows.
        size: The number of rows.
        path: The CSV to write.
    """
    with data.open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if len(row["sentence"]) <= LONGEST]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        for number, row in enumerate(itertools.islice(itertools.cycle(rows), size)):
            sentence = f"{row['sentence']} ({number})"
            writer.writerow(row | {"id": number, "sentence": sentence})


def _of_size(
    options: argparse.Namespace, size: int, encoder: Path, before: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Runs every stage on so many sentences."""
    folder = FOLDER / str(size)
    folder.mkdir()
    rows, out = folder / "rows.csv", folder / "submission.csv"
    write_rows(options.data, size, rows)
    recipe = str(_recipe(folder / "recipe.yaml", rows, str(encoder)))
    run = ["--runs-dir", str(FOLDER), "--run", "scaling", "--test", str(rows), "--out", str(out)]
    commands = {
        "validate": ["validate", "--recipe", recipe],
        "tokenise": [],
        "tapt": ["tapt", "--recipe", recipe, "--runs-dir", str(folder)],
        "predict": ["predict", *run],
        "score": ["score", "--gold", str(rows), "--pred", str(out)],
    }
    for stage in options.stages:
        words = commands[stage]
        expected = _expected(before.get(stage, {}), size)
        if stage in MODEL_STAGES and expected > options.limit:
            yield stage, {"skipped": f"{expected:.0f} s were to be expected"}
        elif stage == "score" and not out.exists():
            yield stage, {"skipped": "nothing was predicted"}
        else:
            yield stage, _figures(_relx(*words) if words else _tokenise(recipe))


def _expected(known: dict[str, Any], size: int) -> float:
    """Returns the seconds that a stage would take if it went on growing in a line."""
    done = [(int(s), f["seconds"]) for s, f in known.items() if "seconds" in f]
    return max((seconds * size / earlier for earlier, seconds in done[-1:]), default=0.0)


def _figures(measured: Measured) -> dict[str, float]:
    return {
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu_seconds,
        "peak_mib": measured.peak_mib,
    }


def _relx(*words: str) -> Measured:
    """Runs a command; `validate` may find faults in the rows, which is no failure."""
    return measure([sys.executable, "-m", "relx_cli", *words, "-q"])


def _tokenise(recipe: str) -> Measured:
    return measure([sys.executable, __file__, "--tokenise", recipe])


def tokenise(path: Path) -> None:
    """Reads, marks and tokenises a recipe's rows, as training and prediction do first.

    Args:
        path: The recipe.
    """
    from relx.dataset import token_rows
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer
    from relx.tasks.relation.rows import read_examples
    from relx.tasks.task import task_of

    recipe = load_recipe(path)
    tokenizer = read_tokenizer(Path(str(recipe.encoder.source)))
    examples = read_examples(Path(recipe.data.train), recipe.data, None)
    rows = token_rows(examples, task_of(recipe), tokenizer, recipe.tokens.max_length)
    assert len(rows) == len(examples)


# --- the result ----------------------------------------------------------------------------------


def _result(options: argparse.Namespace, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    commit = git_state()
    return {
        "stages": found,
        "growth_per_tenfold": {stage: _growth(figures) for stage, figures in found.items()},
        "sizes": list(options.sizes),
        "data": str(options.data),
        "encoder": TINY,
        "batch": BATCH,
        "cores": os.cpu_count(),
        "versions": versions(),
        "commit": commit.model_dump() if commit else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _growth(figures: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By how much time and memory grow for ten times the data, from each size to the next."""
    known = [(int(size), own) for size, own in figures.items() if "seconds" in own]
    found = {}
    for (small, before), (large, after) in itertools.pairwise(known):
        found[f"{small} to {large}"] = {
            name: growth(before[name], after[name], large / small)
            for name in ("seconds", "cpu_seconds", "peak_mib")
        }
    return found


def tables(result: dict[str, Any]) -> str:
    """Returns the tables of a result, time and memory, with the growth from the last size but one.

    Args:
        result: The content of scaling.json.

    Returns:
        Markdown.
    """
    header = ["", *(f"{size:,}" for size in result["sizes"]), "per tenfold"]
    time = markdown(["seconds", *header[1:]], cells(result, "seconds", ".1f"))
    memory = markdown(["peak, MiB", *header[1:]], cells(result, "peak_mib", ",.0f"))
    return f"{time}\n\n{memory}"


def cells(result: dict[str, Any], name: str, form: str) -> list[list[str]]:
    """Returns the cells of one table.

    Args:
        result: The content of scaling.json.
        name: seconds or peak_mib.
        form: How a figure is written.

    Returns:
        A row a stage: the figure at each size, – where it was skipped, and the growth.
    """
    rows = []
    for stage, figures in result["stages"].items():
        of_sizes: Sequence[dict[str, Any]] = [figures.get(str(s), {}) for s in result["sizes"]]
        shown = [format(own[name], form) if name in own else "–" for own in of_sizes]
        grown = [*result["growth_per_tenfold"][stage].values()]
        rows.append([stage, *shown, f"× {grown[-1][name]:.1f}" if grown else "–"])
    return rows


if __name__ == "__main__":
    main()
