"""Names that look the same and are different ones, and cells that hold no name."""

import json

import numpy as np
import pytest

from relx.data.names import alike, alike_message, name_of
from relx_cli.main import run

NFD = "\u1100\u1161"  # 가, taken apart
SAME = [
    ("no_relation", "no_relation "),
    ("Member", "member"),
    ("가", NFD),
    ("per:spouse", "per:\u00a0spouse"),
    ("a b", "a  b"),
    ("ＰＥＲ", "PER"),
    ("straße", "STRASSE"),
    ("\ufeffx", "\ufeffX"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_look_the_same_are_grouped_and_told_apart(one, other):
    groups = alike([one, "b", other, one])
    assert groups == [tuple(sorted((one, other)))]
    said = alike_message("labels", groups)
    first, second = said.rpartition(": ")[2].split(" and ")
    assert first != second and "'" in first


def test_other_names_are_left_alone():
    assert alike(["per:spouse", "per:parents", "org:members", "org:member_of", "가", "갸"]) == []


def test_many_groups_are_counted():
    names = [f"{letter}{case}" for letter in "abcdef" for case in ("x", "X")]
    assert "and 2 more" in alike_message("types", alike(names))


@pytest.mark.parametrize("value", [None, "", float("nan"), np.float64("nan")])
def test_a_cell_without_a_name(value):
    assert name_of(value) == ""


def rows_of(labels, types=("PER", "ORG")):
    entity = {"word": "가람", "start_idx": 0, "end_idx": 1}
    for i, label in enumerate(labels):
        words = {
            "subject_entity": entity | {"type": types[0]},
            "object_entity": {"word": "나루", "start_idx": 4, "end_idx": 5, "type": types[1]},
        }
        yield {"id": i, "sentence": f"가람은 나루에 산다 {i}", **words, "label": label}


def validated(folder, rows, capsys):
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    words = ["--labels", "from-train", "--negative", "", "--json"]
    status = run(["validate", "--data", str(path), *words])
    return status, json.loads(capsys.readouterr().out)


def test_validate_warns_of_both(tmp_path, capsys):
    status, found = validated(tmp_path, rows_of(["a", "a ", "b"], ("PER", "per")), capsys)
    kinds = {warning["kind"]: warning["message"] for warning in found["warnings"]}
    assert status == 0 and "'a' and 'a '" in kinds["labels that look the same"]
    assert "'PER' and 'per'" in kinds["types of entities that look the same"]


@pytest.mark.parametrize("nothing", [float("nan"), "nan", "NaN"])
def test_nan_is_no_label(nothing, tmp_path, capsys):
    status, found = validated(tmp_path, rows_of(["a", "b", nothing]), capsys)
    assert found["labels"] == ["a", "b"]
    assert status == (0 if isinstance(nothing, float) else 2)
