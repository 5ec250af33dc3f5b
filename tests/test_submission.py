import numpy as np
import pytest

from relx import progress
from relx.data.labels import KLUE, LabelList
from relx.faults import InputError
from relx.tasks.relation.submission import read_submission

LABELS = LabelList(("no_relation", "per:spouse", "나라:수도"), "no_relation")


def write_rows(path, *rows, header="id,pred_label,probs", encoding="utf-8"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def faults_of(path, labels=LABELS):
    with pytest.raises(InputError) as caught:
        read_submission(path, labels)
    return caught.value.faults


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_files_of_others_are_read(tmp_path, encoding):
    path = write_rows(
        tmp_path / "theirs.csv",
        '0,a,"[0.5,0.25,0.25]",나라:수도',
        '1,b," [1, 0e0, 0.0] ",no_relation',
        "",
        '2,c,"[1e-05, 9.9999e-01, 0]",per:spouse',
        header=",id,probs,pred_label",
        encoding=encoding,
    )
    read = read_submission(path, LABELS)
    assert tuple(read.ids) == ("a", "b", "c")
    assert read.predicted.tolist() == [2, 0, 1]
    assert read.probabilities.tolist() == [[0.5, 0.25, 0.25], [1, 0, 0], [1e-5, 0.99999, 0]]


@pytest.mark.parametrize(
    ("probs", "kind", "message"),
    [
        ("[0.5, 0.5", "probs", "not a list of numbers"),
        ("", "probs", "not a list of numbers"),
        ("0.5, 0.3, 0.2", "probs", "not a list of numbers"),
        ("[[0.5, 0.3, 0.2]]", "probs", "not a list of numbers"),
        ("[true, false, false]", "probs", "not a list of numbers"),
        ("['0.5', '0.3', '0.2']", "probs", "not a list of numbers"),
        ("[null, 0.5, 0.5]", "probs", "not a list of numbers"),
        ("[0.5, 0.5]", "probs", "has 2 numbers, the label list 3 labels"),
        ("[0.25, 0.25, 0.25, 0.25]", "probs", "has 4 numbers"),
        ("[" * 100_000, "probs", "not a list of numbers"),
        ("[1" + "0" * 400 + ", 0, 0]", "probs", "beyond any probability"),
        ("[NaN, 0.5, 0.5]", "no probabilities", "nan"),
        ("[nan, 0.5, 0.5]", "no probabilities", "nan"),
        ("[Infinity, 0, 0]", "no probabilities", "infinity"),
        ("[1e999, 0, 0]", "no probabilities", "infinity"),
        ("[-0.1, 0.6, 0.5]", "no probabilities", "never negative"),
        ("[4.2, 1.0, -0.3]", "no probabilities", "never negative"),
    ],
)
def test_probs_that_cannot_be_used_are_named(tmp_path, probs, kind, message):
    good = 'a,no_relation,"[0.5, 0.3, 0.2]"'
    path = write_rows(tmp_path / "bad.csv", good, f'b,no_relation,"{probs}"')
    (fault,) = faults_of(path)
    assert fault.where == f"{path}:3, id b, column probs"
    assert fault.kind == kind
    assert message in fault.what


def test_lists_that_close_in_the_next_row_are_not_put_together(tmp_path):
    rows = ['a,no_relation,"[0.5,0.3,0.2],[0.5"', 'b,no_relation,"0.3,0.2]"']
    faults = faults_of(write_rows(tmp_path / "bad.csv", *rows))
    assert [fault.kind for fault in faults] == ["probs", "probs"]


def test_one_bad_row_does_not_harm_how_the_others_are_read(tmp_path):
    path = write_rows(
        tmp_path / "bad.csv",
        'a,per:spous,"[0.5, 0.3, 0.2]"',
        'b,no_relation,"[0.5, 0.5]"',
        'a,no_relation,"[0.5, 0.3, x]"',
        ',no_relation,"[0.5, 0.3, 0.2]"',
    )
    faults = faults_of(path)
    assert [fault.kind for fault in faults] == [
        "unknown label",
        "probs",
        "duplicate id",
        "probs",
        "no id",
    ]
    assert faults[0].where == f"{path}:2, id a, column pred_label"
    assert faults[0].next_step == "did you mean per:spouse?"
    assert "is already in line 2" in faults[2].what


def test_lines_are_counted_where_a_cell_holds_a_line_break(tmp_path):
    rows = ['a,no_relation,"[0.5,\n0.3, 0.2]"', 'b,no_relation,"[1]"']
    (fault,) = faults_of(write_rows(tmp_path / "bad.csv", *rows))
    assert ":4, id b" in fault.where


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty file"),
        (b"id,pred_label,probs\n", "empty file"),
        (b"id,sentence\na,b\n", "missing column"),
        (b"pred_label,probs\nno_relation,[]\n", "missing column"),
        (b"id,no_relation\na,1\n", "missing column"),
        (b"id,pred_label,probs\na,no_relation,[1, 0, 0]\n", "number of cells"),
        (b'id,pred_label,probs\na,no_relation,"[1, 0, 0]\n', "broken row"),
        (b'{"id": 1, "pred_label": "a", "probs": []}\n{"id": 2, "probs": []}\n', "no value"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xff", "no text"),
    ],
)
def test_files_that_are_no_submission(tmp_path, content, kind):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    (fault,) = faults_of(path)
    assert fault.kind == kind
    assert str(path) in fault.where


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        (fault,) = faults_of(path)
        assert fault.kind == "no such file"


