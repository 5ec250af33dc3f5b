import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.marked import MarkedText
from relx.faults import InputError
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import (
    KOREAN_TYPES,
    PLACEHOLDERS,
    mark,
    marker_tokens,
    require_markers,
)
from relx.tasks.relation.rows import Example
from relx.template import check_query

SENTENCE = "조지 해리슨이 비틀즈의 곡을 썼다."
STYLES = [
    "entity_marker",
    "entity_marker_punct",
    "typed_entity_marker",
    "typed_entity_marker_punct",
    "typed_entity_marker_korean",
    "klue",
]


def example(sentence, subject, object_, subject_type="ORG", object_type="PER"):
    def entity(span, type_):
        return Entity(Span(*span).of(sentence), Span(*span), type_)

    subject, object_ = entity(subject, subject_type), entity(object_, object_type)
    return Example("7", sentence, subject, object_, None)


def marked(style, **options):
    """The subject 비틀즈 stands after the object 조지 해리슨."""
    section = MarkersSection(style=style, **options)
    return mark(example(SENTENCE, (8, 11), (0, 6)), section, "[SEP]")


def without(text: str, pieces) -> str:
    for piece in reversed(pieces):
        text = text[: piece.start] + text[piece.end :]
    return text


def words(marked_text: MarkedText, span: Span) -> str:
    """The sentence's characters in a span."""
    inside = [piece for piece in marked_text.inserted if span.start <= piece.start < span.end]
    return without(span.of(marked_text.text), [piece.moved(-span.start) for piece in inside])


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("entity_mask", "[OBJ-PER]이 [SUBJ-ORG]의 곡을 썼다."),
        ("entity_marker", "[E2] 조지 해리슨 [/E2]이 [E1] 비틀즈 [/E1]의 곡을 썼다."),
        ("entity_marker_punct", "# 조지 해리슨 #이 @ 비틀즈 @의 곡을 썼다."),
        (
            "typed_entity_marker",
            "[OBJ-PER] 조지 해리슨 [/OBJ-PER]이 [SUBJ-ORG] 비틀즈 [/SUBJ-ORG]의 곡을 썼다.",
        ),
        ("typed_entity_marker_punct", "# ^ per ^ 조지 해리슨 #이 @ * org * 비틀즈 @의 곡을 썼다."),
        ("typed_entity_marker_korean", "#^사람^조지 해리슨#이 @*단체*비틀즈@의 곡을 썼다."),
        ("klue", "<obj>조지 해리슨</obj>이 <subj>비틀즈</subj>의 곡을 썼다."),
    ],
)
def test_each_style_writes_its_markers(style, text):
    assert marked(style).text == text
    assert marked(style).other is None


def test_style_none_puts_the_entities_in_front():
    text = marked("none")
    assert (text.text, text.inserted) == (SENTENCE, ())
    assert (text.other, text.other_first) == ("비틀즈 [SEP] 조지 해리슨", True)
    assert [piece.of(text.other) for piece in text.separators] == ["[SEP]"]
    assert (text.spans[0], text.starts[0], text.starts[1]) == (Span(8, 11), 8, 0)


def test_order_of_appearance_gives_the_first_entity_the_first_markers():
    by_order = {style: marked(style, order="appearance") for style in [*STYLES, "entity_mask"]}
    assert by_order["entity_marker_punct"].text == "@ 조지 해리슨 @이 # 비틀즈 #의 곡을 썼다."
    assert by_order["entity_marker"].text.startswith("[E1] 조지 해리슨 [/E1]이 [E2] ")
    assert by_order["typed_entity_marker_korean"].text.startswith("@*사람*조지 해리슨@이 #^단체^")
    assert by_order["typed_entity_marker_punct"].text.startswith("@ * per * 조지 해리슨 @이 # ^ ")
    assert (
        by_order["entity_marker_punct"].spans[0].of(by_order["entity_marker_punct"].text)
        == "비틀즈"
    )
    for style in ("typed_entity_marker", "klue", "entity_mask"):  # their markers name the role
        assert by_order[style] == marked(style)


def test_order_of_appearance_where_the_subject_comes_first_is_the_order_by_role():
    row = example(SENTENCE, (0, 6), (8, 11))
    for style in STYLES:
        by_order, by_role = (
            mark(row, MarkersSection(style=style, order=order), "")
            for order in ("appearance", "role")
        )
        assert by_order == by_role


def test_the_opening_marker_is_the_place_to_pool():
    text = marked("typed_entity_marker_punct")
    assert text.text[text.starts[0] :].startswith("@ * org * 비틀즈")
    assert text.starts[1] == 0
    assert text.spans[1].of(text.text) == "조지 해리슨"


def test_nested_entities_keep_the_inner_markers_inside_the_outer_span():
    row = example("서울대학교에 갔다", (0, 5), (0, 2), "ORG", "LOC")
    text = mark(row, MarkersSection(style="klue"), "")
    assert text.text == "<subj><obj>서울</obj>대학교</subj>에 갔다"
    assert text.spans[0].of(text.text) == "<obj>서울</obj>대학교"
    assert text.spans[1].of(text.text) == "서울"
    assert (text.starts[0], text.starts[1]) == (0, 6)


