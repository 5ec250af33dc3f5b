"""What comes from a file is printed, and never obeyed by a terminal."""

import json

import pytest

from relx import progress
from relx.faults import Fault, visible
from relx_cli.main import run
from relx_cli.tables import print_table

# Texts that a terminal obeys, by what they do.
OBEYED = {
    "colours": "\x1b[31m",
    "a title": "\x1b]0;owned\x07",
    "clears the screen": "\x1b[2J\x1b[H",
    "overwrites the line": "fine\rerror",
    "a C1 sequence": "\x9b31m",
    "deletes": "abc\x08\x08\x08",
    "turns the writing round": "\u202eexe.txt",
    "isolates": "\u2066hidden\u2069",
    "a zero": "a\0b",
}
LEFT = ("가람 은\t대표\n", "🎉 é ñ — “x”", "\\x1b[31m")


def is_harmless(text):
    obeyed = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2066"}
    return obeyed.isdisjoint(text.replace("\n", "").replace("\t", ""))


@pytest.mark.parametrize("name", OBEYED)
def test_nothing_that_is_said_moves_a_terminal(name, capsys):
    text = OBEYED[name]
    assert is_harmless(str(Fault("what", text, text, text, text)))
    progress.say(text)
    progress.warn(text)
    print_table(("id", text), [(text, text)])
    out, err = capsys.readouterr()
    assert is_harmless(out) and is_harmless(err) and "\\u" in out and "\\u" in err


@pytest.mark.parametrize("text", LEFT)
def test_what_only_prints_is_left(text):
    assert visible(text) == text


def test_json_stays_json():
    tree = {"a\x9b31m\u202e": ["\x1b[31m", "가\n"]}
    text = visible(json.dumps(tree, ensure_ascii=False))
    assert json.loads(text) == tree and is_harmless(text)


@pytest.mark.parametrize("name", OBEYED)
def test_ids_labels_and_types_of_files_are_harmless_in_every_message(name, tmp_path, capsys):
    text = OBEYED[name].replace("\r", "\x1b")  # in a CSV it would end the row
    rows = [f'"{text}","{text}",x,y,"{text}"', '"b","c",x,y,"d"']
    path = tmp_path / "a.csv"
    header = "id,sentence,subject_entity,object_entity,label"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    assert run(["validate", "--data", str(path)]) == 2
    assert run(["score", "--gold", str(path), "--pred", str(path)]) == 2
    out, err = capsys.readouterr()
    assert is_harmless(out) and is_harmless(err)
