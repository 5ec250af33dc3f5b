"""The emotion sample: made again byte for byte, true to its own claims, and correct Korean."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from sample.emotion import make_emotion as script

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample" / "emotion"
SPLITS = ("train", "dev", "test_gold")
EMOTIONS = [
    "joy",
    "anticipation",
    "trust",
    "surprise",
    "disgust",
    "fear",
    "anger",
    "sadness",
]
WORDS = tomllib.loads((SAMPLE / "words.toml").read_text(encoding="utf-8"))
FRAMES = script.read_frames(SAMPLE / "sentences.txt")
each = pytest.mark.parametrize("split", SPLITS)


def rows(*splits: str) -> list[dict[str, Any]]:
    lines = [
        line
        for split in splits
        for line in (SAMPLE / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [json.loads(line) for line in lines]


def emotions(row: dict[str, Any]) -> set[str]:
    return {name for name, value in row["output"].items() if value == "True"}


def sentence(row: dict[str, Any]) -> str:
    return row["input"]["form"]


def by_sentence(*splits: str) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows(*splits):
        found[sentence(row)].append(row)
    return found


# ---- the files


def test_the_script_makes_the_same_files(tmp_path):
    command = [sys.executable, "-m", "sample.emotion.make_emotion", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in SAMPLE.glob("*.jsonl"))
    for name in made:
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_another_seed_makes_other_rows():
    made = {row.sentence for row in script.make_rows(7)["test"]}
    assert made != {sentence(row) for row in rows("test_gold")}


@each
def test_the_form_is_the_contests(split):
    for row in rows(split):
        assert list(row) == ["id", "input", "output"]
        assert list(row["input"]) == ["form", "target"]
        assert list(row["input"]["target"]) == ["form", "begin", "end"]
        assert list(row["output"]) == EMOTIONS
        assert set(row["output"].values()) <= {"True", "False"}
    ids = [row["id"] for row in rows(split)]
    assert len(set(ids)) == len(ids)


@each
def test_spans_are_the_targets_and_end_after_them(split):
    for row in rows(split):
        target = row["input"]["target"]
        if target["form"] is None:
            assert target["begin"] is target["end"] is None
        else:
            assert sentence(row)[target["begin"] : target["end"]] == target["form"]


def test_the_gold_file_is_the_test_file_with_emotions():
    test = rows("test")
    assert {row["output"] for row in test} == {""}
    assert [{**row, "output": ""} for row in rows("test_gold")] == test


# ---- what the README says


def test_the_counts_are_the_readmes():
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\w+)\.jsonl \| (\d+) \| (\d+) \|", readme, re.MULTILINE)
    counted = [
        (split, str(len(by_sentence(split))), str(len(rows(split))))
        for split in ("train", "dev", "test", "test_gold")
    ]
    assert told == counted
    assert len(by_sentence(*SPLITS)) == 600


def test_no_sentence_is_in_two_splits():
    assert sum(len(by_sentence(split)) for split in SPLITS) == len(by_sentence(*SPLITS))


@each
def test_one_row_in_twelve_is_about_no_target(split):
    missing = sum(row["input"]["target"]["form"] is None for row in rows(split))
    assert missing * 12 == len(rows(split))


@each
def test_a_row_has_none_to_three_emotions_and_all_occur(split):
    counts = Counter(len(emotions(row)) for row in rows(split))
    assert set(counts) == {0, 1, 2, 3}
    assert counts[0] > 0.15 * len(rows(split))
    assert set().union(*map(emotions, rows(split))) == set(EMOTIONS)


@each
def test_a_fifth_of_the_sentences_have_two_targets_of_different_emotions(split):
    pairs = [pair for pair in by_sentence(split).values() if len(pair) > 1]
    assert 0.18 < len(pairs) / len(by_sentence(split)) < 0.25
    for first, second in pairs:
        assert first["input"]["target"] != second["input"]["target"]
        assert emotions(first) != emotions(second)


@each
def test_targets_stand_at_the_start_in_the_middle_and_at_the_end(split):
    places = Counter(place(row) for row in rows(split) if row["input"]["target"]["form"])
    assert min(places[name] for name in ("start", "middle", "end")) >= 0.08 * len(rows(split))


def place(row: dict[str, Any]) -> str:
    target, last = row["input"]["target"], len(sentence(row).rstrip(".! ㅎㅋㅠㅜ"))
    return "start" if target["begin"] == 0 else "end" if target["end"] == last else "middle"


def test_the_awkward_cases_are_there():
    train = rows("train")
    targeted = [row for row in train if row["input"]["target"]["form"]]
    assert any(row["input"]["target"]["end"] == len(sentence(row)) for row in targeted)
    assert any(row["input"]["target"]["form"].startswith("&") for row in targeted)
    assert any(
        sentence(row).find(row["input"]["target"]["form"]) < row["input"]["target"]["begin"]
        for row in targeted
    ), "a word that occurs before its span"
    text = "".join(map(sentence, train))
    assert all(word in text for word in ("&others&", "&name1&", "&account1&", "ㅠㅠ"))


def test_a_feeling_that_is_denied_is_not_felt():
    """Reads the sentences with other means than the script's."""
    stems = {
        stem: emotion
        for emotion, predicates in WORDS["predicates"].items()
        for stem, *_ in predicates
    }
    denied = re.compile(f"({'|'.join(stems)})지(?:는)? 않")
    seen = 0
    for text, pair in by_sentence(*SPLITS).items():
        for found in denied.finditer(text):
            assert all(stems[found[1]] not in emotions(row) for row in pair), text
            seen += 1
    assert seen > 80


