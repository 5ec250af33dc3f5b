"""Relations of other programs' files: each format by hand, and what is refused."""

import json
import shlex

import pytest

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.recipe import DataSection
from relx.tasks.relation.imports.importing import FORMATS, read_relations
from relx.tasks.relation.rows import read_examples
from relx_cli.import_ import NAMES
from relx_cli.main import run

TOKENS = ["가람", "은", "나루", "시", "에", "산다", "."]
SENTENCE = "가람 은 나루 시 에 산다 ."
TEXT = "🧿 머리말\n가람은 나루시에 산다.\n끝"
LINE = "가람은 나루시에 산다."


def span(word):
    """The characters of a word in TEXT."""
    return TEXT.index(word), TEXT.index(word) + len(word)


def units(word):
    """The same in UTF-16 units, as browsers count."""
    return tuple(len(TEXT[:at].encode("utf-16-le")) // 2 for at in span(word))


TACRED = {
    **{"id": "a-1", "token": TOKENS, "relation": "per:cities_of_residence", "docid": "d"},
    **{"subj_start": 0, "subj_end": 0, "subj_type": "PERSON"},
    **{"obj_start": 2, "obj_end": 3, "obj_type": "CITY"},
}
OPENNRE = {
    "text": LINE,
    "h": {"name": "가람", "id": "Q1", "pos": [0, 2]},
    "t": {"name": "나루시", "id": "Q2", "pos": [4, 7]},
    "relation": "lives_in",
}
OPENNRE_TOKENS = OPENNRE | {
    "token": TOKENS,
    "h": {"name": "x", "pos": [0, 1]},
    "t": {"name": "y", "pos": [2, 4]},
}
del OPENNRE_TOKENS["text"]
DOCRED = {
    "title": "문서",
    "sents": [["첫", "문장", "."], TOKENS],
    "vertexSet": [
        [
            {"name": "첫", "pos": [0, 1], "sent_id": 0, "type": "PER"},
            {"name": "가람", "pos": [0, 1], "sent_id": 1, "type": "PER"},
        ],
        [{"name": "나루 시", "pos": [2, 4], "sent_id": 1, "type": "LOC"}],
        [{"name": "문장", "pos": [1, 2], "sent_id": 0, "type": "MISC"}],
    ],
    "labels": [{"h": 0, "t": 1, "r": "P551", "evidence": [1]}, {"h": 1, "t": 2, "r": "P1"}],
}
DOCCANO = {
    "id": 3,
    "text": TEXT,
    "entities": [
        {"id": 7, "label": "PER", "start_offset": span("가람")[0], "end_offset": span("가람")[1]},
        {
            "id": 9,
            "label": "LOC",
            "start_offset": span("나루시")[0],
            "end_offset": span("나루시")[1],
        },
    ],
    "relations": [{"id": 1, "from_id": 7, "to_id": 9, "type": "lives_in"}],
}


def prodigy_span(word, label):
    return dict(zip(("start", "end"), span(word), strict=True)) | {"label": label}


PRODIGY = {
    "text": TEXT,
    "answer": "accept",
    "spans": [prodigy_span("가람", "PER"), prodigy_span("나루시", "LOC")],
    "relations": [
        {
            **{"head": 2, "child": 4, "label": "lives_in"},
            **{"head_span": prodigy_span("가람", "PER")},
            **{"child_span": prodigy_span("나루시", "LOC")},
        }
    ],
}


def region(id_, word, label):
    value = dict(zip(("start", "end"), units(word), strict=True)) | {
        "text": word,
        "labels": [label],
    }
    return {"id": id_, "type": "labels", "from_name": "l", "to_name": "t", "value": value}


def arrow(first, second, direction):
    return {
        **{"type": "relation", "from_id": first, "to_id": second, "direction": direction},
        "labels": ["lives_in"],
    }


STUDIO = {
    "id": 5,
    "data": {"text": TEXT, "source": "x"},
    "annotations": [
        {"was_cancelled": True, "result": []},
        {
            "result": [
                region("p", "가람", "PER"),
                region("q", "나루시", "LOC"),
                arrow("p", "q", "right"),
            ]
        },
    ],
}
ANN = "T1\tPER {0} {1}\t가람\nT2\tLOC {2} {3}\t나루시\n"
ANN += "R1\tlives_in Arg1:T1 Arg2:T2\t\n#1\tNote T1\tx\n"

# As INCEpTION's user guide describes the form: spans in UTF-16 units, `[1]` a number of an
# annotation, `[1_2]` the numbers of a relation's source and target.
TSV = """#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value
#T_RL=webanno.custom.Relation|label|BT_de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity


#Text=🧿 머리말
1-1\t0-2\t🧿\t_\t_\t_\t_\t
1-2\t3-6\t머리말\t_\t_\t_\t_\t

#Sentence.id=s2
#Text=가람은 나루시에 산다.
2-1\t7-10\t가람은\t_\t_\t_\t_\t
2-1.1\t7-9\t가람\t*\tPER\t_\t_\t
2-2\t11-15\t나루시에\t_\t_\t_\t_\t
2-2.1\t11-13\t나루\thttp://a/Q\\_2[1]\tLOC[1]\tlives\\_in\t2-1.1[0_1]\t
2-2.2\t13-14\t시\thttp://a/Q\\_2[1]\tLOC[1]\t_\t_\t
2-3\t16-19\t산다.\t_\t_\t_\t_\t
"""


def written(folder, record):
    path = folder / "a.jsonl"
    text = record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def brat_files(folder, text=TEXT, ann=ANN):
    (folder / "d.txt").write_text(text, encoding="utf-8")
    (folder / "d.ann").write_text(ann.format(*span("가람"), *span("나루시")), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("format_", "record", "sentence", "types"),
    [
        ("tacred", TACRED, SENTENCE, ("PERSON", "CITY")),
        ("opennre", OPENNRE, LINE, ("ENTITY", "ENTITY")),
        ("opennre", OPENNRE_TOKENS, SENTENCE, ("ENTITY", "ENTITY")),
        ("doccano", DOCCANO, LINE, ("PER", "LOC")),
        ("prodigy", PRODIGY, LINE, ("PER", "LOC")),
        ("label-studio", STUDIO, LINE, ("PER", "LOC")),
        ("brat", None, LINE, ("PER", "LOC")),
        ("inception", TSV, LINE, ("PER", "LOC")),
    ],
)
@pytest.mark.parametrize("out", ["rows.csv", "rows.jsonl"])
def test_each_format_becomes_rows_that_are_read(format_, record, sentence, types, out, tmp_path):
    path = brat_files(tmp_path) if format_ == "brat" else written(tmp_path, record)
    assert run(["import", str(path), "--format", format_, "--out", str(tmp_path / out)]) == 0
    label = "per:cities_of_residence" if format_ == "tacred" else "lives_in"
    (row,) = read_examples(tmp_path / out, DataSection(), LabelList(("x", label), None))
    assert (row.sentence, row.types, row.label) == (sentence, types, label)
    assert [span.of(row.sentence).replace(" ", "") for span in row.spans] == ["가람", "나루시"]


def test_a_document_is_narrowed_to_the_sentence_that_mentions_both(tmp_path):
    near, far = read_relations(written(tmp_path, DOCRED), "docred")
    assert near.text == SENTENCE and near.label == "P551" and near.id == "문서-0"
    assert near.subject.span.of(near.text) == "가람" and near.object.span.of(near.text) == "나루 시"
    assert far.text == f"첫 문장 . {SENTENCE}"
    assert far.subject.span.of(far.text) == "나루 시" and far.object.span.of(far.text) == "문장"


def test_an_arrow_to_the_left_is_turned_round(tmp_path):
    turned = json.loads(json.dumps(STUDIO))
    turned["annotations"][1]["result"][2] = arrow("q", "p", "left")
    (found,) = read_relations(written(tmp_path, turned), "label-studio")
    assert found.subject.word == "가람"


def test_entities_of_two_lines_keep_the_whole_text(tmp_path):
    two = json.loads(json.dumps(DOCCANO))
    two["entities"][1] |= {"start_offset": span("끝")[0], "end_offset": span("끝")[1]}
    (found,) = read_relations(written(tmp_path, two), "doccano")
    assert found.text == TEXT and found.object.span.of(TEXT) == "끝"


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        # Tokens and their annotations as the reference files of INCEpTION's own tests have them.
        (
            "#T_SP=webanno.custom.Span|value\n#T_RL=webanno.custom.Relation|value|BT_webanno.custom.Span",
            ["*[1]|*[2]\t_\t_\t", "_\t_\t_\t", "A[3]|B[4]\t*\t1-1[1_4]\t"],
            [("This", "", ".", "B", "Relation")],
        ),
        (
            "#T_SP=webanno.custom.Span|value\n#T_RL=webanno.custom.Simple|BT_webanno.custom.Span",
            ["*\t_\t", "C\t_\t", "*\t1-1|1-2\t"],
            [("This", "", ".", "", "Simple"), ("test", "C", ".", "", "Simple")],
        ),
        (
            "#T_SP=a.Span\n#T_CH=a.Link|referenceType|referenceRelation\n"
            "#T_RL=a.Two|note|label|BT_a.Span",
            [
                "*[1]\tpr[1]\tcoref->1-1\t_\t_\t_",
                "*[1]\t_\t_\t_\t_\t_",
                "*\t_\t_\tx|*\tP\\|1|Q\\\\\t1-1[1_0]|1-3",
            ],
            [("This test", "", ".", "", "P|1"), (".", "", ".", "", "Q\\")],
        ),
    ],
)
def test_layers_numbers_and_escapes_of_inception(header, cells, expected, tmp_path):
    tokens = ["1-1\t0-4\tThis", "1-2\t5-9\ttest", "1-3\t10-11\t."]
    body = "\n".join(f"{token}\t{own}" for token, own in zip(tokens, cells, strict=True))
    path = tmp_path / "d.tsv"
    path.write_text(f"#FORMAT=WebAnno TSV 3.3\n{header}\n\n\n#Text=This test .\n{body}\n")
    found = read_relations(tmp_path, "inception")
    ends = [
        (
            r.subject.span.of(r.text),
            r.subject.type,
            r.object.span.of(r.text),
            r.object.type,
            r.label,
        )
        for r in found
    ]
    assert ends == expected
    assert [r.id for r in found] == [f"d-{i + 1}" for i in range(len(found))]


