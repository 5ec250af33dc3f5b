"""Files that a stage noted its figures in, damaged: a message, never a traceback."""

import json

import pytest

from relx.faults import InputError
from relx.files import read_json
from relx.training.log import METRICS, read_metrics

JSONS = {
    "nested": "[" * 200_000,
    "digits": '{"seed": ' + "9" * 5000 + "}",
    "garbage": "\x01\x02{",
    "empty": "",
}


@pytest.mark.parametrize("name", JSONS)
def test_json_that_cannot_be_read_is_a_message(name, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(JSONS[name], encoding="utf-8")
    with pytest.raises(InputError, match="this file is not JSON"):
        read_json(path)


def test_a_folder_in_the_place_of_a_file_is_a_message(tmp_path):
    with pytest.raises(InputError, match="this file cannot be read"):
        read_json(tmp_path)


@pytest.mark.parametrize("line", ["{", "[1, 2]", "7", '{"loss": 1.0}', "\udcff"])
def test_damaged_figures_are_a_message(line, tmp_path):
    content = json.dumps({"epoch": 1}) + "\n" + line + "\n"
    (tmp_path / METRICS).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="figures are damaged"):
        read_metrics(tmp_path)


def test_half_a_last_line_is_left_out(tmp_path):
    (tmp_path / METRICS).write_text('{"epoch": 1}\n{"epo', encoding="utf-8")
    assert read_metrics(tmp_path) == [{"epoch": 1}]