def test_some_targets_are_felt_nothing_about_in_a_sentence_of_another_s_emotion():
    pairs = [pair for pair in by_sentence(*SPLITS).values() if len(pair) > 1]
    assert sum(not emotions(row) for pair in pairs for row in pair) > 10


def test_held_out_targets_and_frames_stay_out_of_train():
    train = "\n".join(by_sentence("train"))
    later = "\n".join(by_sentence("dev", "test_gold"))
    held = [word for words in WORDS["targets"].values() for word in words[2::3]]
    assert [word for word in held if word in train] == []
    assert sum(word in later for word in held) > len(held) / 2
    for phrase in ("누가 뭐래도", "몇 번을 말해도", "반대로"):
        assert phrase not in train
        assert phrase in later


# ---- the words


def test_an_emotion_has_predicates_and_every_kind_of_target_some():
    kinds = {*WORDS["targets"], script.MOOD}
    assert list(WORDS["emotions"]) == list(WORDS["predicates"]) == EMOTIONS
    told = defaultdict(set)
    for emotion, predicates in WORDS["predicates"].items():
        assert len(predicates) >= 5, emotion
        for *_, suited in predicates:
            assert set(suited.split()) <= kinds
            told[emotion] |= set(suited.split())
    assert all(script.MOOD in found for found in told.values())
    stems = [stem for predicates in WORDS["predicates"].values() for stem, *_ in predicates]
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize(
    ("words", "forms"),
    [
        (
            ("무섭", "무서운", "무섭다", "무서워요"),
            "무섭다 무서워요 무서운데 무서워서 무섭지_않다 무섭지_않은데",
        ),
        (
            ("기대되", "기대되는", "기대된다", "기대돼요"),
            "기대된다 기대돼요 기대되는데 기대돼서 기대되지_않는다 기대되지_않는데",
        ),
        (
            ("충격적이", "충격적인", "충격적이다", "충격적이에요"),
            "충격적이다 충격적이에요 충격적인데 충격적이라서 충격적이지_않다 충격적이지_않은데",
        ),
    ],
)
def test_the_forms_of_a_predicate(words, forms):
    predicate = script.Predicate("fear", -1, *words)
    made = [predicate.form("end", False), predicate.form("end", True)]
    made += [predicate.form(name, False) for name in ("but", "so", "not", "notbut")]
    assert made == [form.replace("_", " ") for form in forms.split()]
    assert predicate.form("not", True) == f"{words[0]}지 않아요"


def test_every_frame_says_what_all_its_gaps_are():
    for frame in FRAMES:
        gaps = list(script.GAP.finditer(frame.text))
        assert "".join(gap[0] for gap in gaps) == frame.text
        told = {name for about in frame.about for name in (*about.felt, *about.denied)}
        assert {gap["predicate"] for gap in gaps if gap["predicate"]} == told, frame.text
        targets = {about.target for about in frame.about} - {script.MISSING}
        assert {gap["target"] for gap in gaps if gap["target"]} == targets, frame.text
        assert {name for sides in frame.sides for name in sides[:2]} <= told, frame.text


def test_no_particle_in_the_files_is_wrong():
    """Looks at the finished text with other means than the script's."""
    seen = 0
    for row in rows(*SPLITS):
        target = row["input"]["target"]
        if target["form"] is None:
            continue
        closed = unicodedata.normalize("NFD", target["form"])[-1] >= "\u11a8"
        word = re.split("[ .!]", sentence(row)[target["end"] :])[0]
        right, wrong = ("은이을과", "는가를와") if closed else ("는가를와", "은이을과")
        assert word not in tuple(wrong), sentence(row)
        seen += word in tuple(right)
    assert seen > 400
