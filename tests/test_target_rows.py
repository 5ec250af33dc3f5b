"""Rows about a target: every form that files come in, and a message for every fault."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_data import LABELS, SENTENCE, record, write_csv, write_lines

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.recipe import DataSection, DecideSection
from relx.spans import Span
from relx.tasks.target.rows import Target
from relx.tasks.task import open_task, usual_section

KNOWN = LabelList(LABELS, None)
GUKBAP = Target("국밥", Span(0, 2))


def task_for(path, decide="many", **data):
    section = usual_section("target", "data", DataSection).changed(train=str(path), **data)
    return open_task("target", section, decide=DecideSection(labels=decide))


def scan(path, labels=KNOWN, decide="many", labelled=True, **data):
    return task_for(path, decide, **data).scan(path, labels, labelled=labelled).whole()


def only(path, **options):
    reading = scan(path, **options)
    assert reading.faults == []
    (row,) = reading.examples
    return row


def fault_of(path, **options):
    reading = scan(path, **options)
    (bad,) = reading.bad_rows
    assert reading.examples == []
    return bad.faults[0]


# ---- forms


def test_the_contests_form(tmp_path):
    row = only(write_lines(tmp_path / "a.jsonl", [record(true=("joy", "anger"))]))
    assert (row.id, row.sentence, row.target) == ("a", SENTENCE, GUKBAP)
    assert row.gold == frozenset({"joy", "anger"})
    assert (row.spans, row.types, row.key) == ((Span(0, 2),), (), (SENTENCE, GUKBAP))
    assert row.fields["input"]["form"] == SENTENCE


def test_a_target_of_nulls_is_the_whole_sentence(tmp_path):
    row = only(write_lines(tmp_path / "a.jsonl", [record(target=None)]))
    assert (row.target, row.spans) == (None, ())


def test_no_label_is_a_row_without_any_that_is_true(tmp_path):
    assert only(write_lines(tmp_path / "a.jsonl", [record(true=())])).gold == frozenset()


def test_a_test_file_has_no_output_and_its_labels_are_left_alone(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [record(true=None)])
    assert only(path, labelled=False).gold is None
    wrong = record()
    wrong["output"] = {"joy": "maybe"}
    path = write_lines(tmp_path / "b.jsonl", [wrong])
    assert only(path, labels=None, labelled=False).gold is None
    assert scan(path).readable[0].sentence == SENTENCE  # for TAPT, which needs no label


FORMS = {
    "a dictionary": (
        ("id", "sentence", "target", "labels"),
        ("a", SENTENCE, "{'form': '국밥', 'begin': 0, 'end': 2}", '["joy"]'),
    ),
    "KLUE's keys": (
        ("guid", "sentence", "target", "labels"),
        ("a", SENTENCE, '{"word": "국밥", "start_idx": 0, "end_idx": 2}', "joy"),
    ),
    "columns of places": (
        ("id", "form", "word", "begin", "end", *LABELS),
        ("a", SENTENCE, "국밥", "0", "2", "1", "0", "0"),
    ),
    "a word alone": (
        ("id", "text", "target", *LABELS),
        ("a", SENTENCE, "국밥", "TRUE", "False", "0"),
    ),
    "one label": (
        ("id", "sentence", "target", "begin", "end", "label"),
        ("a", SENTENCE, "국밥", "0", "2", "joy"),
    ),
    "an output": (
        ("id", "sentence", "target", "begin", "end", "output"),
        ("a", SENTENCE, "국밥", "0", "2", json.dumps({"joy": "True", "fear": 0, "anger": False})),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_csv_reads_the_same(tmp_path, name):
    columns, row = FORMS[name]
    found = only(write_csv(tmp_path / "a.csv", columns, [row]))
    assert (found.id, found.sentence, found.target) == ("a", SENTENCE, GUKBAP)
    assert found.gold == frozenset({"joy"})
    assert only(write_csv(tmp_path / "b.csv", columns, [row]), decide="one").gold == "joy"


def test_a_file_may_have_no_targets_at_all(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("id", "sentence", "label"), [("a", SENTENCE, "fear")])
    row = only(path, decide="one")
    assert (row.target, row.gold) == (None, "fear")


def test_lists_may_be_written_with_bars_or_commas(tmp_path):
    columns = ("id", "sentence", "labels")
    for text in ("joy|fear", "joy, fear", "['joy', 'fear']"):
        path = write_csv(tmp_path / "a.csv", columns, [("a", SENTENCE, text)])
        assert only(path).gold == frozenset({"joy", "fear"})
    path = write_csv(tmp_path / "a.csv", columns, [("a", SENTENCE, "[]")])
    assert only(path).gold == frozenset()


def test_ends_may_be_inclusive(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [record(target=("국밥", 0, 1))])
    assert only(path, ends="inclusive").target == GUKBAP


@st.composite
def rows(draw):
    words = draw(
        st.lists(st.sampled_from(["국밥", "값싼", "😀", "a", "한 입"]), min_size=1, max_size=6)
    )
    sentence = " ".join(words)
    target = None
    if draw(st.booleans()):
        begin = draw(st.integers(0, len(sentence) - 1))
        end = draw(st.integers(begin + 1, len(sentence)))
        if sentence[begin:end].strip():
            target = (sentence[begin:end], begin, end)
    return sentence, target, draw(st.sets(st.sampled_from(LABELS)))


@settings(max_examples=25, deadline=None)
@given(st.lists(rows(), min_size=1, max_size=5))
def test_rows_read_the_same_from_every_format(tmp_path_factory, found):
    openpyxl = pytest.importorskip("openpyxl")
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    folder = tmp_path_factory.mktemp("formats")
    columns = ("id", "sentence", "target", "begin", "end", *LABELS)
    flat = [
        (f"r{i}", sentence, *(target or (None, None, None)), *(name in true for name in LABELS))
        for i, (sentence, target, true) in enumerate(found)
    ]
    records = [record(f"r{i}", *row) for i, row in enumerate(found)]
    paths = [write_lines(folder / "a.jsonl", records), write_csv(folder / "a.csv", columns, flat)]
    book = openpyxl.Workbook()
    for row in (columns, *flat):
        book.active.append(row)
    book.save(folder / "a.xlsx")
    table = pyarrow.table({name: [row[i] for row in flat] for i, name in enumerate(columns)})
    parquet.write_table(table, folder / "a.parquet")
    paths += [folder / "a.xlsx", folder / "a.parquet"]
    first, *others = [scan(path) for path in paths]
    assert first.faults == []
    for other in others:
        assert other.faults == []
        assert other.examples == first.examples


# ---- labels


def test_labels_are_those_of_the_training_file_in_its_order(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [record()])
    assert task_for(path).read_labels() == KNOWN
    columns = ("id", "sentence", "joy", "fear", "note")
    path = write_csv(tmp_path / "a.csv", columns, [("a", SENTENCE, "1", "0", "so it is")])
    assert task_for(path).read_labels().names == ("joy", "fear")
    listed = [("a", SENTENCE, "joy|fear"), ("b", SENTENCE, "anger")]
    path = write_csv(tmp_path / "b.csv", ("id", "sentence", "labels"), listed)
    assert task_for(path).read_labels().names == ("anger", "fear", "joy")


def test_labels_may_be_in_the_recipe_or_in_a_file(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [record()])
    assert task_for(path, labels=["fear", "joy"]).read_labels().names == ("fear", "joy")
    own = tmp_path / "labels.json"
    own.write_text('["anger", "joy"]')
    assert task_for(path, labels=str(own)).read_labels().names == ("anger", "joy")


def test_a_training_file_without_labels_is_a_message(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("id", "sentence"), [("a", SENTENCE)])
    with pytest.raises(InputError, match="shows no labels"):
        task_for(path).read_labels()


# ---- faults

FAULTS = [
    (record(target=("국밥", 3, 5)), "span text differs from word", "the word is at begin 0, end 2"),
    (record(target=("국밥", 0, 1)), "span text differs from word", "the word is at begin 0, end 2"),
    (record(target=("국밥", 0, 99)), "span beyond the sentence", "begin 0, end 2"),
    (record(target=("국밥", -1, 2)), "negative span", ""),
    (record(target=("국밥", 2, 2)), "empty span", ""),
    (record(target=("국밥", None, 2)), "target in part", "leave all three empty"),
    (record(target=(None, 0, 2)), "target in part", "leave all three empty"),
    (record(target=("국밥", "zero", 2)), "target in part", ""),
    (record(form=""), "empty sentence", ""),
    (record(form="\ud800 국밥"), "broken character", ""),
    (record(id_=""), "empty id", ""),
    ({**record(), "output": {"joy": "True", "fear": "False"}}, "missing label", ""),
    (
        {**record(), "output": {"joy": "Yes", "fear": "False", "anger": "True"}},
        "label not true or false",
        "",
    ),
    (record(labels=("joy", "fear", "anger", "awe")), "unknown label", ""),
    ({**record(), "output": ["joy"]}, "output", ""),
    (record(true=None), "missing label", ""),
    ({**record(), "input": "국밥은 좋았다"}, "input", ""),
]


@pytest.mark.parametrize(("wrong", "kind", "step"), FAULTS, ids=range(len(FAULTS)))
def test_every_fault_of_a_row_is_named_by_its_line(tmp_path, wrong, kind, step):
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + json.dumps(wrong) + "\n", encoding="utf-8")
    fault = fault_of(path)
    assert fault.kind == kind
    assert fault.where.startswith(f"{path}:2")
    assert step in fault.next_step


@pytest.mark.parametrize(
    ("columns", "row", "kind"),
    [
        (("id", "sentence", "target", "label"), ("a", "가 가", "가", "joy"), "target not found"),
        (("id", "sentence", "target", "label"), ("a", "나", "가", "joy"), "target not found"),
        (("id", "sentence", "labels"), ("a", "나", "joy|awe"), "unknown label"),
        (("id", "sentence", "labels"), ("a", "나", "joy|joy"), "repeated label"),
        (("id", "sentence", *LABELS), ("a", "나", "1", "", "0"), "missing label"),
        (("id", "sentence", *LABELS), ("a", "나", "1", "2", "0"), "label not true or false"),
    ],
)
def test_every_fault_of_a_csv_is_a_message(tmp_path, columns, row, kind):
    assert fault_of(write_csv(tmp_path / "a.csv", columns, [row])).kind == kind


def test_one_label_means_exactly_one(tmp_path):
    for true in ((), ("joy", "fear")):
        path = write_lines(tmp_path / "a.jsonl", [record(true=true)])
        assert fault_of(path, decide="one").kind == "number of labels"


def test_an_id_that_comes_again_names_the_first(tmp_path):
    reading = scan(write_lines(tmp_path / "a.jsonl", [record(), record()]))
    (fault,) = reading.faults
    assert (fault.kind, "line 1" in fault.received) == ("duplicate id", True)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("id", "sentense", "label"), "rename sentense to sentence"),
        (("number", "sentence", "label"), "the column id is missing"),
        (("id", "sentence", "joy", "fear"), "there is no column for anger"),
        (("id", "sentence", "label", "label"), "appears twice"),
    ],
)
def test_a_missing_column_is_said_once_for_the_file(tmp_path, columns, said):
    path = write_csv(tmp_path / "a.csv", columns, [["x"] * len(columns)] * 3)
    with pytest.raises(InputError, match=said):
        scan(path)
