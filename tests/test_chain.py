"""The chain through the front door: TAPT, train, predict and score, with a tiny fresh encoder."""

import csv
import filecmp
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from relx.answers import AnswerOptions
from relx.faults import InputError
from relx.files import read_json
from relx.predict import Run, open_run
from relx.recipe import DataSection
from relx.recipe_file import load_recipe
from relx.runs.folds import find_trained
from relx.score import run_rows
from relx.scoring.predictions import Predictions
from relx.shipped import shipped
from relx.tasks.relation.rows import read_examples
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
TINY = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 400}}"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small part of the sample: 60 rows to train on, 20 to choose by, 20 to predict."""
    folder = tmp_path_factory.mktemp("data")
    for name, count in (("train", 60), ("dev", 20), ("test", 20), ("test_gold", 20)):
        write_rows(folder / f"{name}.csv", rows_of(ROOT / "sample" / f"{name}.csv")[:count])
    return folder


def of_relations():
    """The recipes that ship for relations; tests/test_target_chain.py has those for targets."""
    recipes = {name: load_recipe(file) for name, file in shipped().items()}
    return [name for name, r in recipes.items() if (r.task, r.family) == ("relation", "encoder")]


def words(data, runs, *settings, recipe="demo"):
    """Returns a command's options for a tiny run."""
    tiny = {
        "name": "tiny",
        "encoder.from": TINY,
        "tokens.max_length": 128,
        "tapt.epochs": 2,
        "train.epochs": 2,
        "predict.engine": "keras",  # tests/test_engine.py has the other
        **{f"data.{part}": data / f"{part}.csv" for part in ("train", "dev", "test")},
    }
    tiny |= dict(setting.split("=", 1) for setting in settings)
    sets = [word for key, value in tiny.items() for word in ("--set", f"{key}={value}")]
    return ["--recipe", recipe, "--runs-dir", str(runs), *sets]


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A finished tiny run of both stages."""
    runs = tmp_path_factory.mktemp("runs")
    assert run(["tapt", *words(data, runs)]) == 0
    assert run(["train", *words(data, runs)]) == 0
    return runs


def same_files(a: Path, b: Path) -> bool:
    names = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    others = sorted(p.relative_to(b) for p in b.rglob("*") if p.is_file())
    return names == others and filecmp.cmpfiles(a, b, names, shallow=False)[0] == names


def test_a_run_leaves_what_the_readme_says(finished):
    for stage in ("tapt", "train/fold-0"):
        folder = finished / "tiny" / stage
        manifest = read_json(folder / "manifest.json")
        assert manifest["status"] == "finished"
        assert manifest["seconds"] > 0
        assert manifest["device"]["precision"] == "float32"
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
        assert list((folder / "logs").iterdir())
        assert (folder / "recipe.yaml").exists()
    assert (finished / "tiny/tapt/encoder/model.safetensors").exists()
    results = read_json(finished / "tiny/tapt/manifest.json")["results"]
    assert 0 < results["pseudo_perplexity"] < results["pseudo_perplexity_before"]


def test_train_starts_from_tapt_where_it_belongs_to_the_recipe(finished):
    inputs = read_json(finished / "tiny/train/fold-0/manifest.json")["inputs"]
    results = read_json(finished / "tiny/tapt/manifest.json")["results"]
    assert inputs["encoder"]["tapt"] == results["encoder_digest"]


def test_train_says_that_it_starts_from_tapt_or_why_not(finished, data, capsys):
    options = words(data, finished, "train.fold=1", "train.epochs=1")
    assert run(["train", *options]) == 0
    assert "starting from the encoder that TAPT adapted" in capsys.readouterr().err
    options = words(data, finished, "train.fold=2", "train.epochs=1", "tapt.epochs=7")
    assert run(["train", *options]) == 0
    said = capsys.readouterr().err
    assert "is not used: tapt.epochs: 2 → 7" in said
    assert "without TAPT" in said
    assert run(["train", *words(data, finished, "train.start_from=tapt", "tapt.epochs=7")]) == 2
    assert "no TAPT result" in capsys.readouterr().err


def test_a_finished_stage_is_not_run_again(finished, data, capsys):
    before = (finished / "tiny/tapt/encoder/model.safetensors").stat().st_mtime_ns
    assert run(["tapt", *words(data, finished)]) == 0
    assert "finished already" in capsys.readouterr().err
    assert (finished / "tiny/tapt/encoder/model.safetensors").stat().st_mtime_ns == before


def test_other_settings_under_the_same_name_are_refused(finished, data, capsys):
    assert run(["train", *words(data, finished, "train.learning_rate=1e-5")]) == 2
    said = capsys.readouterr().err
    assert "train.learning_rate: " in said
    assert "→ 1e-05" in said
    assert "--fresh" in said


def test_a_submission_has_every_id_once_in_order_and_sums_to_one(finished, data, tmp_path):
    out = tmp_path / "submission.csv"
    assert run(["predict", "--runs-dir", str(finished), "--run", "tiny", "--out", str(out)]) == 0
    rows = rows_of(out)
    assert list(rows[0]) == ["id", "pred_label", "probs"]
    assert [row["id"] for row in rows] == [row["id"] for row in rows_of(data / "test.csv")]
    probabilities = np.array([json.loads(row["probs"]) for row in rows])
    assert probabilities.shape == (20, 30)
    assert np.abs(probabilities.sum(1) - 1).max() < 1e-9
    names = read_json(finished / "tiny/train/fold-0/model/labels.json")["names"]
    assert [row["pred_label"] for row in rows] == [names[i] for i in probabilities.argmax(1)]


def test_the_rows_a_run_chose_its_epoch_by_are_found_again(finished, data):
    opened = Run(find_trained(finished, "tiny/fold-0"))
    rows = run_rows(opened, None, opened.reader(AnswerOptions()))
    assert [row.id for row in rows.examples] == [row["id"] for row in rows_of(data / "dev.csv")]
    manifest = read_json(finished / "tiny/train/fold-0/manifest.json")
    assert rows.scores().micro_f1 == pytest.approx(manifest["results"]["micro_f1"])
    assert (rows.name, rows.found.folder) == ("tiny/fold-0", finished / "tiny/train/fold-0")


def copied(finished, tmp_path):
    """Copies the run's first fold alone: other tests may have trained others."""
    fold = "tiny/train/fold-0"
    shutil.copytree(finished / fold, tmp_path / "runs" / fold)
    return tmp_path / "runs"