@pytest.mark.parametrize(
    ("subject", "object_", "text"),
    [
        ((0, 2), (2, 5), "<subj>서울</subj><obj>대학교</obj>에"),  # touching
        ((2, 5), (0, 2), "<obj>서울</obj><subj>대학교</subj>에"),
        ((0, 3), (2, 5), "<subj>서울<obj>대</subj>학교</obj>에"),  # crossing
        ((0, 5), (0, 5), "<subj><obj>서울대학교</obj></subj>에"),  # the same
        ((2, 5), (0, 5), "<obj>서울<subj>대학교</subj></obj>에"),  # nested, ending together
        ((5, 6), (0, 1), "<obj>서</obj>울대학교<subj>에</subj>"),  # first and last character
    ],
)
def test_markers_of_entities_that_touch_or_overlap(subject, object_, text):
    row = example("서울대학교에", subject, object_)
    assert mark(row, MarkersSection(style="klue"), "").text == text


def test_masks_of_overlapping_entities_stand_side_by_side_for_both():
    row = example("그는 서울대학교에 갔다", (3, 8), (3, 5), "ORG", "LOC")
    text = mark(row, MarkersSection(style="entity_mask"), "")
    assert text.text == "그는 [SUBJ-ORG] [OBJ-LOC]에 갔다"
    assert text.spans[0].of(text.text) == "[SUBJ-ORG]"
    assert text.spans[1].of(text.text) == "[OBJ-LOC]"
    assert without(text.text, text.inserted) == "그는 에 갔다"


@st.composite
def examples(draw):
    sentence = draw(st.text(alphabet="가나다 a.@#*^[]<>/E1", min_size=1, max_size=20))

    def span():
        start = draw(st.integers(0, len(sentence) - 1))
        return start, draw(st.integers(start + 1, len(sentence)))

    types = st.sampled_from([*KOREAN_TYPES, "Lang"])
    return example(sentence, span(), span(), draw(types), draw(types))


@settings(deadline=None)
@given(examples(), st.sampled_from(STYLES), st.sampled_from(["role", "appearance"]))
def test_the_sentence_and_the_words_can_be_read_back(row, style, order):
    text = mark(row, MarkersSection(style=style, order=order), "[SEP]")
    assert len(text.inserted) == 4
    assert list(text.inserted) == sorted(text.inserted)
    assert without(text.text, text.inserted) == row.sentence
    assert words(text, text.spans[0]) == row.subject.word
    assert words(text, text.spans[1]) == row.object.word
    for start, span in ((text.starts[0], text.spans[0]), (text.starts[1], text.spans[1])):
        assert any(piece == (start, span.start) for piece in text.inserted)
    for span, entity in ((text.spans[0], row.subject), (text.spans[1], row.object)):
        gone = sum(len(p.of(text.text)) for p in text.inserted if p.end <= span.start)
        assert span.start - gone == entity.span.start  # the annotated place, not an equal word's


@settings(deadline=None)
@given(examples())
def test_masks_leave_no_character_of_an_entity(row):
    text = mark(row, MarkersSection(style="entity_mask"), "")
    hidden = {i for e in (row.subject, row.object) for i in range(*e.span)}
    rest = "".join(c for i, c in enumerate(row.sentence) if i not in hidden)
    assert without(text.text, text.inserted) == rest
    assert text.spans[0].of(text.text) == f"[SUBJ-{row.subject.type}]"
    assert text.spans[1].of(text.text) == f"[OBJ-{row.object.type}]"


def test_an_unknown_type_keeps_its_name():
    row = example("한국어는 언어다", (0, 3), (5, 7), "LAN", "STU")
    text = mark(row, MarkersSection(style="typed_entity_marker_korean"), "").text
    assert text == "@*lan*한국어@는 #^stu^언어#다"


def test_the_query_is_filled_in_with_words_and_korean_types():
    text = marked("klue", query="이 문장에서 {object}은 {subject}의 {object_type}이다.")
    assert (text.other, text.other_first) == ("이 문장에서 조지 해리슨은 비틀즈의 사람이다.", True)
    text = marked("klue", query="{subject_type}?", query_place="second")
    assert (text.other, text.other_first) == ("단체?", False)


def test_an_entity_that_looks_like_a_placeholder_is_left_alone():
    row = example("{object} 그리고 {0.__class__}", (0, 8), (13, 26))
    text = mark(row, MarkersSection(style="klue", query="{subject}와 {object}"), "")
    assert text.other == "{object}와 {0.__class__}"


@pytest.mark.parametrize(
    "query", ["{subjet}와", "{subject.__class__}", "{0}", "{subject!r}", "{", "a}", "{{subject}}"]
)
def test_a_query_that_cannot_be_filled_in_is_a_fault(query):
    assert check_query(query, PLACEHOLDERS) is not None
    with pytest.raises(InputError, match="query"):
        require_markers(MarkersSection(style="klue", query=query))


def test_a_misspelt_placeholder_names_the_nearest():
    fault = check_query("{subjet}와 {object}", PLACEHOLDERS)
    assert fault is not None
    assert fault.next_step == "did you mean {subject}?"
    assert (
        check_query("이 문장에서 {object}은 {subject}의 {object_type}이다.", PLACEHOLDERS) is None
    )


def test_marker_tokens_are_those_that_the_texts_hold():
    for style in [*STYLES, "entity_mask"]:
        section = MarkersSection(style=style)
        tokens = marker_tokens(section, ["PER", "ORG", "PER"])
        text = marked(style)
        pieces = {piece.of(text.text).strip() for piece in text.inserted}
        assert len(tokens) == len(set(tokens))
        assert pieces <= set(tokens) if tokens else "punct" in style or "korean" in style
    assert marker_tokens(MarkersSection(style="klue"), []) == (
        "<subj>",
        "</subj>",
        "<obj>",
        "</obj>",
    )
    assert marker_tokens(MarkersSection(style="entity_mask"), ["PER"]) == (
        "[SUBJ-PER]",
        "[OBJ-PER]",
    )
    assert marker_tokens(MarkersSection(style="none"), ["PER"]) == ()