BROKEN_TSV = {
    "another form": ("#FORMAT=WebAnno TSV 3.3", "#FORMAT=CoNLL"),
    "another word": ("나루시에\t_", "나루에\t_"),
    "no such source": ("2-1.1[0_1]", "2-3[0_1]"),
    "no such number": ("2-1.1[0_1]", "2-1.1[0_9]"),
    "a source that is none": ("2-1.1[0_1]", "가람"),
    "half of an emoji": ("0-2\t🧿", "0-1\t🧿"),
    "beyond the sentence": ("16-19", "16-99"),
    "fewer columns": ("2-3\t16-19\t산다.\t_\t_\t_\t_\t", "2-3\t16-19\t산다."),
    "no number": ("7-10", "7"),
    "tokens before their sentence": ("#Text=🧿 머리말\n", ""),
    "two sources, one label": ("2-1.1[0_1]", "2-1.1[0_1]|2-1.1[0_1]"),
}


@pytest.mark.parametrize("name", BROKEN_TSV)
def test_a_line_of_inception_that_does_not_fit_is_one_message(name, tmp_path, capsys):
    old, new = BROKEN_TSV[name]
    assert old in TSV
    path, out = written(tmp_path, TSV.replace(old, new)), tmp_path / "rows.csv"
    assert run(["import", str(path), "--format", "inception", "--out", str(out)]) == 2
    assert "WebAnno TSV 3" in capsys.readouterr().err and not out.exists()


