"""The numbers of a task's data, on rows small enough to count by hand, and on KLUE-RE's."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.labels import KLUE, LabelList
from relx.dataset import token_rows
from relx.doubts import contradictions, repeated_rows
from relx.faults import InputError
from relx.look.eda.corpus import Corpus, read_corpus
from relx.look.eda.file_facts import describe_file, occurs_earlier, shared_sentences
from relx.look.eda.label_shares import LabelShares, headline_label, label_shares
from relx.look.eda.lengths import character_lengths, quantiles
from relx.look.eda.token_lengths import TokenLengths, token_lengths
from relx.look.eda.vocabulary.word_counts import frequent_words
from relx.look.relation.eda.entity_types import MOST_PAIRS, type_table
from relx.look.relation.eda.file_facts import count_kinds, type_shifts
from relx.look.relation.eda.sources import source_rows
from relx.models.stored.tokenizers.tokenizer import add_marker_tokens, fresh_tokenizer
from relx.recipe_file import load_recipe
from relx.spans import Span
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import marker_tokens
from relx.tasks.relation.rows import Example
from relx.tasks.task import task_of

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "recipes/demo.yaml"
KLUE_RE = ROOT.parent / "shared/data/klue_re"
NAMES = ("no_relation", "per:spouse", "per:title")
LABELS = LabelList(NAMES, "no_relation")

needs_klue = pytest.mark.skipif(
    not KLUE_RE.is_dir(), reason=f"KLUE-RE's files are not at {KLUE_RE}"
)


def row(id, label=None, sentence="철수는 영희와 결혼한 가수이다.", types=("PER", "PER"), source=""):
    subject = Entity("철수", Span(0, 2), types[0])
    return Example(str(id), sentence, subject, Entity("영희", Span(4, 6), types[1]), label, source)


def corpus(train, dev=None, test=None, predicted=None, recipe=None):
    files = {"train": train} | ({} if dev is None else {"dev": dev})
    files |= {} if test is None else {"test": test}
    return Corpus(recipe or load_recipe(DEMO), LABELS, files, predicted)


def in_sample(*settings):
    files = [f"data.{name}={ROOT / 'sample' / name}.csv" for name in ("train", "dev", "test")]
    return load_recipe(DEMO, [*files, *settings])


def predictions(path, ids, labels=KLUE, chosen=0):
    probabilities = np.full((len(ids), len(labels)), 0.1 / (len(labels) - 1))
    probabilities[:, chosen] = 0.9
    write_submission(path, ids, probabilities, labels)
    return path


def test_labels_are_sorted_by_train_and_those_without_rows_keep_their_place():
    train = [row(0, "per:title"), row(1, "per:title"), row(2, "no_relation")]
    shares = label_shares(corpus(train))
    assert shares.names == ("per:title", "no_relation", "per:spouse")
    assert shares.counts["train"].tolist() == [2, 1, 0]
    assert shares.shift() is None


def test_the_shift_is_the_predicted_share_less_that_of_train():
    train = [row(0, "per:title"), row(1, "no_relation")]
    shares = label_shares(corpus(train, test=[row(0)] * 4, predicted=("no_relation",) * 4))
    assert shares.names == ("no_relation", "per:title", "per:spouse")
    assert shares.shift().tolist() == [50.0, -50.0, 0.0]


@given(st.lists(st.sampled_from(NAMES), min_size=1), st.lists(st.sampled_from(NAMES), min_size=1))
def test_shares_sum_to_100_and_shifts_to_0(train, predicted):
    rows = [row(i, label) for i, label in enumerate(train)]
    test = [row(i) for i in range(len(predicted))]
    shares = label_shares(corpus(rows, test=test, predicted=tuple(predicted)))
    assert shares.percent("train").sum() == pytest.approx(100)
    assert shares.shift().sum() == pytest.approx(0, abs=1e-9)


def test_the_headline_is_the_negative_label_else_the_largest_shift_else_the_most_frequent():
    counts = {"train": np.array([6, 3, 1]), "predicted": np.array([6, 0, 4])}
    shares = LabelShares(("a", "b", "c"), counts, {"train": 10, "predicted": 10})
    assert headline_label(shares, "c") == "c"
    assert headline_label(shares, None) in ("b", "c")
    assert (
        headline_label(LabelShares(shares.names, {"train": counts["train"]}, {"train": 10}), None)
        == "a"
    )


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_quantiles_are_lengths_that_occur_and_rise(lengths):
    found = quantiles(np.array(lengths))
    figures = [found.median, found.p95, found.p99, found.longest]
    assert set(figures) <= set(lengths)
    assert figures == sorted(figures)
    assert found.longest == max(lengths)
    assert sum(length <= found.p95 for length in lengths) >= 0.95 * len(lengths)


def test_quantiles_of_no_rows_are_0():
    assert quantiles(np.zeros(0, np.int32)).longest == 0


def test_duplicates_share_sentence_and_entities_and_contradictions_have_two_labels():
    other = replace(row(3, "no_relation"), subject=Entity("철수", Span(0, 2), "ORG"))
    rows = [row(0, "per:spouse"), row(1, "per:spouse"), row(2, "no_relation"), other]
    assert repeated_rows(rows) == [[0, 1, 2]]
    assert contradictions(rows) == [[0, 1, 2]]
    assert contradictions(rows[:2]) == []
    facts = describe_file("train.csv", rows)
    assert (facts.duplicate_rows, facts.contradictory_keys) == (2, 1)
    assert (facts.sentences, facts.sentences_in_several_rows) == (1, 1)


def test_an_entity_whose_word_occurs_earlier_is_counted():
    sentence = "영희와 철수, 그리고 다른 영희"
    late = Entity("영희", Span(15, 17), "PER")
    assert late.span.of(sentence) == "영희"
    rows = [Example("0", sentence, late, Entity("철수", Span(4, 6), "PER"), None)]
    assert occurs_earlier(sentence, late.span)
    assert not occurs_earlier(sentence, rows[0].object.span)
    facts = describe_file("test.csv", rows)
    assert (facts.first_match_elsewhere, facts.first_match_elsewhere_percent) == (1, 50.0)


def test_marker_characters_are_counted_in_sentences_not_in_rows():
    text = "철수는 영희와 R&D & [A]를 한다."
    facts = describe_file("train.csv", [row(0, sentence=text), row(1, sentence=text), row(2)])
    assert facts.marker_characters["&"] == facts.marker_characters["["] == 1
    assert facts.marker_characters["@"] == 0


def test_shared_sentences_count_sentences_and_rows():
    one = [row(0), row(1, sentence="철수와 영희")]
    assert shared_sentences(one, [row(0), row(1), row(2, sentence="철수, 영희")]) == (1, 2)
    assert shared_sentences(one, []) == (0, 0)


def test_types_of_each_group_sum_to_100_percent_of_a_label():
    rows = [row(0, "per:spouse"), row(1, "per:spouse", types=("PER", "ORG")), row(2, "per:title")]
    table = type_table(rows, ("per:spouse", "no_relation", "per:title"))
    assert table.labels == ("per:spouse", "per:title")
    assert table.columns[:3] == (("subject", "PER"), ("object", "PER"), ("object", "ORG"))
    for group in ("subject", "object", "pair"):
        own = [name == group for name, _ in table.columns]
        assert table.percent()[:, own].sum(axis=1).tolist() == [100.0, 100.0]


def test_types_that_shift_are_found_the_largest_first():
    train = count_kinds([row(0), row(1, types=("PER", "ORG"))])
    test = count_kinds([row(i, types=("ORG", "ORG")) for i in range(3)])
    found = type_shifts(train, test, 60)
    assert [(one.role, one.type) for one in found] == [("subject", "PER"), ("subject", "ORG")]
    assert (found[0].train_percent, found[0].test_percent) == (100.0, 0.0)
    assert len(type_shifts(train, test, 50)) == 4
    assert type_shifts(train, count_kinds([]), 5) == []


def test_rare_pairs_of_types_have_no_column():
    rows = [row(i, "per:title", types=("PER", f"T{i}")) for i in range(MOST_PAIRS + 3)]
    table = type_table(rows, NAMES)
    assert sum(group == "pair" for group, _ in table.columns) == MOST_PAIRS
    assert table.left_out == 3


def test_frequent_words_are_counted_by_label():
    rows = [row(0, "per:spouse"), row(1, "per:spouse"), row(2, "no_relation")]
    assert frequent_words(rows, 1, 1) == {
        "per:spouse": [("영희", 2)],
        "no_relation": [("영희", 1)],
    }


def test_sources_tell_the_headline_label_of_each_file_apart():
    train = [row(0, "no_relation", source="a"), row(1, "per:title", source="a")]
    test = [row(0, source="b"), row(1, source="a")]
    found = source_rows(corpus(train, test=test, predicted=("no_relation",) * 2), "no_relation")
    assert [(one.name, one.rows) for one in found] == [
        ("a", {"train": 2, "test": 1}),
        ("b", {"train": 0, "test": 1}),
    ]
    assert found[0].headline_percent == {"train": 50.0, "predicted": 100.0}
    assert found[1].headline_percent == {"predicted": 100.0}


def test_token_lengths_are_those_that_training_gets():
    recipe = in_sample()
    found = read_corpus(recipe)
    sentences = dict.fromkeys(r.sentence for r in [*found.train, *found.files["test"]])
    tokenizer = fresh_tokenizer(sentences, recipe.encoder.source.fresh.vocabulary)
    types = {"PER", "ORG", "DAT", "LOC", "POH", "NOH"}
    add_marker_tokens(tokenizer, marker_tokens(recipe.markers, types))
    lengths = token_lengths(found)
    for role, rows in found.files.items():
        tokens = token_rows(rows, task_of(recipe), tokenizer, 128)
        assert np.minimum(lengths.lengths[role], 128).tolist() == tokens.lengths.tolist()
        assert lengths.refused[role] == 0


def test_rows_over_the_window_and_rows_that_it_refuses_are_counted():
    found = token_lengths(read_corpus(in_sample("tokens.max_length=16")))
    over, refused = found.over("train"), found.refused["train"]
    assert over == (found.lengths["train"] > 16).sum()
    assert 0 < refused <= over
    share = found.to_json("train")["percent_over_the_window"]
    assert share == pytest.approx(100 * over / len(found.lengths["train"]))


def test_an_encoder_that_is_not_there_leaves_the_characters(tmp_path):
    found = read_corpus(in_sample(f"encoder.from={tmp_path / 'nowhere'}"))
    assert token_lengths(found).missing
    assert character_lengths(found.train).max() > 0
    assert TokenLengths(128).lengths == {}


def test_labels_of_the_test_are_never_read(tmp_path):
    text = (ROOT / "sample/test.csv").read_text(encoding="utf-8")
    path = tmp_path / "test.csv"
    path.write_text(text.replace(",100,", ",no such label,"), encoding="utf-8")
    found = read_corpus(in_sample(f"data.test={path}"))
    assert {example.label for example in found.files["test"]} == {None}


def test_a_test_without_rows_is_empty_and_said(tmp_path, capsys):
    path = tmp_path / "test.csv"
    path.write_text("id,sentence,subject_entity,object_entity,label,source\n", encoding="utf-8")
    found = read_corpus(in_sample(f"data.test={path}"))
    assert found.files["test"] == []
    assert "has no rows" in capsys.readouterr().err


def test_a_broken_test_is_refused(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("id,sentence\n0,철수\n", encoding="utf-8")
    with pytest.raises(InputError, match="missing"):
        read_corpus(in_sample(f"data.test={path}"))


def test_predictions_are_joined_on_id_in_the_order_of_the_test(tmp_path):
    recipe = in_sample()
    ids = [example.id for example in read_corpus(recipe).files["test"]]
    path = tmp_path / "s.csv"
    probabilities = np.eye(len(KLUE))[np.arange(len(ids)) % len(KLUE)]
    order = np.random.default_rng(0).permutation(len(ids))
    write_submission(path, [ids[i] for i in order], probabilities[order], KLUE)
    found = read_corpus(recipe, path)
    assert found.predicted == tuple(KLUE.names[i % len(KLUE)] for i in range(len(ids)))


def test_predictions_of_other_rows_are_refused(tmp_path):
    path = predictions(tmp_path / "s.csv", ["somebody", "else"])
    with pytest.raises(InputError, match="missing"):
        read_corpus(in_sample(), path)


def test_predictions_need_a_test(tmp_path):
    path = predictions(tmp_path / "s.csv", ["0"])
    with pytest.raises(InputError, match="names no test file"):
        read_corpus(in_sample("data.test=null"), path)


@pytest.fixture(scope="module")
def klue():
    files = [f"data.train={KLUE_RE / 'train.csv'}", f"data.test={KLUE_RE / 'test_data.csv'}"]
    return read_corpus(load_recipe(DEMO, [*files, "data.dev=null"]))


@needs_klue
def test_klue_train_has_the_known_figures(klue):
    facts = describe_file("train.csv", klue.train)
    shares = label_shares(klue)
    assert (facts.rows, facts.duplicate_rows, facts.contradictory_keys) == (32470, 47, 5)
    assert facts.characters.longest == 455  # the longest of train and test together
    assert round(shares.percent("train")[shares.names.index("no_relation")], 1) == 29.4
    kinds = count_kinds(klue.train)
    assert set(kinds.subject_types) == {"PER", "ORG"}
    assert set(kinds.object_types) == {"PER", "ORG", "LOC", "DAT", "POH", "NOH"}
    assert type_table(klue.train, shares.names).counts.shape == (30, 2 + 6 + 12)


@needs_klue
def test_klue_test_has_the_known_figures(klue):
    facts = describe_file("test_data.csv", klue.files["test"])
    assert facts.rows == 7765
    # The known quantiles are the test's, by the nearest rank.
    lengths = facts.characters
    assert (lengths.median, lengths.p95, lengths.p99) == (85, 174, 235)
    assert round(facts.first_match_elsewhere_percent, 1) == 4.3
    assert facts.marker_characters == dict(zip("@#^§⊙*&[", (0, 0, 0, 0, 0, 3, 39, 15), strict=True))
    kinds = count_kinds(klue.files["test"])
    assert kinds.subject_types["LOC"] == 1
    (most, *_) = type_shifts(count_kinds(klue.train), kinds, 5)
    assert (most.role, most.type) == ("object", "POH")
    assert set(kinds.subject_types) == {"PER", "ORG", "LOC"}


def test_columns_of_the_sample_are_read_as_they_stand():
    with (ROOT / "sample/train.csv").open(encoding="utf-8", newline="") as stream:
        lengths = [len(cells["sentence"]) for cells in csv.DictReader(stream)]
    assert character_lengths(read_corpus(in_sample()).train).tolist() == lengths
