"""Every shipped recipe of a pretrained decoder runs as it is with a tiny decoder of its kind."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from relx.data.rows.reading import require_good
from relx.family.prompting import prompter_of
from relx.models.decoder.files.fresh import fresh_tokenizer
from relx.models.stored.tokenizers.tokenizer import write_tokenizer
from relx.recipe_file import load_recipe
from relx.shipped import shipped
from relx.tasks.task import task_of

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
ROOT = Path(__file__).parents[1]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
# The kind of each base that recipes name, and the sizes that its kind has beside.
KINDS = {
    "EleutherAI/polyglot-ko-12.8b": ("GPTNeoXConfig", {"intermediate_size": 64}),
    "EleutherAI/polyglot-ko-5.8b": ("GPTNeoXConfig", {"intermediate_size": 64}),
    "Qwen/Qwen3-4B": (
        "Qwen3Config",
        {"intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 16},
    ),
}
CHAIN = """
import sys
from relx_cli.main import run
recipe, settings, runs, out = sys.argv[1], sys.argv[2].split("|"), *sys.argv[3:]
sets = [word for setting in settings for word in ("--set", setting)]
assert run(["train", "--recipe", recipe, "--runs-dir", runs, *sets]) == 0
assert run(["predict", "--runs-dir", runs, "--engine", "keras", "--out", out]) == 0
"""


def of_decoders():
    recipes = {name: load_recipe(file) for name, file in shipped().items()}
    return [name for name, r in recipes.items() if r.decoder and isinstance(r.source, str)]


def few_rows(recipe, folder):
    """Writes some rows of the sample, and returns the settings that name them."""
    counts = {"train": 40, "dev": 8, "test": 6}
    if recipe.task == "target":
        for part, count in counts.items():
            lines = (ROOT / f"sample/emotion/{part}.jsonl").read_text("utf-8").splitlines()
            (folder / f"{part}.jsonl").write_text("\n".join(lines[:count]) + "\n", "utf-8")
        return [f"data.{part}={folder / part}.jsonl" for part in counts]
    for part, count in counts.items():
        with (ROOT / f"sample/{part}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))[: count + 1]
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
    return [f"data.{part}={folder / part}.csv" for part in ("train", "test")]


def write_base(recipe, settings, folder):
    """Writes a tiny model of the base's kind, whose vocabulary has the labels' words."""
    kind, sizes = KINDS[recipe.source]
    here = load_recipe(shipped()[recipe.name], settings)
    task, labels = task_of(here), task_of(here).read_labels()
    rows = require_good(task.scan(Path(here.data.train), labels, labelled=True).whole(), None)
    texts = [prompter_of(here, task, labels)(row).text for row in rows]
    words = [f" {word}" for word in (recipe.decoder.words or {}).values()]
    tokenizer = fresh_tokenizer(texts, words, 700)
    config = getattr(transformers, kind)(
        **SIZES, **sizes, vocab_size=len(tokenizer), max_position_embeddings=512
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    write_tokenizer(tokenizer, folder, 512, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", of_decoders())
def test_a_shipped_recipe_runs_with_a_tiny_decoder_of_its_kind(name, tmp_path):
    recipe = load_recipe(shipped()[name])
    settings = few_rows(recipe, tmp_path)
    write_base(recipe, settings, tmp_path / "base")
    settings += [f"decoder.from={tmp_path / 'base'}", "train.epochs=1"]
    out = tmp_path / ("answers.jsonl" if recipe.task == "target" else "answers.csv")
    words = [str(shipped()[name]), "|".join(settings), str(tmp_path / "runs"), str(out)]
    done = subprocess.run([sys.executable, "-c", CHAIN, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = out.read_text("utf-8").splitlines()
    assert len(lines) == 6 + (recipe.task == "relation")
    if recipe.task == "target":
        assert set(json.loads(lines[0])["output"]) == set(recipe.data.labels)


def test_every_decoder_that_a_recipe_names_is_tried():
    assert {load_recipe(shipped()[name]).source for name in of_decoders()} == set(KINDS)
