"""The column of groups, as both tasks read it, and the split that keeps groups together."""

import csv
import json

import pytest
from target_data import record, write_lines

from relx.data.labels import LabelList
from relx.dataset import read_dataset
from relx.faults import InputError
from relx.recipe import DataSection
from relx.recipe_file import load_recipe, recipe_from_tree
from relx.shipped import shipped
from relx.tasks.task import open_task

LABELS = ("joy", "fear", "anger")


def sample_rows(count=30):
    with (shipped()["demo"].parents[1] / "sample/train.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))[:count]


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def recipe_of(path, *settings):
    files = [f"data.train={path}", "data.dev=null", "data.test=null", "data.folds=3"]
    return load_recipe(shipped()["demo"], ["name=tiny", *files, *settings])


def test_a_column_of_relations_keeps_rows_together(tmp_path):
    rows = [row | {"doc": str(i // 5)} for i, row in enumerate(sample_rows())]
    recipe = recipe_of(write(tmp_path / "a.csv", rows), "data.group=doc")
    dataset = read_dataset(recipe)
    assert {row.group for row in dataset.rows} == {str(i) for i in range(6)}
    for fold in range(3):
        one = dataset.at_fold(fold)
        assert not {row.group for row in one.train} & {row.group for row in one.dev}
        assert one.files["dev"]["fold"] == fold
        assert len(one.train) + len(one.dev) == 30


def test_a_column_of_targets_keeps_rows_together(tmp_path):
    records = [
        record(f"r{i}", f"{i}번 국밥은 좋았다.", ("국밥", len(f"{i}번 "), len(f"{i}번 ") + 1))
        | {"doc": i % 4 or None}
        for i in range(16)
    ]
    path = write_lines(tmp_path / "a.jsonl", records)
    data = DataSection(train=str(path), group="doc", labels=list(LABELS), negative=None)
    task = open_task("target", data)
    rows = task.scan(path, LabelList(LABELS, None), labelled=True).whole().examples
    assert [row.group for row in rows] == ["", "1", "2", "3"] * 4


@pytest.mark.parametrize("column", ["dok", "nothing"])
def test_a_missing_column_is_refused_where_rows_are_split(column, tmp_path):
    path = write(tmp_path / "a.csv", [row | {"doc": "1"} for row in sample_rows()])
    with pytest.raises(InputError, match="the column of groups is missing") as caught:
        read_dataset(recipe_of(path, f"data.group={column}"))
    (fault,) = caught.value.faults
    assert ("did you mean doc" in fault.next_step) == (column == "dok")
    data = DataSection(group=column)  # rows to predict need none
    assert open_task("relation", data).scan(path, None).whole().bad_rows == []


def test_groups_beside_a_dev_file_are_refused():
    tree = {"name": "a", "encoder": {"from": "x"}, "data": {"dev": "d.csv", "group": "doc"}}
    with pytest.raises(InputError, match="group says how folds are made"):
        recipe_from_tree(json.loads(json.dumps(tree)))
