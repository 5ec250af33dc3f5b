"""Ids in little memory find what a list and a dictionary find."""

from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.rows.gold_rows import GoldRow, GoldRows
from relx.data.rows.seen_ids import PackedTexts, SeenIds

TEXTS = st.lists(st.text(st.sampled_from("a가1\0 😀\ud800"), max_size=3), max_size=40)


@given(TEXTS, TEXTS)
def test_it_is_a_list_that_knows_where_each_text_is_first(texts, others):
    seen, packed = SeenIds(), PackedTexts()
    assert [seen.add(text) for text in texts] == [texts.index(text) for text in texts]
    for text in texts:
        packed.append(text)
    for held in (seen, packed):
        assert list(held) == texts == [held[i] for i in range(len(texts))] == held[:]
        assert held[-3:] == texts[-3:] and len(held) == len(texts)
    for text in [*texts, *others]:
        place = texts.index(text) if text in texts else -1
        assert seen.find(text) == place and (text in seen) == (text in texts)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1 << 40))
def test_many_texts_are_all_found(first):
    texts = [f"{first + i}" for i in range(5000)]
    seen = SeenIds(texts)
    assert [seen.find(text) for text in texts] == list(range(5000))
    assert seen.find("no such id") == -1 and seen.add(texts[17]) == 17


def test_texts_with_one_hash_are_kept_apart(monkeypatch):
    class Same(str):
        """A text whose hash is that of every other one."""

        def __hash__(self):
            return 7

    texts = [Same(f"id {i}") for i in range(100)]
    seen = SeenIds(texts)
    assert [seen.find(text) for text in texts] == list(range(100))
    assert seen.find(Same("id 100")) == -1


@given(TEXTS)
def test_rows_of_gold_are_those_that_were_given(texts):
    golds = [None if i % 3 == 0 else frozenset(text) for i, text in enumerate(texts)]
    rows = list(map(GoldRow, texts, golds))
    held = GoldRows(rows)
    assert list(held) == rows == [held[i] for i in range(len(rows))] == held[:]
