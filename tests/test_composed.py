"""Rows written with letters apart (NFD), read composed: words and spans are what they were."""

import csv
import json
from unicodedata import normalize

import pytest

from relx.data.composed import composed_index, placed
from relx.recipe import DataSection
from relx.spans import Span
from relx.tasks.task import open_task

ROWS = [
    ("가람은 나루의 형이다.", "가람", "나루"),
    ("🙂 Zoë는 漢江에서 각시를 만났다.", "Zoë", "각시"),
    ("값이 오른 곳은 나루", "값", "나루"),
]


def entity(sentence, word):
    start = sentence.index(word)
    return {"word": word, "start_idx": start, "end_idx": start + len(word) - 1, "type": "POH"}


def written(path, rows, as_text=str):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity", "label"])
        for i, (sentence, *words) in enumerate(rows):
            found = (as_text(entity(sentence, word)) for word in words)
            writer.writerow([i, sentence, *found, "no_relation"])
    return path


def scanned(path, form="nfc", task="relation", **data):
    return open_task(task, DataSection(normalize=form, **data)).scan(path, None).whole()


def apart(rows):
    return [tuple(normalize("NFD", text) for text in row) for row in rows]


@pytest.mark.parametrize("as_text", [str, json.dumps])
def test_rows_taken_apart_are_read_as_those_that_are_not(tmp_path, as_text):
    plain = scanned(written(tmp_path / "a.csv", ROWS), None)
    other = scanned(written(tmp_path / "b.csv", apart(ROWS), as_text))
    assert not plain.faults and not other.faults
    assert plain.examples == other.examples
    as_they_are = scanned(tmp_path / "b.csv", None)
    assert not as_they_are.faults and as_they_are.examples != plain.examples


def test_words_and_sentence_may_be_composed_differently(tmp_path):
    sentence = normalize("NFD", ROWS[0][0])
    found = placed("가람", Span(0, 5), sentence, "nfc")
    assert found == ("가람", Span(0, 2))
    assert placed("가람", Span(0, 5), sentence, None) is None


def test_indices_of_the_composed_sentence_are_taken_where_the_others_do_not_hold():
    sentence = normalize("NFD", ROWS[0][0])
    assert placed("나루", Span(4, 6), sentence, "nfc") == ("나루", Span(4, 6))
    assert placed("나루", Span(3, 5), sentence, "nfc") is None


def test_a_span_that_parts_a_character_is_refused_by_name(tmp_path):
    sentence = normalize("NFD", "난초는 나루다.")
    rows = [(sentence, normalize("NFD", "나"), normalize("NFD", "나루"))]  # 나 of 난
    reading = scanned(written(tmp_path / "a.csv", rows))
    (fault,) = reading.faults
    assert fault.kind == "span in a character" and "(id 0)" in fault.where
    assert not scanned(tmp_path / "a.csv", None).faults


def test_targets_are_carried_over(tmp_path):
    path = tmp_path / "rows.jsonl"
    form = normalize("NFD", ROWS[2][0])
    target = {"form": normalize("NFD", "나루"), "begin": len(form) - 4, "end": len(form)}
    lines = [
        {"id": "1", "input": {"form": form, "target": target}},
        {"id": "2", "sentence": form, "target": "나루"},
    ]
    for line in lines:
        path.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
        (row,) = scanned(path, task="target", ends="exclusive", negative=None).examples
        assert row.sentence == ROWS[2][0]
        assert row.target == ("나루", Span(9, 11)) and row.target.span.of(row.sentence) == "나루"


def test_a_sentence_that_is_typed_is_composed_too():
    task = open_task("relation", DataSection(normalize="nfc"))
    sentence, subject, object_ = apart(ROWS)[0]
    words = {"subject": (subject, "PER", 0), "object": (object_, "PER", sentence.index(object_))}
    row = task.row_of(sentence, words)
    assert row.sentence == ROWS[0][0] and [span.of(row.sentence) for span in row.spans] == [
        "가람",
        "나루",
    ]


def test_an_index_inside_a_character_is_none():
    text = normalize("NFD", "각시")
    assert [composed_index(text, i) for i in range(6)] == [0, None, None, 1, None, 2]
