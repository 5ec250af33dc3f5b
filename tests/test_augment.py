"""Rows that are made of training rows: where their spans are, and what they are made of."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.labels import KLUE
from relx.data.rows.edits import Edit, edited
from relx.data.rows.punctuation import MARKS, drawn_rows, punctuation
from relx.dataset import read_dataset
from relx.faults import InputError
from relx.recipe import AugmentSection
from relx.recipe_file import load_recipe
from relx.shipped import shipped
from relx.spans import Span
from relx.tasks.relation.augment import augmented
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx.tasks.target.augment import augmented as augmented_targets
from relx.tasks.target.rows import Target, TargetRow
from relx.train import stage_inputs

ROOT = Path(__file__).parents[1]


def example(sentence, subject, object_, label="per:title", id_="r1"):
    places = [sentence.index(word) for word, _ in (subject, object_)]
    entities = (
        Entity(word, Span(at, at + len(word)), type_)
        for (word, type_), at in zip((subject, object_), places, strict=True)
    )
    return Example(id_, sentence, *entities, label)


ROWS = [
    example("이순신은 조선의 장군이다.", ("이순신", "PER"), ("장군", "POH")),
    example("세종은 조선의 임금이다.", ("세종", "PER"), ("임금", "POH"), id_="r2"),
    example(
        "삼성은 수원에 있다.", ("삼성", "ORG"), ("수원", "LOC"), "org:place_of_headquarters", "r3"
    ),
]


def made(**shares):
    return augmented(ROWS, AugmentSection(**shares), KLUE, 5)


texts = st.text("가나 다.", min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(texts, st.data())
def test_spans_are_carried_over_what_is_changed(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=4, max_size=4)))
    spans = [Span(cuts[0], cuts[1]), Span(cuts[2], cuts[3])]
    news = data.draw(st.lists(st.text("xyz", max_size=4), min_size=2, max_size=2))
    distinct = spans[0] != spans[1] and all(span.start < span.end for span in spans)
    edits = [Edit(span, new) for span, new in zip(spans, news, strict=True)] if distinct else []
    inserted = data.draw(st.sampled_from([cuts[0], cuts[3]]))
    changed, carried = edited(text, [*edits, Edit(Span(inserted, inserted), "··")], spans)
    expected = news if distinct else [span.of(text) for span in spans]
    assert [span.of(changed) for span in carried] == expected or not distinct
    assert len(changed) == len(text) + 2 + sum(
        len(e.text) - (e.span.end - e.span.start) for e in edits
    )


@settings(max_examples=200, deadline=None)
@given(st.text("가나다 ", min_size=1, max_size=40), st.integers(0, 1000), st.data())
def test_marks_are_put_between_words_and_never_into_those_asked_about(sentence, seed, data):
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(sentence))] * 2)))
    spans = [Span(start, end)]
    edits = punctuation(sentence, spans, np.random.default_rng(seed))
    changed, (span,) = edited(sentence, edits, spans)
    assert span.of(changed) == spans[0].of(sentence)
    assert re.sub(r"[.;?:!,] ", "", changed) == sentence
    words = len(sentence.split())
    places = [m.start() for m in re.finditer(r"\S+", sentence) if not start < m.start() < end]
    assert len(edits) <= max(1, words // 3)
    assert bool(edits) == bool(places)
    assert len({edit.span for edit in edits}) == len(edits)
    assert all(edit.text[0] in MARKS for edit in edits)


def test_as_many_rows_are_drawn_as_asked_for_and_evenly():
    rng = np.random.default_rng(0)
    assert drawn_rows(10, 0.5, rng) == sorted(set(drawn_rows(10, 0.5, np.random.default_rng(0))))
    assert len(drawn_rows(10, 0.55, rng)) == 6
    assert set(Counter(drawn_rows(7, 3.0, rng)).values()) == {3}
    assert set(Counter(drawn_rows(10, 2.5, rng)).values()) == {2, 3}
    assert drawn_rows(0, 1.0, rng) == drawn_rows(10, 0.0, rng) == []


def test_punctuation_leaves_words_and_labels_as_they_were():
    rows = made(punctuation=2.0)
    assert [row.id for row in rows[:2]] == ["r1+punctuation1", "r1+punctuation2"]
    assert len(rows) == 6 and len({row.id for row in rows}) == 6
    originals = {row.id: row for row in ROWS}
    for row in rows:
        before = originals[row.id.partition("+")[0]]
        assert row.subject.span.of(row.sentence) == row.subject.word == before.subject.word
        assert row.object.span.of(row.sentence) == row.object.word == before.object.word
        assert row.sentence != before.sentence and row.label == before.label


def test_swapped_entities_are_of_the_same_type_and_of_training_rows():
    rows = made(swap=8.0)
    people, titles = {"이순신", "세종"}, {"장군", "임금"}
    found = set()
    for row in rows:
        assert row.subject.word == row.subject.span.of(row.sentence)
        assert row.object.word == row.object.span.of(row.sentence)
        assert row.subject.word in people and row.object.word in titles
        found.add(row.sentence)
    assert "세종은 조선의 장군이다." in found and "이순신은 조선의 임금이다." in found
    assert not any("수원" in row.sentence for row in rows)  # no other of its types
    assert ROWS[0].sentence not in {row.sentence for row in rows if row.id.startswith("r1")}


def test_masked_entities_are_their_types():
    sentences = {row.sentence for row in made(mask=8.0) if row.id.startswith("r1+")}
    assert sentences == {
        "PER은 조선의 장군이다.",
        "이순신은 조선의 POH이다.",
        "PER은 조선의 POH이다.",
    }


def test_entities_that_overlap_are_left_alone():
    nested = example("서울대학교는 크다.", ("서울대학교", "ORG"), ("서울", "LOC"))
    rows = augmented([nested], AugmentSection(mask=3.0, swap=3.0), KLUE, 1)
    assert rows == []


def test_inverses_are_turned_round_once():
    table = {"per:parents": "per:children", "per:spouse": "per:spouse"}
    kin = [
        example("갑은 을의 아들이다.", ("갑", "PER"), ("을", "PER"), "per:parents", "a"),
        example("병은 정의 아내다.", ("병", "PER"), ("정", "PER"), "per:spouse", "b"),
        example("병은 정의 아내다.", ("정", "PER"), ("병", "PER"), "per:spouse", "c"),
        example("무는 기의 친구다.", ("무", "PER"), ("기", "PER"), "no_relation", "d"),
    ]
    rows = augmented(kin, AugmentSection(inverse=table), KLUE, 1)
    (row,) = rows  # b and c are each other's inverse already
    assert (row.id, row.label) == ("a+inverse", "per:children")
    assert (row.subject, row.object, row.sentence) == (
        kin[0].object,
        kin[0].subject,
        kin[0].sentence,
    )
    with pytest.raises(InputError, match="did you mean per:children"):
        augmented(kin, AugmentSection(inverse={"per:parents": "per:childrn"}), KLUE, 1)


def test_the_same_seed_makes_the_same_rows_and_another_others():
    section = AugmentSection(punctuation=3.0, swap=3.0, mask=2.0)
    first, again = (augmented(ROWS, section, KLUE, 5) for _ in range(2))
    assert first == again != augmented(ROWS, section, KLUE, 6)
    alone = augmented(ROWS, AugmentSection(swap=3.0), KLUE, 5)
    assert [row for row in first if "+swap" in row.id] == alone  # one does not move another


def test_targets_keep_their_words():
    word = Target("국밥", Span(2, 4))
    rows = [TargetRow("a", "그 국밥은 정말 맛있다.", word, frozenset({"joy"}))]
    rows.append(TargetRow("b", "참 좋은 날이다.", None, frozenset()))
    found = augmented_targets(rows, AugmentSection(punctuation=4.0), 3)
    assert len(found) == 8
    for row in found:
        if row.target is not None:
            assert row.target.span.of(row.sentence) == row.target.word == "국밥"
        assert row.gold == (rows[0] if row.id.startswith("a") else rows[1]).gold
    with pytest.raises(InputError, match="targets have no such augmentation"):
        augmented_targets(rows, AugmentSection(swap=1.0), 3)


def test_only_training_rows_are_used_and_dev_and_digests_stay():
    recipe = load_recipe(shipped()["demo"], ["data.dev=null", "augment.swap=2", "data.test=null"])
    recipe = recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"train": str(ROOT / "sample/train.csv")})}
    )
    dataset = read_dataset(recipe).augmented()
    words = {(e.type, e.word) for row in dataset.train for e in (row.subject, row.object)}
    assert dataset.made and dataset.learnt == [*dataset.train, *dataset.made]
    for row in dataset.made:
        assert {(row.subject.type, row.subject.word), (row.object.type, row.object.word)} <= words
    assert dataset.files["train"]["rows"] == len(dataset.train)


def test_a_run_with_made_rows_is_another_run_and_one_without_is_the_one_it_was(monkeypatch):
    from types import SimpleNamespace

    import relx.train

    monkeypatch.setattr(relx.train, "family_of", lambda r: SimpleNamespace(inputs=lambda *_: {}))
    files = {role: {"digest": role, "format": 2} for role in ("train", "dev")}

    def inputs(*more):
        recipe = load_recipe(shipped()["demo"], list(more))
        decision = SimpleNamespace(inputs=dict)
        task = SimpleNamespace(decision=decision)
        return stage_inputs(
            SimpleNamespace(recipe=recipe, labels=KLUE, task=task, files=files), None
        )

    assert "augment" not in inputs()
    assert inputs("augment.mask=.5")["augment"]["mask"] == 0.5
