import json

import pytest

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.recipe import DataSection
from relx.tasks.task import open_task, usual_section

LABELS = LabelList(("no_relation", "per:spouse"), "no_relation")
MOODS = LabelList(("joy", "fear"), None)


def scanned(path, text, task="relation", labels=LABELS):
    path.write_text(text, encoding="utf-8")
    return open_task(task, usual_section(task, "data", DataSection)).scan_gold(path, labels).whole()


FORMS = {
    "id and label": "id,label\na,per:spouse\nb,no_relation\n",
    "guid": "guid,label\na,per:spouse\nb,no_relation\n",
    "more columns": "label,id,sentence,subject_entity\nper:spouse,a,,{}\nno_relation,b,x,y\n",
    "JSON": json.dumps([{"id": "a", "label": "per:spouse"}, {"id": "b", "label": "no_relation"}]),
}


@pytest.mark.parametrize("name", FORMS)
def test_ids_and_labels_are_enough(tmp_path, name):
    reading = scanned(tmp_path / "gold", FORMS[name])
    assert [(row.id, row.gold) for row in reading.examples] == [
        ("a", "per:spouse"),
        ("b", "no_relation"),
    ]
    assert not reading.faults and reading.rows == 2


def test_an_answer_without_a_sentence_is_enough_for_the_other_task(tmp_path):
    lines = [{"id": "a", "output": {"joy": "True", "fear": "False"}}, {"id": "b", "output": ""}]
    text = "\n".join(map(json.dumps, lines))
    reading = scanned(tmp_path / "gold.jsonl", text, "target", MOODS)
    assert [row.gold for row in reading.examples] == [frozenset({"joy"}), None]
    columns = "id,joy,fear\na,1,0\nb,0,0\n"
    reading = scanned(tmp_path / "gold.csv", columns, "target", MOODS)
    assert [row.gold for row in reading.examples] == [frozenset({"joy"}), frozenset()]


def test_every_fault_of_a_row_is_said(tmp_path):
    reading = scanned(tmp_path / "a.csv", "id,label\na,per:spous\n,no_relation\na,no_relation\nb\n")
    kinds = [fault.kind for fault in reading.faults]
    assert kinds == ["unknown label", "empty id", "duplicate id", "number of cells"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("id,sentence\na,b\n", "missing column"),
        ("label,sentence\nper:spouse,b\n", "missing column"),
        ("id,label\n", "empty file"),
    ],
)
def test_a_file_without_them_is_a_message(tmp_path, text, kind):
    with pytest.raises(InputError) as caught:
        scanned(tmp_path / "a.csv", text)
    assert caught.value.faults[0].kind == kind
