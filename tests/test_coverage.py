"""Texts that a tokenizer does not know: counted, said, warned of, refused, and the cause named."""

import json
from unicodedata import normalize

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from relx.data.tokenizing.coverage import Coverage, coverage_of, percent, require_covered
from relx.data.tokenizing.tokens import Pieces, text_tokens
from relx.data.tokenizing.uncovered import is_decomposed
from relx.dataset import prompt_rows_of, token_rows
from relx.faults import InputError
from relx.models.stored.tokenizers.roles import with_roles
from relx.models.stored.tokenizers.rows import spare_rows
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, read_tokenizer
from relx.recipe import DataSection, DecideSection, MarkersSection
from relx.spans import Span
from relx.tasks.relation.sentence import example_of
from relx.tasks.relation.task import RelationTask
from tapt.corpus import CorpusText, corpus_coverage, tokenize_corpus

SENTENCES = [f"가람은 {n}년에 나루시에서 태어나 바다대학교를 졸업했다." for n in range(40)]
ENGLISH = [f"Garam was born in Naru in the year {n}, and went to sea." for n in range(40)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def ids_of(texts, tokenizer):
    rows = text_tokens(map(Pieces, texts), tokenizer)
    return np.array([id for row in rows for id in row.token_ids], np.int32)


def checked(texts, tokenizer):
    """The fault of texts that are refused."""
    coverage = coverage_of(ids_of(texts, tokenizer), tokenizer)
    with pytest.raises(InputError) as error:
        require_covered(coverage, lambda: texts, tokenizer, "train.csv")
    (fault,) = error.value.faults
    assert fault.kind == "unknown tokens" and fault.where == "train.csv"
    assert coverage.unknown + coverage.padding == coverage.lost
    assert len(str(fault).splitlines()) <= 12
    return fault


def folder_of(tmp_path, pieces, **settings):
    """A folder with a vocab.txt, and a tokenizer_config.json where there are settings."""
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, *pieces]) + "\n", encoding="utf-8")
    if settings:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    return read_tokenizer(tmp_path)


def pieces_of(texts):
    vocabulary = fresh_tokenizer(texts, 300).get_vocab()
    return [p for p in sorted(vocabulary, key=vocabulary.__getitem__) if p not in SPECIAL]


def unigram(texts, normalizer=None):
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    return with_roles(backend)


def test_a_vocabulary_of_the_texts_knows_them():
    tokenizer = fresh_tokenizer(SENTENCES, 300)
    coverage = coverage_of(ids_of(SENTENCES, tokenizer), tokenizer)
    assert coverage.tokens > 200 and coverage.lost == coverage.broken == 0
    assert str(coverage) == f"{coverage.tokens} tokens, 0 % of them unknown"


def test_lower_casing_that_takes_syllables_apart_is_named(tmp_path):
    """KLUE's config.json and vocab.txt alone: BERT's default is to lower-case."""
    fault = checked(SENTENCES, folder_of(tmp_path, pieces_of(SENTENCES)))
    assert "lower-cases" in fault.what and '"do_lower_case": false' in fault.next_step
    # The remedy is one.
    known = folder_of(tmp_path, pieces_of(SENTENCES), do_lower_case=False, strip_accents=False)
    assert coverage_of(ids_of(SENTENCES, known), known).lost == 0


@pytest.mark.parametrize(("sign", "kind"), [("▁", "SentencePiece"), ("Ġ", "byte-level BPE")])
def test_pieces_of_another_kind_read_as_wordpiece_are_named(tmp_path, sign, kind):
    pieces = [p.removeprefix("##") if p[:2] == "##" else sign + p for p in pieces_of(SENTENCES)]
    tokenizer = folder_of(tmp_path, dict.fromkeys(pieces), do_lower_case=False)
    assert kind in checked(SENTENCES, tokenizer).what


def test_decomposed_texts_are_named_for_wordpiece_and_for_sentencepiece(tmp_path):
    apart = [normalize("NFD", text) for text in SENTENCES]
    for tokenizer in (
        folder_of(tmp_path, pieces_of(SENTENCES), do_lower_case=False),
        unigram(SENTENCES),
    ):
        fault = checked(apart, tokenizer)
        assert "NFD" in fault.what and "--set data.normalize=nfc" in fault.next_step


def test_two_causes_together_are_both_named(tmp_path):
    apart = [normalize("NFD", text) for text in SENTENCES]
    fault = checked(apart, folder_of(tmp_path, pieces_of(SENTENCES)))
    assert "data.normalize=nfc" in fault.next_step and "do_lower_case" in fault.next_step


def test_a_lower_cased_vocabulary_of_texts_that_are_not_is_named(tmp_path):
    loud = [text.upper() for text in ENGLISH]
    tokenizer = folder_of(tmp_path, pieces_of([t.lower() for t in ENGLISH]), do_lower_case=False)
    assert '"do_lower_case": true' in checked(loud, tokenizer).next_step


def test_a_normalizer_that_takes_characters_apart_is_named():
    broken = unigram(SENTENCES)
    broken.backend_tokenizer.normalizer = normalizers.NFD()
    assert "normalizer takes characters apart" in checked(SENTENCES, broken).what


def test_a_vocabulary_of_another_language_is_named(tmp_path):
    fault = checked(SENTENCES, folder_of(tmp_path, pieces_of(ENGLISH), do_lower_case=False))
    assert "no piece with 가" in fault.what and "model of this language" in fault.next_step


