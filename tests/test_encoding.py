"""Which encoding a file is read in, and that nobody is left in doubt about it."""

import json
from pathlib import Path

import pytest

from relx.data.encoding import FREQUENT, decoded, frequent_share
from relx.faults import InputError
from relx_cli.main import run

KOREAN = "새벽신문 기자 가람은 나루시에서 자라 바다대학교를 졸업했다."
PATH = Path("train.csv")


def refused(data, encoding="auto"):
    with pytest.raises(InputError) as error:
        decoded(PATH, data, encoding)
    return error.value.faults[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_without_a_word(encoding, capsys):
    assert decoded(PATH, KOREAN.encode(encoding)) == KOREAN
    assert capsys.readouterr().err == ""


def test_korean_in_cp949_is_read_and_said_aloud(capsys):
    text = f"id,sentence\n1,{KOREAN}\n"
    assert decoded(PATH, text.encode("cp949")) == text
    said = capsys.readouterr().err
    assert "train.csv is not in UTF-8" in said and "line 2" in said and "cp949" in said
    assert "'새벽신문', '기자', '가람은'" in said


# What people save, and what cp949 makes of it: Hangul and Hanja that are no Korean.
OTHERS = {
    "the report's": ("李明在杭州。", "gbk"),
    "Chinese": ("阿里巴巴的创始人出生于浙江省杭州市。", "gbk"),
    "Japanese": ("私は学校に行きます。東京は日本の首都です。", "shift_jis"),
    "Japanese in EUC": ("私は学校に行きます。東京は日本の首都です。", "euc_jp"),
    "Chinese of Taiwan": ("台灣的首都是台北", "big5"),
    "French": ("Ça été déjà vu à Orléans", "cp1252"),
    "Russian": ("Москва является столицей", "cp1251"),
    "Greek": ("Η Αθήνα είναι πρωτεύουσα", "iso8859_7"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_korean_is_refused(name):
    text, encoding = OTHERS[name]
    fault = refused(json.dumps({"sentence": text}, ensure_ascii=False).encode(encoding))
    assert fault.kind == "wrong encoding" and "UTF-8" in fault.next_step


def test_an_encoding_that_is_named_is_believed(capsys):
    data = "박찬욱".encode("cp949")  # rare syllables alone: too little to tell
    assert "cp949" in refused(data).next_step
    assert decoded(PATH, data, "cp949") == "박찬욱"
    assert capsys.readouterr().err == ""
    assert "data.encoding: cp949" in refused(KOREAN.encode("cp949"), "utf-8").next_step
    assert "data.encoding: utf-8" in refused("é".encode("latin-1"), "cp949").next_step


def test_real_korean_is_far_above_the_least_share():
    sample = Path(__file__).parents[1] / "sample"
    assert frequent_share((sample / "sentences.txt").read_text("utf-8")) > 0.3
    assert len(FREQUENT) > 50
    assert frequent_share("no Korean") == 0


def test_a_damaged_utf8_file_names_its_first_bad_byte():
    fault = refused("가\n나".encode() + b"\xff\xfe")
    assert fault.where == "train.csv:2" and "at byte 7" in fault.received


GOLD = [
    "id,sentence,subject_entity,object_entity,label,source",
    '0,가람은 나루시에 산다,"{""word"": ""가람"", ""start_idx"": 0, ""end_idx"": 1, '
    '""type"": ""PER""}","{""word"": ""나루시"", ""start_idx"": 4, ""end_idx"": 6, '
    '""type"": ""LOC""}",no_relation,x',
]


@pytest.mark.parametrize("command", ["score", "report", "compare"])
def test_answers_can_be_read_in_a_named_encoding(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("gold.csv").write_text("\n".join(GOLD) + "\n", encoding="cp949")
    probs = json.dumps([1.0] + [0.0] * 29)
    Path("pred.csv").write_text(f'id,pred_label,probs\n0,no_relation,"{probs}"\n', "utf-8")
    given = ["pred.csv", "pred.csv"] if command == "compare" else ["--pred", "pred.csv"]
    words = [command, *given, "--gold", "gold.csv"]
    assert run([*words, "--encoding", "utf-8"]) == 2
    assert "this byte is not UTF-8" in capsys.readouterr().err
    if command == "score":
        assert run([*words, "--encoding", "cp949"]) == 0
        assert "not in UTF-8" not in capsys.readouterr().err


def test_answers_of_rare_words_are_read_in_a_named_encoding(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    gold = ["id,label", "박찬욱,no_relation"]
    Path("gold.csv").write_text("\n".join(gold) + "\n", encoding="cp949")
    Path("pred.csv").write_text("id,pred_label\n박찬욱,no_relation\n", encoding="cp949")
    words = ["score", "--gold", "gold.csv", "--pred", "pred.csv"]
    assert run(words) == 2 and "--encoding cp949" in capsys.readouterr().err
    assert run([*words, "--encoding", "cp949"]) == 0
    assert "100.00" in capsys.readouterr().out
