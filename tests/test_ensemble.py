"""Ensembles through the front door: runs with their folds, answer files, what is refused."""

import csv
import json
import shutil
import unicodedata

import numpy as np
import pytest
from fold_runs import ROOT, words

from relx.data.labels import KLUE
from relx.files import read_json
from relx.predict import Run, open_run
from relx.tasks.relation.answers import write_submission
from relx_cli.main import run

NAMES = ["tiny", "other"]


@pytest.fixture(scope="module")
def runs(folds_of_three, few_rows, tmp_path_factory):
    """Two runs of all folds, dealt in two ways."""
    runs = tmp_path_factory.mktemp("runs")
    shutil.copytree(folds_of_three / "tiny", runs / "tiny")
    more = {"name": "other", "seed": "7", "train.epochs": "1"}
    assert run([*words(few_rows, runs, **more), "--folds", "all"]) == 0
    return runs


def ensemble(runs, *more):
    return run(["ensemble", "--runs-dir", str(runs), *map(str, more)])


def probabilities(path):
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["id"] for row in rows], np.array([json.loads(row["probs"]) for row in rows])


def test_the_answers_are_the_mean_of_the_runs_answers(runs, few_rows, tmp_path):
    for name in NAMES:
        out = ["--out", str(tmp_path / f"{name}.csv")]
        assert run(["predict", "--runs-dir", str(runs), "--run", name, *out]) == 0
    out, probs = tmp_path / "both.csv", tmp_path / "probs.csv"
    assert ensemble(runs, *NAMES, "--out", out, "--probs", probs) == 0
    (ids, one), (_, other) = (probabilities(tmp_path / f"{name}.csv") for name in NAMES)
    found_ids, found = probabilities(out)
    assert found_ids == ids
    np.testing.assert_allclose(found, (one + other) / 2, atol=1e-12)
    with probs.open(encoding="utf-8", newline="") as stream:
        by_name = list(csv.DictReader(stream))
    assert float(by_name[0]["no_relation"]) == found[0, KLUE.names.index("no_relation")]
    # A run and the other's answer file, and two answer files, give the same.
    for members in (["tiny", tmp_path / "other.csv"], [tmp_path / f"{n}.csv" for n in NAMES]):
        again = tmp_path / "again.csv"
        assert ensemble(runs, *members, "--out", again) == 0
        np.testing.assert_allclose(probabilities(again)[1], found, atol=1e-9)
    weighed = tmp_path / "weighed.csv"
    assert ensemble(runs, *NAMES, "--weights", "3,1", "--mean", "log", "--out", weighed) == 0
    geometric = one**0.75 * other**0.25
    expected = geometric / geometric.sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities(weighed)[1], expected, atol=1e-9)


def test_weights_are_found_on_rows_out_of_fold(runs, capsys):
    capsys.readouterr()
    assert ensemble(runs, *NAMES, "--weights", "found", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(found["weights"].values()) == pytest.approx(1)
    measured = found["measured"]
    assert measured["rows"] == 48 and measured["gold"].endswith("train.csv, out of fold")
    assert measured["agreement"][0][0] == 1 and 0 <= measured["oracle"] <= 100
    noted = [read_json(runs / f"{name}/train/out-of-fold.json")["scores"] for name in NAMES]
    scored = [member["scores"]["micro_f1"] for member in measured["members"]]
    assert scored == pytest.approx([scores["micro_f1"] for scores in noted])
    assert measured["gain"]["low"] <= measured["gain"]["value"] <= measured["gain"]["high"]


def test_members_are_selected_and_it_is_said_what_they_are_worth(runs, capsys):
    capsys.readouterr()
    assert ensemble(runs, *NAMES, "--select", "4", "--mean", "ranks", "--draws", "60") == 0
    said = capsys.readouterr().out
    for words_ in ("found on other rows", "over equal weights: these", "rows chosen alike, %"):
        assert words_ in said


def oof_file(runs, path, name="other"):
    """Writes what a run gives to all rows of the training file, out of fold."""
    out = ["--out-of-fold", "--probs", str(path)]
    assert run(["predict", "--runs-dir", str(runs), "--run", name, *out]) == 0
    return path


def test_out_of_fold_probabilities_are_those_of_the_dev_rows(runs, few_rows, tmp_path, capsys):
    path = oof_file(runs, tmp_path / "oof.csv")
    opened = open_run(runs, "other")
    rows = opened.dev_rows()
    with path.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["id"] for row in found] == [row.id for row in rows]
    written = np.array([[float(row[name]) for name in KLUE.names] for row in found])
    np.testing.assert_allclose(written, opened.dev_probabilities(rows), atol=1e-7)
    words_ = ["predict", "--runs-dir", str(runs), "--out-of-fold"]
    assert run(words_) == run([*words_, "--probs", "x.csv", "--out", "y.csv"]) == 2
    over = ["--run", "other", "--probs", str(few_rows / "train.csv")]
    assert run([*words_, *over]) == 2  # the rows themselves are not replaced


