import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram

from relx.faults import InputError
from relx.models.stored.tokenizers.tokenizer import (
    add_marker_tokens,
    fresh_tokenizer,
    load_tokenizer,
    read_tokenizer,
    require_mask_token,
    tokenizer_digest,
    vocabulary_rows,
    write_tokenizer,
)
from relx.recipe import FreshSizes, FreshSource

SHARED = Path(__file__).parents[1] / ".." / "shared"
ROBERTA_SMALL = SHARED / "shapes" / "klue-roberta-small"
E5 = SHARED / "models" / "e5-small-ko24k"
needs_shapes = pytest.mark.skipif(not ROBERTA_SMALL.is_dir(), reason="../shared is absent")

PIECES = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
PIECES += ["강감찬", "##은", "##이", "고려", "##의", "장군", "##이다", ".", "Caf", "##é", "은", "#"]
SENTENCES = ["강감찬은 고려의 장군이다.", "세종은 조선의 왕이었다.", "한강은 서울을 지난다."] * 3


@pytest.fixture
def wordpiece_folder(tmp_path):
    """A RoBERTa model with BERT's tokenizer, as klue/roberta is."""
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "mask_token": "[MASK]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    return tmp_path


def test_a_roberta_folder_with_a_wordpiece_vocabulary_is_cut_by_wordpiece(wordpiece_folder):
    tokenizer = load_tokenizer(str(wordpiece_folder), lambda: ())
    text = "강감찬은  고려의 Café 장군이다."
    encoded = tokenizer(text, return_offsets_mapping=True)
    pieces = [
        "[CLS]",
        "강감찬",
        "##은",
        "고려",
        "##의",
        "Caf",
        "##é",
        "장군",
        "##이다",
        ".",
        "[SEP]",
    ]
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"]) == pieces
    words = [text[start:end] for start, end in encoded["offset_mapping"]]
    assert words == ["", *(piece.removeprefix("##") for piece in pieces[1:-1]), ""]
    ids = [tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id]
    assert [*ids, tokenizer.unk_token_id, tokenizer.mask_token_id] == [0, 1, 2, 3, 4]


@needs_shapes
def test_klue_roberta_is_cut_as_bert_cuts_it():
    from transformers import BertTokenizer

    tokenizer = read_tokenizer(ROBERTA_SMALL)
    bert = BertTokenizer.from_pretrained(ROBERTA_SMALL, do_lower_case=False)
    texts = ["이순신은 조선의 무신이다.", "Café의 主人(주인), 뷁 @ * 사람 *", "[MASK]이다"]
    for text in texts:
        assert tokenizer(text)["input_ids"] == bert(text)["input_ids"]
    assert tokenizer.tokenize("이순신은 조선의") == ["이순신", "##은", "조선", "##의"]
    ids = [tokenizer.convert_tokens_to_ids(piece) for piece in PIECES[:5]]
    assert ids == [0, 1, 2, 3, 4] and tokenizer.mask_token_id == 4
    assert len(tokenizer) == vocabulary_rows(tokenizer) == 32000


@pytest.mark.skipif(not E5.is_dir(), reason="../shared is absent")
def test_a_bert_folder_with_sentencepiece_is_cut_by_sentencepiece():
    tokenizer = read_tokenizer(E5)
    text = "이순신은 조선의 무신이다."
    encoded = tokenizer(text, return_offsets_mapping=True)
    words = [text[start:end] for start, end in encoded["offset_mapping"]]
    assert "".join(words).replace(" ", "") == text.replace(" ", "")
    assert tokenizer.pad_token_id == 1 and tokenizer.mask_token_id == 23999


