"""The tokens of a row as people read them, whatever the tokenizer calls its pieces."""

import re

import pytest
from test_tokens import KINDS, KLUE_LIKE, PUNCT, find, tokenizer_of, with_markers, wordpiece

from relx.data.tokenizing.token_rows import tokenize
from relx.data.tokenizing.token_texts import SPACE, token_sources, token_texts
from relx.faults import InputError
from relx.recipe import MarkersSection
from relx.tasks.relation.markers import mark, marker_tokens

STYLES = [PUNCT, "klue", "typed_entity_marker", "typed_entity_marker_korean", "entity_mask", "none"]
MARKED = STYLES[:-1]  # in style none a token may reach over an entity's borders


def read(row, kind, max_length=512, **markers):
    """A row's tokens, its texts, and where its entities are."""
    section = MarkersSection(**markers)
    tokenizer = tokenizer_of(kind)
    if tokens := marker_tokens(section, ["PER", "ORG"]):
        tokenizer = with_markers(tokenizer, tokens)
    marked = mark(row, section, tokenizer.sep_token)
    (made,) = tokenize([marked], tokenizer, max_length, [row.id])
    return marked, made, token_texts(marked, made.token_ids, tokenizer, max_length)


def plain(texts):
    """The letters, each once, however many tokens share it."""
    shown = "".join(text.text for text in texts).replace(SPACE, "")
    return re.sub("[₁-₉]", "", re.sub(".[₂-₉]", "", shown))


def covered(sources, part):
    """The characters that the tokens of a part cover."""
    return {at for source in sources if source.part == part for at in range(*source.span)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", STYLES)
def test_every_letter_of_every_segment_has_its_token(kind, style):
    for row in KLUE_LIKE:
        for place in ("first", "second"):
            query = None if style == "none" else "{subject}와 {object}의 관계"
            section = MarkersSection(style=style, query=query, query_place=place)
            tokenizer = tokenizer_of(kind)
            if tokens := marker_tokens(section, ["PER", "ORG"]):
                tokenizer = with_markers(tokenizer, tokens)
            marked = mark(row, section, tokenizer.sep_token)
            (made,) = tokenize([marked], tokenizer, 512, [row.id])
            sources = token_sources(marked, tokenizer, 512)
            assert len(sources) == len(made.token_ids)
            seen = covered(sources, "sentence") | covered(sources, "marker")
            letters = {at for at, letter in enumerate(marked.text) if not letter.isspace()}
            assert letters <= seen
            others = covered(sources, "other") | covered(sources, "special")
            assert {at for at, c in enumerate(marked.other) if not c.isspace()} <= others


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", MARKED)
def test_entities_are_read_letter_for_letter(kind, style):
    for row in KLUE_LIKE:
        marked, made, texts = read(row, kind, style=style)
        for span, place in ((made.spans[0], marked.spans[0]), (made.spans[1], marked.spans[1])):
            assert plain(texts[span.start : span.end]) == place.of(marked.text).replace(" ", "")


@pytest.mark.parametrize("kind", KINDS)
def test_markers_of_punctuation_are_read_sign_by_sign(kind):
    row = find("비틀즈는 영국의 것", "비틀즈", "영국")
    _, made, texts = read(row, kind, style=PUNCT)
    shown = [text for text in texts if text.part == "marker"]
    assert plain(shown) == "@*per*@#^org^#"
    if kind == "wordpiece":  # the others have a token for the space before it
        assert texts[made.starts[0]].text == "@"
        assert texts[made.starts[1]].text == "#"


def test_pieces_of_wordpiece_are_read_without_its_sign():
    row = find("비틀즈는 영국의 것", "비틀즈", "영국")
    _, _, texts = read(row, "wordpiece", style=PUNCT)
    for text in texts:
        if text.part == "sentence" and not text.unknown:
            assert text.text == text.piece.removeprefix("##")


def test_parts_of_one_letter_are_numbered():
    row = find(
        "뷁은 영국의 것", "뷁", "영국"
    )  # a letter that the tokenizer knows by its bytes alone
    _, made, texts = read(row, "byte_bpe", style="klue")
    assert [text.text for text in texts[made.spans[0].start : made.spans[0].end]] == [
        "뷁₁",
        "뷁₂",
        "뷁₃",
    ]


def test_an_unknown_word_shows_its_text_and_that_it_is_unknown():
    tokenizer = wordpiece(["가", "##가", "@", "#", "온다"])
    marked = mark(find("뷁가 온다", "뷁", "온다"), MarkersSection(style="entity_marker_punct"), "")
    (made,) = tokenize([marked], tokenizer, 512, ["7"])
    texts = token_texts(marked, made.token_ids, tokenizer, 512)
    unknown = [(text.text, text.piece) for text in texts if text.unknown]
    assert unknown == [("뷁", "[UNK]")]


def test_special_tokens_have_their_names_and_a_query_is_told_apart():
    row = find("비틀즈는 영국의 것", "비틀즈", "영국")
    _, _, texts = read(row, "wordpiece", style="klue", query="{subject}?")
    parts = [text.part for text in texts]
    assert [text.text for text in texts if text.part == "special"] == ["[CLS]", "[SEP]", "[SEP]"]
    assert "".join(text.text for text in texts if text.part == "other") == "비틀즈?"
    assert [text.text for text in texts if text.part == "marker"] == [
        "<subj>", "</subj>", "<obj>", "</obj>",
    ]  # fmt: skip
    assert parts.index("other") == 1  # in front


@pytest.mark.parametrize("kind", KINDS)
def test_spaces_stand_where_the_sentence_has_them(kind):
    row = find("비틀즈는 영국의 것", "비틀즈", "영국")
    _, _, texts = read(row, kind, style="klue")
    inside = [text for text in texts if text.part != "special"]
    shown = " ".join(plain([text]) if text.spaced else f"~{plain([text])}" for text in inside)
    words = shown.replace(" ~", "").lstrip("~").split()
    assert words == ["<subj>비틀즈</subj>는", "<obj>영국</obj>의", "것"]


def test_a_window_shows_the_tokens_that_are_left():
    sentence = " ".join(["조지 해리슨은 영국의 음악가이자 비틀즈의 기타리스트이다."] * 6)
    row = find(sentence, "음악가", "기타리스트")
    whole = [text.text for text in read(row, "wordpiece", style=PUNCT)[2]]
    _, made, texts = read(row, "wordpiece", max_length=64, style=PUNCT)
    cut = [text.text for text in texts]
    assert len(cut) == len(made.token_ids) == 64
    assert any(whole[at : at + 62] == cut[1:-1] for at in range(len(whole)))


def test_entities_that_do_not_fit_are_an_error():
    marked = mark(KLUE_LIKE[0], MarkersSection(style=PUNCT), "")
    with pytest.raises(InputError, match="longer than a row"):
        token_sources(marked, tokenizer_of("wordpiece"), 5)
