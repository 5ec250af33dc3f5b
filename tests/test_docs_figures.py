"""The figures in the documents, held against the results that the benches wrote."""

import json
import re
import sys

import documents
import numpy as np
import pytest
from documents import READMES, ROOT

sys.path.insert(0, str(ROOT / "bench"))

import peers
import scaling

PAGE = "docs/benchmarks.md"


def result(name: str) -> dict:
    return json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", ["families", "shapes"])
def test_the_parity_tables_are_those_of_the_bench(part):
    columns = ("hidden", "logits", "round_trip_hidden", "round_trip_logits")
    rows = [
        [name, *(f"{row[column]:.1e}" if column in row else "–" for column in columns)]
        for name, row in result("encoder_parity")[part].items()
    ]
    assert rows in documents.tables(PAGE)


def test_the_parity_measured_is_within_the_limit():
    found = result("encoder_parity")
    rows = [*found["families"].values(), *found["shapes"].values()]
    assert max(max(row.values()) for row in rows) < 1e-4


def test_the_memory_table_is_that_of_the_bench():
    rows = []
    for name, row in result("encoder_memory")["encoders"].items():
        cells = [f"{row['weights_mib']:,.0f}"]
        for way in ("load", "save"):
            peak, times = row[f"{way}_peak_mib"], row[f"{way}_peak_mib"] / row["weights_mib"]
            cells += [f"{peak:,.0f}", f"{times:.2f}", f"{row[f'{way}_seconds']:.1f}"]
        rows.append([name, *cells])
    assert rows in documents.tables(PAGE)


def test_the_table_of_memory_that_is_told_is_that_of_the_bench():
    found = result("fit")
    rows = [
        [name, f"{row['peak_mib']:,.0f}", f"{row['told_mib']:,.0f}", f"{row['off_percent']:+.1f}"]
        for name, row in found["cases"].items()
    ]
    assert rows in documents.tables(PAGE)
    worst = max(abs(row["off_percent"]) for row in found["cases"].values())
    assert f"{worst:.1f} % at most" in documents.text_of(PAGE)


def test_the_tables_beside_the_peers_are_those_of_the_bench():
    found = result("peers")
    assert peers.cost_rows(found) in documents.tables(PAGE)
    assert peers.ratio_rows(found) in documents.tables(PAGE)
    options = found["options"]
    assert options["repetitions"] == 1  # as the command and the text beside the table say
    assert f"batch {options['batch']}, {options['sentences']} rows" in documents.text_of(PAGE)


def test_the_tables_of_decoders_are_those_of_the_benches():
    tasks = {"train": "train, 4 rows a step", "predict": "predict, 16 rows a batch"}
    peers_ = {"Trainer": "Trainer, random order", "Trainer by length": "Trainer, by length"}
    peers_ |= {"transformers": "transformers, by length", "loop": "a generated token a row"}
    rows = [
        [tasks[row["task"]], peers_[row["peer"]]]
        + [f"{row[name]:.2f}" for name in ("speed", "peak", "first_step")]
        for row in result("decoder_peers")["ratios"]
    ]
    assert rows in documents.tables(PAGE)
    found = result("decoder_formats")["formats"]
    plain = found["float32"]["perplexity"]
    rows = []
    for name, row in found.items():
        more = abs(100 * (row["perplexity"] / plain - 1))
        cells = [f"{row['kernels_mib']:.0f}", f"{row['perplexity']:.2f}", f"{more:.1f}"]
        cells += [f"{row['label_distance']:.3f}", f"{row['other_labels_percent']:.0f}"]
        rows.append([name, *(cells if name != "float32" else [*cells[:2], "–", "–", "–"])])
    assert rows in documents.tables(PAGE)
    first = {r["side"]: r["first_step_seconds"] for r in result("decoder_backends")["records"]}
    text = " ".join(documents.text_of(PAGE).split())
    torch, jax, flow = (first[f"relx {name}"] for name in ("torch", "jax", "tensorflow"))
    assert f"took {torch:.1f} s on PyTorch, {jax:.1f} s on JAX and {flow:.1f} s on" in text