def test_rejected_and_empty_records_have_no_relation(tmp_path):
    rejected = PRODIGY | {"answer": "reject"}
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in (rejected, PRODIGY)), encoding="utf-8")
    assert len(read_relations(path, "prodigy")) == 1
    with pytest.raises(InputError, match="no relations"):
        read_relations(written(tmp_path, rejected), "prodigy")


BAD = {
    "another format": ("tacred", DOCCANO, "no record of tacred"),
    "no such token": ("tacred", TACRED | {"obj_end": 9}, "tokens 2 to 10 of 7"),
    "turned round": ("tacred", TACRED | {"obj_end": 1}, "tokens 2 to 2"),
    "another word": ("opennre", OPENNRE | {"h": {"name": "나루", "pos": [0, 2]}}, "differs"),
    "beyond the text": ("opennre", OPENNRE | {"h": {"name": "", "pos": [0, 99]}}, "differs"),
    "no such entity": (
        "doccano",
        DOCCANO | {"relations": [{"from_id": 1, "to_id": 9, "type": "x"}]},
        "no record of doccano",
    ),
    "a number": ("prodigy", PRODIGY | {"relations": 3}, "no record of prodigy"),
    "nothing": ("label-studio", STUDIO | {"data": {}}, "no record of label-studio"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_one_message_and_writes_nothing(name, tmp_path, capsys):
    format_, record, said = BAD[name]
    out = tmp_path / "rows.csv"
    words = ["import", str(written(tmp_path, record)), "--format", format_, "--out", str(out)]
    assert run(words) == 2 and not out.exists()
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("ann", "said"),
    [
        ("T1\tPER 0 2;4 5\t가람\nR1\tx Arg1:T1 Arg2:T1\n", "several parts"),
        ("T1\tPER 0\t가람\nR1\tx Arg1:T1 Arg2:T1\n", "no entity of brat's"),
        ("R1\tx Arg1:T1 Arg2:T2\n", "no entity T1"),
        ("T1\tPER 0 2\t가람\nR1\tx Arg1:T1\n", "no relation of brat's"),
        ("T1\tPER 0 2\t나루\nR1\tx Arg1:T1 Arg2:T1\n", "differs from the entity"),
    ],
)
def test_broken_annotations_of_brat_are_named(ann, said, tmp_path):
    with pytest.raises(InputError, match=said):
        read_relations(brat_files(tmp_path, ann=ann), "brat")


def test_ids_that_repeat_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([json.dumps(TACRED)] * 2), encoding="utf-8")
    with pytest.raises(InputError, match="appears twice"):
        read_relations(path, "tacred")


