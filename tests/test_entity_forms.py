"""Entities of relations under other names, and in columns of their own."""

import json

import pytest
from test_relation_rows import file_fault, scan, write_csv

from relx.recipe import DataSection

FLAT_SENTENCE = "가람은 나루에 산다"
SUBJECT, OBJECT = ("가람", 0, 1, "PER"), ("나루", 4, 5, "LOC")


@pytest.mark.parametrize(
    "names",
    [
        ("word", "start_idx", "end_idx", "type"),
        ("text", "start", "end", "type"),
        ("name", "start", "end", "entity_type"),
        ("form", "begin", "end", "label"),
    ],
)
@pytest.mark.parametrize("ends", ["inclusive", "exclusive"])
def test_entities_by_other_names(names, ends, tmp_path):
    more = ends == "exclusive"
    subject, object_ = (
        dict(zip(names, (word, start, last + more, type_), strict=True))
        for word, start, last, type_ in (SUBJECT, OBJECT)
    )
    given = {"id": 0, "sentence": FLAT_SENTENCE, "label": "no_relation"}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(given | {"subject_entity": subject, "object_entity": object_}))
    (found,) = scan(path, DataSection(ends=ends)).examples
    assert found.types == ("PER", "LOC")
    assert [span.of(found.sentence) for span in found.spans] == ["가람", "나루"]


@pytest.mark.parametrize("word", ["subject", "subject_word", "subject_text"])
def test_entities_in_flat_columns(word, tmp_path):
    cells = {"id": "0", "sentence": FLAT_SENTENCE, "label": "no_relation"}
    names = (word, "subject_start", "subject_end", "subject_type")
    cells |= dict(zip(names, SUBJECT, strict=True))
    names = tuple(name.replace("subject", "object") for name in names)
    cells |= dict(zip(names, OBJECT, strict=True))
    (found,) = scan(write_csv(tmp_path / "a.csv", [cells])).examples
    assert found.types == ("PER", "LOC")
    assert [span.of(found.sentence) for span in found.spans] == ["가람", "나루"]
    del cells["object_type"]
    (fault,) = scan(write_csv(tmp_path / "a.csv", [cells])).faults
    assert fault.what == "the entity has no type"
    cells = {name: cell for name, cell in cells.items() if not name.startswith("object")}
    assert "subject_entity" not in file_fault(write_csv(tmp_path / "a.csv", [cells])).what


def test_a_span_by_other_names_is_named_by_them(tmp_path):
    entity = {"text": "가람", "start": 0, "end": 2, "type": "PER"}
    given = {"id": 0, "sentence": FLAT_SENTENCE, "label": "no_relation"}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(given | {"subject_entity": entity, "object_entity": entity}))
    (fault, _) = scan(path).faults
    assert "start 0, end 2 (inclusive)" in fault.received