def test_the_figures_of_the_gpu_are_those_of_the_bench():
    speeds = {(row["task"], row["side"]): row for row in result("gpu_speed")["speed"]}
    rows = []
    for (task, side), row in speeds.items():
        padding, first = (row.get(name) for name in ("padding_percent", "first_step_seconds"))
        cells = [f"{row['tokens_per_second']:,.0f}"]
        cells += ["–" if padding is None else f"{padding:.1f}", f"{row['mfu_percent']:.1f}"]
        cells += ["–" if first is None else f"{first:.1f}", f"{row['peak_gpu_mib']:,.0f}"]
        rows.append([f"{task}, {side}", *cells])
    assert rows in documents.tables(PAGE)
    text = " ".join(documents.text_of(PAGE).split())
    predict, train = (
        speeds[task, "relx jax"]["tokens_per_second"]
        / speeds[task, "transformers"]["tokens_per_second"]
        for task in ("predict", "train")
    )
    assert f"predicted {predict:.2f} times and trained {train:.2f} times as fast" in text


def test_the_figures_of_all_of_klue_are_those_of_the_bench():
    (chain, *_) = result("klue_full")["chains"]
    train, text = chain["train"], " ".join(documents.text_of(PAGE).split())
    curve = [f"{epoch['micro_f1']:.2f}" for epoch in train["curve"]]
    assert f"took {train['minutes']:.0f} minutes of two cores" in text
    assert f"micro-F1 {curve[0]}, {curve[1]} and {curve[2]}, AUPRC " in text
    assert f"AUPRC {train['results']['auprc']:.2f} on the dev rows" in text
    (said,) = [" ".join(c["said"]) for c in result("gpu_klue")["chains"] if "said" in c]
    assert "dev micro-F1 72.11" in said and "dev micro-F1 76.55" in said
    with np.load(ROOT / "bench/results" / chain["file"], allow_pickle=False) as kept:
        assert kept["test_probabilities"].shape == (7765, 30)
        assert np.abs(kept["test_probabilities"].astype(float).sum(axis=1) - 1).max() < 2e-2


def test_the_differences_on_a_gpu_are_those_of_the_bench():
    text = " ".join(documents.text_of(PAGE).split())
    found = {backend: result(f"gpu_parity_{backend}") for backend in ("jax", "torch")}
    exact = [row for row in found["torch"]["outputs"] if row["precision"] == "float32"]
    hidden, logits = (max(row.get(name, 0.0) for row in exact) for name in ("hidden", "logits"))
    assert (
        f"at most {hidden:.1e} (roberta-large's shape) and masked-LM logits by {logits:.1e}" in text
    )
    jax, torch = (found[backend]["training"][0]["loss"] for backend in found)
    assert f"the same losses to {torch:.1e}, and to {jax:.1e} on JAX" in text
    halves = [
        row["hidden"] / row["transformers_hidden"]
        for figures in found.values()
        for row in figures["outputs"]
        if row["precision"] == "bfloat16"
    ]
    assert f"{min(halves):.1f} to {max(halves):.1f} times as far" in text


def test_the_tables_of_scaling_are_those_of_the_bench():
    found = result("scaling")
    assert scaling.cells(found, "seconds", ".1f") in documents.tables(PAGE)
    assert scaling.cells(found, "peak_mib", ",.0f") in documents.tables(PAGE)
    sizes = " ".join(map(str, found["sizes"]))
    assert f"bench/scaling.py --sizes {sizes}\n" in documents.text_of(PAGE)


def test_the_tables_of_a_million_rows_are_those_of_the_bench():
    found = result("scaling_rows")
    page = documents.tables(PAGE)
    assert scaling.cells(found, "seconds", ".1f") in page
    assert scaling.cells(found, "peak_mib", ",.0f") in page
    more = {
        stage: own["1000000"]["peak_mib"] - own["1000"]["peak_mib"]
        for stage, own in found["stages"].items()
    }
    assert max(more.values()) <= 400  # MiB beyond what a few rows take


def test_the_kills_are_those_of_the_bench_and_of_its_command():
    found = result("kills")
    assert found["survived"] == found["tried"]
    words = f"{found['survived']} of {found['tried']} kills survived"
    assert words in " ".join(documents.text_of(PAGE).split())
    kinds = [(row["kills"], row["tried"]) for row in found["table"]]
    kills = sum(tried for kind, tried in kinds if kind == "random moment")
    # Points of the series, which every call makes, are not counted by --points.
    points = sum(count for name, count in found["points"].items() if name[0].isdigit())
    command = f"bench/kills.py --kills {kills} --points {points}"
    assert all(command in documents.text_of(document) for document in (PAGE, *READMES))