def scored(finished, gold, *more):
    words = ["score", "--runs-dir", str(finished), "--run", "tiny", "--gold", str(gold), "--json"]
    return run([*words, *more])


def test_the_best_epoch_leaves_what_it_gave_to_the_dev_rows(finished, data, tmp_path):
    kept = Predictions.load(finished / "tiny/train/fold-0/dev.npz")
    rows = rows_of(data / "dev.csv")
    assert list(kept.ids) == [row["id"] for row in rows]
    assert [kept.labels[i] for i in kept.gold] == [row["label"] for row in rows]
    examples = read_examples(data / "dev.csv", DataSection(), None)
    computed = open_run(copied(finished, tmp_path), "tiny").predict(examples)
    assert np.abs(kept.probabilities - computed).max() < 1e-6


def test_a_runs_own_dev_rows_are_not_predicted_again(finished, data, tmp_path, capsys):
    assert scored(finished, data / "dev.csv") == 0
    said = capsys.readouterr()
    assert "the 20 rows are the run's own dev rows: probabilities of" in said.err
    assert "computing with" not in said.err
    assert scored(finished, data / "dev.csv", "--engine", "keras") == 0
    again = capsys.readouterr()
    assert "computing with Keras" in again.err
    kept, computed = json.loads(said.out), json.loads(again.out)
    assert kept["micro_f1"] == computed["micro_f1"]
    assert kept["auprc"] == pytest.approx(computed["auprc"], abs=1e-3)
    rows = rows_of(data / "dev.csv")
    other = write_rows(tmp_path / "dev.csv", [rows[0] | {"label": rows[1]["label"]}, *rows[1:]])
    assert scored(finished, other) == 0
    assert "computing with" in capsys.readouterr().err


