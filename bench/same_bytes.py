"""Shows that a change of the code changed nothing that it computes, down to the bytes.

    python bench/same_bytes.py record --checkout BEFORE --out before.json
    python bench/same_bytes.py record --checkout AFTER --out after.json
    python bench/same_bytes.py compare before.json after.json

`record` runs the whole chain of one checkout on the sample, as `make demo` does, and every page
beside it; with `--shared` also on 200 rows of KLUE-RE with a pretrained encoder. It notes the
digest of each tensor and each submission, and all figures. relx itself is never imported here, so
that its modules may move: its commands run as processes, and the files that they leave are read.
Make both recordings on one machine with one set of packages. `compare` ends with status 1 if
anything differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorded import clean, digest, model_folder, numbers, page, read_json, stage, submission

SHOWN = 5  # differences of a group
PARTS = ("train.csv", "dev.csv", "test.csv", "test_gold.csv")  # of the sample
# A second run to compare with: it goes the ways that the first does not.
OTHER = {
    "name": "other",
    "seed": "7",
    "data.dev": "null",
    "train.start_from": "encoder",
    "train.pooling": "cls_entity_starts",
    "markers.style": "typed_entity_marker_punct",
}
KLUE_RECIPE = """\
name: klue
data: {train: train.csv, test: test.csv}
encoder: {from: encoder}
tokens: {max_length: 128}
tapt: {epochs: 1, batch_size: 16, learning_rate: 1e-4}
train: {epochs: 2, batch_size: 16, learning_rate: 1.5e-4}
"""
# Run by the Python that runs relx: where its code is, and what else decides the bytes.
DESCRIBE = """\
import importlib.metadata, json, os, platform, relx, relx_cli
packages = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
packages.pop("relx", None)
found = {"machine": platform.machine(), "cores": os.cpu_count(), "packages": packages}
found |= {"python": platform.python_version(), "code": [relx.__file__, relx_cli.__file__]}
print(json.dumps(found))
"""
TRAIN_ROWS, GOLD_ROWS, TEST_ROWS, OTHER_ROWS = 200, 60, 60, 80


@dataclass(frozen=True)
class Chain:
    """A recipe and files in a folder of their own.

    Args:
        name: The recipe's name.
        folder: Where the commands run.
        recipe: The recipe's file; this and what follows is relative to the folder.
        test: The rows to predict.
        gold: Labelled rows to score.
        gold_is_test: Whether both are the same rows.
        other: The settings of the second run.
    """

    name: str
    folder: Path
    recipe: str
    test: str
    gold: str
    gold_is_test: bool
    other: dict[str, str]

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yields the name and the words of each command, those of `make demo` first."""
        run, recipe, gold = f"--run {self.name}", f"--recipe {self.recipe}", f"--gold {self.gold}"
        made, keras = (f"runs/{self.name}/{stem}.csv" for stem in ("submission", "keras"))
        settings = " ".join(f"--set {key}={value}" for key, value in self.other.items())
        yield "tapt", f"tapt {recipe}"
        yield "train", f"train {recipe}"
        yield "predict", f"predict {run} --test {self.test} --out {made}"
        if self.gold_is_test:
            yield "score pred", f"score {gold} --pred {made}"
        yield "report", f"report --quiet {run} {gold} --out runs/{self.name}/report.html"
        yield "score", f"score --json {run} {gold}"
        yield "predict keras", f"predict {run} --engine keras --test {self.gold} --out {keras}"
        yield "score keras", f"score --json {gold} --pred {keras}"
        yield "validate", f"validate {recipe}"
        yield "validate json", f"validate --json {recipe}"
        yield "eda", f"eda {recipe} --pred {made} --out eda.html"
        yield "train other", f"train {recipe} {settings}"
        yield "report other", "report --quiet --run other --out other.html"
        yield "compare", f"compare {self.name} other {gold} --out compare.html"
        yield "compare json", f"compare {self.name} other {gold} --json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run a checkout's commands and note the outcome")
    recording.add_argument("--checkout", type=Path, required=True, help="the code to run")
    recording.add_argument("--out", type=Path, required=True, help="the JSON to write")
    recording.add_argument("--shared", type=Path, help="a folder with KLUE-RE and an encoder")
    recording.add_argument("--python", default=sys.executable, help="what runs relx")
    recording.add_argument("--work", type=Path, help="keep what the commands write in this folder")
    comparing = commands.add_parser("compare", help="compare two recordings")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "compare":
        before, after = (read_json(path) for path in (arguments.before, arguments.after))
        return compare(before, after)
    record(arguments)
    return 0