def test_padding_inside_a_text_is_counted_and_named():
    """As of a model read under another class's ids: pieces have the padding's id."""
    words = {"[UNK]": 0, "가": 1, "나루": 2, "[CLS]": 3, "[SEP]": 4}
    backend = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = with_roles(backend, {"pad_token": "가"})
    texts = ["가 나루 가"] * 30
    coverage = coverage_of(ids_of(texts, tokenizer), tokenizer)
    assert (coverage.tokens, coverage.unknown, coverage.padding) == (90, 0, 60)
    assert "the ids of others" in checked(texts, tokenizer).what


def test_few_unknown_tokens_are_said_more_are_warned_of(tmp_path, capsys):
    tokenizer = folder_of(tmp_path, pieces_of(SENTENCES), do_lower_case=False)
    texts = [*SENTENCES, "가람은 漢 漢 漢 漢 漢 漢 漢 漢 漢."]
    coverage = coverage_of(ids_of(texts, tokenizer), tokenizer)
    require_covered(coverage, lambda: texts, tokenizer, "test.csv")
    said = capsys.readouterr().err
    assert 0.01 < coverage.share < 0.2 and coverage.unknown == 9
    assert said.startswith("test.csv: ") and "warning: test.csv: " in said and "漢" in said
    require_covered(Coverage(1000, 10), lambda: texts, tokenizer)
    assert "warning" not in capsys.readouterr().err


def test_a_single_strange_sentence_is_warned_of_and_not_refused(tmp_path, capsys):
    tokenizer = folder_of(tmp_path, pieces_of(ENGLISH), do_lower_case=False)
    require_covered(
        coverage_of(ids_of(SENTENCES[:1], tokenizer), tokenizer), lambda: SENTENCES[:1], tokenizer
    )
    assert "warning: " in capsys.readouterr().err


def test_bytes_of_characters_are_warned_of(capsys):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(ENGLISH, trainer)
    tokenizer = with_roles(backend)
    for texts, warned in ((ENGLISH, False), (SENTENCES, True)):
        coverage = coverage_of(ids_of(texts, tokenizer), tokenizer)
        require_covered(coverage, lambda texts=texts: texts, tokenizer, "train.csv")
        assert ("bytes of no whole character" in capsys.readouterr().err) == warned


def test_every_reader_of_rows_refuses_them(tmp_path):
    tokenizer = folder_of(tmp_path, pieces_of(SENTENCES))
    markers = MarkersSection(style="entity_marker_punct")
    task = RelationTask(DataSection(), markers, "entity_starts", DecideSection())
    found = [("가람은", "PER", None), ("나루시", "LOC", None)]
    rows = [example_of(sentence, *found) for sentence in SENTENCES]
    prompter = task.prompter("{sentence} {subject} {object}", ["하나"])
    for read in (
        lambda: token_rows(rows, task, tokenizer, 128, "train.csv"),
        lambda: prompt_rows_of(rows, prompter, tokenizer, 128, "train.csv"),
    ):
        with pytest.raises(InputError, match="does not know these texts"):
            read()


def test_sentences_of_tapt_are_counted_without_their_markers(tmp_path):
    tokenizer = folder_of(tmp_path, pieces_of(SENTENCES), do_lower_case=False)
    texts = [CorpusText("漢 가람은", inserted=()), CorpusText("<e>가람은", inserted=(Span(0, 3),))]
    rows = tokenize_corpus(texts, tokenizer, 128, "words")
    coverage = corpus_coverage(rows, tokenizer)
    plain = ids_of(["漢 가람은", "가람은"], tokenizer)
    assert (coverage.tokens, coverage.unknown) == (len(plain), 1)


def test_markers_do_not_dilute_what_is_unknown(tmp_path):
    tokenizer = folder_of(tmp_path, [*pieces_of(SENTENCES), *"@#"], do_lower_case=False)
    markers = MarkersSection(style="entity_marker_punct")
    task = RelationTask(DataSection(), markers, "entity_starts", DecideSection())
    sentence = "가람은 漢에서 나루 漢."
    rows = [example_of(sentence, ("가람은", "PER", None), ("나루", "LOC", None))]
    tokens, unknown, *_ = token_rows(rows, task, tokenizer, 128).counts.tolist()
    plain = ids_of([sentence], tokenizer)
    assert (tokens, unknown) == (len(plain), list(plain).count(tokenizer.unk_token_id))


def test_letters_taken_apart_are_told_from_letters_that_are_replaced():
    assert is_decomposed(normalize("NFD", "가")) and is_decomposed("cafe\u0301")
    assert not is_decomposed("가나 café") and not is_decomposed("\uf914")  # a Hanja for another


def test_a_share_is_none_only_where_nothing_is_unknown():
    shares = [percent(*pair) for pair in ((0, 9), (1, 10**6), (6, 10**4), (87, 100), (0, 0))]
    assert shares == ["0 %", "0.01 %", "0.06 %", "87 %", "0 %"]


def test_a_table_rounded_up_is_no_other_vocabulary_s():
    tokenizer = fresh_tokenizer(SENTENCES, 100)
    rows = len(tokenizer.get_vocab())
    assert spare_rows(rows + 20, tokenizer) is None
    assert "two checkpoints" in spare_rows(2 * rows, tokenizer)
