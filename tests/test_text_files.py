"""Every text file of a model's folder, broken in every way: a message that names the file."""

import json
import shutil
import sys

import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from relx.faults import InputError
from relx.models.encoder.configuration import read_configuration
from relx.models.encoder.describe import describe
from relx.models.stored.folder import open_checkpoint
from relx.models.stored.source import find_source
from relx.models.stored.text_files import read_lines_of, read_object
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, read_tokenizer, write_tokenizer
from relx_cli.encoder import encoder as command

SENTENCES = ["가람은 나루에서 태어났다.", "나루의 가람"]
SIZES = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 1}
SIZES |= {"intermediate_size": 8, "max_position_embeddings": 32, "vocab_size": 60}
BROKEN = {
    "no UTF-8": b"\xb0\xa1\xb6\xf7 \xff\xfe",
    "empty": b"",
    "blank": b" \n\n ",
    "UTF-16": "가람 나루".encode("utf-16"),
    "zeros": bytes(64),
}
BROKEN_JSON = BROKEN | {
    "a list": b"[]",
    "a list with tokens": b'["[CLS]"]',
    "null": b"null",
    "a number": b"1e999",
    "a text": b'"[CLS]"',
    "cut off": b'{"model_type": "be',
    "deep": b"[" * 200_000,
    "endless number": b'{"vocab_size": ' + b"9" * 5000 + b"}",
    "half a character": b'{"cls_token": "\\ud800[CLS]"}',
    "a page": b"<html><body>404 Not Found</body></html>",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132\n",
}


def wordpiece(folder):
    folder.mkdir()
    vocabulary = fresh_tokenizer(SENTENCES, 60).get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    for name, content in (("special_tokens_map", {}), ("added_tokens", {})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **SIZES}))
    return folder


def byte_level(folder):
    folder.mkdir()
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(SENTENCES * 5, trainer)
    backend.model.save(str(folder))
    (folder / "config.json").write_text(
        json.dumps({"model_type": "roberta", **SIZES, "vocab_size": 300})
    )
    return folder


def whole(folder):
    folder.mkdir()
    write_tokenizer(fresh_tokenizer(SENTENCES, 60), folder, 32, 2)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **SIZES}))
    return folder


FOLDERS = {"wordpiece": wordpiece, "byte-level BPE": byte_level, "tokenizer.json": whole}
PAIRS = [
    ("wordpiece", "vocab.txt", BROKEN | {"JSON": BROKEN_JSON["a list"]}),
    ("wordpiece", "config.json", BROKEN_JSON),
    ("wordpiece", "tokenizer_config.json", BROKEN_JSON),
    ("wordpiece", "special_tokens_map.json", BROKEN_JSON),
    ("wordpiece", "added_tokens.json", BROKEN_JSON),
    ("wordpiece", "chat_template.jinja", BROKEN),
    ("byte-level BPE", "vocab.json", BROKEN_JSON | {"texts": b'{"a": "b"}', "minus": b'{"a": -1}'}),
    (
        "byte-level BPE",
        "merges.txt",
        BROKEN
        | {"no merge": b"#version: 0.2\n", "others": b"x y z\n", "no piece": b"\xc3\xa0 q\n"},
    ),
    ("tokenizer.json", "tokenizer.json", BROKEN_JSON),
    ("tokenizer.json", "tokenizer_config.json", BROKEN_JSON),
    ("tokenizer.json", "model.safetensors.index.json", BROKEN_JSON),
]
READ_AS_TEXT = {("chat_template.jinja", "zeros")}


def read_all(folder):
    """Everything that a command reads of a folder before it loads weights."""
    find_source(str(folder))
    read_configuration(folder)
    read_tokenizer(folder)
    if (folder / "model.safetensors.index.json").is_file():
        open_checkpoint(folder)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    place = tmp_path_factory.mktemp("folders")
    return {name: make(place / name.replace(" ", "-")) for name, make in FOLDERS.items()}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_whole_folder_is_read(originals, kind):
    read_all(originals[kind])


@pytest.mark.parametrize(
    ("kind", "name", "how", "content"),
    [
        pytest.param(kind, name, how, content, id=f"{name}-{how}")
        for kind, name, ways in PAIRS
        for how, content in ways.items()
        if (name, how) not in READ_AS_TEXT
    ],
)
def test_a_broken_file_is_named(originals, tmp_path, kind, name, how, content):
    folder = shutil.copytree(originals[kind], tmp_path / "model")
    (folder / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_all(folder)
    (fault,) = error.value.faults
    assert name in fault.where, str(fault)
    assert len(str(fault)) < 1000 and len(str(fault).splitlines()) <= 12


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer_config.json", "config.json"])
def test_encoder_show_has_a_message_for_it(originals, tmp_path, name):
    folder = shutil.copytree(originals["wordpiece"], tmp_path / "model")
    (folder / name).write_bytes(BROKEN["no UTF-8"])
    result = CliRunner().invoke(command, ["show", str(folder)])
    if name == "config.json":
        assert isinstance(result.exception, InputError)
        return
    assert result.exit_code == 0 and "this file is not UTF-8" in result.output
    assert "this file is not UTF-8" in str(describe(str(folder)).warnings)


@pytest.mark.skipif(sys.platform == "win32", reason="folders and permissions are others there")
def test_a_folder_in_place_of_a_file_is_a_message(originals, tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_object(tmp_path / "x.json")


@pytest.mark.parametrize("taken", ["[UNK]", "[CLS]", "가"])
def test_tokens_that_share_an_id_are_found(originals, tmp_path, taken):
    folder = shutil.copytree(originals["tokenizer.json"], tmp_path / "model")
    tree = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocabulary = tree["model"]["vocab"]
    vocabulary["새"] = vocabulary.setdefault(taken, len(vocabulary))
    (folder / "tokenizer.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError, match="tokens of the vocabulary share an id") as caught:
        read_tokenizer(folder)
    assert caught.value.faults[0].where == str(folder / "tokenizer.json")


def test_merges_that_are_cut_are_found(originals, tmp_path):
    """Byte-level BPE without its merges reads every text in single bytes, and says nothing."""
    folder = shutil.copytree(originals["byte-level BPE"], tmp_path / "model")
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    for kept in (1, len(lines) // 3):
        (folder / "merges.txt").write_text("".join(lines[:kept]), encoding="utf-8")
        with pytest.raises(InputError, match=r"few of the pieces of vocab\.json"):
            read_tokenizer(folder)


@pytest.mark.parametrize("value", ["false", 0, [], "no"])
def test_a_setting_that_is_no_truth_is_named(originals, tmp_path, value):
    folder = shutil.copytree(originals["wordpiece"], tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": value}))
    with pytest.raises(InputError, match="neither true nor false"):
        read_tokenizer(folder)


def test_a_sentencepiece_model_of_another_class_is_refused(tmp_path):
    (tmp_path / "spiece.model").write_bytes(b"\x0a")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "XLNetTokenizer"}')
    with pytest.raises(InputError) as error:
        read_tokenizer(tmp_path)
    (fault,) = error.value.faults
    assert (fault.received, fault.allowed) == ("XLNetTokenizer", "AlbertTokenizer")


def test_lines_end_as_they_do_on_any_system(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\ufeff가\r\n\u2028\r\n나".encode())
    assert read_lines_of(tmp_path / "vocab.txt", "pieces") == ["가", "\u2028", "나"]