def record(arguments: argparse.Namespace) -> None:
    """Runs every chain in a fresh folder and writes what it left behind."""
    checkout = arguments.checkout.resolve()
    shared = arguments.shared.resolve() if arguments.shared else None
    if arguments.work:
        arguments.work.mkdir(parents=True)
    kept = nullcontext(arguments.work) if arguments.work else tempfile.TemporaryDirectory()
    with kept as name:
        work = Path(name).resolve()
        machine = describe_machine(checkout, arguments.python, work)
        chains = [demo_chain(checkout, work / "demo")]
        chains += [klue_chain(shared, work / "klue")] if shared else []
        found = {chain.name: run_chain(chain, checkout, arguments.python) for chain in chains}
    text = json.dumps({"machine": machine, "chains": found}, ensure_ascii=False)
    arguments.out.write_text(text + "\n", encoding="utf-8")


def describe_machine(checkout: Path, python: str, work: Path) -> dict[str, Any]:
    """Returns what figures depend on besides the code, which must be that of the checkout."""
    said = run([python, "-c", DESCRIBE], work, checkout)
    found: dict[str, Any] = json.loads(said)
    for file in found.pop("code"):
        if not Path(file).is_relative_to(checkout):
            raise SystemExit(f"{python} would run {file}, which is not in {checkout}")
    return found


def environment(checkout: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}


def demo_chain(checkout: Path, folder: Path) -> Chain:
    """Copies the sample and its recipe, wherever the checkout has them."""
    recipe, train = (find(checkout, name) for name in ("recipes/demo.yaml", "sample/train.csv"))
    for name in ("recipes", "sample"):
        (folder / name).mkdir(parents=True)
    shutil.copy(recipe, folder / "recipes/demo.yaml")
    for part in PARTS:
        shutil.copy(train.with_name(part), folder / "sample" / part)
    files = ("recipes/demo.yaml", "sample/test.csv", "sample/test_gold.csv")
    return Chain("demo", folder, *files, True, OTHER | {"train.epochs": "8"})


def find(checkout: Path, ending: str) -> Path:
    places = [checkout / ending, *sorted(checkout.glob(f"*/**/{ending}"))]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise SystemExit(f"{checkout} has no {ending}")
    return found


def klue_chain(shared: Path, folder: Path) -> Chain:
    """Cuts the rows, and puts a link to the encoder beside them, so that its path is the same."""
    folder.mkdir(parents=True)
    train = read_rows(shared / "data/klue_re/train.csv")
    write_rows(folder / "train.csv", train[:TRAIN_ROWS])
    write_rows(folder / "gold.csv", train[TRAIN_ROWS : TRAIN_ROWS + GOLD_ROWS])
    write_rows(folder / "few.csv", train[:OTHER_ROWS])
    write_rows(folder / "test.csv", read_rows(shared / "data/klue_re/test_data.csv")[:TEST_ROWS])
    (folder / "encoder").symlink_to(shared / "models/e5-small-ko24k")
    (folder / "klue.yaml").write_text(KLUE_RECIPE, encoding="utf-8")
    other = OTHER | {"data.train": "few.csv", "train.epochs": "1"}
    return Chain("klue", folder, "klue.yaml", "test.csv", "gold.csv", False, other)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def run_chain(chain: Chain, checkout: Path, python: str) -> dict[str, Any]:
    """Runs the commands and returns what they left: groups to compare, texts, and seconds."""
    said, seconds = {}, {}
    for name, words in chain.commands():
        print(f"{chain.name}: relx {words}", file=sys.stderr, flush=True)
        started = time.monotonic()
        said[name] = run([python, "-m", "relx_cli", *words.split()], chain.folder, checkout)
        seconds[name] = round(time.monotonic() - started, 1)
    texts = {name: said[name] for name in ("score pred", "validate") if name in said}
    return {"groups": groups(chain, said), "texts": texts, "seconds": seconds}