def test_an_answer_file_is_measured_by_another_of_it(runs, few_rows, tmp_path, capsys):
    test, oof = tmp_path / "other.csv", oof_file(runs, tmp_path / "oof.csv")
    assert run(["predict", "--runs-dir", str(runs), "--run", "other", "--out", str(test)]) == 0
    out = tmp_path / "out.csv"
    capsys.readouterr()
    assert ensemble(runs, *NAMES, "--weights", "found", "--json", "--out", out) == 0
    by_runs = json.loads(capsys.readouterr().out)
    again, pair = tmp_path / "again.csv", f"{test}={oof}"
    assert ensemble(runs, "tiny", pair, "--weights", "found", "--json", "--out", again) == 0
    said = capsys.readouterr()
    assert "taken on trust" in said.err
    found = json.loads(said.out)["measured"]
    assert found["blend"]["micro_f1"] == pytest.approx(by_runs["measured"]["blend"]["micro_f1"])
    np.testing.assert_allclose(probabilities(again)[1], probabilities(out)[1], atol=1e-6)


def test_without_rows_to_measure_by_only_weights_are_told(runs, few_rows, tmp_path, capsys):
    test = tmp_path / "other.csv"
    assert run(["predict", "--runs-dir", str(runs), "--run", "other", "--out", str(test)]) == 0
    capsys.readouterr()
    assert ensemble(runs, "tiny", test) == 0
    said = capsys.readouterr()
    assert "nothing is measured" in said.err and "0.500" in said.out
    assert "micro-F1" not in said.out


