"""The sample: made again byte for byte, true to its own claims, and correct Korean."""

from __future__ import annotations

import ast
import csv
import importlib.util
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

SAMPLE = Path(__file__).resolve().parent.parent / "sample"
FILES = ("train.csv", "dev.csv", "test.csv", "test_gold.csv")
COLUMNS = ["id", "sentence", "subject_entity", "object_entity", "label", "source"]
KLUE_LABELS = (
    "no_relation",
    "org:top_members/employees",
    "org:members",
    "org:product",
    "per:title",
    "org:alternate_names",
    "per:employee_of",
    "org:place_of_headquarters",
    "per:product",
    "org:number_of_employees/members",
    "per:children",
    "per:place_of_residence",
    "per:alternate_names",
    "per:other_family",
    "per:colleagues",
    "per:origin",
    "per:siblings",
    "per:spouse",
    "org:founded",
    "org:political/religious_affiliation",
    "org:member_of",
    "per:parents",
    "org:dissolved",
    "per:schools_attended",
    "per:date_of_death",
    "per:date_of_birth",
    "per:place_of_birth",
    "per:place_of_death",
    "org:founded_by",
    "per:religion",
)


class Row(NamedTuple):
    sentence: str
    subject: dict[str, Any]
    object: dict[str, Any]
    label: str

    @property
    def entities(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.subject, self.object


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample", SAMPLE / "make_sample.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_sample"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def raw_rows(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def rows(*names: str) -> list[Row]:
    return [
        Row(
            raw["sentence"],
            ast.literal_eval(raw["subject_entity"]),
            ast.literal_eval(raw["object_entity"]),
            raw["label"],
        )
        for name in names
        for raw in raw_rows(name)
    ]


# ---- the files


def test_the_script_makes_the_same_files(tmp_path: Path) -> None:
    command = [sys.executable, str(SAMPLE / "make_sample.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_another_seed_makes_other_rows(script: ModuleType) -> None:
    made = {row.sentence for row in script.make_rows(7)["test"]}
    assert made != {row.sentence for row in rows("test.csv")}


@pytest.mark.parametrize("name", FILES)
def test_columns_ids_and_spans(name: str) -> None:
    raw = raw_rows(name)
    assert list(raw[0]) == COLUMNS
    assert [row["id"] for row in raw] == [str(i) for i in range(len(raw))]
    for row in rows(name):
        for entity in row.entities:
            assert list(entity) == ["word", "start_idx", "end_idx", "type"]
            span = row.sentence[entity["start_idx"] : entity["end_idx"] + 1]
            assert span == entity["word"]
        assert row.subject["type"] in ("PER", "ORG")
        assert row.object["type"] in ("PER", "ORG", "LOC", "DAT", "POH", "NOH")
        assert 20 <= len(row.sentence) <= 150


@pytest.mark.parametrize("name", ["train.csv", "dev.csv", "test_gold.csv"])
def test_all_thirty_labels_and_no_other(name: str) -> None:
    assert {row.label for row in rows(name)} == set(KLUE_LABELS)


def test_the_prefix_of_a_relation_is_the_type_of_its_subject() -> None:
    for row in rows("train.csv", "dev.csv", "test_gold.csv"):
        if row.label != "no_relation":
            assert row.label[:3].upper() == row.subject["type"], row


def test_the_gold_file_is_the_test_file_with_labels() -> None:
    unlabelled, gold = raw_rows("test.csv"), raw_rows("test_gold.csv")
    assert {row["label"] for row in unlabelled} == {"100"}
    without = [{**row, "label": ""} for row in unlabelled]
    assert without == [{**row, "label": ""} for row in gold]


def test_no_sentence_is_shared_and_no_pair_stands_twice() -> None:
    splits = [{row.sentence for row in rows(name)} for name in ("train.csv", "dev.csv", "test.csv")]
    assert sum(map(len, splits)) == len(set().union(*splits))
    for name in FILES[:3]:
        pairs = [(r.sentence, str(r.subject), str(r.object)) for r in rows(name)]
        assert len(pairs) == len(set(pairs))


def test_the_shift_of_no_relation() -> None:
    def share(name: str) -> float:
        labels = [row.label for row in rows(name)]
        return labels.count("no_relation") / len(labels)

    assert 0.25 <= share("train.csv") <= 0.30
    assert 0.42 <= share("test_gold.csv") <= 0.48


def test_most_names_of_the_test_are_new() -> None:
    known = {e["word"] for row in rows("train.csv") for e in row.entities if e["type"] == "PER"}
    people = {e["word"] for row in rows("test.csv") for e in row.entities if e["type"] == "PER"}
    assert len(people - known) > 0.8 * len(people)


def test_types_alone_do_not_give_a_relation_away() -> None:
    train = rows("train.csv")
    negative = {(r.subject["type"], r.object["type"]) for r in train if r.label == "no_relation"}
    positive = [r for r in train if r.label != "no_relation"]
    covered = [r for r in positive if (r.subject["type"], r.object["type"]) in negative]
    assert len(covered) > 0.9 * len(positive)


def test_the_awkward_cases_are_there() -> None:
    train = rows("train.csv")
    text = "".join(row.sentence for row in train)
    entities = [(row, entity) for row in train for entity in row.entities]
    assert any(entity["start_idx"] == 0 for _, entity in entities)
    assert any(entity["end_idx"] == len(row.sentence) - 1 for row, entity in entities)
    assert any(row.sentence.find(e["word"]) != e["start_idx"] for row, e in entities)
    assert any(r.subject["end_idx"] + 1 == r.object["start_idx"] for r in train), "adjacent"
    assert any(r.object["start_idx"] < r.subject["start_idx"] for r in train)
    assert any(entity["word"].isascii() for _, entity in entities)
    assert len({row.sentence for row in train}) < len(train), "a sentence with two pairs"
    assert all(mark in text for mark in '",()@#*《·0aA')


# ---- the templates


def test_every_relation_has_five_templates_and_some_are_held_out(script: ModuleType) -> None:
    templates = script.read_templates(SAMPLE / "sentences.txt").sentences
    for label in KLUE_LABELS:
        stating = [t for t in templates if label in {pair.relation for pair in t.pairs}]
        assert len(stating) >= 5, label
        assert sum(not t.held_out for t in stating) >= 4, label
    assert any(t.held_out for t in templates)


def test_held_out_templates_and_words_stay_out_of_train(script: ModuleType) -> None:
    train = "\n".join(row.sentence for row in rows("train.csv"))
    test = "\n".join(row.sentence for row in rows("test.csv", "dev.csv"))
    for phrase in ("유고 시집", "영문 약자는", "열아홉 나라", "효찬"):
        assert phrase not in train
    assert "영문 약자는" in test
    assert "효찬" in test


# ---- particles


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("서울", "은", "은"),
        ("부산", "이", "이"),
        ("대구", "은", "는"),
        ("나래", "이", "가"),
        ("소설", "을", "을"),
        ("노래", "을", "를"),
        ("윤", "과", "과"),
        ("지로", "과", "와"),
        ("서울", "으로", "로"),  # ㄹ takes 로
        ("부산", "으로", "으로"),
        ("대구", "으로", "로"),
        ("화가", "이다", "다"),
        ("시인", "이다", "이다"),
        ("화가", "이었다", "였다"),
        ("시인", "이었다", "이었다"),
        ("루멜", "이라는", "이라는"),
        ("VIA", "이라는", "라는"),
        ("KEL", "이라는", "이라는"),
        ("KEL", "으로", "로"),
        ("YAM", "으로", "으로"),
        ("BR-500", "을", "을"),  # 오백
        ("메아리 7", "으로", "로"),  # 칠
        ("NOVA9", "은", "는"),  # 구
        ("누비 X3", "으로", "으로"),  # 삼
        ("'구름'", "은", "은"),
        ("《겨울 항구》", "을", "를"),
        ("늘솜전자(대표 서윤도)", "은", "는"),  # as without the parenthesis
        ("하늘빛(본명 한서지)", "은", "은"),
        ("친구", "아", "야"),
    ],
)
def test_particle(script: ModuleType, text: str, form: str, expected: str) -> None:
    assert script.particle(text, form) == expected


@pytest.mark.parametrize("text", ["", "moru", "《》", "!"])
def test_no_particle_after_what_nobody_can_say(script: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="nobody can say"):
        script.particle(text, "은")


@given(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")))
def test_particles_follow_the_decomposed_syllable(script: ModuleType, syllable: str) -> None:
    closed = len(unicodedata.normalize("NFD", syllable)) == 3
    assert script.particle(syllable, "은") == ("은" if closed else "는")
    assert script.particle(syllable, "이었다") == ("이었다" if closed else "였다")
    rieul = unicodedata.normalize("NFD", syllable)[-1] == "\u11af"
    assert script.particle(syllable, "으로") == ("으로" if closed and not rieul else "로")


def test_no_particle_in_the_files_is_wrong() -> None:
    """Looks at the finished text with other means than the script's."""
    seen = 0
    for row in rows("train.csv", "dev.csv", "test.csv"):
        for entity in row.entities:
            final = unicodedata.normalize("NFD", entity["word"])[-1]
            if not "\u1100" <= final <= "\u11ff":
                continue
            word = row.sentence[entity["end_idx"] + 1 :].lstrip("'》").split(" ")[0].rstrip(",.")
            closed = final >= "\u11a8"
            right, wrong = ("은이을과", "는가를와") if closed else ("는가를와", "은이을과")
            assert word not in tuple(wrong), (entity["word"], row.sentence)
            assert word != ("으로" if not closed or final == "\u11af" else "로"), row.sentence
            assert word not in (("다", "였다") if closed else ("이었다",)), row.sentence
            seen += word in tuple(right)
    assert seen > 300
