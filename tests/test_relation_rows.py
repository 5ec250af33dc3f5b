import ast
import csv
import json
import re
import warnings
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relation_rows import scanned

from relx.data.labels import KLUE, LabelList
from relx.data.literals import read_literal
from relx.faults import InputError
from relx.recipe import DataSection
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example, read_examples

SENTENCE = "가람은 나루의 형이다."
SUBJECT = {"word": "가람", "start_idx": 0, "end_idx": 1, "type": "PER"}
OBJECT = {"word": "나루", "start_idx": 4, "end_idx": 5, "type": "PER"}
ROW = {
    "id": "7",
    "sentence": SENTENCE,
    "subject_entity": SUBJECT,
    "object_entity": OBJECT,
    "label": "per:siblings",
    "source": "own",
}
EXAMPLE = Example(
    "7",
    SENTENCE,
    Entity("가람", Span(0, 2), "PER"),
    Entity("나루", Span(4, 6), "PER"),
    "per:siblings",
    "own",
)

INCLUSIVE = DataSection()
EXCLUSIVE = DataSection(ends="exclusive")
SHARED = Path(__file__).parents[2] / "shared" / "data"


def row(**changes):
    return {**ROW, **changes}


def write_csv(path, rows, encoding="utf-8", columns=None):
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, columns or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def scan(path, data=INCLUSIVE, labels=KLUE, **options):
    return scanned(path, data, labels, **options)


def file_fault(path, data=INCLUSIVE, labels=KLUE, **options):
    with pytest.raises(InputError) as caught:
        scan(path, data, labels, **options)
    (fault,) = caught.value.faults
    assert fault.where.startswith(str(path))
    return fault


def row_fault(tmp_path, data=INCLUSIVE, labels=KLUE, require_labels=True, **changes):
    """The only fault of a file whose second row is the changed one."""
    path = write_csv(tmp_path / "train.csv", [row(id="1"), row(**changes)])
    reading = scan(path, data, labels, require_labels=require_labels)
    assert len(reading.examples) == 1
    (fault,) = reading.faults
    assert fault.where.startswith(f"{path}:3")
    return fault


# --- the formats


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_a_csv_is_read_in_every_encoding(tmp_path, encoding):
    path = write_csv(tmp_path / "train.csv", [ROW], encoding)
    assert read_examples(path, INCLUSIVE, KLUE) == [EXAMPLE]


def test_klue_json_and_json_lines_hold_the_same_rows(tmp_path):
    rows = [{"guid": ROW["id"], **{k: v for k, v in ROW.items() if k != "id"}}]
    whole, lines = tmp_path / "train.json", tmp_path / "train.jsonl"
    whole.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    lines.write_text(json.dumps(rows[0]) + "\n\n", encoding="utf-8")
    assert read_examples(whole, INCLUSIVE, KLUE) == [EXAMPLE]
    assert read_examples(lines, INCLUSIVE, KLUE) == [EXAMPLE]


def test_an_index_column_other_keys_and_indices_as_text_are_read(tmp_path):
    subject = {"text": "가람", "start_idx": "0", "end_idx": " 1 ", "entity_type": "PER"}
    path = write_csv(tmp_path / "train.csv", [{"": "0", **row(subject_entity=subject)}])
    assert read_examples(path, INCLUSIVE, KLUE) == [EXAMPLE]


def test_entities_may_be_written_as_json(tmp_path):
    path = write_csv(tmp_path / "train.csv", [row(subject_entity=json.dumps(SUBJECT))])
    assert read_examples(path, INCLUSIVE, KLUE) == [EXAMPLE]


def test_exclusive_ends_are_read_where_the_recipe_says_so(tmp_path):
    ends = {"subject_entity": SUBJECT | {"end_idx": 2}, "object_entity": OBJECT | {"end_idx": 6}}
    path = write_csv(tmp_path / "train.csv", [row(**ends)])
    assert read_examples(path, EXCLUSIVE, KLUE) == [EXAMPLE]


def test_an_entity_is_never_evaluated(tmp_path):
    target = tmp_path / "ran"
    code = f"__import__('os').mkdir({str(target)!r})"
    fault = row_fault(tmp_path, subject_entity=code)
    assert fault.kind == "unparsable entity" and not target.exists()


