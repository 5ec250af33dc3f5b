"""Rows from Parquet and Excel are those of the same text, and so are their faults."""

import ast
import csv
import datetime
import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from relation_rows import scanned

from relx.data.labels import KLUE, LabelList, read_labels
from relx.faults import InputError
from relx.recipe import DataSection
from relx.tasks.relation.rows import read_examples
from relx.tasks.relation.submission import read_submission
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
DATA = DataSection()
ENTITIES = ["subject_entity", "object_entity"]
SENTENCE = "가람은 나루의 형이다."
ROW = {
    "id": "7",
    "sentence": SENTENCE,
    "subject_entity": "{'word': '가람', 'start_idx': 0, 'end_idx': 1, 'type': 'PER'}",
    "object_entity": "{'word': '나루', 'start_idx': 4, 'end_idx': 5, 'type': 'PER'}",
    "label": "per:siblings",
    "source": "own",
}


def write_parquet(path, frame):
    frame.to_parquet(path)


def write_structs(path, frame):
    columns = {name: frame[name].map(ast.literal_eval) for name in ENTITIES}
    frame.assign(**columns).to_parquet(path)


def write_excel(path, frame):
    frame.to_excel(path, index=False, sheet_name="자료")


WRITERS = [
    pytest.param("a.parquet", write_parquet, id="parquet"),
    pytest.param("a.parquet", write_structs, id="structs"),
    pytest.param("a.xlsx", write_excel, id="excel"),
]
every_format = pytest.mark.parametrize(("name", "write"), WRITERS)
# The place of the second row of a file, and how it is named.
PLACES = {"a.parquet": "a.parquet:2", "a.xlsx": "a.xlsx (sheet 자료):3"}


def rows(**changes):
    """A frame of a good row and a changed one."""
    return pd.DataFrame([{**ROW, "id": "1"}, {**ROW, **changes}])


def row_fault(path, labels=KLUE, require_labels=True):
    """The only fault of a file whose second row has one."""
    reading = scanned(path, DATA, labels, require_labels=require_labels)
    assert len(reading.examples) == 1
    (fault,) = reading.faults
    return fault


@every_format
def test_the_sample_reads_as_its_csv_does(tmp_path, name, write):
    for part in ("train", "dev", "test", "test_gold"):
        text = ROOT / f"sample/{part}.csv"
        write(tmp_path / name, pd.read_csv(text))
        expected = read_examples(text, DATA, KLUE)
        assert read_examples(tmp_path / name, DATA, KLUE) == expected
        assert expected[1].id == "1"


@every_format
def test_a_fault_names_the_row_the_id_and_the_column(tmp_path, name, write):
    wrong = "{'word': '가람', 'start_idx': 4, 'end_idx': 5, 'type': 'PER'}"
    write(tmp_path / name, rows(subject_entity=wrong))
    fault = row_fault(tmp_path / name)
    assert fault.kind == "span text differs from word"
    assert fault.where == f"{tmp_path}/{PLACES[name]} (id 7), column subject_entity"
    assert fault.next_step == "the word is at start_idx 0, end_idx 1"


@every_format
@pytest.mark.parametrize("missing", [None, float("nan"), pd.NaT, ""])
@pytest.mark.parametrize(
    ("column", "kind"),
    [("id", "empty id"), ("sentence", "empty sentence"), ("label", "missing label")],
)
def test_a_missing_value_is_missing(tmp_path, name, write, column, kind, missing):
    write(tmp_path / name, rows(**{column: missing}))
    assert row_fault(tmp_path / name).kind == kind
    if column == "label":
        first, second = read_examples(tmp_path / name, DATA, KLUE)
        assert first.label == "per:siblings" and second.label is None


@pytest.mark.parametrize(("name", "write"), [("a.parquet", write_parquet), ("a.xlsx", write_excel)])
def test_a_missing_entity_is_empty(tmp_path, name, write):
    write(tmp_path / name, rows(object_entity=None))
    fault = row_fault(tmp_path / name)
    assert (fault.kind, fault.what) == ("unparsable entity", "the entity is empty")


@every_format
def test_ids_are_whole_numbers_whatever_their_type(tmp_path, name, write):
    for ids in ([1, 2], [1.0, 2.0], pd.array([1, 2], "Int64"), ["1", "2"]):
        write(tmp_path / name, rows().assign(id=ids))
        assert [row.id for row in read_examples(tmp_path / name, DATA, KLUE)] == ["1", "2"]


