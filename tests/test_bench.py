"""The benches' arithmetic and measuring, on numbers and processes small enough to check by hand."""

import argparse
import copy
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from relx.data.labels import KLUE
from relx.recipe import DataSection
from relx.recipe_file import recipe_from_tree
from relx.tasks.relation.rows import read_examples

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import peer_figures
import peer_process
import peers
import recorded
import same_bytes
import scaling

ROOT = Path(__file__).parents[1]
SIZES = peer_figures.Sizes(layers=2, hidden=6, intermediate=10, vocabulary=30)
costs = st.floats(1e-3, 1e6)


def product(*shape):
    """The operations of a product (rows, inner) × (inner, columns)."""
    return 2 * math.prod(shape)


def encoder_by_hand(length):
    projections = 4 * product(length, 6, 6)
    attention = product(length, 6, length) + product(length, length, 6)
    feed_forward = product(length, 6, 10) + product(length, 10, 6)
    return 2 * (projections + attention + feed_forward)


def test_operations_of_an_encoder_are_those_of_its_products():
    by_hand = encoder_by_hand(3) + encoder_by_hand(7)
    assert peer_figures.encoder_operations(SIZES, [3, 7]) == by_hand


def test_the_masked_lm_head_counts_at_masked_positions_only():
    head = product(5, 6, 6) + product(5, 6, 30)  # half of the 10 tokens that are not special
    by_hand = 3 * (encoder_by_hand(12) + head)
    assert peer_figures.masked_lm_operations(SIZES, [12], 0.5) == by_hand


@pytest.mark.parametrize(("training", "times"), [(False, 1), (True, 3)])
def test_operations_of_the_relation_model(training, times):
    head = product(1, 12, 6) + product(1, 6, 4)
    found = peer_figures.relation_operations(SIZES, [9], 4, training=training)
    assert found == times * (encoder_by_hand(9) + head)


def test_sizes_are_read_from_a_configuration():
    config = {"num_hidden_layers": 2, "hidden_size": 6, "intermediate_size": 10, "vocab_size": 30}
    assert peer_figures.Sizes.of(config | {"model_type": "bert"}) == SIZES


def test_a_summary_has_median_and_range():
    assert peer_figures.summary([3.0, 1.0, 2.0]) == {"median": 2.0, "least": 1.0, "most": 3.0}


def test_figures_that_some_run_lacks_are_left_out():
    runs = [{"seconds": 1.0, "gpu_peak_mib": None}, {"seconds": 3.0, "gpu_peak_mib": None}]
    assert peer_figures.summaries(runs) == {"seconds": {"median": 2.0, "least": 1.0, "most": 3.0}}


def test_ratios_are_above_one_where_we_are_better_and_pair_turns():
    ours = [
        {"tokens_per_second": 30.0, "seconds": 2.0},
        {"tokens_per_second": 10.0, "seconds": 5.0},
    ]
    theirs = [
        {"tokens_per_second": 10.0, "seconds": 4.0},
        {"tokens_per_second": 5.0, "seconds": 5.0},
    ]
    found = peer_figures.ratios(ours, theirs)
    assert found["tokens_per_second"] == {"median": 2.5, "least": 2.0, "most": 3.0}
    assert found["seconds"] == {"median": 1.5, "least": 1.0, "most": 2.0}
    assert found.keys() == {"tokens_per_second", "seconds"}


def test_a_peer_measured_once_is_compared_with_every_turn():
    ours = [{"seconds": 2.0}, {"seconds": 4.0}]
    found = peer_figures.ratios(ours, [{"seconds": 4.0}])
    assert found["seconds"] == {"median": 1.5, "least": 1.0, "most": 2.0}


@given(cost=costs, times=st.floats(2, 1000), power=st.floats(0, 3))
def test_growth_is_that_of_ten_times_the_data(cost, times, power):
    found = peer_figures.growth(cost, cost * times**power, times)
    assert found == pytest.approx(10**power, rel=1e-6)


def test_a_process_is_measured_from_outside():
    said = ["tokenise: 9/9 sentences", "train 1/2: 0/3 steps", "train 1/2: 1/3 steps, loss 2"]
    code = (
        "import sys; held = b'x' * (200 << 20); print('result'); "
        f"print(*{said!r}, sep='\\n', file=sys.stderr)"
    )
    found = peer_process.measure([sys.executable, "-c", code])
    assert found.output == "result\n"
    assert [line for _, line in found.lines] == said
    assert found.first_step("train") == found.lines[2][0] <= found.seconds
    assert found.first_step("predict") is None
    assert found.peak_mib > 200
    assert found.cpu_seconds > 0