@pytest.mark.parametrize("left", ["nothing", "half", "another run's"])
def test_without_what_the_best_epoch_left_the_rows_are_predicted(
    left, finished, data, tmp_path, capsys
):
    runs = copied(finished, tmp_path)
    file = runs / "tiny/train/fold-0/dev.npz"
    kept = Predictions.load(file)
    if left == "another run's":  # of the same rows and labels
        replace(kept, probabilities=kept.probabilities[::-1]).save(file)
    elif left == "half":
        file.write_bytes(file.read_bytes()[:2000])
    else:
        file.unlink()
    assert scored(runs, data / "dev.csv") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "computing with Keras" in said
    why = "is gone" if left == "nothing" else "is not the file that this run left"
    assert f"dev.npz {why}: its dev rows are predicted again" in said


def test_labels_in_another_order_than_the_runs_own_are_refused(finished, data, tmp_path, capsys):
    runs = copied(finished, tmp_path)
    file = runs / "tiny/train/fold-0/model/labels.json"
    labels = read_json(file)
    labels["names"][1:3] = labels["names"][2:0:-1]
    file.write_text(json.dumps(labels), encoding="utf-8")
    assert scored(runs, data / "dev.csv") == 2
    assert "labels.json (changed)" in capsys.readouterr().err
    assert scored(runs, data / "dev.csv", "--unverified") == 2  # the probabilities would not fit
    assert "not the labels that the run was trained with" in capsys.readouterr().err


def test_rows_that_changed_since_are_not_taken_for_those_of_the_run(finished, data, tmp_path):
    opened = Run(find_trained(finished, "tiny/fold-0"))
    shutil.copy(data / "test_gold.csv", tmp_path / "dev.csv")
    section = opened.recipe.data.model_copy(update={"dev": str(tmp_path / "dev.csv")})
    opened.recipe = opened.recipe.model_copy(update={"data": section})
    with pytest.raises(InputError, match="have changed since"):
        opened.dev_rows()