def run(words: list[str], folder: Path, checkout: Path) -> str:
    """Runs a command and returns what it printed."""
    done = subprocess.run(
        words, cwd=folder, env=environment(checkout), capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def groups(chain: Chain, said: dict[str, str]) -> dict[str, Any]:
    """Gathers what must be the same, by what it is."""
    folder, runs = chain.folder, chain.folder / "runs"
    tapt, train = runs / chain.name / "tapt", runs / chain.name / "train/fold-0"
    other = runs / "other/train/fold-0"
    texts = ("score pred", "validate")
    return {
        "input": {file.name: digest(file.read_bytes()) for file in inputs(folder)},
        "encoder": model_folder(tapt / "encoder"),
        "model": model_folder(train / "model"),
        "other model": model_folder(other / "model"),
        "submission": submission(runs / chain.name / "submission.csv"),
        "keras submission": submission(runs / chain.name / "keras.csv"),
        "scores": {name: json.loads(said[name]) for name in ("score", "score keras")},
        "curves": {"tapt": stage(tapt), "train": stage(train), "other": stage(other)},
        "report": page(runs / chain.name / "report.html"),
        "dev report": page(folder / "other.html"),
        "eda": page(folder / "eda.html"),
        "compare": {**page(folder / "compare.html"), "json": said_json(said, "compare json")},
        "validate": said_json(said, "validate json"),
        "printed figures": {name: numbers(said[name]) for name in texts if name in said},
    }


def inputs(folder: Path) -> list[Path]:
    return [*sorted(folder.glob("[!.]*.csv")), *sorted((folder / "sample").glob("*.csv"))]


def said_json(said: dict[str, str], name: str) -> Any:
    return clean(json.loads(said[name]))


def compare(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Prints of each group whether it is the same; returns 1 if any is not, else 0."""
    different = compared = 0
    for path, first, second in differences(before["machine"], after["machine"]):
        print(f"note: not recorded in one place: {path} {first}, {second}")
    for chain in before["chains"] | after["chains"]:
        ours, theirs = (side["chains"].get(chain, {}) for side in (before, after))
        names = ours.get("groups", {}) | theirs.get("groups", {})
        for name in names:
            sides = (side.get("groups", {}).get(name) for side in (ours, theirs))
            different += compare_group(f"{chain} {name}", *sides)
        compared += len(names)
        if ours.get("texts") != theirs.get("texts"):
            print(f"{chain}: what is printed has other words (which is no difference)")
    if not compared:
        raise SystemExit("there is nothing to compare in these recordings")
    print(f"{different} of {compared} groups differ")
    return int(different > 0)


def compare_group(name: str, before: Any, after: Any) -> bool:
    """Prints the first differences of a group, and says whether there are any."""
    found, values = list(differences(before, after)), sum(1 for _ in leaves(before))
    if not found:
        print(
            f"{name:<24} {f'the same bytes, {values:,} values' if values else 'NOTHING RECORDED'}"
        )
        return not values
    print(f"{name:<24} {len(found):,} DIFFERENCES")
    for path, first, second in found[:SHOWN]:
        print(f"    {path or '(all)'}: {_short(first)} -> {_short(second)}")
    return True


ABSENT = "(absent)"


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields path and both values wherever two trees differ, the order of a list included."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before | after:
            sides = (before.get(key, ABSENT), after.get(key, ABSENT))
            yield from differences(*sides, f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path}/length", len(before), len(after)
        for place, sides in enumerate(zip(before, after, strict=False)):
            yield from differences(*sides, f"{path}/{place}")
    elif json.dumps(before) != json.dumps(after):  # 1 is not 1.0, and NaN is NaN
        yield path, before, after


def leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, (dict, list)):
        for own in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(own)
    else:
        yield tree


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 110 else f"{text[:110]}…"


if __name__ == "__main__":
    sys.exit(main())
