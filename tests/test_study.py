"""Studies: what their file may say, how effects are computed, and the table and page of them."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from relx.data.labels import LabelList
from relx.data.rows.gold_rows import GoldRow
from relx.faults import InputError
from relx.files import read_json
from relx.score import ScoredRows
from relx.study.plan import BASE, chosen_cells, read_study
from relx.study.results import CellResult, keep_result, kept_result, made_of
from relx.study.table import effects_of, study_table
from relx_cli.study import study as command

LABELS = LabelList(("none", "a", "b"), "none")
FILE = """\
name: markers
recipe: demo
set: {train.epochs: 1, data.train: sample/train.csv, data.dev: null}
seeds: [3, 4, 5]
options:
  smooth: {set: {train.label_smoothing: 0.2}}
  adapted: {tapt: true}
  folds: {folds: [0, 2], set: {data.folds: 4}}
"""


def written(folder, text=FILE):
    file = folder / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def rows_of(probabilities, gold, name="x", ids=None):
    ids = ids or [f"r{i}" for i in range(len(gold))]
    return ScoredRows(
        name=name,
        gold_file="gold.csv",
        examples=[GoldRow(id_, None) for id_ in ids],
        labels=LABELS,
        gold=np.asarray(gold),
        predicted=probabilities.argmax(1),
        probabilities=probabilities,
    )


def made(study, runs, quality, seconds=10.0):
    """Keeps a result for every cell: the share of rows that is right goes by option and seed."""
    for cell in study.cells:
        share = quality(cell.option, cell.seed)
        rng = np.random.default_rng(cell.seed)
        gold = np.arange(200) % 3
        shares = np.full((200, 3), 0.1)
        right = rng.random(200) < share
        shares[np.arange(200), np.where(right, gold, (gold + 1) % 3)] = 0.8
        time = {"tapt": 0.0, "train": seconds * (1 + (cell.option == "folds")), "predict": 0.0}
        keep_result(study.folder(runs), cell, rows_of(shares, gold, cell.name), time)


def test_a_study_is_each_option_at_each_seed(tmp_path):
    study = read_study(written(tmp_path))
    assert study.options == (BASE, "smooth", "adapted", "folds")
    assert [(cell.option, cell.seed) for cell in study.cells[:5]] == [
        (BASE, 3),
        ("smooth", 3),
        ("adapted", 3),
        ("folds", 3),
        (BASE, 4),
    ]
    cells = {cell.name: cell for cell in study.cells}
    assert cells["smooth.4"].recipe.train.label_smoothing == 0.2
    assert cells["smooth.4"].recipe.name == "markers.smooth.4"
    assert cells["smooth.4"].recipe.seed == 4
    assert cells["smooth.4"].recipe.train.epochs == 1
    assert cells["base.4"].recipe.train.start_from == "encoder"
    assert cells["adapted.4"].tapt and cells["adapted.4"].recipe.train.start_from == "tapt"
    assert cells["folds.5"].folds == "0,2" and cells["base.5"].folds is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seeds: [3, 4, 5]", "seeds: [3, 3]", "a seed is named twice"),
        ("seeds: [3, 4, 5]", "seeds: []", "at least 1 item"),
        ("seeds: [3, 4, 5]", "seeds: [-1]", "greater than or equal to 0"),
        ("  smooth:", "  base:", "base is the recipe without options"),
        ("train.epochs: 1", "seed: 1", "a study names its runs and seeds itself"),
        ("train.epochs: 1", "train.epoch: 1", "did you mean epochs"),
        ("train.label_smoothing: 0.2", "train.label_smoothing: 2", "options.smooth"),
        ("tapt: true", "tatp: true", "did you mean tapt"),
        ("recipe: demo", "recipe: dmo", "there is no such recipe file"),
        ("name: markers", "name: a b", "name"),
        ("folds: [0, 2]", "folds: some", "folds"),
        ("seeds:", "sedes:", "did you mean seeds"),
    ],
)
def test_what_makes_no_study_is_refused(old, new, says, tmp_path):
    with pytest.raises(InputError, match=says):
        read_study(written(tmp_path, FILE.replace(old, new)))


def test_cells_are_chosen_by_their_numbers(tmp_path):
    study = read_study(written(tmp_path))
    assert chosen_cells(study, None) == study.cells
    assert [cell.name for cell in chosen_cells(study, "5, 0")] == ["smooth.4", "base.3"]
    for words in ("12", "-1", "x", ""):
        with pytest.raises(InputError, match="no cells of the study"):
            chosen_cells(study, words)


def test_a_result_comes_back_as_it_was(tmp_path):
    study = read_study(written(tmp_path))
    made(study, tmp_path, lambda option, seed: 0.6)
    cell = study.cells[1]
    found = kept_result(study.folder(tmp_path), cell)
    assert found.seconds["train"] == 10
    assert found.rows.scores().accuracy == pytest.approx(60, abs=10)
    assert found.rows.labels == LABELS
    assert [row.id for row in found.rows.examples][:2] == ["r0", "r1"]
    other = replace(cell, recipe=cell.recipe.model_copy(update={"seed": 99}))
    assert kept_result(study.folder(tmp_path), other) is None
    file = study.folder(tmp_path) / f"{cell.name}.npz"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(InputError, match="not what the cell"):
        kept_result(study.folder(tmp_path), cell)


def test_what_a_cell_is_made_of_knows_the_gold_rows_and_not_the_device(tmp_path):
    (tmp_path / "gold.csv").write_text("one", encoding="utf-8")
    with_gold = FILE.replace("recipe: demo", f"recipe: demo\ngold: {tmp_path / 'gold.csv'}")
    cell = read_study(written(tmp_path, with_gold)).cells[0]
    before = made_of(cell)
    device = cell.recipe.device.model_copy(update={"virtual_devices": 2})
    elsewhere = cell.recipe.model_copy(update={"device": device})
    assert made_of(replace(cell, recipe=elsewhere)) == before
    (tmp_path / "gold.csv").write_text("two", encoding="utf-8")
    assert made_of(cell) != before


def test_effects_are_paired_by_seed(tmp_path):
    study = read_study(written(tmp_path))
    base = {3: 0.5, 4: 0.6, 5: 0.55}
    made(study, tmp_path, lambda option, seed: base[seed] + 0.25 * (option == "smooth"))
    table = study_table(study, tmp_path, draws=300)
    rows = {row.option: row for row in table.rows}
    effect = rows["smooth"].effects["micro_f1"]
    results = {c.name: kept_result(study.folder(tmp_path), c) for c in study.cells}
    score = {name: found.rows.scores().micro_f1 for name, found in results.items()}
    expected = {seed: score[f"smooth.{seed}"] - score[f"base.{seed}"] for seed in base}
    assert effect.by_seed == pytest.approx(expected)
    values = np.array(list(expected.values()))
    assert effect.value == pytest.approx(values.mean())
    assert effect.error == pytest.approx(values.std(ddof=1) / 3**0.5)
    assert effect.low < effect.value < effect.high and effect.low > 0
    assert rows["smooth"].verdict == "better"
    assert rows["adapted"].effects["micro_f1"].value == 0
    assert rows["adapted"].verdict == "no effect seen"
    assert rows["folds"].cost == pytest.approx(2)
    assert rows[BASE].effects == {} and rows[BASE].cost == 1
    assert (table.done, table.cells, table.count) == (12, 12, 200)


def test_the_interval_is_over_seeds_and_rows():
    # Rows alone: one seed, so that only they vary. Seeds alone: all rows are moved alike.
    gold = np.tile([1, 2], 100)
    right, wrong = np.eye(3)[gold], np.eye(3)[3 - gold]

    def result(seed, shares):
        cell = type("Cell", (), {"seed": seed, "name": f"c{seed}"})()
        return CellResult(cell, rows_of(shares, gold), {})

    half = np.where((np.arange(200) < 100)[:, None], right, wrong)
    one = effects_of([(result(1, half), result(1, right))], 2000)["accuracy"]
    assert one.value == 50 and one.error is None
    # The share of 200 rows that are gained: binomial, with a deviation of 3.5 points.
    assert one.high - one.low == pytest.approx(2 * 1.96 * 3.54, rel=0.12)
    pairs = [(result(1, wrong), result(1, right)), (result(2, wrong), result(2, wrong))]
    both = effects_of(pairs, 2000)["accuracy"]
    assert (both.value, both.low, both.high) == (50, 0, 100)  # both seeds drawn alike, or mixed
    assert both.error == pytest.approx(50)


def test_cells_of_other_rows_are_refused():
    shares, gold = np.eye(3)[[0, 1, 2]], [0, 1, 2]
    cell = type("Cell", (), {"seed": 1, "name": "c"})()
    one = CellResult(cell, rows_of(shares, gold), {})
    other = CellResult(cell, rows_of(shares, gold, ids=["x", "y", "z"]), {})
    with pytest.raises(InputError, match="scored on other rows"):
        effects_of([(one, other)], 100)


def test_with_fewer_than_three_seeds_nothing_is_claimed(tmp_path):
    study = read_study(written(tmp_path, FILE.replace("[3, 4, 5]", "[3, 4]")))
    made(study, tmp_path, lambda option, seed: 0.3 + 0.6 * (option == "smooth"))
    table = study_table(study, tmp_path, draws=100)
    assert [row.verdict for row in table.rows] == ["", *["2 seeds: no claim"] * 3]


def test_a_seed_counts_where_both_sides_are_done(tmp_path):
    study = read_study(written(tmp_path))
    with pytest.raises(InputError, match="no cell of the recipe without options"):
        study_table(study, tmp_path)
    made(study, tmp_path, lambda option, seed: 0.5)
    (study.folder(tmp_path) / "base.4.json").unlink()
    (study.folder(tmp_path) / "smooth.5.json").unlink()
    rows = {row.option: row for row in study_table(study, tmp_path, draws=100).rows}
    assert rows["smooth"].seeds == (3,) and rows["smooth"].verdict == "1 seed: no claim"
    assert rows["adapted"].seeds == (3, 5)


def test_the_table_is_printed_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    file = written(tmp_path)
    study = read_study(file)
    made(study, tmp_path, lambda option, seed: 0.5 + 0.3 * (option == "smooth"))
    page, runs = tmp_path / "study.html", ["--runs-dir", str(tmp_path), "--draws", "100"]
    done = CliRunner().invoke(command, ["show", str(file), *runs, "--out", str(page)])
    assert done.exit_code == 0, done.output
    assert "better" in done.output and "12 of 12 cells" in done.output
    html = page.read_text(encoding="utf-8")
    assert "no effect seen" in html and "figure-effects-micro_f1" in html
    facts = read_json(tmp_path / "study_plots/plots.json")["facts"]
    assert [row["option"] for row in facts["options"]] == [BASE, "smooth", "adapted", "folds"]
    listed = CliRunner().invoke(command, ["list", str(file), "--runs-dir", str(tmp_path)])
    assert listed.output.count("done") == 12