def test_columns_named_like_labels_are_read_by_name(tmp_path):
    """Their order is of no importance: an order cannot be mistaken where labels are named."""
    header = "id,나라:수도,pred_label,no_relation,per:spouse"
    rows = ["a,0.2,per:spouse,0.3,0.5", "b,.7,나라:수도,1e-1,0.2"]
    found = read_submission(write_rows(tmp_path / "a.csv", *rows, header=header), LABELS)
    assert found.probabilities.tolist() == [[0.3, 0.5, 0.2], [0.1, 0.2, 0.7]]
    assert found.predicted.tolist() == [1, 2] and found.named


@pytest.mark.parametrize("head", ["prob_", "probs_", "probs:", "prob."])
def test_columns_of_labels_may_say_that_they_are_probabilities(tmp_path, head):
    header = "id," + ",".join(head + name for name in LABELS.names)
    found = read_submission(write_rows(tmp_path / "a.csv", "a,0.1,0.2,0.7", header=header), LABELS)
    assert found.probabilities.tolist() == [[0.1, 0.2, 0.7]] and found.predicted is None


def test_a_column_of_a_label_that_holds_no_number_is_named(tmp_path):
    header = "id,pred_label,no_relation,per:spouse,나라:수도"
    rows = ["a,per:spouse,0.1,0.2,0.7", "b,per:spouse,0.1,,0.7", "c,per:spouse,0.1,0.2,viel"]
    faults = faults_of(write_rows(tmp_path / "a.csv", *rows, header=header))
    assert [fault.where.split(", ", 1)[1] for fault in faults] == [
        "id b, column per:spouse",
        "id c, column 나라:수도",
    ]


def test_labels_alone_have_no_probabilities(tmp_path):
    path = write_rows(tmp_path / "a.csv", "a,per:spouse", header="id,pred_label")
    found = read_submission(path, LABELS)
    assert found.predicted.tolist() == [1] and found.probabilities is None


def test_a_step_is_said_for_each_list_that_cannot_be_read(tmp_path):
    texts = ["[0.1 0.2 ... 0.7]", "0.1, 0.2, 0.7", "[[0.1, 0.2, 0.7]]", "", "[0.5, 0.5]", "many"]
    rows = [f'{at},per:spouse,"{text}"' for at, text in enumerate(texts)]
    faults = faults_of(write_rows(tmp_path / "a.csv", *rows))
    assert all(fault.next_step for fault in faults) and len(faults) == len(texts)
    assert "lost" in faults[0].what and "tolist" in faults[0].next_step
    assert "brackets" in faults[1].next_step and "--labels" in faults[4].next_step


def test_percent_is_divided_where_it_is_said(tmp_path):
    path = write_rows(tmp_path / "a.csv", 'a,per:spouse,"[20, 70, 10]"')
    assert read_submission(path, LABELS, percent=True).probabilities.tolist() == [[0.2, 0.7, 0.1]]


def test_warnings_of_sums_are_shown_when_quiet(tmp_path, capsys):
    path = write_rows(tmp_path / "a.csv", 'a,per:spouse,"[20, 70, 10]"')
    progress.configure(quiet=True)
    try:
        found = read_submission(path, LABELS)
    finally:
        progress.configure(quiet=False)
    assert "as percentages do" in capsys.readouterr().err
    assert np.argsort(found.probabilities[0]).tolist() == [2, 0, 1]


@pytest.mark.parametrize(("bad", "good", "said"), [(12_000, 3000, True), (12_000, 20_000, False)])
def test_a_file_of_repeated_ids_is_not_read_to_its_end(bad, good, said, tmp_path):
    path = tmp_path / "pred.csv"
    ids = ["0"] * bad + [str(i) for i in range(1, good)]
    ids = ids if said else ids[::-1]
    path.write_text("id,pred_label\n" + "".join(f"{i},no_relation\n" for i in ids))
    with pytest.raises(InputError) as caught:
        read_submission(path, KLUE)
    kinds = [fault.kind for fault in caught.value.faults]
    assert ("too many faults" in kinds) == said
    assert kinds.count("duplicate id") == (bad - 1 if not said else kinds.index("too many faults"))