texts = st.one_of(
    st.just("\0"),
    st.text(max_size=6),
    st.text("'\"\\\\{}n\n\r,:", max_size=6),
    st.sampled_from(["\\\\x41", "a', 'b", "가람"]),
)
numbers = st.one_of(
    st.integers(-3, 10**10).map(str), st.sampled_from(["0", "1", "007", "1_0", "0x1", "1.0"])
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
written = st.one_of(
    values.map(repr),
    values.map(json.dumps),
    values.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.text("[]{}()\"'\\\\ue19.+-, :NaIn\t\n", max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(written)
def test_an_entity_reads_as_python_and_then_json_read_it(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        try:
            expected = json.loads(text)
        except (ValueError, RecursionError):
            expected = None
    assert repr(read_literal(text)) == repr(expected)  # nan differs from itself


@settings(max_examples=200, deadline=None)
@given(word=texts, start=numbers, last=numbers, type_=texts, quote=st.booleans(), data=st.data())
def test_a_plain_entity_reads_as_any_other(tmp_path_factory, word, start, last, type_, quote, data):
    sentence = data.draw(
        st.sampled_from(["가람은 나루의 형이다.", f"{word}은 나루의 형", f"{word} "])
    )
    word, type_ = (repr(word), repr(type_)) if quote else (f"'{word}'", f"'{type_}'")
    text = f"{{'word': {word}, 'start_idx': {start}, 'end_idx': {last}, 'type': {type_}}}"
    path = tmp_path_factory.mktemp("plain") / "a.jsonl"
    path.write_text(json.dumps(row(sentence=sentence, subject_entity=text)), encoding="utf-8")
    ends = data.draw(st.sampled_from([INCLUSIVE, EXCLUSIVE]))
    found = [scanned(path, ends, None)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relx.tasks.relation.rows._PLAIN_ENTITY", re.compile("(?!)"))
        found.append(scanned(path, ends, None))
    assert found[0] == found[1]


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(before=words, word=words, between=words, other=words, after=words)
def test_what_is_written_is_read_back(tmp_path_factory, before, word, between, other, after):
    sentence = f"{before}{word}{between}{other}{after}"
    first = Span(len(before), len(before + word))
    second = Span(len(before + word + between), len(before + word + between + other))
    entities = [
        {"word": text, "start_idx": span.start, "end_idx": span.end - 1, "type": "PER"}
        for text, span in ((word, first), (other, second))
    ]
    if not sentence.strip():
        return
    written = row(sentence=sentence, subject_entity=entities[0], object_entity=entities[1])
    path = write_csv(tmp_path_factory.mktemp("rows") / "train.csv", [written])
    (example,) = read_examples(path, INCLUSIVE, KLUE)
    assert example.sentence == sentence
    assert example.subject == Entity(word, first, "PER")
    assert example.object == Entity(other, second, "PER")


# --- labels


def test_without_a_list_the_label_column_is_not_looked_at(tmp_path):
    path = write_csv(tmp_path / "test.csv", [row(label="anything")])
    assert read_examples(path, INCLUSIVE, None)[0].label is None


@pytest.mark.parametrize("label", ["100", ""])
def test_a_row_may_be_unlabelled_unless_labels_are_required(tmp_path, label):
    path = write_csv(tmp_path / "test.csv", [row(label=label)])
    assert read_examples(path, INCLUSIVE, KLUE)[0].label is None
    fault = row_fault(tmp_path, label=label)
    assert fault.kind == "missing label" and fault.where.endswith("(id 7), column label")


def test_100_is_a_label_where_the_list_says_so(tmp_path):
    path = write_csv(tmp_path / "train.csv", [row(label="100")])
    labels = LabelList(("100", "200"), None)
    assert read_examples(path, INCLUSIVE, labels, require_labels=True)[0].label == "100"


def test_a_file_without_a_label_column_is_unlabelled_unless_labels_are_required(tmp_path):
    path = write_csv(tmp_path / "test.csv", [{k: v for k, v in ROW.items() if k != "label"}])
    assert read_examples(path, INCLUSIVE, KLUE)[0].label is None
    assert file_fault(path, require_labels=True).kind == "missing column"


def test_an_unknown_label_names_the_nearest(tmp_path):
    fault = row_fault(tmp_path, label="per:sibling")
    assert fault.kind == "unknown label" and fault.where.endswith("(id 7), column label")
    assert fault.received == "'per:sibling'" and fault.next_step == "did you mean per:siblings?"


# --- faults of a row


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"start_idx": -1}, "negative span"),
        ({"start_idx": 1, "end_idx": 0}, "empty span"),
        ({"end_idx": 40}, "span beyond the sentence"),
        ({"start_idx": 1, "end_idx": 2}, "span text differs from word"),
        ({"word": "마루"}, "span text differs from word"),
        ({"start_idx": "first"}, "index not a number"),
        ({"end_idx": 1.0}, "index not a number"),
        ({"end_idx": True}, "index not a number"),
        ({"word": 7}, "entity text"),
        ({"type": None}, "entity text"),
    ],
)
def test_a_wrong_entity_is_one_fault(tmp_path, changes, kind):
    fault = row_fault(tmp_path, subject_entity=SUBJECT | changes)
    assert fault.kind == kind
    assert fault.where.endswith("train.csv:3 (id 7), column subject_entity")
    assert fault.received and fault.allowed


@pytest.mark.parametrize("key", ["word", "start_idx", "end_idx", "type"])
def test_a_missing_entity_key_is_named(tmp_path, key):
    entity = {name: value for name, value in OBJECT.items() if name != key}
    fault = row_fault(tmp_path, object_entity=entity)
    assert fault.kind == "missing entity key" and fault.what == f"the entity has no {key}"


@pytest.mark.parametrize("text", ["", "가람", "{'word': ", "[1, 2]", "{" * 400, "{'a': open('b')}"])
def test_an_unparsable_entity_is_a_fault(tmp_path, text):
    assert row_fault(tmp_path, subject_entity=text).kind == "unparsable entity"


def test_the_text_that_stands_at_a_span_is_shown(tmp_path):
    fault = row_fault(tmp_path, subject_entity=SUBJECT | {"start_idx": 4, "end_idx": 5})
    assert "which holds '나루'" in fault.received and "'가람'" in fault.received
    assert fault.next_step == "the word is at start_idx 0, end_idx 1"


def steps_of(tmp_path, rows, data=INCLUSIVE):
    return [fault.next_step for fault in scan(write_csv(tmp_path / "a.csv", rows), data).faults]


def shifted(entity, start, end):
    return entity | {"start_idx": entity["start_idx"] + start, "end_idx": entity["end_idx"] + end}


@pytest.mark.parametrize(
    ("start", "end", "data", "words"),
    [
        (0, 1, INCLUSIVE, "set data.ends: exclusive"),
        (0, 0, EXCLUSIVE, "set data.ends: inclusive"),
        (1, 1, INCLUSIVE, "look counted from 1"),
        (1, 2, EXCLUSIVE, "look counted from 1"),
    ],
)
def test_what_is_so_in_the_whole_file_is_said(tmp_path, start, end, data, words):
    entities = {
        "subject_entity": shifted(SUBJECT, start, end),
        "object_entity": shifted(OBJECT, start, end),
    }
    steps = steps_of(tmp_path, [row(id=at, **entities) for at in range(3)], data)
    assert len(steps) == 6 and all(words in step and "all 6 spans" in step for step in steps)


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 1)])
def test_one_span_of_a_file_whose_others_are_right_is_named_by_its_place(tmp_path, start, end):
    fault = row_fault(tmp_path, object_entity=shifted(OBJECT, start, end))
    assert fault.next_step == "the word is at start_idx 4, end_idx 5"