@every_format
@pytest.mark.parametrize(
    ("values", "names"),
    [([0, 1], ["0", "1"]), ([0.0, None], ["0", None]), ([True, False], ["True", "False"])],
)
def test_labels_may_be_numbers_or_booleans(tmp_path, name, write, values, names):
    write(tmp_path / name, rows().assign(label=values))
    labels = LabelList(("0", "1", "True", "False"), None)
    assert [row.label for row in read_examples(tmp_path / name, DATA, labels)] == names


@every_format
@pytest.mark.parametrize(
    ("column", "kind"),
    [("id", "cell of no text"), ("label", "cell of no text"), ("sentence", "empty sentence")],
)
def test_a_date_is_no_text(tmp_path, name, write, column, kind):
    date = datetime.datetime(2024, 1, 2)
    write(tmp_path / name, pd.DataFrame([{**ROW, column: date}]))
    reading = scanned(tmp_path / name, DATA, KLUE)
    (fault,) = reading.faults
    assert fault.kind == kind and "2024-01-02" in fault.received
    assert fault.where.endswith(f"column {column}") and not reading.examples


@every_format
def test_a_date_in_a_column_that_is_not_read_is_no_fault(tmp_path, name, write):
    frame = rows().assign(date=datetime.datetime(2024, 1, 2), label=datetime.date(2024, 1, 2))
    write(tmp_path / name, frame)
    assert len(read_examples(tmp_path / name, DATA, None)) == 2


@every_format
def test_labels_from_train_are_never_dates(tmp_path, name, write):
    data = DataSection(train=str(tmp_path / name), labels="from-train", negative=None)
    write(tmp_path / name, rows(label="b").assign(label=["b", "a"]))
    assert read_labels(data).names == ("a", "b")
    write(tmp_path / name, rows().assign(label=datetime.datetime(2024, 1, 2)))
    with pytest.raises(InputError) as caught:
        read_labels(data)
    assert [fault.kind for fault in caught.value.faults] == ["cell of no text"] * 2
    assert caught.value.faults[1].where == f"{tmp_path}/{PLACES[name]}, column label"


@every_format
def test_a_missing_column_is_named(tmp_path, name, write):
    write(tmp_path / name, rows().rename(columns={"sentence": "sentences"}))
    with pytest.raises(InputError) as caught:
        scanned(tmp_path / name, DATA, KLUE)
    (fault,) = caught.value.faults
    assert fault.kind == "missing column" and fault.next_step == "rename sentences to sentence"


@every_format
def test_bad_rows_are_written_as_those_of_a_csv(tmp_path, name, write):
    frame = rows(label="?")
    frame.loc[2] = {**ROW, "id": None, "source": None}
    frame.to_csv(tmp_path / "a.csv", index=False)
    write(tmp_path / name, frame)
    written = []
    for file in (tmp_path / "a.csv", tmp_path / name):
        data = DataSection(skip_bad_rows=str(tmp_path / "bad.csv"))
        assert len(read_examples(file, data, KLUE)) == 1
        with (tmp_path / "bad-a.csv").open(encoding="utf-8", newline="") as stream:
            written.append(list(csv.DictReader(stream)))
        assert [row.pop("file") for row in written[-1]] == [str(file)] * 2
        numbers = [int(row.pop("line")) for row in written[-1]]
        assert numbers == ([2, 3] if file.suffix == ".parquet" else [3, 4])
    for row in (row for found in written for row in found):
        row.update({key: str(read_entity(row[key])) for key in ENTITIES})
    assert written[0] == written[1]


def read_entity(text):
    """An entity as a dictionary; one of a struct is written as JSON, with its keys in an order."""
    return dict(sorted(ast.literal_eval(text).items()))


