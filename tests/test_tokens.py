import functools
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from relx.data.tokenizing import token_rows, tokens
from relx.data.tokenizing.special_tokens import special_around
from relx.data.tokenizing.token_rows import TokenRow, TokenRows, tokenize
from relx.data.tokenizing.tokens import Pieces, text_tokens
from relx.faults import InputError
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import mark, marker_tokens
from relx.tasks.relation.rows import Example

SHARED = Path(__file__).parents[2] / "shared"
SENTENCES = [
    "비틀즈는 조지 해리슨이 쓴 노래를 1969년 앨범에 담았다.",
    "조지 해리슨은 영국의 음악가이자 비틀즈의 기타리스트이다.",
    "서울대학교는 서울특별시 관악구에 있는 대학교이다.",
    "손흥민이 뛰는 토트넘 홋스퍼(Tottenham Hotspur)가 첼시를 이겼다.",
    "김철수, 박영희는 '삼성전자'에서 일한다고 말했다.",
]
PUNCT, TYPED, NONE = "typed_entity_marker_punct", "typed_entity_marker", "none"
KINDS = ["wordpiece", "unigram", "byte_bpe", "byte_bpe_untrimmed"]


def wrapped(backend, cls, sep, **names):
    names = {
        "cls_token": cls,
        "sep_token": sep,
        "pad_token": "[PAD]",
        "mask_token": "[MASK]",
    } | names
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def wordpiece(vocab):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ids = {token: i for i, token in enumerate(dict.fromkeys([*specials, *vocab]))}
    backend = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return wrapped(backend, "[CLS]", "[SEP]", unk_token="[UNK]")


@functools.cache
def tokenizer_of(kind):
    """A small tokenizer of each kind, trained on the sentences above."""
    if kind == "wordpiece":
        words = {word for s in SENTENCES for word in s.replace(".", "").split()}
        heads = {word[:2] for word in words} | {word[:1] for word in words}
        letters = sorted({c for s in SENTENCES for c in s if c != " "})
        return wordpiece([*letters, *(f"##{c}" for c in letters), *sorted(heads), "##는", "##이다"])
    specials = ["<s>", "[PAD]", "</s>", "<unk>", "[MASK]"]
    if kind == "unigram":
        backend = Tokenizer(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=200, special_tokens=specials, unk_token="<unk>", show_progress=False
        )
    else:
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=330,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    backend.train_from_iterator(SENTENCES * 3, trainer)
    trim = kind != "byte_bpe_untrimmed"
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim, add_prefix_space=False
    )
    return wrapped(backend, "<s>", "</s>", unk_token="<unk>")


def with_markers(tokenizer, tokens):
    copy = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
        **{name: str(token) for name, token in tokenizer.special_tokens_map.items()},
    )
    copy.add_special_tokens({"additional_special_tokens": list(tokens)})
    return copy


def example(sentence, subject, object_, id="7"):
    subject, object_ = Span(*subject), Span(*object_)
    return Example(
        id,
        sentence,
        Entity(subject.of(sentence), subject, "PER"),
        Entity(object_.of(sentence), object_, "ORG"),
        None,
    )


def find(sentence, subject, object_):
    spans = [
        (sentence.index(word), sentence.index(word) + len(word)) for word in (subject, object_)
    ]
    return example(sentence, *spans)


def row_of(row, tokenizer, max_length=512, style=PUNCT, **markers):
    marked = mark(row, MarkersSection(style=style, **markers), tokenizer.sep_token)
    return tokenize([marked], tokenizer, max_length, [row.id])[0]