def test_the_damaged_runs_are_those_of_the_bench():
    found = result("faults")
    endings = found["endings"]
    assert found["faults"] == [] and set(endings) <= {"same", "refused", "loud"}
    page = " ".join(documents.text_of("docs/reliability.md").split())
    assert f"bench/faults.py --trials {found['tried']} " in page
    assert f"Of {found['tried']} trials {endings['same']} gave what" in page
    assert f"{endings['refused']} were refused with a message, {endings['loud']} were loud" in page


def test_every_fault_named_has_its_test():
    named = re.findall(r"`(tests/test_\w+\.py)`", documents.text_of("docs/reliability.md"))
    assert len(named) > 20 and [name for name in named if not (ROOT / name).is_file()] == []


def test_the_broken_files_are_those_of_the_bench():
    found = result("fuzz")
    page = " ".join(documents.text_of("docs/reliability.md").split())
    command = f"bench/fuzz.py --minutes {found['minutes']:.0f} --seed {found['seed']}"
    assert command in page
    faults = len(found["faults"])
    words = f"{found['inputs']:,} inputs showed {faults} fault{'s' * (faults != 1)}"
    assert words in page


def test_the_pages_times_are_those_of_the_benches():
    eda, report = result("eda"), result("report")
    assert not eda["differ"] and eda["seconds"]["cold"]["median"] < eda["limit_seconds"]
    times = [*eda["seconds"].values(), report["seconds"]]
    expected = [[f"{t['median']:.1f}", f"{t['least']:.1f}–{t['most']:.1f}"] for t in times]
    assert expected in [[row[1:] for row in table] for table in documents.tables(PAGE)]
    assert f"{len(eda['figures'])} figures of the page" in documents.text_of(PAGE)


def test_the_share_without_a_relation_is_that_of_the_bench():
    share = result("eda")["figures"]["headline/percent/train"]
    assert f"{share} % of the training rows" in documents.text_of("docs/first-competition.md")


def test_the_scores_and_start_up_times_are_those_of_the_benches():
    shown = {row[0].strip("`"): row[1:] for table in documents.tables(PAGE) for row in table}
    for name, found in result("real_data").items():
        assert shown[name] == [
            f"{found['scores']['micro_f1']:.2f}",
            f"{found['scores']['auprc']:.2f}",
            f"{sum(found['minutes'].values()):.1f}",
            f"{found['tapt']['sentences_per_second']:.1f}",
            f"{found['train_sentences_per_second']:.1f}",
        ]
    for name, found in result("startup")["seconds"].items():
        assert shown[name] == [f"{found['median']:.2f}"]


@pytest.mark.parametrize("readme", READMES)
def test_the_figures_of_a_readme_are_those_of_the_benches(readme):
    (table,) = [t for t in documents.tables(readme) if t[0][0].startswith("KLUE-RE")]
    assert [re.findall(r"[\d.]+(?:e-\d+)?", row[1]) for row in table] == headline()
    assert all(row[2].startswith("`") for row in table if row[2] not in ("the same", "위와 같음"))


def headline() -> list[list[str]]:
    """The figures of the READMEs' table, row by row."""
    klue = result("real_data")["klue-2000"]["scores"]
    parity = result("encoder_parity")["families"].values()
    ratios, kills, times = result("peers")["ratios"], result("kills"), result("startup")["seconds"]
    pairs = [
        ratios["tapt"]["run_mlm"],
        ratios["train"]["Trainer by length"],
        ratios["predict"]["PyTorch by length"],
    ]
    return [
        [f"{klue['micro_f1']:.2f}", f"{klue['auprc']:.2f}"],
        [f"{max(row['hidden'] for row in parity):.1e}"],
        *(
            [f"{pair[name]['median']:.2f}" for name in ("tokens_per_second", "seconds")]
            for pair in pairs
        ),
        [str(kills["survived"]), str(kills["tried"])],
        [f"{times['relx --help']['median']:.2f}"],
        [f"{times['relx score --pred, 7,765 rows']['median']:.2f}"],
    ]