def test_the_command_names_every_format():
    assert tuple(FORMATS) == NAMES


@pytest.mark.parametrize("out", ["d.txt", "d.ann"])
@pytest.mark.parametrize("name", ["d.ann", "."])
def test_nothing_that_rows_are_made_from_is_written_over(out, name, tmp_path, capsys):
    brat_files(tmp_path)
    words = ["--format", "brat", "--out", str(tmp_path / out)]
    assert run(["import", str(tmp_path / name), *words]) == 2
    assert "made from" in capsys.readouterr().err
    assert (tmp_path / "d.txt").read_text(encoding="utf-8") == TEXT


def test_files_of_brat_in_folders_have_ids_of_their_own_and_may_be_empty(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        brat_files(tmp_path / name)
    (tmp_path / "x/empty.ann").touch()
    (tmp_path / "x/empty.txt").write_text("a text", encoding="utf-8")
    assert [each.id for each in read_relations(tmp_path, "brat")] == ["x/d-R1", "y/d-R1"]


@pytest.mark.parametrize("counted", [1, 2])
def test_line_ends_of_brat_are_counted_either_way(counted, tmp_path):
    text = "첫 줄\r\n" + LINE
    start = text.index("가람") - (2 - counted)
    second = start + LINE.index("나루시")
    (tmp_path / "d.txt").write_text(text, encoding="utf-8", newline="")
    spans = (start, start + 2, second, second + 3)
    (tmp_path / "d.ann").write_text(ANN.format(*spans), encoding="utf-8")
    (found,) = read_relations(tmp_path, "brat")
    assert found.text == LINE


def test_records_on_one_line_have_ids_of_their_own(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([OPENNRE] * 3), encoding="utf-8")
    assert len({each.id for each in read_relations(tmp_path / "a.json", "opennre")}) == 3


def test_the_field_that_holds_the_spans_is_the_text(tmp_path):
    fields = {"title": f"나루시의 가람, {LINE}", "text": TEXT}
    (found,) = read_relations(written(tmp_path, STUDIO | {"data": fields}), "label-studio")
    assert found.text == LINE


def test_half_a_character_is_named_by_its_place(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(DOCCANO | {"text": TEXT.replace("산다", "\ud83d")}))
    assert run(["import", str(path), "--format", "doccano", "--out", str(tmp_path / "o")]) == 2
    assert "half a character" in capsys.readouterr().err


def test_the_command_that_is_named_next_works(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = json.loads(json.dumps(DOCCANO))
    two["relations"].append({"from_id": 9, "to_id": 7, "type": "holds"})
    assert (
        run(["import", str(written(tmp_path, two)), "--format", "doccano", "--out", "my o.csv"])
        == 0
    )
    said = capsys.readouterr().err.partition("next: relx ")[2].splitlines()[0]
    assert run(shlex.split(said)) == 0
