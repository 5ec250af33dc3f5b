"""relx attention: what it writes for a sentence, and what it says of one that is not there."""

import base64
import csv
import json
import re

import numpy as np
import pytest
from attention_run import HEADS, LAYERS, SAMPLE, write_run

from relx.attention import (
    between,
    from_pooled,
    layer_means,
    overall_mean,
    read_attention,
    restricted,
    rollout,
)
from relx.look.attention.page import find_row, packed, page_data
from relx.look.attention.plots import View, attention_plots
from relx.look.font import drawable
from relx.look.relation.attention import entities_plot
from relx.predict import open_run
from relx_cli.main import run

pytest.importorskip("matplotlib", reason="needs relx[look]")

FAMILIES = ("roberta", "electra", "distilbert", "albert", "deberta-v3", "modernbert")
SENTENCE = "가람은 나루의 대표이다."
ENTITIES = [
    "--subject",
    "가람",
    "--subject-type",
    "PER",
    "--object",
    "나루",
    "--object-type",
    "ORG",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("attention"))


@pytest.fixture(scope="module")
def opened(runs):
    return open_run(runs, "tiny", engine="keras")


@pytest.fixture(scope="module")
def read(opened):
    return read_attention(opened, find_row(opened, "1"))


def attention(runs, *words):
    return run(["attention", "--runs-dir", str(runs), *words])


def page_of(path):
    """What the page's script reads."""
    html = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="attention-data">(.*?)</script>', html)
    return json.loads(found.group(1))


def unpacked(text, bits, *shape):
    numbers = np.frombuffer(base64.b64decode(text), f"<u{bits // 8}").reshape(shape)
    return (numbers / (2**bits - 1)) ** 2


