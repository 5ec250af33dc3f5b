"""What the READMEs say, held against the code: recipe, markers, commands, paths, figures."""

import json
import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click
import pytest
import yaml

from relx.data.labels import KLUE
from relx.models.encoder.families.registry import FAMILIES
from relx.recipe import DataSection, MarkersSection, MarkerStyle
from relx.recipe_file import load_recipe, recipe_from_tree
from relx.scoring.one_of import ClassScores, Scores
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import mark
from relx.tasks.relation.rows import Example, scan_examples
from relx_cli.main import relx

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import peers
import scaling

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.ko.md"]
SEP = "[SEP]"
SENTENCE = Example(
    "0",
    "가람은 새벽공방의 대표이다.",
    Entity("새벽공방", Span(4, 8), "ORG"),
    Entity("가람", Span(0, 2), "PER"),
    None,
)
SAID_DEFAULT = re.compile(r"# (?:default|기본값) ([^;]+);")
SAID_REQUIRED = re.compile(r"# (?:required|필수);")
ROOMS = r"(?:relx_cli|relx|tapt|recipes|sample|tests|bench)/[\w./-]*|\.ci/run"
FILES = r"Makefile|LICENSE|README(?:\.ko)?\.md|setup\.py|requirements(?:-test)?\.lock"
# Not after a slash (`runs/demo/tapt/`), and no drawing of a run's own folders.
PATHS = re.compile(rf"(?<![\w./{{-])(?:{ROOMS}|{FILES})(?![\w/])")

both = pytest.mark.parametrize("readme", READMES)


def text_of(readme: str) -> str:
    return (ROOT / readme).read_text(encoding="utf-8")


def blocks(readme: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(readme), re.MULTILINE | re.DOTALL)


def languages(readme: str) -> list[str]:
    return re.findall(r"^```(\w*)\n.*?^```", text_of(readme), re.MULTILINE | re.DOTALL)