def test_two_explanations_explain_nothing(tmp_path):
    rows = [row(subject_entity=shifted(SUBJECT, 1, 1), object_entity=shifted(OBJECT, 0, 1))]
    assert all(step.startswith("the word is at") for step in steps_of(tmp_path, rows))


def test_an_exclusive_end_at_the_sentence_s_last_character_is_beyond_it(tmp_path):
    entity = {"word": "형이다.", "start_idx": 8, "end_idx": 12, "type": "POH"}
    fault = row_fault(tmp_path, object_entity=entity)
    assert fault.kind == "span beyond the sentence"
    assert fault.next_step == "the word is at start_idx 8, end_idx 11"


def test_a_header_in_capitals_is_recognised(tmp_path):
    path = write_csv(tmp_path / "train.csv", [{name.upper(): ROW[name] for name in ROW}])
    with pytest.raises(InputError) as caught:
        scan(path)
    steps = [fault.next_step for fault in caught.value.faults]
    assert "rename SENTENCE to sentence" in steps and "rename ID to id" in steps


def test_a_column_that_is_another_one_is_not_renamed(tmp_path):
    names = {"subject_entity": "subject_type", "sentence": "entities"}
    path = write_csv(tmp_path / "train.csv", [{names.get(k, k): ROW[k] for k in ROW}])
    with pytest.raises(InputError) as caught:
        scan(path)
    steps = {fault.next_step for fault in caught.value.faults}
    assert steps == {"add the column sentence", "add the column subject_entity"}


def test_a_class_named_100_needs_to_be_listed(tmp_path):
    fault = row_fault(tmp_path, label="100")
    assert fault.kind == "missing label" and "list it in data.labels" in fault.next_step


