"""What bench/decoder_peers.py asks of relx, each in a process of its own.

python bench/decoder_relx.py TASK WORK

rows     writes the prompts as tokens, which the peers are given
steady   predicts twice in one process, and measures the second time
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Work = dict[str, Any]
Figures = dict[str, Any]


def main() -> None:
    task, path = sys.argv[1], Path(sys.argv[2])
    tasks: dict[str, Callable[[Work], Figures]] = {"rows": rows, "steady": steady}
    work: Work = json.loads(path.read_text(encoding="utf-8"))
    Path(work["out"]).write_text(json.dumps(tasks[task](work)), encoding="utf-8")


def rows(work: Work) -> Figures:
    """Writes the prompts of train and test, and the tokens of the labels' words."""
    from relx.data.rows.reading import require_good
    from relx.dataset import prompt_rows_of
    from relx.family.decoder import pad_id, shared_beginning
    from relx.family.prompting import (
        checked_label_tokens,
        find_base,
        prompter_of,
        read_decoder_tokenizer,
        section_of,
    )
    from relx.recipe_file import load_recipe
    from relx.tasks.task import task_of

    folder = Path(work["folder"])
    recipe = load_recipe(folder / "recipe.yaml")
    task = task_of(recipe)
    labels = task.read_labels()
    prompter = prompter_of(recipe, task, labels)
    tokenizer = read_decoder_tokenizer(find_base(section_of(recipe), None).folder)
    found: dict[str, Any] = {"pad": pad_id(tokenizer)}
    parts = []
    for part in ("train", "test"):
        file = str(folder / f"{part}.jsonl")
        examples = require_good(task.scan(Path(file), labels, labelled=True).whole(), None)
        prompts = map(prompter, examples)
        found["words"] = checked_label_tokens(recipe, labels, prompts, tokenizer)
        window = recipe.tokens.max_length
        parts.append(prompt_rows_of(examples, prompter, tokenizer, window, file, None, False))
        targets = np.asarray(task.decision.targets(examples, labels)).tolist()
        found[part] = [
            {"input_ids": tokens.tolist(), "label": target}
            for tokens, target in zip(parts[-1], targets, strict=True)
        ]
    (folder / "rows.json").write_text(json.dumps(found), encoding="utf-8")
    return {
        "mean_length": float(np.mean(np.concatenate([part.lengths for part in parts]))),
        "shared": len(shared_beginning(parts)),
    }


def steady(work: Work) -> Figures:
    """Predicts twice in a process, prompts and tokens included; the second time is measured."""
    from relx.data.rows.reading import require_good
    from relx.predict import open_run

    run = open_run(Path(work["runs_dir"]), "bench")
    path = Path(work["folder"], "test.jsonl")
    examples = require_good(run.task.scan(path, None).whole(), None)
    run.predict(examples)
    began = time.monotonic()
    run.predict(examples)
    return {"rows": len(examples), "steady_seconds": time.monotonic() - began}


if __name__ == "__main__":
    main()