def test_the_memory_of_children_counts():
    child = "held = b'x' * (100 << 20); import time; time.sleep(0.6)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert peer_process.measure([sys.executable, "-c", code]).peak_mib > 100


def test_a_command_that_fails_says_what_it_printed():
    with pytest.raises(peer_process.CommandError, match="no such encoder"):
        peer_process.measure([sys.executable, "-c", "raise SystemExit('no such encoder')"])


def options(**changes):
    known = {"tasks": ["tapt", "predict"], "backends": ["tensorflow"], "precisions": ["float32"]}
    return argparse.Namespace(**(known | {"compile": False} | changes))


def test_relx_and_its_peers_take_turns():
    found = [(c.task, c.name) for c in peers.contenders(options())]
    assert found == [
        ("tapt", "relx"),
        ("tapt", "run_mlm"),
        ("predict", "relx"),
        ("predict", "PyTorch"),
        ("predict", "PyTorch by length"),
    ]


def test_what_is_no_main_comparison_is_measured_once():
    asked = options(
        tasks=["tapt"],
        backends=["tensorflow", "jax"],
        precisions=["float32", "bfloat16"],
        compile=True,
    )
    found = {c.name: c.once for c in peers.contenders(asked)}
    main = {name for name, once in found.items() if not once}
    assert main == {"relx", "run_mlm"}
    assert found.keys() - main == {
        "relx jax",
        "relx bf16",
        "relx jax bf16",
        "run_mlm bf16",
        "run_mlm, compiled",
    }


def test_the_peer_reads_every_sentence_that_is_not_held_out():
    tree = {"name": "x", "encoder": {"from": "y"}, "tapt": {"held_out": 0.2}}
    sentences = [f"문장 {i}" for i in range(20)]
    train, held_out = peers.split_texts(sentences, recipe_from_tree(tree))
    assert len(held_out) == 4
    assert sorted(train + held_out) == sorted(sentences)


def result():
    """A result of two contenders with round figures."""
    figure = {"median": 20.0, "least": 10.0, "most": 30.0}
    ratio = {"median": 1.5, "least": 1.25, "most": 1.75}
    figures = dict.fromkeys(("tokens_per_second", "sentences_per_second", "seconds"), figure)
    compared = {"run_mlm": {"tokens_per_second": ratio, "seconds": ratio}}
    return {
        "machine": {"gpus": 0},
        "figures": {"tapt": {"relx": figures, "run_mlm": figures | {"peak_mib": figure}}},
        "ratios": {"tapt": compared},
    }


def test_the_cost_table_has_medians_ranges_and_gaps():
    relx, peer = peers.cost_rows(result())
    assert relx[:6] == ["tapt, relx", "20", "10–30", "20.0", "20.0", "10.0–30.0"]
    assert relx[6:] == ["–", "–", "–", "–"]
    assert peer[7] == "20"
    assert len(relx) == len(peers.COST)


def test_the_ratio_table_says_by_how_much_a_target_is_missed():
    (row,) = peers.ratio_rows(result())
    expected = ["tapt, run_mlm", "1.50", "1.25–1.75", "1.50", "–", "–", "2.0", "missed by 25 %"]
    assert row == expected
    assert len(row) == len(peers.RATIO)
    assert peers.ratio_rows(result() | {"machine": {"gpus": 1}})[0][-2:] == ["1.5", "met"]


def test_the_scaling_rows_are_as_many_as_asked_for_all_different_and_readable(tmp_path):
    path = tmp_path / "rows.csv"
    scaling.write_rows(ROOT / "sample/train.csv", 1000, path)
    rows = read_examples(path, DataSection(), KLUE, require_labels=True)
    assert len({row.sentence for row in rows}) == len({row.id for row in rows}) == 1000


def test_the_scaling_table_shows_what_was_skipped():
    stages = {
        "score": {"10": {"seconds": 1.0}, "100": {"seconds": 8.0}},
        "tapt": {"10": {"seconds": 2.0}, "100": {"skipped": "700 s were to be expected"}},
    }
    growth = {"score": {"10 to 100": {"seconds": 8.0}}, "tapt": {}}
    found = {"sizes": [10, 100], "stages": stages, "growth_per_tenfold": growth}
    assert scaling.cells(found, "seconds", ".1f") == [
        ["score", "1.0", "8.0", "× 8.0"],
        ["tapt", "2.0", "–", "–"],
    ]


def saved_tensors(path, value):
    save_file({"head.bias": np.zeros(2, np.float32), "head.weight": np.full((2, 3), value)}, path)
    return recorded.tensors(path)


