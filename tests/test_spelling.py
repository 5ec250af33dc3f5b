"""Tokens that do not spell the words which their offsets say: the row is refused by name."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest
from test_tokens import SENTENCES, tokenizer_of
from tokenizers import Regex, normalizers

from relx.data.marked import MarkedText
from relx.data.tokenizing.spelling import Spelling, spelling_of
from relx.data.tokenizing.token_rows import pieces_of, row_of, tokenize
from relx.data.tokenizing.tokens import text_tokens
from relx.faults import Fault, InputError
from relx.models.stored.tokenizers.roles import with_roles
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, read_tokenizer
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.relation.markers import mark
from relx.tasks.relation.sentence import example_of

E5 = Path(__file__).parents[2] / "shared" / "models" / "e5-small-ko24k"
STYLES = ["entity_marker_punct", "typed_entity_marker", "entity_mask", "klue", "none"]
REMOVED = [*range(1, 9), 0x0B, *range(0x0E, 0x20), 0x7F, 0x9F]  # by XLM-R's normalizer


@functools.cache
def e5():
    if not E5.is_dir():
        pytest.skip("there is no e5-small-ko24k here")
    return read_tokenizer(E5)


def marked(sentence, style="entity_marker_punct"):
    words = ("가람", "PER", None), ("새벽공방", "ORG", None)
    return mark(example_of(sentence, *words), MarkersSection(style=style), "</s>")


@pytest.mark.parametrize("code", REMOVED)
def test_a_character_that_the_normalizer_removes_first_refuses_the_row(code):
    text = marked(f"{chr(code)}그 가람은 새벽공방의 대표이다.")
    with pytest.raises(InputError) as error:
        tokenize([marked("그 가람은 새벽공방의 대표이다."), text], e5(), 64, ["1", "2"])
    (fault,) = error.value.faults
    assert (fault.where, fault.kind) == ("row 2", "words misplaced")
    assert f"U+{code:04X}" in fault.next_step and "'가람'" in fault.received


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("letter", ["\t", "\u200b", "\u00ad", "½", "…", "Ａ", "ﬁ", "🙂", "각"])
def test_other_characters_refuse_nothing(style, letter):
    """What is white space, wide, a ligature or a letter taken apart stays where it is."""
    for sentence in (f"{letter}그 가람은 새벽공방의 {letter}.", f"그 가람은{letter} 새벽공방의"):
        assert len(tokenize([marked(sentence, style)], e5(), 64, ["1"])) == 1


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "byte_bpe"])
@pytest.mark.parametrize("by", [-2, -1, 1, 2])
def test_offsets_that_are_off_are_found_whatever_the_tokenizer(kind, by):
    """As if the tokenizer had counted from another character: only a part of the tokens moves."""
    tokenizer, sentence = tokenizer_of(kind), SENTENCES[0]
    text = MarkedText(sentence, (Span(8, 11),), (8,))
    (tokens,) = text_tokens([pieces_of(text)], tokenizer)
    frame = []
    assert not isinstance(row_of(text, tokens, None, frame, 64, spelling_of(tokenizer)), Fault)
    last = len(sentence)
    moved = {
        name: [min(max(at + by, 0), last) for at in getattr(tokens, name)]
        for name in ("starts", "ends")
    }
    found = row_of(text, replace(tokens, **moved), None, frame, 64, spelling_of(tokenizer))
    assert isinstance(found, Fault) and found.kind == "words misplaced"


def test_what_the_normalizer_writes_in_another_way_is_the_same_word():
    tokenizer = fresh_tokenizer(["abc def ghi"], 60)
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex("-"), "")]
    )
    tokenizer = with_roles(tokenizer.backend_tokenizer)
    spelling = Spelling(tokenizer)
    ids = tokenizer("abc", add_special_tokens=False)["input_ids"]
    for words in ("abc", "ABC", "ＡＢＣ", "a-b-c", " a bc "):
        assert spelling.spells(ids, words), words
    for words in ("ab", "abcd", "acb", "def", ""):
        assert not spelling.spells(ids, words), words


def test_unknown_tokens_may_stand_for_anything_and_the_known_may_not():
    tokenizer = fresh_tokenizer(["가람 나루"], 60)
    spelling, unknown = Spelling(tokenizer), tokenizer.unk_token_id
    garam = tokenizer("가람", add_special_tokens=False)["input_ids"]
    assert spelling.spells([unknown], "漢江")
    assert spelling.spells([*garam, unknown], "가람漢") and spelling.spells(
        [unknown, *garam, unknown], "漢가람江"
    )
    assert not spelling.spells([*garam, unknown], "나루漢")
    assert not spelling.spells([*garam, unknown, *garam], "가람")


def test_nested_words_are_spelt_without_the_markers_in_them():
    tokenizer = tokenizer_of("unigram")
    sentence = SENTENCES[0]
    words = [(sentence[:11], "PER", None), (sentence[8:11], "ORG", 8)]
    for style in STYLES:
        text = mark(example_of(sentence, *words), MarkersSection(style=style), "</s>")
        assert len(tokenize([text], tokenizer, 128, ["1"])) == 1


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "byte_bpe"])
def test_words_that_no_marker_cuts_may_share_their_tokens(kind):
    """As with style none: a token may reach over the border of an entity."""
    sentence = SENTENCES[0]
    places = [(i, j) for i in range(len(sentence)) for j in range(i + 1, i + 4)]
    texts = [
        MarkedText(sentence, (Span(i, min(j, len(sentence))),), (i,))
        for i, j in places
        if sentence[i:j].strip()
    ]
    assert len(tokenize(texts, tokenizer_of(kind), 128, map(str, range(999)))) == len(texts)


def test_validate_names_the_row(tmp_path):
    e5()
    from relx.recipe_file import recipe_from_tree
    from relx.validate import validate

    path = tmp_path / "train.csv"
    sentence = "\x1f그 가람은 새벽공방의 대표이다."
    cells = [{"word": w, "start_idx": sentence.index(w), "type": "PER"} for w in ("가람", "새벽")]
    cells = [cell | {"end_idx": cell["start_idx"] + len(cell["word"]) - 1} for cell in cells]
    path.write_text(
        "id,sentence,subject_entity,object_entity,label\n"
        f'7,{sentence},"{cells[0]}","{cells[1]}",no_relation\n',
        encoding="utf-8",
    )
    tree = {"name": "t", "encoder": {"from": str(E5)}, "data": {"train": str(path)}}
    (fault,) = validate(recipe_from_tree(tree)).faults
    assert fault.kind == "words misplaced" and fault.where.endswith("train.csv:2 (id 7)")
