"""How a target is shown to an encoder, where its tokens are, and what a classifier reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.tokenizing.token_rows import tokenize
from relx.faults import Fault, InputError
from relx.models.stored.tokenizers.tokenizer import add_marker_tokens, fresh_tokenizer
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.target.markers import WHOLE, mark, marker_tokens, require_markers
from relx.tasks.target.rows import Target, TargetRow
from relx.tasks.target.task import POOLINGS

SENTENCE = "어제 먹은 국밥은 좋았지만 주인은 무서웠다."
STYLES = ("none", "entity_marker", "entity_marker_punct")


def row(start=6, end=8):
    return TargetRow("a", SENTENCE, Target(SENTENCE[start:end], Span(start, end)), None)


WHOLE_ROW = TargetRow("a", SENTENCE, None, None)


@pytest.fixture(scope="module")
def tokenizer():
    made = fresh_tokenizer([SENTENCE, WHOLE] * 20, 120)
    add_marker_tokens(made, marker_tokens(MarkersSection(style="entity_marker")))
    return made


def test_each_style_shows_the_target_its_own_way():
    texts = {style: mark(row(), MarkersSection(style=style)) for style in STYLES}
    assert texts["none"].text == SENTENCE
    assert (texts["none"].other, texts["none"].other_first) == ("국밥", True)
    assert texts["entity_marker"].text == "어제 먹은 <e>국밥</e>은 좋았지만 주인은 무서웠다."
    assert texts["entity_marker_punct"].text == "어제 먹은 @ 국밥 @은 좋았지만 주인은 무서웠다."
    assert texts["entity_marker"].other is None


@pytest.mark.parametrize("style", STYLES)
def test_a_query_names_the_target_before_or_after(style):
    section = MarkersSection(style=style, query="{target}에 대한 감정은?", query_place="second")
    shown = mark(row(), section)
    assert (shown.other, shown.other_first) == ("국밥에 대한 감정은?", False)
    shown = mark(WHOLE_ROW, MarkersSection(style=style, query="{target}의 감정은?"))
    assert (shown.other, shown.other_first) == (f"{WHOLE}의 감정은?", True)


@pytest.mark.parametrize("style", STYLES)
def test_a_whole_sentence_is_not_marked(style):
    shown = mark(WHOLE_ROW, MarkersSection(style=style))
    assert (shown.text, shown.spans, shown.inserted) == (SENTENCE, (None,), ())
    assert shown.other == (WHOLE if style == "none" else None)


@given(st.integers(0, len(SENTENCE) - 1), st.integers(1, 9), st.sampled_from(STYLES))
def test_the_words_are_where_the_text_has_them(start, length, style):
    example = row(start, min(start + length, len(SENTENCE)))
    shown = mark(example, MarkersSection(style=style))
    (words,) = shown.spans
    assert words.of(shown.text) == example.target.word
    pieces = [piece.of(shown.text) for piece in shown.inserted]
    cuts = [0, *(at for piece in shown.inserted for at in piece), len(shown.text)]
    bare = "".join(shown.text[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True))
    assert bare == SENTENCE
    assert len(pieces) == (0 if style == "none" else 2)


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"style": "klue"}, "markers.style"),
        ({"style": "typed_entity_marker_punct"}, "markers.style"),
        ({"style": "entity_mask"}, "markers.style"),
        ({"style": "entity_marker", "order": "appearance"}, "markers.order"),
        ({"style": "entity_marker", "query": "{subject}?"}, "markers.query"),
        ({"style": "none", "query_place": "second"}, "markers.query_place"),
    ],
)
def test_markers_without_sense_for_a_target_are_refused(section, where):
    with pytest.raises(InputError) as caught:
        require_markers(MarkersSection(**section))
    assert [fault.where for fault in caught.value.faults] == [where]


# ---- tokens


def tokens(tokenizer, shown, length=64):
    return tokenize([shown], tokenizer, length, ["a"])


def read(tokenizer, rows, pooling):
    """The texts of the tokens that a classifier reads of the one row."""
    ids = rows[0].token_ids
    return [tokenizer.convert_ids_to_tokens(ids[a:b]) for a, b in POOLINGS[pooling].places(rows)[0]]


def test_a_classifier_reads_the_targets_marker_words_or_both_ends(tokenizer):
    rows = tokens(tokenizer, mark(row(6, 12), MarkersSection(style="entity_marker")))
    assert read(tokenizer, rows, "target_start") == [["<e>"]]
    (words,) = read(tokenizer, rows, "target_mean")
    assert "".join(words).replace("##", "") == "국밥은좋았"
    assert read(tokenizer, rows, "target_ends") == [["<e>"], words[-1:]]
    assert read(tokenizer, rows, "cls_target_start") == [["[CLS]"], ["<e>"]]
    assert read(tokenizer, rows, "cls_target_ends") == [["[CLS]"], ["<e>"], words[-1:]]
    assert read(tokenizer, rows, "cls") == [["[CLS]"]]


@pytest.mark.parametrize("style", STYLES)
def test_of_a_whole_sentence_it_reads_the_first_token_or_all(tokenizer, style):
    rows = tokens(tokenizer, mark(WHOLE_ROW, MarkersSection(style=style)))
    own = "".join(read(tokenizer, rows, "target_mean")[0]).replace("##", "")
    assert own == SENTENCE.replace(" ", "")
    assert read(tokenizer, rows, "target_start") == [["[CLS]"]]
    assert read(tokenizer, rows, "target_ends") == [["[CLS]"], ["."]]


@given(st.integers(0, len(SENTENCE) - 2), st.integers(8, 20))
def test_a_window_keeps_the_target_and_of_a_whole_sentence_its_beginning(tokenizer, start, room):
    shown = mark(row(start, start + 2), MarkersSection(style="entity_marker"))
    if SENTENCE[start : start + 2].strip():
        rows = tokens(tokenizer, shown, room)
        assert read(tokenizer, rows, "target_start") == [["<e>"]]
        assert len(rows[0].token_ids) <= room
    rows = tokens(tokenizer, mark(WHOLE_ROW, MarkersSection(style="entity_marker")), room)
    (kept,) = read(tokenizer, rows, "target_mean")
    assert SENTENCE.replace(" ", "").startswith("".join(kept).replace("##", ""))
    assert rows.lengths[0] == min(room, rows.lengths[0])
    assert POOLINGS["target_mean"].places(rows)[0].tolist() == [[1, rows.lengths[0] - 1]]


def test_rows_with_and_without_a_target_are_read_side_by_side(tokenizer):
    section = MarkersSection(style="entity_marker")
    rows = tokenize([mark(row(), section), mark(WHOLE_ROW, section)], tokenizer, 64, ["a", "b"])
    places = POOLINGS["target_start"].places(rows)
    assert places.shape == (2, 1, 2) and places.dtype == np.int32
    assert places[1].tolist() == [[0, 1]] and places[0, 0, 0] > 0


def test_a_sentence_of_which_no_token_is_left_is_a_message(tokenizer):
    empty = TargetRow("a", "\u200b\u00ad", None, None)
    shown = mark(empty, MarkersSection(style="entity_marker"))
    with pytest.raises(InputError, match="leaves nothing") as caught:
        tokens(tokenizer, shown)
    assert isinstance(caught.value.faults[0], Fault)
