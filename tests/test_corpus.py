import csv
import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from relx.dataset import read_unlabelled
from relx.faults import InputError
from relx.recipe_file import recipe_from_tree
from relx.spans import Span
from tapt.corpus import CorpusText, corpus_digest, read_corpus, tokenize_corpus
from tapt.pretrain import stage_corpus, stage_inputs

SHARED = Path(__file__).parents[2] / "shared"
FIRST, SECOND, THIRD = (
    "비틀즈는 조지 해리슨이 이끌었다.",
    "서울은 한국의 수도이다.",
    "셋째 문장의 끝",
)


def row(id, sentence, subject, object_, label):
    entities = [
        {
            "word": word,
            "start_idx": sentence.index(word),
            "end_idx": sentence.index(word) + len(word) - 1,
            "type": "PER",
        }
        for word in (subject, object_)
    ]
    return [id, sentence, str(entities[0]), str(entities[1]), label, "sample"]


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        names = ["id", "sentence", "subject_entity", "object_entity", "label", "source"]
        csv.writer(stream).writerows([names, *rows])


@pytest.fixture
def recipe(tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    rows = [
        row(0, FIRST, "비틀즈", "조지 해리슨", "org:members"),
        row(1, SECOND, "서울", "한국", "no_relation"),
        row(2, FIRST, "비틀즈", "해리슨", "no_relation"),
    ]
    write(train, rows)
    write(test, [row(0, THIRD, "셋째", "문장", "100"), row(1, SECOND, "한국", "수도", "100")])

    def build(**tapt):
        data = {"train": str(train), "test": str(test)}
        tree = {"name": "a", "encoder": {"from": "x"}, "data": data, "tapt": tapt}
        return recipe_from_tree(tree | {"markers": {"style": "klue", "query": "{object}?"}})

    return build


@functools.cache
def tokenizer_of(kind):
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    sentences = [FIRST, SECOND, THIRD] * 3
    if kind == "wordpiece":
        backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=60, special_tokens=specials, show_progress=False
        )
    elif kind == "unigram":
        backend = Tokenizer(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=80, special_tokens=specials, unk_token="<unk>", show_progress=False
        )
    else:
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    backend.train_from_iterator(sentences, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


KINDS = ["wordpiece", "unigram", "byte_bpe"]


def test_each_sentence_stands_once_in_order_with_the_entities_of_all_its_rows(recipe):
    texts = read_corpus(recipe())
    assert [text.text for text in texts] == [FIRST, SECOND, THIRD]
    assert [[span.of(t.text) for span in t.entities] for t in texts] == [
        ["비틀즈", "조지 해리슨"],  # 해리슨 lies in it
        ["서울", "한국", "수도"],
        ["셋째", "문장"],
    ]
    assert all(text.inserted == () for text in texts)


def test_labels_are_never_read(recipe, tmp_path):
    before = read_corpus(recipe())
    for name in ("train.csv", "test.csv"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        changed = re.sub(
            r"no_relation|org:members|,100,", lambda m: m[0][0] + "?ß" + m[0][-1], text
        )
        assert changed != text
        (tmp_path / name).write_text(changed, encoding="utf-8")
    assert read_corpus(recipe()) == before
    assert corpus_digest(read_corpus(recipe())) == corpus_digest(before)


def test_texts_of_ones_own_follow_the_sentences(recipe, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    (more / "A.TXT").write_text(f"첫 줄\n\n  {SECOND}  \n둘째 줄\r\n", encoding="utf-8")
    (more / "b.jsonl").write_text('{"text": "셋째"}\n{"text": null}\n{"text": "첫 줄"}\n')
    (more / "notes.md").write_text("of no interest")
    pd.DataFrame({"n": [1], "sentence": ["넷째"]}).to_parquet(tmp_path / "c.parquet")
    (tmp_path / "d.csv").write_text("whatever\n다섯째\n", encoding="cp949")
    paths = [str(more), str(tmp_path / "c.parquet"), str(tmp_path / "d.csv")]
    texts = ["첫 줄", "둘째 줄", "셋째", "넷째", "다섯째"]
    found = read_corpus(recipe(texts=paths))
    assert [text.text for text in found] == [FIRST, SECOND, THIRD, *texts]
    assert found[1].entities and not found[3].entities
    marked = read_corpus(recipe(texts=paths, markers=True))
    assert [text.text for text in marked][-6:] == [texts[0], SECOND, *texts[1:]]
    alone = read_corpus(recipe(texts=paths, own_sentences=False))
    assert [text.text for text in alone] == [texts[0], SECOND, *texts[1:]]


def test_a_run_is_of_its_texts_and_not_of_where_they_lie(recipe, tmp_path):
    for name, text in (("a.txt", "첫 줄\n"), ("b.txt", "첫 줄\n"), ("c.txt", "다른 줄\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    inputs = []
    for name in ("a.txt", "b.txt", "c.txt", None):
        own = recipe(texts=[str(tmp_path / name)] if name else None)
        inputs.append(stage_inputs(own, stage_corpus(own, read_unlabelled(own, dev=False))))
    assert inputs[0] == inputs[1] and inputs[0] != inputs[2] and inputs[0] != inputs[3]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.txt", b" \n\n", "the file is empty"),
        ("a.csv", b"x,y\n1,2\n", "no column of texts"),
        ("a.csv", b"text,y\n,2\n", "has no texts"),
        ("a.jsonl", b'{"text": 3}\n', "this is no text"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "half a character"),
        ("a.csv", b'text\n"a\n', "cannot be cut"),
        ("corpus", b"first\nsecond\n", "is not known"),
        ("a.md", b"first; x\nsecond; y\n", "is not known"),
        ("nowhere.txt", None, "there is no such file"),
        ("folder", None, "holds no texts"),
    ],
)
def test_texts_that_cannot_be_read_are_a_fault(recipe, tmp_path, name, content, what):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=what):
        read_corpus(recipe(texts=[str(tmp_path / name)]))


def test_texts_alone_need_no_file_of_the_task(recipe, tmp_path):
    (tmp_path / "a.txt").write_text("첫 줄\n", encoding="utf-8")
    tree = recipe(texts=[str(tmp_path / "a.txt")], own_sentences=False).tree()
    tree["data"] |= {"train": str(tmp_path / "nowhere.csv"), "test": None}
    assert [text.text for text in read_corpus(recipe_from_tree(tree))] == ["첫 줄"]
    with pytest.raises(InputError, match="markers are those of own_sentences"):
        recipe(texts=["a.txt"], own_sentences=False, markers=True)


def test_something_has_to_be_read(recipe):
    with pytest.raises(InputError, match=r"tapt\.texts has to name"):
        recipe(own_sentences=False)


def test_a_test_file_is_optional(recipe):
    tree = recipe().tree()
    tree["data"]["test"] = None
    assert [text.text for text in read_corpus(recipe_from_tree(tree))] == [FIRST, SECOND]


def test_the_faults_of_both_files_come_at_once(recipe, tmp_path):
    for name in ("train.csv", "test.csv"):
        path = tmp_path / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("'start_idx': 0", "'start_idx': 1"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_corpus(recipe())
    assert "train.csv" in str(caught.value)
    assert "test.csv" in str(caught.value)


def test_with_markers_each_pair_is_a_text_and_there_is_no_query(recipe):
    texts = read_corpus(recipe(markers=True))
    assert [text.text for text in texts] == [
        "<subj>비틀즈</subj>는 <obj>조지 해리슨</obj>이 이끌었다.",
        "<subj>서울</subj>은 <obj>한국</obj>의 수도이다.",
        "<subj>비틀즈</subj>는 조지 <obj>해리슨</obj>이 이끌었다.",
        "<subj>셋째</subj> <obj>문장</obj>의 끝",
        "서울은 <subj>한국</subj>의 <obj>수도</obj>이다.",
    ]
    for text in texts:
        assert [piece.of(text.text) for piece in text.inserted] == [
            "<subj>",
            "</subj>",
            "<obj>",
            "</obj>",
        ]


def test_the_digest_knows_texts_entities_markers_and_order():
    texts = [
        CorpusText("가나"),
        CorpusText("가나", entities=(Span(0, 1),)),
        CorpusText("가나", inserted=(Span(0, 1),)),
        CorpusText("나가"),
    ]
    digests = {corpus_digest([text]) for text in texts}
    digests |= {corpus_digest(texts[:2]), corpus_digest(texts[1::-1])}
    assert len(digests) == 6


def units_of(kind, text, mask_unit, max_length=128):
    return tokenize_corpus([text], tokenizer_of(kind), max_length, mask_unit)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_have_no_unit_and_single_tokens_one_each(kind):
    found = units_of(kind, CorpusText(FIRST), "tokens")
    expected = tokenizer_of(kind)(FIRST)["input_ids"]
    assert found.token_ids.tolist() == expected
    assert found.units.tolist() == [-1, *range(len(expected) - 2), -1]
    assert found.token_ids.dtype == found.units.dtype == np.int32


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_is_one_unit_for_any_tokenizer(kind):
    tokenizer = tokenizer_of(kind)
    found = units_of(kind, CorpusText(FIRST), "words")
    offsets = tokenizer(FIRST, return_offsets_mapping=True)["offset_mapping"][1:-1]
    words = [match.span() for match in re.finditer(r"\w+|[^\w\s]", FIRST)]
    for (start, end), unit in zip(offsets, found.units[1:-1], strict=True):
        first = end - len(FIRST[start:end].lstrip())  # behind the space of a word's beginning
        assert [n for n, word in enumerate(words) if word[0] <= first < word[1]] == [unit]
    assert set(found.units) == {-1, *range(len(words))}
    assert len(found.token_ids) - 2 > len(words)  # the words do have several tokens


@pytest.mark.parametrize("kind", KINDS)
def test_an_entity_is_one_unit_across_its_words(kind):
    text = CorpusText(FIRST, entities=(Span(0, 3), Span(5, 11)))
    found = units_of(kind, text, "entities")
    by_word = units_of(kind, text, "words")
    tokenizer = tokenizer_of(kind)
    offsets = tokenizer(FIRST, return_offsets_mapping=True)["offset_mapping"]
    offsets = [(end - len(FIRST[start:end].lstrip()), end) for start, end in offsets]
    inside = [i for i, (start, end) in enumerate(offsets) if 5 <= start < 11 and end]
    assert len({int(found.units[i]) for i in inside}) == 1
    assert len({int(by_word.units[i]) for i in inside}) == 2
    assert (found.units == found.units[inside[0]]).sum() == len(inside)
    assert found.token_ids.tolist() == by_word.token_ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask_unit", ["tokens", "words", "entities"])
def test_markers_have_no_unit(recipe, kind, mask_unit):
    tokenizer = tokenizer_of(kind)
    text = read_corpus(recipe(markers=True))[0]
    found = tokenize_corpus([text], tokenizer, 128, mask_unit)[0]
    without = "비틀즈는 조지 해리슨이 이끌었다."
    eligible = found.token_ids[found.units >= 0].tolist()
    own = tokenizer.decode(eligible).replace(" ", "").replace("##", "").replace("▁", "")
    if kind != "byte_bpe":  # its decoder gives bytes, and their number is checked below
        assert own == without.replace(" ", "")
    shortest = len(tokenizer(without, add_special_tokens=False)["input_ids"])
    assert shortest <= len(eligible) < len(found.token_ids) - 2


def test_combining_marks_belong_to_the_word():
    text = CorpusText("\u1112\u1161\u11ab e\u0301a हिन्दी!")
    found = units_of("byte_bpe", text, "words")
    assert found.units.max() == 3


@settings(deadline=None)
@given(st.data())
def test_a_long_text_becomes_rows_and_no_token_is_lost(data):
    kind = data.draw(st.sampled_from(KINDS))
    text = " ".join(data.draw(st.lists(st.sampled_from([FIRST, SECOND, THIRD]), max_size=6)))
    max_length = data.draw(st.integers(8, 80))
    mask_unit = data.draw(st.sampled_from(["tokens", "words", "entities"]))
    corpus = CorpusText(text, entities=(Span(0, 3),) if text else ())
    rows = tokenize_corpus([corpus], tokenizer_of(kind), max_length, mask_unit)
    expected = tokenizer_of(kind)(text, add_special_tokens=False)["input_ids"]
    assert [id for r in rows for id in r.token_ids[1:-1].tolist()] == expected
    for r in rows:
        assert len(r.token_ids) == len(r.units) <= max_length
        assert (r.token_ids[0], r.token_ids[-1]) == (0, 2)
        numbers = r.units[1:-1]
        assert set(numbers.tolist()) == set(range(numbers.max(initial=-1) + 1))
        assert r.units[0] == r.units[-1] == -1
    lengths = [len(r.token_ids) for r in rows]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")
def test_real_sentences_with_a_real_vocabulary():
    data = {"train": str(SHARED / "data/annotation/language/train.csv")}
    tree = {"name": "a", "encoder": {"from": "x"}, "data": data | {"labels": "from-train"}}
    texts = read_corpus(recipe_from_tree(tree))
    assert len({text.text for text in texts}) == len(texts) > 100
    for name in ("models/e5-small-ko24k", "shapes/klue-roberta-base"):
        tokenizer = AutoTokenizer.from_pretrained(SHARED / name)
        rows = tokenize_corpus(texts[:200], tokenizer, 512, "words")
        for text, found in zip(texts, rows, strict=False):
            expected = tokenizer(text.text, split_special_tokens=True)["input_ids"]
            assert found.token_ids.tolist() == expected
            assert (found.units[1:-1] >= 0).all()