def test_a_run_scores_as_its_submission_does(finished, data, tmp_path, capsys):
    out, gold = tmp_path / "submission.csv", data / "test_gold.csv"
    runs = ["--runs-dir", str(finished)]
    assert run(["predict", *runs, "--run", "tiny", "--test", str(gold), "--out", str(out)]) == 0
    capsys.readouterr()
    assert run(["score", *runs, "--run", "tiny", "--gold", str(gold), "--json"]) == 0
    by_run = json.loads(capsys.readouterr().out)
    assert run(["score", "--pred", str(out), "--gold", str(gold), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == by_run


def test_a_prediction_does_not_depend_on_the_other_rows(finished, data):
    opened = open_run(finished, "tiny")
    examples = read_examples(data / "test.csv", DataSection(), None)
    together = opened.predict(examples)
    backwards = opened.predict(examples[::-1], batch_size=3)[::-1]
    assert np.abs(together - backwards).max() < 1e-6


def test_a_single_sentence_gets_its_top_five(finished, capsys):
    sentence = "가람은 새벽공방의 대표이다."
    options = ["--runs-dir", str(finished), "--run", "tiny", "--sentence", sentence]
    options += ["--subject", "가람", "--subject-type", "PER"]
    options += ["--object", "새벽공방", "--object-type", "ORG"]
    assert run(["predict", *options]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].split() == ["label", "percent"]
    assert len(lines) == 6
    percents = [float(line.split()[-1]) for line in lines[1:]]
    assert percents == sorted(percents, reverse=True)


def test_tapt_does_not_see_a_label(finished, data, tmp_path):
    rows = {name: rows_of(data / f"{name}.csv") for name in ("train", "test", "dev")}
    files = {name: write_rows(tmp_path / f"{name}.csv", part) for name, part in rows.items()}
    options = words(tmp_path, tmp_path / "runs", "tapt.epochs=1")
    assert run(["tapt", *options]) == 0
    for name, path in files.items():
        write_rows(path, [row | {"label": f"{name} {i}"} for i, row in enumerate(rows[name])])
    assert run(["tapt", "--fresh", *options]) == 0
    folder = tmp_path / "runs/tiny"
    assert same_files(folder / "tapt/encoder", folder / "tapt.old-1/encoder")


def without_dropout(finished, folder):
    """Copies the tiny run's encoder and takes its dropout away, so that replicas can agree."""
    shutil.copytree(finished / "tiny/tapt/encoder", folder)
    config = read_json(folder / "config.json")
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("stage", "result"),
    [("tapt", "tapt/encoder/model.safetensors"), ("train", "train/fold-0/model/model.safetensors")],
)
def test_two_replicas_end_with_the_weights_of_one(stage, result, finished, data, tmp_path):
    encoder = without_dropout(finished, tmp_path / "encoder")
    weights = {}
    for strategy, count in (("one", 1), ("mirrored", 2)):
        more = [f"encoder.from={encoder}", "train.dropout=0", "train.start_from=encoder"]
        more += [f"device.strategy={strategy}", f"device.virtual_devices={count}"]
        more += ["tapt.batch_size=16", "train.epochs=1", "tapt.epochs=1"]
        assert run([stage, *words(data, tmp_path / strategy, *more)]) == 0
        weights[strategy] = load_file(tmp_path / strategy / "tiny" / result)
    before = load_file(encoder / "model.safetensors")
    for name, weight in weights["one"].items():
        assert np.abs(weight - weights["mirrored"][name]).max() < 2e-5, name
        if name.endswith("query.weight"):
            old = before.get(name, before.get(f"bert.{name}"))
            assert np.abs(weight - old).max() > 1e-4


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_both_stages_train_mirrored_in_every_precision(precision, data, tmp_path):
    device = [f"device.precision={precision}", "device.strategy=mirrored"]
    device += ["device.virtual_devices=2", "tapt.epochs=1", "train.epochs=1"]
    options = words(data, tmp_path, *device)
    assert run(["tapt", *options]) == 0
    assert run(["train", *options]) == 0
    for stage in ("tapt", "train/fold-0"):
        manifest = read_json(tmp_path / "tiny" / stage / "manifest.json")
        assert manifest["device"]["replicas"] == 2
        assert manifest["device"]["precision"] == precision
    lines = (tmp_path / "tiny/train/fold-0/metrics.jsonl").read_text().splitlines()
    assert all(np.isfinite(json.loads(line)["loss"]) for line in lines)


@pytest.mark.parametrize("recipe", of_relations())
def test_every_shipped_recipe_runs_with_a_tiny_encoder(recipe, data, tmp_path):
    options = words(data, tmp_path, "tapt.epochs=1", "train.epochs=1", recipe=recipe)
    assert run(["tapt", *options]) == 0
    assert run(["train", *options]) == 0
    out = tmp_path / "submission.csv"
    assert run(["predict", "--runs-dir", str(tmp_path), "--out", str(out)]) == 0
    assert len(rows_of(out)) == 20


@pytest.mark.parametrize("pooling", ["cls_entity_starts", "cls", "entity_means"])
def test_every_pooling_trains_and_predicts(pooling, data, tmp_path):
    options = words(data, tmp_path, f"train.pooling={pooling}", "train.epochs=1")
    assert run(["train", *options]) == 0
    examples = read_examples(data / "test.csv", DataSection(), None)
    probabilities = open_run(tmp_path, "tiny").predict(examples)
    assert probabilities.shape == (20, 30)


@pytest.mark.parametrize(
    "markers",
    [
        "markers.style=none",
        "markers.style=entity_mask",
        "markers.style=typed_entity_marker",
        "markers.style=klue",
        "markers.query=이 문장에서 {object}은 {subject}의 {object_type}이다.",
    ],
)
def test_markers_of_every_kind_go_through_the_chain(markers, data, tmp_path):
    more = ["tapt.markers=true", "tapt.epochs=1", "train.epochs=1", "tapt.mask_unit=entities"]
    options = words(data, tmp_path, markers, *more)
    assert run(["tapt", *options]) == 0
    assert run(["train", *options]) == 0
    out = tmp_path / "submission.csv"
    assert run(["predict", "--runs-dir", str(tmp_path), "--out", str(out)]) == 0


def test_patience_stops_a_run_that_gets_no_better(data, tmp_path, capsys):
    still = ["train.learning_rate=1e-12", "train.epochs=9", "train.patience=2"]
    assert run(["train", *words(data, tmp_path, *still)]) == 0
    said = capsys.readouterr().err
    assert "best epoch 1, stopped early after 3 of 9" in said
    assert run(["train", *words(data, tmp_path, *still)]) == 0  # it stays finished
    assert "finished already" in capsys.readouterr().err