@needs_shapes
def test_each_architecture_reads_back_the_tokenizer_that_was_written(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = read_tokenizer(ROBERTA_SMALL)
    add_marker_tokens(tokenizer, ["[E1]", "[/E1]"])
    text = "[E1] 이순신 [/E1]은 조선의 뷁"
    for model_type in ("bert", "roberta", "xlm-roberta"):
        folder = tmp_path / model_type
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        write_tokenizer(tokenizer, folder, 512, segments=1)
        theirs = AutoTokenizer.from_pretrained(folder)
        assert theirs(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert "token_type_ids" not in theirs(text)
        assert set(theirs.all_special_tokens) == set(tokenizer.all_special_tokens)
        assert tokenizer_digest(read_tokenizer(folder)) == tokenizer_digest(tokenizer)


def test_tokenizer_config_decides_about_case_as_in_transformers(wordpiece_folder):
    tokenizer = read_tokenizer(wordpiece_folder)
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.save(str(wordpiece_folder / "tokenizer.json"))
    assert read_tokenizer(wordpiece_folder).tokenize("Café") == ["Caf", "##é"]
    (wordpiece_folder / "tokenizer_config.json").write_text("{}")
    assert read_tokenizer(wordpiece_folder).tokenize("Café") == ["[UNK]"]


def test_markers_become_single_special_tokens_once(wordpiece_folder):
    tokenizer = read_tokenizer(wordpiece_folder)
    before = tokenizer_digest(tokenizer)
    assert add_marker_tokens(tokenizer, ["[SUBJ-PER]", "#"]) == 1
    assert add_marker_tokens(tokenizer, ["[SUBJ-PER]", "[OBJ-ORG]"]) == 1
    assert vocabulary_rows(tokenizer) == len(PIECES) + 2
    assert {"[SUBJ-PER]", "[OBJ-ORG]", "#"} <= set(tokenizer.all_special_tokens)
    assert tokenizer.tokenize("[SUBJ-PER]강감찬#은") == ["[SUBJ-PER]", "강감찬", "#", "은"]
    assert tokenizer_digest(tokenizer) != before


def test_what_a_tokenizer_was_called_with_leaves_its_files_and_digest_alone(
    wordpiece_folder, tmp_path
):
    tokenizer = read_tokenizer(wordpiece_folder)
    before = tokenizer_digest(tokenizer)
    tokenizer(["고려의", "강감찬은 고려"], padding=True, truncation=True, max_length=4)
    assert tokenizer_digest(tokenizer) == before
    write_tokenizer(tokenizer, tmp_path, 32, segments=1)
    written = json.loads((tmp_path / "tokenizer.json").read_text())
    assert written["padding"] is None and written["truncation"] is None


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no tokenizer"):
        read_tokenizer(tmp_path)


def test_a_damaged_tokenizer_file_is_an_error(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(InputError, match=r"tokenizer\.json cannot be read"):
        read_tokenizer(tmp_path)


def test_a_tokenizer_without_padding_is_an_error(tmp_path):
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\na\n")
    with pytest.raises(InputError, match="pad_token"):
        read_tokenizer(tmp_path)


def test_a_tokenizer_without_mask_token_serves_all_but_masked_lm(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n")
    tokenizer = read_tokenizer(tmp_path)
    with pytest.raises(InputError, match="no mask token"):
        require_mask_token(tokenizer)


def test_byte_level_bpe_is_built_from_vocabulary_and_merges(tmp_path):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *alphabet, "ab", "Ġab", "<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\nĠ ab\n", encoding="utf-8")
    tokenizer = read_tokenizer(tmp_path)
    encoded = tokenizer("ab ab 가<mask>", return_offsets_mapping=True)
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert tokens[:3] == ["<s>", "ab", "Ġab"] and tokens[-2:] == ["<mask>", "</s>"]
    assert encoded["offset_mapping"][1:3] == [(0, 2), (3, 5)]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (1, len(pieces) - 1)


def test_flags_of_special_tokens_survive(tmp_path):
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁고려", -1.0)]
    backend = Tokenizer(Unigram([*pieces, ("▁", -3.0), ("<mask>", 0.0)], unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.save(str(tmp_path / "tokenizer.json"))
    mask = {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"mask_token": mask}))
    tokenizer = read_tokenizer(tmp_path)
    assert tokenizer("고려 <mask>")["input_ids"] == [4, 6]  # no piece for the space between
    assert vocabulary_rows(tokenizer) == 7


def test_the_same_sentences_give_the_same_vocabulary_in_every_process():
    code = (
        "from tests.test_tokenizer import *; "
        "t = fresh_tokenizer(SENTENCES, 60); print(tokenizer_digest(t))"
    )
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[1]
    runs = {
        subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(runs) == 1 and runs != {""}


def test_a_fresh_vocabulary_keeps_to_its_size_and_to_the_frequent_characters():
    tokenizer = fresh_tokenizer([*SENTENCES, "뷁뷁"], 50)
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == 50
    assert [vocabulary[t] for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [*range(5)]
    tiny = fresh_tokenizer([*SENTENCES, "뷁뷁"], 12)
    assert len(tiny.get_vocab()) == 12 and "뷁" not in tiny.get_vocab()
    assert tiny.tokenize("뷁") == ["[UNK]"]


def test_a_fresh_tokenizer_keeps_case_and_cuts_words():
    tokenizer = fresh_tokenizer(["Café 세종은 Café"] * 5, 100)
    assert tokenizer.tokenize("Café") == ["Café"]
    assert "세종은" in tokenizer.get_vocab()


def test_a_fresh_source_trains_on_the_sentences_given():
    source = FreshSource(fresh=FreshSizes(vocabulary=60))
    tokenizer = load_tokenizer(source, lambda: iter(SENTENCES))
    assert tokenizer_digest(tokenizer) == tokenizer_digest(fresh_tokenizer(SENTENCES, 60))
    with pytest.raises(InputError, match="no sentences"):
        load_tokenizer(source, lambda: [])


def test_the_module_needs_no_deep_learning_framework():
    code = (
        "import sys; import relx.models.stored.tokenizers.tokenizer; "
        "import relx.models.encoder.configuration; "
        "print([m for m in ('keras', 'keras_hub', 'tensorflow') if m in sys.modules])"
    )
    root = Path(__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr
