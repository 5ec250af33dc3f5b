"""Both stages and a prediction from an encoder of each kind, as transformers wrote it."""

import csv
from pathlib import Path

import pytest
from test_chain import rows_of, words, write_rows

from relx.files import read_json
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, write_tokenizer
from relx_cli.main import run

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import encoder_models as models  # noqa: E402 - it imports torch

ROOT = Path(__file__).parents[1]
POSITIONS = 200


def encoder_folder(case, sentences, folder):
    """Writes a random model of a family with a tokenizer of the task's sentences."""
    config = models.configured(case)
    config.max_position_embeddings = POSITIONS
    config.vocab_size = 1000
    model = transformers.AutoModelForMaskedLM.from_config(config)
    model.save_pretrained(folder)
    write_tokenizer(fresh_tokenizer(sentences, 800), folder, POSITIONS, models.types_of(model))
    return folder


@pytest.mark.parametrize("case", ["electra", "distilbert", "albert", "deberta-v3", "modernbert"])
def test_the_chain_runs_from_an_encoder_of_every_kind(case, tmp_path):
    data = tmp_path / "data"
    for name, count in (("train", 40), ("dev", 10), ("test", 10)):
        write_rows(data / f"{name}.csv", rows_of(ROOT / "sample" / f"{name}.csv")[:count])
    parts = [rows_of(data / f"{name}.csv") for name in ("train", "dev", "test")]
    sentences = [row["sentence"] for rows in parts for row in rows]
    encoder = encoder_folder(case, sentences, tmp_path / "encoder")
    more = [f"encoder.from={encoder}", "tapt.epochs=1", "train.epochs=1", "markers.style=klue"]
    options = words(data, tmp_path / "runs", *more)
    assert run(["tapt", *options]) == 0
    assert run(["train", *options]) == 0
    manifest = read_json(tmp_path / "runs/tiny/train/fold-0/manifest.json")
    assert manifest["inputs"]["encoder"]["tapt"]
    out = tmp_path / "submission.csv"
    assert run(["predict", "--runs-dir", str(tmp_path / "runs"), "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 10
    adapted = transformers.AutoModelForMaskedLM.from_pretrained(
        tmp_path / "runs/tiny/tapt/encoder", output_loading_info=True
    )
    assert all(not names for names in adapted[1].values()), adapted[1]
