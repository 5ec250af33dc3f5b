"""Words found by Kiwi, the words that give a label away, and their clouds."""

import io
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from relx.look.eda.vocabulary import words
from relx.look.eda.vocabulary.clouds import (
    CLOUD_SIZE,
    CLOUD_WORDS,
    LONGEST_IN_CLOUD,
    cloud,
    cloud_words,
    data_address,
)
from relx.look.eda.vocabulary.telling_words import log_odds, telling_words
from relx.look.eda.vocabulary.word_counts import count_words
from relx.look.eda.vocabulary.words import find_words
from relx.look.font import korean_font, letters_of
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example

counts_of_words = arrays.arrays(
    np.int64, st.shared(st.integers(2, 8), key="words"), elements=st.integers(0, 40)
)
priors = arrays.arrays(
    np.float64, st.shared(st.integers(2, 8), key="words"), elements=st.floats(0.01, 9)
)
ROLES = ("subject", "object")
NO_GLYPH = "\U00013000"  # a hieroglyph, which no Korean font has


def example(id, sentence, subject, object_, label, kind="PER"):
    """A row whose entities are found by searching, which is safe in sentences made for that."""
    spans = [
        Span(sentence.index(word), sentence.index(word) + len(word)) for word in (subject, object_)
    ]
    entities = [
        Entity(word, span, kind) for word, span in zip((subject, object_), spans, strict=True)
    ]
    return Example(str(id), sentence, *entities, label)


@pytest.fixture(scope="module")
def rows():
    born = [
        example(
            i,
            f"{name}은 서울에서 태어난 학교 가수이다. {year}년.",
            name,
            f"{year}년",
            "per:date_of_birth",
        )
        for i, (name, year) in enumerate([("이순신", 1545), ("김유신", 595), ("장영실", 1390)])
    ]
    founded = [
        example(
            i,
            f"{name}은 {firm} 회사를 설립하고 설립한 뒤 경영했다.",
            firm,
            name,
            "org:founded_by",
            "ORG",
        )
        for i, (name, firm) in enumerate(
            [("정주영", "현대"), ("이병철", "삼성"), ("구인회", "금성")], 3
        )
    ]
    return [*born, *founded]


@pytest.fixture(scope="module")
def counts(rows):
    return count_words(rows, ROLES, ("per:date_of_birth", "org:founded_by"))


@given(counts_of_words, counts_of_words, priors)
def test_log_odds_change_sign_when_the_corpora_are_swapped(own, other, prior):
    ratio, z = log_odds(own, other, prior)
    back, z_back = log_odds(other, own, prior)
    assert np.allclose(ratio, -back)
    assert np.allclose(z, -z_back)
    assert np.isfinite(z).all()


@given(counts_of_words, st.integers(1, 5), priors)
def test_log_odds_of_a_corpus_against_itself_are_0(own, times, prior):
    ratio, z = log_odds(times * own, times * own, prior)
    assert np.allclose(ratio, 0)
    assert np.allclose(z, 0)


def test_log_odds_are_those_of_the_paper():
    own, other, prior = np.array([3, 1, 0]), np.array([1, 5, 4]), np.array([0.4, 0.6, 0.4])
    ratio, z = log_odds(own, other, prior)
    n, m, a = own.sum(), other.sum(), prior.sum()
    for w in range(3):
        one = np.log((own[w] + prior[w]) / (n + a - own[w] - prior[w]))
        two = np.log((other[w] + prior[w]) / (m + a - other[w] - prior[w]))
        variance = 1 / (own[w] + prior[w]) + 1 / (other[w] + prior[w])
        assert ratio[w] == pytest.approx(one - two)
        assert z[w] == pytest.approx((one - two) / variance**0.5)


def test_a_larger_prior_draws_the_ratio_to_0():
    own, other = np.array([5, 5, 5]), np.array([0, 20, 20])
    total = own + other
    ratios = [log_odds(own, other, share * total)[0][0] for share in (0.01, 0.1, 1.0)]
    assert ratios[0] > ratios[1] > ratios[2] > 0


def test_a_single_word_is_not_more_frequent_than_others():
    assert log_odds(np.array([7]), np.array([1]), np.array([1.0]))[1].tolist() == [0.0]
    assert len(log_odds(np.zeros(0), np.zeros(0), np.zeros(0))[0]) == 0


def test_words_are_nouns_and_verbs_at_their_places_in_characters():
    sentences = ["😀이순신은 서울에서 태어난 배우이다.", "", "CEO가 회사를 세웠다."]
    found = find_words(sentences)
    vocabulary = found.vocabulary()
    listed = [
        [
            (vocabulary[found.word_ids[i]], sentences[s][found.starts[i] : found.ends[i]])
            for i in range(found.offsets[s], found.offsets[s + 1])
        ]
        for s in range(3)
    ]
    assert listed[0][:2] == [("이순신", "이순신"), ("서울", "서울")]
    assert "태어나다" in dict(listed[0])
    assert not found.nouns[vocabulary.index("태어나다")]
    assert found.nouns[vocabulary.index("배우")]
    assert listed[1] == []
    assert {"CEO", "회사", "세우다"} <= set(dict(listed[2]))


def test_words_are_found_once_and_then_kept(tmp_path, monkeypatch):
    sentences = ["이순신은 서울에서 태어났다."]
    first = find_words(sentences, tmp_path)
    monkeypatch.setattr(words, "_find", lambda _: pytest.fail("the words were kept"))
    again = find_words(sentences, tmp_path)
    assert again.vocabulary() == first.vocabulary()
    assert again.offsets.tolist() == first.offsets.tolist()