def test_characters_composed_differently_are_recognised(tmp_path):
    fault = row_fault(tmp_path, subject_entity=SUBJECT | {"word": normalize("NFD", "가람")})
    assert "data.normalize: nfc" in fault.next_step


@pytest.mark.parametrize(
    ("changes", "kind", "column"),
    [
        ({"id": ""}, "empty id", "id"),
        ({"id": "1"}, "duplicate id", "id"),
        ({"sentence": " \n"}, "empty sentence", "sentence"),
    ],
)
def test_ids_and_sentences_are_checked(tmp_path, changes, kind, column):
    fault = row_fault(tmp_path, **changes)
    assert fault.kind == kind and fault.where.endswith(f"column {column}")


def test_one_fault_for_each_thing_wrong_on_every_row(tmp_path):
    bad = row(id="", sentence="", subject_entity="?", object_entity={"word": "나루"}, label="?")
    path = write_csv(tmp_path / "train.csv", [ROW, bad, row(id="8", label="x")])
    with pytest.raises(InputError) as caught:
        read_examples(path, INCLUSIVE, KLUE, require_labels=True)
    assert Counter(fault.kind for fault in caught.value.faults) == {
        "empty id": 1,
        "empty sentence": 1,
        "unparsable entity": 1,
        "missing entity key": 3,
        "unknown label": 2,
    }


def test_a_fault_names_the_line_on_which_its_row_begins(tmp_path):
    long = row(id="1", sentence=SENTENCE + "\n둘째 줄\r\n셋째 줄")
    path = write_csv(tmp_path / "train.csv", [long, row(id="2", label="?")])
    text = path.read_text(encoding="utf-8")
    (fault,) = scan(path).faults
    lines = text.split("\n")
    assert fault.where == f"{path}:5 (id 2), column label" and lines[4].startswith("2,")
    assert scan(path).lines == [2]


def test_rows_with_other_numbers_of_cells_are_faults_and_the_rest_is_read(tmp_path):
    path = write_csv(tmp_path / "train.csv", [ROW])
    with path.open("a", encoding="utf-8") as stream:
        stream.write("8,too,few\n\n9,1,2,3,4,5,6\n")
    reading = scan(path)
    assert reading.rows == 3 and len(reading.examples) == 1
    assert [fault.kind for fault in reading.faults] == ["number of cells"] * 2
    assert [bad.row.line for bad in reading.bad_rows] == [3, 5]
    assert reading.faults[0].received == "3 cells"


def test_a_quote_that_is_never_closed_is_a_fault(tmp_path):
    path = write_csv(tmp_path / "train.csv", [ROW])
    with path.open("a", encoding="utf-8") as stream:
        stream.write('8,"an open quote\n9,b\n')
    (fault,) = scan(path).faults
    assert fault.kind == "broken row" and "lines 3 to 4" in fault.received


# --- faults of a file


def test_a_missing_column_is_named_with_the_one_that_looks_like_it(tmp_path):
    path = tmp_path / "train.csv"
    write_csv(path, [{"subject_entitiy" if k == "subject_entity" else k: ROW[k] for k in ROW}])
    fault = file_fault(path)
    assert fault.kind == "missing column"
    assert fault.next_step == "rename subject_entitiy to subject_entity"


def test_every_missing_column_is_named(tmp_path):
    path = write_csv(tmp_path / "train.csv", [{"id": "1", "label": "?"}])
    with pytest.raises(InputError) as caught:
        scan(path)
    assert [fault.kind for fault in caught.value.faults] == ["missing column"] * 3


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty file"),
        (b" \n\n", "empty file"),
        (b"\xef\xbb\xbf", "empty file"),
        (b"id,sentence,subject_entity,object_entity,label\n", "empty file"),
        (b"[]", "empty file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text"),
        (SENTENCE.encode("utf-16"), "no CSV"),
        (b"<html>\n<body>404</body>\n", "another format"),
        (SENTENCE.encode(), "no CSV"),
        (b"7,a,b,c\n8,d,e,f\n", "no CSV"),
        (b'{"data":\n [1]}', "no rows"),
        (b"id,sentence\n1,\xff\xff\n", "wrong encoding"),
    ],
)
def test_a_file_that_is_no_data_file_is_one_fault(tmp_path, content, kind):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    assert file_fault(path).kind == kind


def test_the_first_byte_of_another_encoding_is_named_by_its_line(tmp_path):
    path = write_csv(tmp_path / "train.csv", [ROW], "cp949")
    fault = file_fault(path, DataSection(encoding="utf-8"))
    assert fault.where == f"{path}:2" and "data.encoding: cp949" in fault.next_step


