"""The rows of a recipe: read once, with everything that a manifest says of them."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from relx.data import table
from relx.data.labels import KLUE
from relx.data.rows.row import ROWS_FORMAT, rows_digest, types_of
from relx.dataset import read_dataset, read_unlabelled
from relx.dev_rows import path_of_a_run, read_dev_rows
from relx.faults import Fault, InputError
from relx.recipe_file import load_recipe
from relx.tasks.relation import task as of_relation
from relx.tasks.task import task_of
from relx_cli.recipes import shipped
from tapt.corpus import corpus_digest, corpus_of, read_corpus

SAMPLE = Path(__file__).parents[1] / "sample"


def rows_of(part, count):
    with (SAMPLE / f"{part}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))[:count]


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def data(tmp_path):
    for part, count in (("train", 40), ("dev", 10), ("test", 10)):
        write(tmp_path / f"{part}.csv", rows_of(part, count))
    return tmp_path


def recipe_of(data, *settings):
    files = [f"data.{part}={data / part}.csv" for part in ("train", "dev", "test")]
    return load_recipe(shipped()["demo"], ["name=tiny", *files, *settings])


def test_a_run_in_another_folder_names_the_option_that_helps(data, tmp_path, monkeypatch):
    recipe = recipe_of(data, "data.dev=data/dev.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--gold") as caught:
        read_dev_rows(recipe, task_of(recipe), KLUE, {})
    (fault,) = caught.value.faults
    assert fault.kind == "no such file" and str(tmp_path) in fault.next_step
    with pytest.raises(InputError, match="another fault"), path_of_a_run("--test"):
        raise InputError(Fault("another fault", next_step="as it was"))


@pytest.mark.parametrize("labels", ["klue", "from-train"])
def test_each_file_is_read_once(labels, data, monkeypatch):
    read, original = [], table.open_table

    def counted(path, *more):
        read.append(path.name)
        return original(path, *more)

    for module in (table, of_relation):
        monkeypatch.setattr(module, "open_table", counted)
    known = {row["label"] for row in rows_of("train", 40)}
    write(data / "dev.csv", [row for row in rows_of("dev", 30) if row["label"] in known][:10])
    dataset = read_dataset(recipe_of(data, f"data.labels={labels}"))
    assert sorted(read) == ["dev.csv", "test.csv", "train.csv"]
    assert (len(dataset.train), len(dataset.dev)) == (40, 10)


def test_where_rows_are_from_is_told_by_fields(data):
    files = read_dataset(recipe_of(data)).files
    assert {role: facts["rows"] for role, facts in files.items()} == {
        "train": 40,
        "dev": 10,
        "test": 10,
    }
    assert files["dev"]["file"] == str(data / "dev.csv") and "fold" not in files["dev"]
    dataset = read_dataset(recipe_of(data, "data.dev=null", "data.folds=4", "train.fold=2"))
    facts = dataset.files["dev"]
    assert (facts["file"], facts["fold"]) == (str(data / "train.csv"), 2)
    assert facts["rows"] == len(dataset.dev) == 40 - len(dataset.train)
    assert facts["format"] == ROWS_FORMAT


def test_a_digest_is_of_what_rows_say(data):
    rows = read_dataset(recipe_of(data)).dev
    digest = rows_digest(rows)
    row = rows[0]
    others = [
        replace(row, id="another"),
        replace(row, sentence=row.sentence + " "),
        replace(row, subject=row.object),
        replace(row, object=replace(row.object, type="XYZ")),
        replace(row, label="another"),
        replace(row, label=None),
    ]
    digests = {rows_digest([other, *rows[1:]]) for other in others}
    assert len(digests | {digest}) == len(others) + 1
    assert rows_digest([replace(row, source="elsewhere"), *rows[1:]]) == digest
    assert rows_digest(rows[::-1]) != digest


def test_a_digest_stays_what_it_is():
    """Another value is another format: `ROWS_FORMAT` has to be raised with it."""
    rows = read_dataset(recipe_of(SAMPLE)).dev[:3]
    assert ROWS_FORMAT == 2
    assert rows_digest(rows).startswith("bdca16d471e6982d")


def test_tapt_finds_its_corpus_in_what_training_read(data):
    rows = rows_of("train", 40)
    rows[3]["label"] = "no such label"  # left out of training; TAPT does not look at labels
    rows[5]["subject_entity"] = "nobody"  # left out of both
    write(data / "train.csv", rows)
    for more in ("tapt.markers=false", "tapt.markers=true"):
        recipe = recipe_of(data, f"data.skip_bad_rows={data / 'bad.csv'}", more)
        dataset, markers = read_dataset(recipe), recipe.tapt.markers
        assert len(dataset.train) == 38 and len(dataset.unlabelled["train"]) == 39
        found = corpus_of(dataset.unlabelled, recipe, markers=markers)
        assert corpus_digest(found) == corpus_digest(read_corpus(recipe))
        unlabelled = read_unlabelled(recipe, dev=True)
        assert {role: len(own) for role, own in unlabelled.items()} == {
            role: len(own) for role, own in dataset.unlabelled.items()
        }
        assert all(row.gold is None for own in unlabelled.values() for row in own)


def test_the_dev_rows_of_a_run_are_those_that_it_noted(data):
    for more in ("train.fold=1", "data.dev=null"):
        recipe = recipe_of(data, more)
        dataset = read_dataset(recipe)
        then = dataset.files["dev"]
        fold = recipe.train.fold

        def found(then, recipe=recipe, dataset=dataset, fold=fold):
            return read_dev_rows(recipe, dataset.task, dataset.labels, {fold: then})

        assert found(then).rows == dataset.dev
        assert set(found(then).folds.tolist()) == {fold}
        before = {"rows": then["rows"], "digest": rows_digest(dataset.dev, None)}  # as relx 0.1
        assert found(before).rows == dataset.dev
        with pytest.raises(InputError, match="have changed since"):
            found(then | {"digest": "0" * 64})
        with pytest.raises(InputError, match="have changed since"):
            found(before | {"digest": then["digest"]})


def test_types_are_those_of_every_file(data):
    dataset = read_dataset(recipe_of(data))
    every = [*dataset.train, *dataset.dev, *dataset.unlabelled["test"]]
    assert dataset.types == types_of(every) == tuple(sorted(set(dataset.types)))
