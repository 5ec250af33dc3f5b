"""relx attention of a run about targets: the target is marked, and may be the whole sentence."""

import json

import numpy as np
import pytest
from attention_run import HEADS, LAYERS, write_target_run

from relx.attention import from_pooled, read_attention
from relx.look.attention.page import find_row, page_data
from relx.look.attention.plots import View
from relx.look.target.attention import target_plot
from relx.predict import open_run
from relx_cli.main import run

pytest.importorskip("matplotlib", reason="needs relx[look]")

SENTENCE = "운전 연수가 참 우울해요."


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_target_run(tmp_path_factory.mktemp("attention"))


@pytest.fixture(scope="module")
def opened(runs):
    return open_run(runs, "tiny", engine="keras")


def attention(runs, out, *words):
    return run(["attention", "--runs-dir", str(runs), "--out", str(out), *words])


def test_a_row_is_read_as_the_runs_model_reads_it(opened):
    read = read_attention(opened, find_row(opened, "emotion-dev-0002"))
    length = len(read.tokens)
    assert read.weights.shape == (LAYERS, HEADS, length, length)
    assert [read.tokens[at].text for at in read.pooled] == ["<e>"]
    words = [token.text for token in read.tokens[slice(*read.words["target"])]]
    assert "".join(words) == read.example.target.word.replace(" ", "")
    chosen = read.probabilities >= 0.5
    assert read.chosen == tuple(np.array(read.labels.names)[chosen])


def test_the_plot_is_of_what_goes_to_the_target(opened):
    read = read_attention(opened, find_row(opened, "emotion-dev-0002"))
    numbers = from_pooled(read.weights, read.pooled, read.words["target"])
    (pooled,) = read.pooled
    own = read.weights[1, 0, pooled, slice(*read.words["target"])].sum()
    assert numbers[1, 0] == pytest.approx(float(own), abs=1e-6)
    assert [float(row[2]) for row in target_plot(read).rows] == pytest.approx(
        numbers.ravel().tolist(), abs=1e-5
    )


def test_a_sentence_without_a_target_is_looked_from_its_first_token(opened):
    read = read_attention(opened, find_row(opened, "emotion-dev-0001"))
    assert read.example.target is None and read.words == {}
    assert read.start == 0
    data = page_data(read, View(), 16)
    assert "target" not in data and data["texts"][data["start"]] == "[CLS]"


@pytest.mark.parametrize("target", ["연수", None])
def test_a_sentence_gives_a_page_and_files(runs, tmp_path, target):
    words = [] if target is None else ["--target", target]
    assert attention(runs, tmp_path / "a.html", "--sentence", SENTENCE, *words) == 0
    folder = tmp_path / "a_plots"
    assert (folder / "target.png").exists() is (target is not None)
    facts = json.loads((folder / "plots.json").read_text(encoding="utf-8"))["facts"]
    assert facts["sentence"] == SENTENCE and facts["gold"] is None
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert f"Attention: {target or 'the whole sentence'}" in html
    assert ("relation" not in html.split("<script")[0]) and "label head" in html


BAD = {
    "a word that is not there": (["--target", "국밥"], "the target is not in the sentence"),
    "another task's word": (
        ["--subject", "연수"],
        "is not what tiny asks about; its options are --target",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_said_and_nothing_is_written(case, runs, tmp_path, capsys):
    words, said = BAD[case]
    assert attention(runs, tmp_path / "a.html", "--sentence", SENTENCE, *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())