def test_a_row_is_read_as_the_runs_model_reads_it(opened, read):
    length = len(read.tokens)
    assert read.weights.shape == (LAYERS, HEADS, length, length)
    np.testing.assert_allclose(read.weights.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(read.probabilities, opened.predict([read.example])[0])
    assert read.tokens[read.start].text == "[SUBJ-ORG]"
    assert [read.tokens[at].text for at in read.pooled] == ["[SUBJ-ORG]", "[OBJ-PER]"]
    words = [text.text for text in read.tokens[slice(*read.words["subject"])]]
    assert "".join(words) == read.example.subject.word
    assert np.flatnonzero(read.special).tolist() == [0, length - 1]


@pytest.mark.parametrize(
    ("pooling", "pooled", "start"),
    [
        ("cls", ["[CLS]"], "[CLS]"),
        ("cls_entity_starts", ["[CLS]", "[SUBJ-ORG]", "[OBJ-PER]"], "[SUBJ-ORG]"),
    ],
)
def test_what_the_head_reads_is_marked_for_each_pooling(pooling, pooled, start, tmp_path):
    runs = write_run(tmp_path, train={"pooling": pooling})
    opened = open_run(runs, "tiny", engine="keras")
    read = read_attention(opened, find_row(opened, "1"))
    assert [read.tokens[at].text for at in read.pooled] == pooled
    assert read.tokens[read.start].text == start


def test_means_of_the_entities_mark_all_their_tokens(tmp_path):
    runs = write_run(tmp_path, train={"pooling": "entity_means"})
    opened = open_run(runs, "tiny", engine="keras")
    read = read_attention(opened, find_row(opened, "1"))
    assert set(read.pooled) == {*range(*read.words["subject"]), *range(*read.words["object"])}
    assert read.start == read.words["subject"].start


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_of_every_family_is_read_as_transformers_reads_it(family, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from test_chain_families import encoder_folder

    with (SAMPLE / "train.csv").open(encoding="utf-8", newline="") as stream:
        sentences = [row["sentence"] for row in csv.DictReader(stream)][:20]
    source = encoder_folder(family, sentences, tmp_path / "encoder")
    runs = write_run(tmp_path, style="klue", source=str(source))
    opened = open_run(runs, "tiny", engine="keras")
    read = read_attention(opened, find_row(opened, "1"))
    folder = opened.found.folder / "model"
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.convert_tokens_to_ids([token.piece for token in read.tokens])
    options = {}
    if "roberta" in family:  # it would count no position where an id is that of its padding
        first = model.config.pad_token_id + 1
        options["position_ids"] = torch.arange(first, first + len(ids))[None]
    with torch.no_grad():
        theirs = model(torch.tensor([ids]), output_attentions=True, **options).attentions
    expected = np.stack([weights[0].numpy() for weights in theirs])
    assert np.abs(read.weights - expected).max() < 1e-4


def test_a_sentence_gives_a_page_and_files(runs, tmp_path, capsys):
    out = tmp_path / "deep" / "attention.html"
    words = ["--sentence", SENTENCE, *ENTITIES, "--layer", "2", "--head", "1", "--out", str(out)]
    assert attention(runs, *words) == 0
    assert f"{out} is written" in capsys.readouterr().out
    folder = tmp_path / "deep" / "attention_plots"
    names = {"all-mean", "rollout", "layer-mean", "entities", "layer-2-head-1"}
    assert {path.stem for path in folder.glob("*.png")} == names
    assert {path.stem for path in folder.glob("*.svg")} == names
    assert {path.stem for path in folder.glob("*.csv")} == names
    facts = json.loads((folder / "plots.json").read_text(encoding="utf-8"))["facts"]
    assert facts["sentence"] == SENTENCE
    assert sum(facts["prediction"].values()) < 100.001
    data = page_of(out)
    assert data["view"] == {"view": "head", "layer": 2, "head": 1, "special": True}
    assert "".join(data["texts"][slice(*data["subject"])]) == "가람"
    html = out.read_text(encoding="utf-8")
    assert all(word in html for word in ("나루", facts["run"], *facts["prediction"]))
    assert not re.search(r"""(?:src|href)=["'](?!#|data:|attention_plots/)""", html)


def test_the_csv_holds_the_weights_of_its_plot(runs, read, tmp_path):
    out = tmp_path / "a.html"
    assert attention(runs, "--id", "1", "--layer", "3", "--out", str(out)) == 0
    expected = {
        "all-mean": overall_mean(read.weights),
        "rollout": rollout(read.weights),
        "layer-3": layer_means(read.weights)[2],
    }
    for name, numbers in expected.items():
        with (tmp_path / "a_plots" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        found = np.array([float(row["weight"]) for row in rows]).reshape(numbers.shape)
        np.testing.assert_allclose(found, numbers, atol=1e-5)
        first = [row["key_token"] for row in rows[: len(read.tokens)]]
        assert first == [token.text for token in read.tokens]


def test_the_layers_csv_has_a_line_a_query_and_a_column_a_key(read):
    plots = {plot.name: plot for plot in attention_plots(read, View())}
    plot, means = plots["layer-mean"], layer_means(read.weights)
    assert plot.columns[3:] == tuple(f"{i} {token.text}" for i, token in enumerate(read.tokens))
    numbers = np.array([[float(weight) for weight in row[3:]] for row in plot.rows])
    np.testing.assert_allclose(numbers.reshape(means.shape), means, atol=1e-5)
    assert [row[:2] for row in plot.rows[:2]] == [(1, 0), (1, 1)]


def test_special_tokens_can_be_left_out_of_the_files(read):
    plots = {plot.name: plot for plot in attention_plots(read, View(special=False))}
    rows = plots["all-mean"].rows
    assert len(rows) == (len(read.tokens) - 2) ** 2
    assert not {"[CLS]", "[SEP]"} & {row[1] for row in rows} & {row[3] for row in rows}
    sums = {}
    for query, _, _, _, weight in rows:
        sums[query] = sums.get(query, 0) + float(weight)
    np.testing.assert_allclose(list(sums.values()), 1, atol=1e-4)


def test_no_letter_of_a_plot_is_an_empty_box(read):
    texts = []
    for plot in [*attention_plots(read, View(1, 2)), entities_plot(read)]:
        for axes in plot.figure.axes:
            labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.title]
            texts += [label.get_text() for label in labels]
    assert any("가" <= letter <= "힣" for text in texts for letter in text)
    assert not [text for text in texts if drawable(text) != text]


def test_the_pages_weights_are_those_that_were_read(read):
    length = len(read.tokens)
    for bits, limit in ((16, 2e-5), (8, 4e-3)):
        data = page_data(read, View(), bits)
        found = unpacked(data["weights"], bits, LAYERS, HEADS, length, length)
        np.testing.assert_allclose(found, read.weights, atol=limit)
        means = unpacked(data["means"], 16, LAYERS, length, length)
        np.testing.assert_allclose(means, layer_means(read.weights), atol=2e-5)
        flow = unpacked(data["rollout"], 16, length, length)
        np.testing.assert_allclose(flow, rollout(read.weights), atol=2e-5)


@pytest.mark.parametrize("bits", [8, 16])
def test_small_weights_are_packed_finely(bits):
    weights = np.linspace(0, 1, 4001) ** 3
    found = unpacked(packed(weights, bits), bits, -1)
    most = 2**bits - 1
    assert (np.abs(found - weights) <= np.sqrt(weights) / most + 0.25 / most**2 + 1e-12).all()
    assert found[0] == 0 and found[-1] == 1


def test_rows_without_some_tokens_sum_to_one_again():
    weights = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]])
    kept = np.array([False, True, True])
    np.testing.assert_allclose(restricted(weights, kept), [[0, 0], [0.25, 0.75]])
    np.testing.assert_allclose(restricted(weights, ~np.zeros(3, bool)), weights)