@pytest.fixture
def recording(tmp_path):
    """A recording of one chain with two tensors and a score."""
    model = {"tensors": saved_tensors(tmp_path / "model.safetensors", 0.5)}
    found = {"groups": {"model": model, "scores": {"rows": 3, "auprc": math.nan}}, "texts": {}}
    return {"machine": {"cores": 2}, "chains": {"demo": found}}


def test_equal_recordings_are_the_same_bytes(recording, capsys):
    assert same_bytes.compare(recording, copy.deepcopy(recording)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["the same bytes" in line for line in lines] == [True, True, False]
    assert lines[-1] == "0 of 2 groups differ"


def test_a_tensor_of_other_bytes_is_found_and_named(recording, capsys, tmp_path):
    other = copy.deepcopy(recording)
    nearly = saved_tensors(tmp_path / "other.safetensors", np.nextafter(0.5, 1))
    other["chains"]["demo"]["groups"]["model"]["tensors"] = nearly
    assert same_bytes.compare(recording, other) == 1
    said = capsys.readouterr().out
    assert "1 DIFFERENCES" in said
    assert "/tensors/head.weight: " in said
    assert said.endswith("1 of 2 groups differ\n")


def test_what_one_recording_lacks_is_a_difference(recording, capsys):
    other = copy.deepcopy(recording)
    del other["chains"]["demo"]["groups"]["scores"]
    assert same_bytes.compare(recording, other) == same_bytes.compare(other, recording) == 1
    hollow = {"machine": {}, "chains": {"demo": {"groups": {"scores": {}}}}}
    assert same_bytes.compare(hollow, hollow) == 1
    empty = {"machine": {}, "chains": {}}
    with pytest.raises(SystemExit, match="nothing to compare"):
        same_bytes.compare(empty, empty)


def test_a_whole_number_is_not_the_same_as_a_fraction():
    assert list(same_bytes.differences([1, 2], [1.0, 2])) == [("/0", 1, 1.0)]
    assert list(same_bytes.differences([1, 2], [1])) == [("/length", 2, 1)]


def test_only_what_may_differ_is_taken_out():
    tree = {
        "seconds": 1.5,
        "training_seconds": 2.0,
        "tokens_per_second": 9.0,
        "encoder_digest": "ab" * 32,
        "path": "a/b.csv",
        "gold": [0, 1],
        "note": f"made on 2026-01-02 from {'0a' * 32}",
        "epochs": [{"seconds": 3.0, "loss": 0.25, "seconds_to_go": "none"}],
    }
    assert recorded.clean(tree) == {
        "gold": [0, 1],
        "note": "made on DATE from DIGEST",
        "epochs": [{"loss": 0.25, "seconds_to_go": "none"}],
    }


def test_a_page_gives_its_data_and_the_figures_of_its_tables(tmp_path):
    page, folder = tmp_path / "report.html", tmp_path / "report_plots"
    folder.mkdir()
    (folder / "plots.json").write_text('{"plots": [], "facts": {"rows": 2}}', encoding="utf-8")
    (folder / "learning.csv").write_text("epoch,seconds,loss\n1,9.5,0.25\n", encoding="utf-8")
    page.write_text(
        "<style>td { width: 3px }</style><p>95 % of prose</p><section id='scores'><table><tr>"
        "<td title='12 rows'>1,234 <wbr>of 5</td><td>\u22120.9</td></tr></table></section>"
        "<dl><dd>2026-01-02</dd></dl>"
        '<script type="application/json" id="report-data">{"gold":[1,0]}</script>',
        encoding="utf-8",
    )
    assert recorded.page(page) == {
        "data": {"report-data": {"gold": [1, 0]}},
        "figures": {"scores": ["12", "1,234", "5", "\u22120.9"], "": []},
        "facts": {"rows": 2},
        "plots": {"learning": [["epoch", "loss"], ["1", "0.25"]]},
    }


def test_of_a_cloud_only_what_is_sure_is_compared(tmp_path):
    path, other = tmp_path / "clouds-subject.csv", tmp_path / "clouds-object.csv"
    heading = "label,rank,word,rows\n"
    path.write_text(heading + "a,1,x,3\na,2,y,2\na,3,z,2\na,4,u,1\n", encoding="utf-8")
    other.write_text(heading + "a,1,x,3\na,2,z,2\na,3,y,2\na,4,v,1\n", encoding="utf-8")
    sure = [["a", "1", ""], ["a", "2", "y"], ["a", "2", "z"], ["a", "3", "x"]]
    assert recorded.cloud_table(path) == recorded.cloud_table(other) == sure