@pytest.mark.parametrize(
    ("members", "more", "says"),
    [
        (["tiny"], [], "two or more"),
        (["tiny", "tiny"], [], "named twice"),
        (["tiny", "nothing"], [], "no run of this name"),
        (NAMES, ["--weights", "1,2,3"], "each member needs a weight"),
        (NAMES, ["--weights", "much"], "these are no weights"),
        (NAMES, ["--weights", "found", "--mean", "ranks"], "ranks are no probabilities"),
        (NAMES, ["--select", "0"], "no number of members"),
        (NAMES, ["--select", "many"], "no number of members"),
        (NAMES, ["--task", "relation"], "a run has its own"),
        (NAMES, ["--percent"], "go with answer files"),
        (["TEST", "SHORT"], ["--engine", "keras"], "these are answer files"),
        (["tiny", "TEST=NOTHING"], [], "no such file"),
        (["TEST=OOF", "SHORT=OOF"], [], "--gold"),
        (NAMES, ["--out", "ASKED"], "a file that it is made from"),
        (NAMES, ["--weights", "found", "--select", "3"], "--select gives weights itself"),
        (["tiny", "LABELS"], ["--out", "OUT"], "no probabilities"),
        (["tiny", "SHORT"], ["--out", "OUT"], "are missing here"),
        (["tiny", "TEST"], ["--weights", "found"], "nobody was trained on"),
        (["TEST=OOF", "tiny"], ["--out", "TEST"], "another file"),
        (["tiny/fold-0", "other"], ["--weights", "found"], "not the rows that tiny/fold-0"),
        (NAMES, ["--gold", "TRAIN"], "was trained on 48 of these 48 rows"),
        (NAMES, ["--out", "OUT", "--probs", "OUT"], "one file"),
        (NAMES, ["--test", "TEST", "--out", "OUT"], ""),
    ],
)
def test_what_does_not_belong_together_is_refused(
    members, more, says, runs, few_rows, tmp_path, capsys
):
    ids = [
        row.id
        for row in open_run(runs, "tiny").task.scan(few_rows / "test.csv", None).whole().examples
    ]
    shares = np.full((len(ids), len(KLUE)), 1 / len(KLUE))
    write_submission(tmp_path / "test.csv", ids, shares, KLUE)
    write_submission(tmp_path / "short.csv", ids[:-1], shares[:-1], KLUE)
    labels = "".join(f"{id_},no_relation\n" for id_ in ids)
    (tmp_path / "labels.csv").write_text(f"id,pred_label\n{labels}", encoding="utf-8")
    files = {"TEST": "test.csv", "SHORT": "short.csv", "LABELS": "labels.csv", "OUT": "out.csv"}
    places = {name: str(tmp_path / file) for name, file in files.items()}
    places |= {
        "TRAIN": str(few_rows / "train.csv"),
        "OOF": str(oof_file(runs, tmp_path / "oof.csv")),
        "ASKED": str(few_rows / "test.csv"),
        "NOTHING": str(tmp_path / "nothing.csv"),
    }

    def placed(word):
        return "=".join(places.get(part, part) for part in word.split("="))

    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert ensemble(runs, *map(placed, members), *map(placed, more)) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before  # nothing written


@pytest.fixture(scope="module")
def swapped(runs, few_rows, tmp_path_factory):
    """A run of one fold whose labels are in another order, and which reads files otherwise."""
    names = tmp_path_factory.mktemp("labels") / "labels.json"
    names.write_text(json.dumps([KLUE.names[1], KLUE.names[0], *KLUE.names[2:]]), encoding="utf-8")
    more = {"name": "swapped", "train.epochs": "1", "data.labels": str(names)}
    more["data.normalize"] = "nfc"
    assert run([*words(few_rows, runs, **more), "--folds", "0"]) == 0
    return "swapped"