def test_words_of_the_entities_are_not_around_them(rows, counts):
    place = {word: i for i, word in enumerate(counts.vocabulary)}
    for name in ("이순신", "현대", "정주영"):
        assert counts.context[:, place[name]].tolist() == [0, 0]
    assert counts.asked["subject"]["org:founded_by"]["현대"] == 1
    assert counts.asked["object"]["org:founded_by"]["정주영"] == 1


def test_a_word_counts_once_a_row(counts):
    place = counts.vocabulary.index("설립")
    assert counts.context[:, place].tolist() == [0, 3]  # it stands twice in each of three rows


def test_one_sentence_with_two_pairs_counts_in_both_rows():
    sentence = "철수와 영희와 민수는 친구이다."
    rows = [
        example(0, sentence, "철수", "영희", "per:colleagues"),
        example(1, sentence, "영희", "민수", "per:siblings"),
    ]
    counts = count_words(rows, ROLES, ("per:colleagues", "per:siblings"))
    assert counts.context[:, counts.vocabulary.index("친구")].tolist() == [1, 1]


def test_an_entity_without_a_noun_counts_as_one_word(counts):
    assert counts.asked["object"]["per:date_of_birth"] == Counter(
        {"1545년": 1, "595년": 1, "1390년": 1}
    )


def test_telling_words_are_those_that_were_planted(counts):
    telling = telling_words(counts, 5)
    assert "설립" in [word.word for word in telling["org:founded_by"]]
    assert "태어나다" in [word.word for word in telling["per:date_of_birth"]]
    for found in telling.values():
        scores = [word.z for word in found]
        assert scores == sorted(scores, reverse=True)
        assert min(scores) > 0
        assert all(0 < word.rows <= word.all_rows for word in found)


def test_one_label_alone_has_no_telling_words(rows):
    counts = count_words(rows[:3], ROLES, ("per:date_of_birth",))
    assert telling_words(counts, 5) == {"per:date_of_birth": []}


def test_rows_without_a_word_have_no_telling_words():
    rows = [example(0, "1 2", "1", "2", "a"), example(1, "3 4", "3", "4", "b")]
    assert telling_words(count_words(rows, ROLES, ("a", "b")), 5) == {"a": [], "b": []}


def test_a_cloud_has_no_letter_that_its_font_lacks_and_no_verb(rows):
    hidden = example(9, f"구글은 {NO_GLYPH}을 설립한 회사이다.", "구글", NO_GLYPH, "org:founded_by")
    counts = count_words([*rows, hidden], ROLES, ("per:date_of_birth", "org:founded_by"))
    found = cloud_words(counts, "org:founded_by")
    known = letters_of(korean_font())
    for own in found.values():
        assert all(known.issuperset(map(ord, word)) for word in own)
        assert all(len(word) <= LONGEST_IN_CLOUD for word in own)
        assert len(own) <= CLOUD_WORDS
    assert NO_GLYPH not in found["object"]
    assert "정주영" in found["object"]
    assert "설립" in found["context"]
    assert not any(word.endswith("하다") for word in found["context"])


WORDS_IN_ORDER = """
import re
from types import SimpleNamespace

from test_look_words import ROLES, example
from relx.look.eda.vocabulary import words
from relx.look.eda.vocabulary.clouds import cloud_words
from relx.look.eda.vocabulary.word_counts import count_words

# Every word is a noun: Kiwi's dictionary takes seconds to load.
words._analysed = lambda sentences: (
    [SimpleNamespace(form=w[0], tag="NNG", start=w.start(), len=len(w[0]))
     for w in re.finditer(r"\\w+", sentence)] for sentence in sentences
)
sentence = "서울 한국 대학교 공과 대학 학생회, 부산 항구 도시 시민 단체"
entities = ("서울 한국 대학교 공과 대학 학생회", "부산 항구 도시 시민 단체")
counts = count_words([example(0, sentence, *entities, "a")], ROLES, ("a",))
print([list(own) for own in cloud_words(counts, "a").values()])
"""


def test_words_of_equal_count_are_in_the_same_order_in_every_process():
    """Python orders a set of strings by hashes, which differ from process to process."""
    root = Path(__file__).parents[1]
    orders = set()
    for seed in ("1", "2"):
        paths = os.pathsep.join([str(root), str(root / "tests")])
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        command = [sys.executable, "-c", WORDS_IN_ORDER]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
        assert done.returncode == 0, done.stderr
        orders.add(done.stdout)
    (order,) = orders
    assert "서울" in order and "부산" in order


def test_a_cloud_is_a_small_transparent_picture_and_always_the_same():
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = cloud({"설립": 3, "회사": 2, "대한민국": 1})
    assert drawn == cloud({"설립": 3, "회사": 2, "대한민국": 1})
    picture = Image.open(io.BytesIO(drawn)).convert("RGBA")
    assert picture.size == (2 * CLOUD_SIZE[0], 2 * CLOUD_SIZE[1])
    alpha = np.asarray(picture)[..., 3]
    assert alpha.min() == 0
    assert alpha.max() > 200
    assert data_address(drawn).startswith("data:image/png;base64,iVBOR")


def test_a_cloud_draws_different_words_differently():
    assert cloud({"설립": 1}) != cloud({"해체": 1})  # boxes would look alike
