"""Tokens that a folder adds to its vocab.txt: with transformers' ids, or refused."""

import json

import pytest
from transformers import AutoTokenizer

from relx.faults import InputError
from relx.models.stored.tokenizers.rows import require_rows
from relx.models.stored.tokenizers.tokenizer import (
    add_marker_tokens,
    read_tokenizer,
    write_tokenizer,
)
from relx.recipe import MarkersSection
from relx.tasks.relation.markers import marker_tokens

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "가람", "##은", "[unused0]"]
MARKED = {"[SUBJ-PER]": 8, "[/SUBJ-PER]": 9, "[OBJ-ORG]": 10, "[/OBJ-ORG]": 11}


def decoded(content, **flags):
    own = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    return {"content": content, **own, "special": True, **flags}


def folder_of(tmp_path, **files):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    config = {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}
    files["tokenizer_config"] = config | files.get("tokenizer_config", {})
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


CASES = {
    "markers": {"added_tokens": MARKED},
    "not in order": {"added_tokens": {"[O]": 9, "[S]": 8}},
    "some are special": {
        "added_tokens": {"[S]": 8, "[O]": 9},
        "special_tokens_map": {"additional_special_tokens": ["[S]"]},
    },
    "decoder": {
        "tokenizer_config": {
            "added_tokens_decoder": {
                "0": decoded("[PAD]"),
                "8": decoded("[S]"),
                "9": decoded("word", special=False, normalized=True),
            }
        }
    },
    "decoder before the file": {
        "added_tokens": {"[S]": 8},
        "tokenizer_config": {"added_tokens_decoder": {"8": decoded("[T]")}},
    },
    "listed": {"tokenizer_config": {"additional_special_tokens": ["[S]", "[unused0]"]}},
    "listed in the map": {"special_tokens_map": {"additional_special_tokens": ["[S]", "[O]"]}},
    "in the vocabulary": {"added_tokens": {"[unused0]": 7}},
}


@pytest.mark.parametrize("name", CASES)
def test_ids_are_those_of_transformers(tmp_path, name):
    folder = folder_of(tmp_path, **CASES[name])
    theirs, ours = AutoTokenizer.from_pretrained(folder), read_tokenizer(folder)
    assert ours.get_vocab() == theirs.get_vocab()
    assert {i: str(token) for i, token in ours.added_tokens_decoder.items()} == {
        i: str(token) for i, token in theirs.added_tokens_decoder.items()
    }
    text = "가람은[S] 가람은 [O][T] [unused0] word"
    cut = [t(text, add_special_tokens=False)["input_ids"] for t in (ours, theirs)]
    assert cut[0] == cut[1]


def test_markers_keep_the_rows_that_were_trained(tmp_path):
    """The issue's: [SUBJ-ORG] got the id of [SUBJ-PER]."""
    tokenizer = read_tokenizer(folder_of(tmp_path, added_tokens=MARKED))
    wanted = marker_tokens(MarkersSection(style="typed_entity_marker"), ["ORG", "PER"])
    assert "[SUBJ-ORG]" in wanted and add_marker_tokens(tokenizer, wanted) == 4
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in MARKED} == MARKED
    new = require_rows(12, tokenizer, wanted, "folder")
    assert set(new) == set(wanted) - set(MARKED) and min(new.values()) == 12


def test_what_is_written_is_read_again(tmp_path):
    tokenizer = read_tokenizer(folder_of(tmp_path, **CASES["some are special"]))
    (tmp_path / "new").mkdir()
    write_tokenizer(tokenizer, tmp_path / "new", 64, 2)
    again = read_tokenizer(tmp_path / "new")
    assert again.get_vocab() == tokenizer.get_vocab()
    assert again.all_special_tokens == tokenizer.all_special_tokens


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ({"[S]": 20}, "[S] 8"),  # a gap
        ({"[S]": 5}, "가람 has that id"),
        ({"[S]": 8, "[O]": 8}, "[S] has that id"),
        ({"[unused0]": 8}, "the vocabulary has it at 7"),
    ],
)
def test_ids_that_no_token_can_have_are_refused(tmp_path, tokens, words):
    with pytest.raises(InputError) as error:
        read_tokenizer(folder_of(tmp_path, added_tokens=tokens))
    (fault,) = error.value.faults
    assert fault.kind == "added tokens" and words in str(fault)
    assert fault.where.endswith("added_tokens.json")


@pytest.mark.parametrize(
    "files",
    [
        {"added_tokens": ["[S]"]},
        {"added_tokens": {"[S]": "eight"}},
        {"added_tokens": {"[S]": -1}},
        {"added_tokens": {"[S]": 1.5}},
        {"added_tokens": {"": 8}},
        {"tokenizer_config": {"added_tokens_decoder": ["[S]"]}},
        {"tokenizer_config": {"added_tokens_decoder": {"8": {"special": True}}}},
        {"tokenizer_config": {"additional_special_tokens": "[S]"}},
        {"special_tokens_map": {"additional_special_tokens": [8]}},
        {"special_tokens_map": {"cls_token": {"special": True}}},
        {"special_tokens_map": {"cls_token": 2}},
    ],
)
def test_malformed_files_are_named(tmp_path, files):
    with pytest.raises(InputError) as error:
        read_tokenizer(folder_of(tmp_path, **files))
    assert all(fault.kind == "malformed" and fault.where for fault in error.value.faults)