def test_a_date_in_a_bad_row_is_written_as_it_stands(tmp_path):
    rows(label=datetime.date(2024, 1, 2)).to_excel(tmp_path / "a.xlsx", index=False)
    data = DataSection(skip_bad_rows=str(tmp_path / "bad.csv"))
    read_examples(tmp_path / "a.xlsx", data, KLUE)
    with (tmp_path / "bad-a.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["label"] == "2024-01-02 00:00:00"
    assert row["fault"] == "the cell holds a date, not text ('2024-01-02 00:00:00')"


# --- submissions


def predictions():
    labels = LabelList(("a", "b"), None)
    frame = pd.DataFrame(
        {"id": [1, 2], "pred_label": ["a", "b"], "probs": ["[1, 0]", "[0.5, 0.5]"]}
    )
    return frame, labels


@pytest.mark.parametrize("as_lists", [False, True])
@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx"])
def test_a_submission_may_be_a_table_too(tmp_path, name, as_lists):
    frame, labels = predictions()
    if as_lists and name == "a.parquet":
        frame["probs"] = frame["probs"].map(json.loads)
    write = write_parquet if name == "a.parquet" else write_excel
    write(tmp_path / name, frame)
    found = read_submission(tmp_path / name, labels)
    assert tuple(found.ids) == ("1", "2") and found.predicted.tolist() == [0, 1]
    assert found.probabilities.tolist() == [[1, 0], [0.5, 0.5]]


def test_a_submission_with_dates_for_ids_is_refused(tmp_path):
    frame, labels = predictions()
    write_excel(tmp_path / "a.xlsx", frame.assign(id=datetime.datetime(2024, 1, 2)))
    with pytest.raises(InputError) as caught:
        read_submission(tmp_path / "a.xlsx", labels)
    assert [fault.kind for fault in caught.value.faults] == ["cell of no text"] * 2
    assert caught.value.faults[0].where == f"{tmp_path}/a.xlsx (sheet 자료):2, column id"


# --- the commands


class Done(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def relx(capsys):
    """Runs a command; gives back its status and what it printed."""

    def command(*words):
        status = run([str(word) for word in words])
        return Done(status, *capsys.readouterr())

    return command


@every_format
def test_validate_counts_the_rows_of_every_format(relx, tmp_path, name, write):
    write(tmp_path / name, pd.read_csv(ROOT / "sample/train.csv"))
    text, typed = (
        json.loads(relx("validate", "--json", "--data", file).stdout)
        for file in (ROOT / "sample/train.csv", tmp_path / name)
    )
    assert typed["faults"] == [] and typed["files"][0]["rows"] == 480
    for report in (text, typed):
        report["files"][0].pop("path")
        for finding in report["warnings"]:
            finding.pop("message"), finding.pop("places")
    assert typed == text


def test_places_of_warnings_have_the_sheet(relx, tmp_path):
    write_excel(tmp_path / "a.xlsx", rows())
    report = json.loads(relx("validate", "--json", "--data", tmp_path / "a.xlsx").stdout)
    repeated = next(w for w in report["warnings"] if w["kind"] == "duplicate rows")
    assert repeated["places"] == [f"{tmp_path}/a.xlsx (sheet 자료):3 (id 7)"]


@every_format
def test_score_reads_gold_rows_of_every_format(relx, tmp_path, name, write):
    gold = pd.read_csv(ROOT / "sample/test_gold.csv")
    write(tmp_path / name, gold)
    pred = tmp_path / "pred.csv"
    probs = [[float(name == label) for name in KLUE.names] for label in gold["label"]]
    pd.DataFrame({"id": gold["id"], "pred_label": gold["label"], "probs": probs}).to_csv(
        pred, index=False
    )
    done = relx("score", "--json", "--gold", tmp_path / name, "--pred", pred)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["micro_f1"] == 100


@pytest.fixture
def workbook(tmp_path):
    """A workbook whose second sheet has the rows."""
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"note": ["of 2024"]}).to_excel(writer, sheet_name="about", index=False)
        pd.read_csv(ROOT / "sample/train.csv").to_excel(writer, sheet_name="rows", index=False)
    return path


def test_a_recipe_names_the_sheet(relx, workbook):
    words = ["validate", "-r", ROOT / "recipes/demo.yaml", "--set", f"data.train={workbook}"]
    done = relx(*words, "--set", "data.sheet=rows")
    assert done.exit_code == 0, done.stderr
    done = relx(*words)
    assert done.exit_code == 2 and "no header with the columns of a row" in done.stdout
    assert "2 sheets; the first, about, is read, not rows" in done.stderr
    done = relx(*words, "--set", "data.sheet=row")
    assert done.exit_code == 2 and "one of about, rows" in done.stdout
    assert "did you mean rows?" in done.stdout


def test_validate_takes_the_sheet_of_one_file(relx, workbook):
    done = relx("validate", "--data", workbook, "--sheet", "rows")
    assert done.exit_code == 0 and "480 rows, 0 faults" in done.stdout


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx"])
def test_a_damaged_file_ends_a_command_with_one_message(relx, tmp_path, name):
    path = tmp_path / name
    dict(zip(PLACES, (write_parquet, write_excel), strict=True))[name](path, rows())
    path.write_bytes(path.read_bytes()[:-40])
    done = relx("score", "--gold", path, "--pred", path)
    assert done.exit_code == 2 and done.stderr.count("cannot be read") == 1
    assert "Traceback" not in done.stderr