def names(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens([int(id) for id in ids])


def letters(tokenizer, ids):
    """The text of tokens without spaces and the signs of word beginnings."""
    if tokenizer.cls_token == "[CLS]":
        return "".join(names(tokenizer, ids)).replace("##", "")
    return tokenizer.decode(ids).replace("▁", "").replace(" ", "")


def plain_ids(tokenizer, sentence):
    return tokenizer(sentence, add_special_tokens=False)["input_ids"]


KLUE_LIKE = [
    find(SENTENCES[0], "조지 해리슨", "비틀즈"),
    find(SENTENCES[1], "조지 해리슨", "영국"),
    find(SENTENCES[2], "서울대학교", "서울특별시"),
    find(SENTENCES[3], "손흥민", "토트넘 홋스퍼"),
    find(SENTENCES[3], "Tottenham Hotspur", "첼시"),
    find(SENTENCES[4], "박영희", "삼성전자"),
    find(SENTENCES[4], "김철수", "전자"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", [PUNCT, TYPED, "klue", "typed_entity_marker_korean"])
def test_without_the_markers_the_tokens_are_the_plain_sentences(kind, style):
    tokenizer = tokenizer_of(kind)
    tokens = marker_tokens(MarkersSection(style=style), ["PER", "ORG"])
    tokenizer = with_markers(tokenizer, tokens) if tokens else tokenizer
    kept = 0
    for row in KLUE_LIKE:
        marked = mark(row, MarkersSection(style=style), "")
        pieces = Pieces(marked.text, marked.inserted, marked.spans)
        text = next(text_tokens([pieces], tokenizer))
        own = [id for id, added in zip(text.token_ids, text.inserted, strict=True) if not added]
        encoding = tokenizer(row.sentence, add_special_tokens=False, return_offsets_mapping=True)
        offsets = [
            (end - len(row.sentence[start:end].lstrip()), end)
            for start, end in encoding["offset_mapping"]
        ]
        cuts = [*row.subject.span, *row.object.span]
        if not any(start < cut < end for start, end in offsets for cut in cuts):
            kept += 1
            assert own == encoding["input_ids"]
        assert letters(tokenizer, own) == row.sentence.replace(" ", "")
    assert kept >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_spans_hold_the_words_and_the_start_is_the_marker(kind):
    tokenizer = tokenizer_of(kind)
    at = "@" if kind == "wordpiece" else None
    for row, style in itertools.product(KLUE_LIKE, [PUNCT, NONE, "entity_marker_punct"]):
        found = row_of(row, tokenizer, style=style)
        for entity, span, start in (
            (row.subject, found.spans[0], found.starts[0]),
            (row.object, found.spans[1], found.starts[1]),
        ):
            ids = found.token_ids[span.start : span.end]
            text = letters(tokenizer, ids)
            if style == NONE:  # no cuts: a token may reach over the entity's borders
                assert entity.word.replace(" ", "") in text
                assert start == span.start
            else:
                assert text == entity.word.replace(" ", "")
                assert start < span.start
                assert not at or names(tokenizer, found.token_ids)[start] in ("[UNK]", "@", "#")


def test_a_cut_word_goes_on_as_a_continuation_in_wordpiece():
    vocab = [
        "비틀즈가",
        "비",
        "##틀",
        "##즈",
        "가",
        "##가",
        "@",
        "#",
        "온다",
        "##온다",
        "너",
        "##비",
    ]
    tokenizer = wordpiece(vocab)
    assert names(tokenizer, plain_ids(tokenizer, "비틀즈가 온다")) == ["비틀즈가", "온다"]
    row = row_of(example("비틀즈가 온다", (0, 3), (5, 7)), tokenizer, style="entity_marker_punct")
    expected = "[CLS] @ 비 ##틀 ##즈 @ ##가 # 온다 # [SEP]"
    assert " ".join(names(tokenizer, row.token_ids)) == expected
    row = row_of(example("너비틀즈가", (1, 4), (0, 1)), tokenizer, style="entity_marker_punct")
    expected = "[CLS] # 너 # @ ##비 ##틀 ##즈 @ ##가 [SEP]"
    assert " ".join(names(tokenizer, row.token_ids)) == expected


def test_an_unknown_word_is_cut_like_any_other():
    tokenizer = wordpiece(["가", "##가", "@", "#", "온다"])
    row = row_of(example("뷁가 온다", (0, 1), (3, 5)), tokenizer, style="entity_marker_punct")
    assert " ".join(names(tokenizer, row.token_ids)) == "[CLS] @ [UNK] @ ##가 # 온다 # [SEP]"
    assert row.spans[0] == Span(2, 3)


@pytest.mark.parametrize("kind", ["unigram", "byte_bpe", "byte_bpe_untrimmed"])
def test_a_cut_word_goes_on_without_a_space_before_it(kind):
    tokens = marker_tokens(MarkersSection(style="klue"), [])
    tokenizer = with_markers(tokenizer_of(kind), tokens)
    sign = "▁" if kind == "unigram" else "Ġ"
    for sentence, word in ((SENTENCES[3], "첼"), (SENTENCES[4], "영"), (SENTENCES[2], "관악")):
        row = find(sentence, word, sentence[-2:-1])
        found = row_of(row, tokenizer, style="klue")
        shown = names(tokenizer, found.token_ids)
        assert shown[found.spans[0].end] == "</subj>"
        assert not shown[found.spans[0].end + 1].startswith(sign)
        starts_a_word = sentence[row.subject.span.start - 1] == " "
        assert shown[found.starts[0] + 1].startswith(sign) == starts_a_word


@pytest.mark.parametrize("kind", KINDS)
def test_a_particle_after_a_mask_continues_a_word(kind):
    row = find(SENTENCES[0], "조지 해리슨", "비틀즈")  # the masks are followed by 이 and 는
    tokens = marker_tokens(MarkersSection(style="entity_mask"), ["PER", "ORG"])
    tokenizer = with_markers(tokenizer_of(kind), tokens)
    found = row_of(row, tokenizer, style="entity_mask")
    shown = names(tokenizer, found.token_ids)
    assert shown[found.starts[0]] == "[SUBJ-PER]"
    assert shown[found.starts[1]] == "[OBJ-ORG]"
    assert (found.spans[1], found.starts[1]) == (Span(1, 2), 1)
    plain = names(tokenizer, plain_ids(tokenizer, "는 이"))
    for start, particle in ((found.starts[0], plain[-1]), (found.starts[1], plain[0])):
        assert shown[start + 1].lstrip("#") in (particle.lstrip("▁Ġ"), "이", "는")
        assert shown[start + 1].startswith("##") == (kind == "wordpiece")
        assert not shown[start + 1].startswith(("▁", "Ġ"))


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_looks_like_a_special_token_stays_text(kind):
    tokenizer = tokenizer_of(kind)
    sentence = "[SEP]김철수는 </s> [MASK]와 <s>에서 [PAD]를 <unk> 썼다</s>"
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for style in (NONE, PUNCT):
        found = row_of(find(sentence, "[MASK]", "</s>"), tokenizer, style=style)
        count = sum(int(id) in special for id in found.token_ids)
        before, after = special_around(tokenizer)
        pair = {"wordpiece": 4}.get(kind, 5) if style == NONE else len(before) + len(after)
        assert count == pair


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["first", "second"])
def test_special_tokens_stand_where_the_tokenizer_puts_them(kind, place):
    tokenizer = tokenizer_of(kind)
    row = find("비틀즈는 영국의 것", "비틀즈", "영국")  # no token goes over a border
    found = row_of(row, tokenizer, style=PUNCT, query="{subject}?", query_place=place)
    alone = row_of(row, tokenizer, style=PUNCT)
    segments = ["비틀즈?", row.sentence]
    if place == "second":
        segments.reverse()
    expected = tokenizer(*segments, return_token_type_ids=True)
    before, after = special_around(tokenizer)
    marked = alone.token_ids[len(before) : len(alone.token_ids) - len(after)].tolist()
    plain = plain_ids(tokenizer, row.sentence)
    ids, types = expected["input_ids"], expected["token_type_ids"]
    at = len(before) if place == "second" else len(ids) - len(after) - len(plain)
    assert found.token_ids.tolist() == ids[:at] + marked + ids[at + len(plain) :]
    added = [types[at]] * (len(marked) - len(plain))
    assert found.segment_ids.tolist() == types[:at] + added + types[at:]
    assert found.token_ids.dtype == found.segment_ids.dtype == np.int32
    moved = found.spans[0].start - alone.spans[0].start
    assert found.spans[1] == alone.spans[1].moved(moved)
    assert found.starts[1] == alone.starts[1] + moved


def test_a_pair_in_roberta_form_has_two_separators_between():
    tokenizer = tokenizer_of("byte_bpe")
    row = row_of(find(SENTENCES[0], "조지 해리슨", "비틀즈"), tokenizer, query="{object}?")
    query = plain_ids(tokenizer, "비틀즈?")
    ids = row.token_ids.tolist()
    assert ids[: len(query) + 3] == [0, *query, 2, 2]
    assert ids[-1] == 2
    assert not row.segment_ids.any()


def test_style_none_has_a_real_separator_between_the_entities():
    tokenizer = tokenizer_of("wordpiece")
    row = row_of(find("[SEP] 는 비틀즈", "[SEP]", "비틀즈"), tokenizer, style=NONE)
    shown = names(tokenizer, row.token_ids)
    assert shown.count("[SEP]") == 3
    assert shown[0] == "[CLS]"
    second = row.segment_ids.tolist().index(1)
    assert shown[second - 1] == "[SEP]"
    assert row.spans[0].start >= second


LONG = " ".join(["조지 해리슨은 영국의 음악가이자 비틀즈의 기타리스트이다."] * 6)


@settings(deadline=None)  # the first example of each kind trains a tokenizer
@given(st.data())
def test_a_window_keeps_both_entities_and_fills_the_row(data):
    kind = data.draw(st.sampled_from(KINDS))
    style = data.draw(st.sampled_from([PUNCT, NONE, "klue"]))
    query = None if style == NONE else data.draw(st.sampled_from([None, "{subject}와 {object}"]))
    spans = []
    for _ in range(2):
        start = data.draw(st.integers(0, len(LONG) - 5).filter(lambda i: LONG[i] != " "))
        end = data.draw(st.integers(start + 1, start + 5))
        spans.append((start, end if LONG[end - 1] != " " else end - 1))
    row, tokenizer = example(LONG, *spans), tokenizer_of(kind)
    whole = row_of(row, tokenizer, 1000, style=style, query=query)
    max_length = data.draw(st.integers(16, len(whole.token_ids) + 3))
    try:
        cut = row_of(row, tokenizer, max_length, style=style, query=query)
    except InputError as error:
        needed = int(error.faults[0].received.split()[0])
        assert needed > max_length
        fits = row_of(row, tokenizer, needed, style=style, query=query)
        assert len(fits.token_ids) == needed
        return
    assert len(cut.token_ids) == min(max_length, len(whole.token_ids))
    for part in (0, 1):
        before, after = whole.spans[part], cut.spans[part]
        first, moved = whole.starts[part], cut.starts[part]
        assert first - before.start == moved - after.start
        closing = int(style != NONE and after.end < len(cut.token_ids) - 1)
        np.testing.assert_array_equal(
            whole.token_ids[first : before.end + closing],
            cut.token_ids[moved : after.end + closing],
        )
    if len(whole.token_ids) <= max_length:
        np.testing.assert_array_equal(whole.token_ids, cut.token_ids)
        np.testing.assert_array_equal(whole.segment_ids, cut.segment_ids)


def test_a_window_takes_as_much_from_the_left_as_from_the_right():
    tokenizer = wordpiece(["가", "나", "다", "라"])
    sentence = " ".join(["가"] * 20 + ["나", "다"] + ["라"] * 20)
    at = sentence.index("나")
    row = row_of(
        example(sentence, (at, at + 1), (at + 2, at + 3)),
        tokenizer,
        16,
        style="entity_marker_punct",
    )
    tokens = names(tokenizer, row.token_ids)
    assert len(tokens) == 16
    assert abs(tokens.count("가") - tokens.count("라")) <= 1
    near_start = example(sentence, (0, 1), (2, 3))
    tokens = names(
        tokenizer, row_of(near_start, tokenizer, 40, style="entity_marker_punct").token_ids
    )
    assert len(tokens) == 40
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")


def test_entities_too_far_apart_are_an_error_that_names_every_row():
    tokenizer = tokenizer_of("wordpiece")
    rows = [example(LONG, (0, 2), (len(LONG) - 4, len(LONG) - 1), id) for id in ("12", "x7")]
    rows[1] = example(f"{LONG} 끝", rows[1].subject.span, rows[1].object.span, "x7")
    marked = [mark(row, MarkersSection(style="klue"), "[SEP]") for row in rows]
    with pytest.raises(InputError) as caught:
        tokenize(marked, tokenizer, 32, ["12", "x7"])
    assert [fault.where for fault in caught.value.faults] == ["row 12", "row x7"]
    assert "32 tokens (tokens.max_length)" in str(caught.value)


def test_an_entity_of_which_no_token_is_left_is_an_error():
    tokenizer = wordpiece(["가", "나"])
    with pytest.raises(InputError, match="row 7: the tokenizer leaves nothing of the marked words"):
        row_of(example("가 \u200b 나", (0, 1), (2, 3)), tokenizer, style="klue")
    kept = row_of(example("가 \u200b나", (0, 1), (2, 4)), tokenizer, style="entity_marker_punct")
    assert names(tokenizer, kept.token_ids[kept.spans[1].start : kept.spans[1].end]) == ["나"]


@pytest.mark.parametrize("kind", KINDS)
def test_emoji_and_decomposed_letters_have_tokens(kind):
    tokenizer = tokenizer_of(kind)
    for sentence, subject in (("비틀즈😀가 온다", (3, 4)), ("비틀즈\u1112\u1161\u11ab가", (3, 6))):
        row = row_of(example(sentence, subject, (0, 3)), tokenizer)
        assert row.spans[0].end > row.spans[0].start > row.starts[0]


def test_nested_entities_have_their_own_starts():
    tokenizer = with_markers(tokenizer_of("wordpiece"), ["<subj>", "</subj>", "<obj>", "</obj>"])
    row = row_of(example("서울대학교에 있는", (0, 5), (0, 2)), tokenizer, style="klue")
    tokens = names(tokenizer, row.token_ids)
    assert (row.starts[0], row.starts[1]) == (1, 2)
    assert tokens[row.spans[1].end] == "</obj>"
    assert tokens[row.spans[0].end] == "</subj>"
    assert row.spans[0].start == row.starts[1]


def test_many_rows_are_the_single_ones_in_order(monkeypatch):
    for module in (token_rows, tokens):  # more chunks than one
        monkeypatch.setattr(module, "CHUNK", 3)
    tokenizer = tokenizer_of("wordpiece")
    examples = [*KLUE_LIKE, KLUE_LIKE[0]]
    marked = [mark(row, MarkersSection(), "") for row in examples]
    rows = tokenize(marked, tokenizer, 128, map(str, range(len(marked))))
    assert len(rows) == len(examples)
    assert rows.lengths.tolist() == [len(row.token_ids) for row in rows]
    for found, example_ in zip(rows, examples, strict=True):
        assert_equal_rows(found, row_of(example_, tokenizer))
    for found, again in zip(TokenRows.of(list(rows)), rows, strict=True):
        assert_equal_rows(found, again)
    assert TokenRows.of(rows) is rows
    assert rows.token_ids.dtype == np.uint16
    assert len(tokenize([], tokenizer, 128, [])) == len(list(TokenRows.of([]))) == 0


def assert_equal_rows(one, other):
    np.testing.assert_array_equal(one.token_ids, other.token_ids)
    np.testing.assert_array_equal(one.segment_ids, other.segment_ids)
    assert (one.spans, one.starts) == (other.spans, other.starts)


def test_a_large_vocabulary_has_larger_ids():
    ids = np.array([7, 250_001, 2], np.int32)
    rows = TokenRows.of([TokenRow(ids, ids * 0, (Span(1, 2), Span(2, 3)), (1, 2))])
    assert rows.token_ids.dtype == np.int32
    assert rows[0].token_ids.tolist() == ids.tolist()


def test_the_tokenizer_is_left_as_it_was():
    tokenizer = with_markers(tokenizer_of("wordpiece"), [])
    backend = tokenizer.backend_tokenizer
    backend.enable_padding(length=24)
    backend.enable_truncation(8)
    row_of(KLUE_LIKE[0], tokenizer)
    assert backend.padding["length"] == 24
    assert backend.truncation["max_length"] == 8
    assert backend.encode_special_tokens is False


SHARED_TOKENIZERS = ["shapes/klue-bert-base", "shapes/klue-roberta-base", "models/e5-small-ko24k"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")
@pytest.mark.parametrize("name", SHARED_TOKENIZERS)
def test_real_vocabularies(name):
    tokenizer = AutoTokenizer.from_pretrained(SHARED / name)
    found = row_of(KLUE_LIKE[0], tokenizer, query="{subject}?")
    shown = names(tokenizer, found.token_ids)
    text = tokenizer.decode(found.token_ids[found.spans[0].start : found.spans[0].end])
    assert text.replace(" ", "") == "조지해리슨"
    assert shown[found.starts[0]].strip("▁") == "@"
    assert shown[found.spans[0].end + 1] == ("이" if "e5" in name else "##이")
    assert shown.count(tokenizer.sep_token) == (3 if "e5" in name else 2)
    sentence = "</s> 김철수는 <mask>와 [SEP]에서 [MASK]를 썼다</s>"
    found = row_of(find(sentence, "김철수", "[SEP]"), tokenizer)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert [i for i, id in enumerate(found.token_ids) if int(id) in special] == [
        0,
        len(found.token_ids) - 1,
    ]