def commands(readme: str) -> list[list[str]]:
    """The words of every command in the sh blocks, without settings of the environment."""
    lines = "".join(blocks(readme, "sh")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    without = [[w for i, w in enumerate(f) if i or not re.match("[A-Z_]+=", w)] for f in found]
    return [words for words in without if words]


def leaves(tree: dict, prefix: str = "") -> dict[str, object]:
    """The values of nested dictionaries by dotted key."""
    found = {}
    for key, value in tree.items():
        inside = leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        found |= inside if inside is not None else {f"{prefix}{key}": value}
    return found


def lines_of_keys(node: yaml.MappingNode, prefix: str = "") -> dict[str, int]:
    """The line on which each key stands, from 0, by dotted key."""
    found = {}
    for key, value in node.value:
        found[prefix + key.value] = key.start_mark.line
        if isinstance(value, yaml.MappingNode):
            found |= lines_of_keys(value, f"{prefix}{key.value}.")
    return found


DEFAULTS = leaves(recipe_from_tree({"name": "x", "encoder": {"from": {"fresh": {}}}}).tree())


@pytest.fixture(params=READMES)
def recipe_block(request) -> str:
    (block,) = blocks(request.param, "yaml")
    return block


def test_the_recipe_loads_and_names_every_key(recipe_block, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(recipe_block, encoding="utf-8")
    assert leaves(load_recipe(path).tree()).keys() == DEFAULTS.keys()
    assert DEFAULTS.keys() <= lines_of_keys(yaml.compose(recipe_block)).keys()


def test_every_key_of_the_recipe_says_its_default(recipe_block, tmp_path):
    lines = recipe_block.splitlines()
    keys = lines_of_keys(yaml.compose(recipe_block))
    said = {key: SAID_DEFAULT.search(lines[line]) for key, line in keys.items()}
    settings = [f"{key}={found[1]}" for key, found in said.items() if found]
    path = tmp_path / "my.yaml"
    path.write_text("name: x\nencoder: {from: {fresh: {}}}\n", encoding="utf-8")
    assert leaves(load_recipe(path, settings).tree()) == DEFAULTS
    required = {key for key, line in keys.items() if SAID_REQUIRED.search(lines[line])}
    assert required == {"name", "encoder.from"}
    assert {key for key, found in said.items() if found} | {"name"} == DEFAULTS.keys()


def test_both_recipes_have_the_same_values():
    english, korean = (yaml.safe_load(blocks(readme, "yaml")[0]) for readme in READMES)
    assert english == korean


@both
def test_the_markers_table_is_what_the_code_does(readme):
    rows = re.findall(r"^\| `(style: .+?)` \| `(.+)` \|$", text_of(readme), re.MULTILINE)
    shown = set()
    for settings, text in rows:
        section = MarkersSection.model_validate(yaml.safe_load(f"{{{settings}}}"))
        marked = mark(SENTENCE, section, SEP)
        segments = [part for part in (marked.other, marked.text) if part is not None]
        assert text == f" {SEP} ".join(segments)
        shown.add(section.style)
    assert shown == set(get_args(MarkerStyle))


@both
@pytest.mark.parametrize("language", ["csv", "json"])
def test_the_rows_shown_can_be_read(readme, language, tmp_path):
    (block,) = blocks(readme, language)
    path = tmp_path / f"rows.{language}"
    path.write_text(block, encoding="utf-8")
    reading = scan_examples(path, DataSection(), KLUE, require_labels=True)
    assert not reading.faults
    assert len(reading.examples) == 1


@both
def test_every_relx_command_and_option_exists(readme):
    found = [words[1:] for words in commands(readme) if words[0] == "relx"]
    assert {words[0] for words in found} == set(relx.list_commands(click.Context(relx)))
    for words in found:
        check_command(words)


def check_command(words: list[str]) -> None:
    command: click.Command | None = relx
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, words
        words = words[1:]
    options = {name: p for p in command.params for name in (*p.opts, *p.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word not in options]
    assert not unknown, (command.name, unknown)
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert {setting.partition("=")[0] for setting in settings} <= {*DEFAULTS, "encoder.from"}


@both
def test_every_option_mentioned_belongs_to_a_command(readme):
    mentioned = set(re.findall(r"`(--[a-z-]+)", text_of(readme)))
    assert mentioned <= {"--help", *options_of(relx)}


def options_of(command: click.Command) -> set[str]:
    found = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found |= options_of(command.get_command(context, name))
    return found


@both
def test_every_make_target_and_variable_exists(readme):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    inline = [shlex.split(words) for words in re.findall(r"`(make [^`]+)`", text_of(readme))]
    made = [words[1:] for words in [*commands(readme), *inline] if words[0] == "make"]
    assert {"demo", "test", "submission"} <= {words[0] for words in made}
    for target, *rest in made:
        assert target in targets, target
        assert {word.partition("=")[0] for word in rest} <= variables, rest


@both
def test_every_path_of_the_repository_exists(readme):
    text = re.sub(r"^```text\nruns/.*?^```", "", text_of(readme), flags=re.MULTILINE | re.DOTALL)
    found = set(PATHS.findall(text))
    assert {"sample/make_sample.py", "recipes/", ".ci/run", "LICENSE"} <= found
    missing = {path for path in found if not (ROOT / path).exists()}
    if "FIGURE" in text:  # the benchmarks have not run yet
        missing = {path for path in missing if not path.startswith("bench/results/")}
    assert not missing


@both
def test_every_key_of_the_scores_is_named(readme):
    keys = [field.name for kind in (Scores, ClassScores) for field in fields(kind)]
    assert [key for key in keys if f"`{key}`" not in text_of(readme)] == []


def test_both_readmes_have_the_same_sections_and_code():
    english, korean = (re.findall("^## ", text_of(readme), re.MULTILINE) for readme in READMES)
    assert len(english) == len(korean)
    assert languages(READMES[0]) == languages(READMES[1])
    assert commands(READMES[0]) == commands(READMES[1])
    for language in ("python", "csv", "json"):
        assert blocks(READMES[0], language) == blocks(READMES[1], language)
    # Output stands as it was printed; drawings of folders are explained in each language.
    outputs = [[b for b in blocks(readme, "text") if "/  " not in b] for readme in READMES]
    assert outputs[0] == outputs[1]


@both
def test_every_architecture_is_named(readme):
    assert [name for name in FAMILIES if f"`{name}`" not in text_of(readme)] == []


@both
@pytest.mark.parametrize("part", ["families", "shapes"])
def test_the_parity_tables_are_those_of_the_benchmark(readme, part):
    columns = ("hidden", "logits", "round_trip_hidden", "round_trip_logits")
    rows = [
        [name, *(f"{row[column]:.1e}" if column in row else "–" for column in columns)]
        for name, row in result("encoder_parity")[part].items()
    ]
    assert rows in tables(readme)


@both
def test_the_memory_table_is_that_of_the_benchmark(readme):
    rows = []
    for name, row in result("encoder_memory")["encoders"].items():
        cells = [f"{row['weights_mib']:,.0f}"]
        for way in ("load", "save"):
            peak, times = row[f"{way}_peak_mib"], row[f"{way}_peak_mib"] / row["weights_mib"]
            cells += [f"{peak:,.0f}", f"{times:.2f}", f"{row[f'{way}_seconds']:.1f}"]
        rows.append([name, *cells])
    assert rows in tables(readme)


@both
def test_the_tables_beside_the_peers_are_those_of_the_benchmarks(readme):
    found = result("peers")
    assert peers.cost_rows(found) in tables(readme)
    assert peers.ratio_rows(found) in tables(readme)
    found = result("scaling")
    assert scaling.cells(found, "seconds", ".1f") in tables(readme)
    assert scaling.cells(found, "peak_mib", ",.0f") in tables(readme)


@both
def test_the_kills_are_those_of_the_benchmark(readme):
    found = result("kills")
    assert found["survived"] == found["tried"]
    words = {
        "README.md": "{survived} of {tried} kills",
        "README.ko.md": "{tried}번 가운데 {survived}번",
    }
    assert words[readme].format(**found) in text_of(readme)


@both
def test_the_pages_times_are_those_of_the_benchmarks(readme):
    eda, report = result("eda"), result("report")
    assert not eda["differ"] and eda["seconds"]["cold"]["median"] < eda["limit_seconds"]
    times = [*eda["seconds"].values(), report["seconds"]]
    expected = [[f"{t['median']:.1f}", f"{t['least']:.1f}–{t['most']:.1f}"] for t in times]
    assert expected in [[row[1:] for row in table] for table in tables(readme)]


def test_the_parity_measured_is_within_the_limit():
    found = result("encoder_parity")
    rows = [*found["families"].values(), *found["shapes"].values()]
    assert max(max(row.values()) for row in rows) < 1e-4


def tables(readme: str) -> list[list[list[str]]]:
    """The cells of every table's rows, without the header."""
    bodies = re.findall(r"^\| ---.*\n((?:\|.*\n)+)", text_of(readme), re.MULTILINE)
    return [
        [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in body.splitlines()]
        for body in bodies
    ]


def result(name: str) -> dict:
    return json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@both
def test_the_figures_are_those_of_the_benchmarks(readme):
    section = text_of(readme).partition("bench/real_data.py")[2]
    rows = re.findall(r"^\| `([^`|]+)` \| (.+) \|$", section, re.MULTILINE)
    shown = {name: cells.split(" | ") for name, cells in rows}
    if any("FIGURE" in cells for cells in shown.values()):
        pytest.skip("the figures are not filled in yet")
    assert shown == figures()


def figures() -> dict[str, list[str]]:
    """The cells of the figures' tables, by the name in their first column."""
    sets, times = result("real_data"), result("startup")["seconds"]
    cells = {name: _cells_of_set(found) for name, found in sets.items()}
    return cells | {name: [f"{found['median']:.2f}"] for name, found in times.items()}


def _cells_of_set(found: dict) -> list[str]:
    return [
        f"{found['scores']['micro_f1']:.2f}",
        f"{found['scores']['auprc']:.2f}",
        f"{sum(found['minutes'].values()):.1f}",
        f"{found['tapt']['sentences_per_second']:.1f}",
        f"{found['train_sentences_per_second']:.1f}",
    ]