def test_labels_in_another_order_are_brought_into_the_first_ones(runs, swapped, tmp_path, capsys):
    for name in ("tiny", swapped):
        where = ["--runs-dir", str(runs), "--run", name, "--probs", str(tmp_path / f"{name}.csv")]
        assert run(["predict", *where]) == 0
    assert ensemble(runs, "tiny", swapped, "--probs", tmp_path / "both.csv") == 0
    with_names = []
    for name in ("tiny", swapped, "both"):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            with_names.append(list(csv.DictReader(stream)))
    for one, other, both in zip(*with_names, strict=True):
        for label in KLUE.names:
            mean = (float(one[label]) + float(other[label])) / 2
            assert float(both[label]) == pytest.approx(mean, abs=1e-12)
    # Of labelled rows likewise: fold 0 of each run, which were dealt alike.
    capsys.readouterr()
    assert ensemble(runs, "tiny/fold-0", swapped, "--json") == 0
    members = json.loads(capsys.readouterr().out)["measured"]["members"]
    assert run(["score", "--runs-dir", str(runs), "--run", swapped, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert members[1]["scores"]["micro_f1"] == pytest.approx(scores["micro_f1"])
    assert members[1]["scores"]["auprc"] == pytest.approx(scores["auprc"])


def test_a_run_reads_the_rows_as_its_own_recipe_says(
    runs, swapped, few_rows, tmp_path, monkeypatch
):
    """One run composes characters and the other does not: each is asked what it would be alone."""
    with (few_rows / "test.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[:3]
    for row in rows:
        row["sentence"] += unicodedata.normalize("NFD", " 가나다라")
    test = tmp_path / "decomposed.csv"
    with test.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    seen = {}

    def predict(self, rows):
        seen[self.name] = [row.sentence for row in rows]
        return np.full((len(rows), len(KLUE)), 1 / len(KLUE))

    monkeypatch.setattr(Run, "predict", predict)
    assert ensemble(runs, "tiny", swapped, "--test", test, "--out", tmp_path / "out.csv") == 0
    assert seen["tiny"] == [row["sentence"] for row in rows]
    assert seen[swapped] == [unicodedata.normalize("NFC", row["sentence"]) for row in rows]
    assert seen["tiny"] != seen[swapped]


def test_probabilities_in_another_order_are_doubted(few_rows, runs, tmp_path, capsys):
    ids = [str(i) for i in range(60)]
    shares = np.random.default_rng(0).dirichlet(np.ones(len(KLUE)), len(ids))
    write_submission(tmp_path / "one.csv", ids, shares, KLUE)
    rows = zip(ids, [KLUE.names[i] for i in shares.argmax(1)], np.roll(shares, 3, 1), strict=True)
    lines = [f'{id_},{label},"{numbers.tolist()}"' for id_, label, numbers in rows]
    text = "\n".join(["id,pred_label,probs", *lines, ""])
    (tmp_path / "two.csv").write_text(text, encoding="utf-8")
    files = [tmp_path / f"{name}.csv" for name in ("one", "two")]
    assert ensemble(runs, *files, "--out", tmp_path / "out.csv") == 0
    assert "pred_label is not the most probable class" in " ".join(capsys.readouterr().err.split())


def test_a_dev_file_with_rows_that_were_trained_on_finds_no_weights(
    runs, few_rows, tmp_path, capsys
):
    with (few_rows / "train.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (ROOT / "sample" / "dev.csv").open(encoding="utf-8", newline="") as stream:
        rows = [*rows[:2], *[row | {"id": f"d{row['id']}"} for row in csv.DictReader(stream)][:10]]
    dev = tmp_path / "dev.csv"
    with dev.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    names = ("one", "two")
    for name in names:
        more = {"name": name, "train.epochs": "1", "data.dev": str(dev), "seed": str(len(name))}
        assert run(words(few_rows, tmp_path / "runs", **more)) == 0
    capsys.readouterr()
    assert ensemble(tmp_path / "runs", *names, "--weights", "found") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "one was trained on 2 of these 12 rows" in said and "with --gold" in said
    assert ensemble(tmp_path / "runs", *names) == 0
    assert "nothing is measured: one was trained on 2" in capsys.readouterr().err


def test_files_about_targets_need_the_rows_that_their_answers_repeat(tmp_path, runs, capsys):
    for name, joy in (("one", 0.8), ("two", 0.4)):
        output = {"joy": joy, "fear": 0.1}
        text = json.dumps({"id": "a", "output": output}) + "\n"
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    files = [tmp_path / f"{name}.jsonl" for name in ("one", "two")]
    labels = tmp_path / "labels.json"
    labels.write_text('["joy", "fear"]', encoding="utf-8")
    how = ["--task", "target", "--labels", labels, "--negative", ""]
    assert ensemble(runs, *files, *how, "--probs", tmp_path / "probs.jsonl") == 0
    (line,) = (tmp_path / "probs.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["output"]["joy"] == pytest.approx(0.6)
    capsys.readouterr()
    assert ensemble(runs, *files, *how, "--out", tmp_path / "out.jsonl") == 2
    assert "name them with --test" in capsys.readouterr().err
    test = {"id": "a", "sentence": "맛있다", "target": None}
    (tmp_path / "test.jsonl").write_text(json.dumps(test) + "\n", encoding="utf-8")
    more = ["--test", tmp_path / "test.jsonl", "--out", tmp_path / "out.jsonl"]
    assert ensemble(runs, *files, *how, *more) == 0
    assert "labels are cut at 0.500" in " ".join(capsys.readouterr().err.split())
    (line,) = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == test | {"output": {"joy": "True", "fear": "False"}}
    assert ensemble(runs, *files, "--out", tmp_path / "none.csv") == 2
    assert "--task target" in capsys.readouterr().err