@pytest.mark.parametrize(
    ("text", "line"),
    [('[{"id": 1},\n {"id": 2}\n {"id": 3}]', 3), ('[{"id": 1},\n]', 2), ('[\n{"id": 1}', 2)],
)
def test_a_syntax_error_in_json_is_named_by_its_line(tmp_path, text, line):
    path = tmp_path / "train.json"
    path.write_text(text)
    fault = file_fault(path)
    assert fault.kind == "JSON syntax" and fault.where == f"{path}:{line}"


def test_half_a_character_is_a_fault(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([row(sentence=SENTENCE + "\ud83d")]))
    (fault,) = scan(path).faults
    assert fault.kind == "broken character" and fault.received == "'\\ud83d' at character 12"


def test_a_broken_line_of_json_lines_is_a_fault_of_that_row(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(ROW) + '\n{"id": \n[1]\n')
    reading = scan(path)
    assert reading.examples == [EXAMPLE]
    places = [(fault.kind, fault.where) for fault in reading.faults]
    assert places == [("JSON syntax", f"{path}:2"), ("broken row", f"{path}:3")]


def test_rows_of_a_json_list_are_named_by_their_lines(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([ROW, row(id=8, label="?")], indent=2))
    (fault,) = scan(path).faults
    line = path.read_text().split("\n").index('    "id": 8,')
    assert fault.where == f"{path}:{line} (id 8), column label"


def test_a_file_that_is_not_there_names_the_nearest(tmp_path):
    write_csv(tmp_path / "train.csv", [ROW])
    fault = file_fault(tmp_path / "trian.csv")
    assert "train.csv?" in fault.next_step
    assert file_fault(tmp_path).kind == "no such file"


# --- skipping


def skipping(path):
    return INCLUSIVE.model_copy(update={"skip_bad_rows": str(path)})


def test_bad_rows_are_skipped_only_on_request_and_written_down(tmp_path, capsys):
    bad, rest = row(id="8", label="?"), row(id="9")
    path = write_csv(tmp_path / "train.csv", [ROW, bad, rest])
    with path.open("a", encoding="utf-8") as stream:
        stream.write("10,broken\n")
    skipped = tmp_path / "bad-train.csv"
    with pytest.raises(InputError):
        read_examples(path, INCLUSIVE, KLUE)
    assert not skipped.exists()
    examples = read_examples(path, skipping(tmp_path / "bad.csv"), KLUE)
    assert [example.id for example in examples] == ["7", "9"]
    assert "2 of 4 rows" in capsys.readouterr().err
    with skipped.open(encoding="utf-8", newline="") as stream:
        first, second = csv.DictReader(stream)
    assert first["line"] == "3" and first["id"] == "8" and first["sentence"] == SENTENCE
    assert first["fault"] == "this label is not in the list of labels ('?')"
    assert second["raw"] == "10,broken\n" and "cells" in second["fault"]


def test_a_file_of_bad_rows_alone_stays_a_fault(tmp_path):
    path = write_csv(tmp_path / "train.csv", [row(label="?")])
    with pytest.raises(InputError):
        read_examples(path, skipping(tmp_path / "bad.csv"), KLUE)
    assert not (tmp_path / "bad-train.csv").exists()


# --- real data


needs_klue = pytest.mark.skipif(
    not (SHARED / "klue_re").is_dir(), reason="the KLUE-RE files are not beside the repository"
)
needs_annotation = pytest.mark.skipif(
    not (SHARED / "annotation").is_dir(), reason="the annotated sets are not beside the repository"
)


@needs_klue
def test_klue_re_has_no_fault():
    train = read_examples(SHARED / "klue_re/train.csv", INCLUSIVE, KLUE, require_labels=True)
    test = read_examples(SHARED / "klue_re/test_data.csv", INCLUSIVE, KLUE)
    assert len(train) == 32470 and len(test) == 7765
    assert {example.label for example in train} == set(KLUE.names)
    assert {example.label for example in test} == {None}
    assert all(e.span.of(x.sentence) == e.word for x in train for e in (x.subject, x.object))


@needs_annotation
@pytest.mark.parametrize("name", ["resources", "proglang", "language"])
def test_the_annotated_sets_have_no_fault(name):
    from relx.data.labels import read_labels

    folder = SHARED / "annotation" / name
    data = DataSection(labels=str(folder / "label2id.json"))
    for part in ("train", "dev", "test"):
        read_examples(folder / f"{part}.csv", data, read_labels(data), require_labels=True)