def test_what_goes_between_the_entities_is_the_mean_of_both_ways(read):
    spans = read.words["subject"], read.words["object"]
    one, other = (list(range(*span)) for span in spans)
    weights = read.weights[1, 1]
    there = np.mean([sum(weights[i, j] for j in other) for i in one])
    back = np.mean([sum(weights[j, i] for i in one) for j in other])
    assert between(read.weights, *spans)[1, 1] == pytest.approx((there + back) / 2, abs=1e-6)
    pooled = np.mean([sum(weights[i, j] for j in other) for i in read.pooled])
    assert from_pooled(read.weights, read.pooled, spans[1])[1, 1] == pytest.approx(pooled, abs=1e-6)


def test_a_row_is_found_in_dev_then_in_test_and_its_file_is_said(runs, opened, capsys):
    assert find_row(opened, "3").label is not None
    assert "row 3 is one of" in capsys.readouterr().err
    assert find_row(opened, "t2").label is None
    assert "test.csv" in capsys.readouterr().err


def test_a_row_of_a_named_file(runs, opened, tmp_path):
    folder = runs.parent
    named = find_row(opened, "12", gold=folder / "train.csv")
    assert named.label is not None
    assert find_row(opened, "12", test=folder / "train.csv").label is None


BAD = {
    "no id": (["--id", "77"], "there is no row with this id"),
    "a near id": (["--id", "t22"], "did you mean t2?"),
    "a word that is not there": (
        ["--sentence", SENTENCE, *ENTITIES[:-3], "가온", *ENTITIES[-2:]],
        "the object is not in the sentence",
    ),
    "no type": (["--sentence", SENTENCE, "--subject", "가람", "--object", "나루"], "no type"),
    "a layer too high": (["--id", "1", "--layer", "4"], "1 to 3"),
    "layer 0": (["--id", "1", "--layer", "0"], "1 to 3"),
    "a head too high": (["--id", "1", "--layer", "1", "--head", "3"], "1 to 2"),
    "a head without layer": (["--id", "1", "--head", "1"], "--head needs --layer"),
    "nothing": ([], "name a sentence"),
    "both": (["--id", "1", "--sentence", SENTENCE, *ENTITIES], "name a sentence"),
    "a subject alone": (["--id", "1", "--subject", "가람"], "--subject goes with --sentence"),
    "a sentence alone": (["--sentence", SENTENCE], "a relation is between two entities"),
    "a file with a sentence": (
        ["--sentence", SENTENCE, *ENTITIES, "--gold", "x.csv"],
        "go with --id",
    ),
    "two files": (["--id", "1", "--gold", "x.csv", "--test", "y.csv"], "name --gold or --test"),
    "no such file": (["--id", "1", "--gold", "nowhere.csv"], "nowhere.csv"),
    "no such run": (["--id", "1", "--run", "tony"], "tiny"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_said_and_nothing_is_written(case, runs, tmp_path, capsys):
    words, said = BAD[case]
    out = tmp_path / "attention.html"
    assert attention(runs, *words, "--out", str(out)) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_place_of_other_files_is_left_alone(runs, tmp_path, capsys):
    kept = tmp_path / "attention_plots" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    assert attention(runs, "--id", "1", "--out", str(tmp_path / "attention.html")) == 2
    assert "something else is here already" in capsys.readouterr().err
    assert kept.read_text() == "mine"
    assert not (tmp_path / "attention.html").exists()
