"""What the documents say, held against the code: commands, links, paths, recipes, messages."""

import re
import shlex
import subprocess
import sys
import tomllib
import unicodedata
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click
import documents
import pytest
import yaml
from documents import DOCS, DOCUMENTS, READMES, ROOT
from relation_rows import scanned

from relx.data.labels import KLUE
from relx.models.encoder.families.registry import FAMILIES
from relx.recipe import DataSection, DecoderSection, MarkersSection, MarkerStyle, Recipe
from relx.recipe_file import load_recipe
from relx.scoring.decisions.one_of import ClassScores, Scores
from relx.spans import Span
from relx.study.plan import read_study
from relx.study.space import read_search
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import mark
from relx.tasks.relation.rows import Example
from relx_cli.main import relx

sys.path.insert(0, str(ROOT / "docs"))

import layers
import recipe_keys
import site_links

PROGRAMS = {"relx", "make", "python", "pip", "source", "tensorboard", "sbatch"}
ROOMS = r"(?:relx_cli|relx|tapt|recipes|sample|docs|tests|bench)/[\w./-]*|\.ci/run"
FILES = (
    r"Makefile|LICENSE|README(?:\.ko)?\.md|CONTRIBUTING\.md|CHANGELOG\.md|setup\.py|pyproject\.toml"
    r"|requirements(?:-\w+)?\.lock"
)
# Not after a slash (`runs/demo/tapt/`).
PATHS = re.compile(rf"(?<![\w./{{-])(?:{ROOMS}|{FILES})(?![\w/])")
# These two describe the rooms of the code, and are checked where the code has moved into them.
OF_THE_ROOMS = {"docs/architecture.md", "docs/contributing.md"}
MOVED_IN = (ROOT / "relx" / "data").is_dir()
WIDEST, LONGEST, FIRST_SCREEN = 100, 180, 40
LARGEST_PICTURE = 150_000  # bytes
SENTENCE = Example(
    "0",
    "가람은 새벽공방의 대표이다.",
    Entity("새벽공방", Span(4, 8), "ORG"),
    Entity("가람", Span(0, 2), "PER"),
    None,
)

each = pytest.mark.parametrize("document", DOCUMENTS)
both = pytest.mark.parametrize("readme", READMES)


def words_of(program: str, document: str) -> list[list[str]]:
    """The arguments of a program, wherever the document calls it."""
    found = [*documents.commands(document), *documents.inline_commands(document, program)]
    return [words[1:] for words in found if words[0] == program]


# Commands


@each
def test_every_command_is_of_a_known_program(document):
    assert {words[0] for words in documents.commands(document)} <= PROGRAMS


@each
def test_every_relx_command_can_be_parsed(document, tmp_path):
    for words in documents.commands(document):
        if words[0] == "relx":
            parse(words[1:], tmp_path)


@each
def test_every_relx_command_in_the_prose_exists(document):
    for words in documents.inline_commands(document, "relx"):
        if words[1].isupper():  # relx COMMAND --help
            continue
        command, rest = command_of(words[1:])
        options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        used = {word.rstrip(",") for word in rest if word.startswith("-")}
        assert used <= {*options, "--help"}, words


def test_a_command_that_is_wrong_is_seen(tmp_path):
    for words in (
        "nothing --recipe my.yaml",
        "train --recip my.yaml",
        "train --recipe",
        "train my.yaml",
        "train --recipe my.yaml --set train.epoch=1",
        "train --recipe my.yaml --set train.epochs=many",
        "predict --engine cuda",
        "score --gold",
        "encoder convert old",
    ):
        with pytest.raises(Exception):  # noqa: B017 - click's, relx's or an assertion
            parse(shlex.split(words), tmp_path)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and the other words."""
    command: click.Command | None = relx
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, words
        words = words[1:]
    return command, words


def parse(words: list[str], folder: Path) -> None:
    """Parses a command as click does, and checks its values, but not that files exist."""
    if words[-1] == "--help":
        command_of(words[:-1])
        return
    command, words = command_of(words)
    assert not isinstance(command, click.Group), words
    context = click.Context(command)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not rest, words
    for parameter in command.params:
        given = parameter.name in values and isinstance(values[parameter.name], (str, list, tuple))
        assert given or not parameter.required, (command.name, parameter.name)
        if given and isinstance(parameter.type, (click.Choice, click.types.IntParamType)):
            parameter.type.convert(values[parameter.name], parameter, context)
    check_settings([words[i + 1] for i, word in enumerate(words) if word == "--set"], folder)


def check_settings(settings: list[str], folder: Path) -> None:
    """Reads a recipe that the settings change."""
    path = folder / "my.yaml"
    path.write_text("name: x\nencoder: {from: x/y}\n", encoding="utf-8")
    load_recipe(path, settings)


def test_the_documents_show_every_command_of_relx():
    shown = {words[0] for document in DOCS for words in words_of("relx", document)}
    assert set(relx.list_commands(click.Context(relx))) <= shown


@each
def test_every_option_mentioned_belongs_to_a_command(document):
    mentioned = set(re.findall(r"`(--[a-z-]+)", documents.prose_of(document)))
    assert mentioned <= {"--help", *options_of(relx)}


def options_of(command: click.Command) -> set[str]:
    found = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found |= options_of(command.get_command(context, name))
    return found


@each
def test_every_make_target_and_variable_exists(document, tmp_path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    for target, *rest in words_of("make", document):
        assert target in targets, target
        given = dict(word.split("=", 1) for word in rest)
        assert set(given) <= variables, rest
        check_settings(given.get("SET", "").split(), tmp_path)
        check_script("bench/peers.py", shlex.split(given.get("BENCH", "")))


def test_the_documents_show_the_targets_that_one_needs():
    shown = {words[0] for document in DOCUMENTS for words in words_of("make", document)}
    assert {"demo", "test", "lint", "types", "docs", "lock", "clean", "submission"} <= shown


@each
def test_every_script_and_its_options_exist(document):
    for script, *rest in words_of("python", document):
        if script != "-m":
            check_script(script, rest)


def check_script(script: str, words: list[str]) -> None:
    text = (ROOT / script).read_text(encoding="utf-8")
    assert [w for w in words if w.startswith("--") and f'"{w}"' not in text] == [], script


@each
def test_every_extra_and_lock_file_exists(document):
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    text = documents.text_of(document)
    asked = re.findall(r"(?:'\.|relx)\[([\w,-]+)\]", text)
    extras = {extra for names in asked for extra in names.split(",")}
    assert {extra for extra in extras if f'"{extra}": ' not in setup} == set()
    for words in words_of("pip", document):
        files = [words[i + 1] for i, word in enumerate(words) if word == "--requirement"]
        assert all((ROOT / file).exists() for file in files), files


# Links, paths and pictures


@each
def test_every_link_leads_somewhere(document):
    for link in documents.links(document):
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        path = (ROOT / document).parent / target if target else ROOT / document
        assert path.is_file(), link
        if anchor:
            name = str(path.resolve().relative_to(ROOT.resolve()))
            assert anchor in documents.anchors(name), link


@each
def test_every_path_of_the_repository_exists(document):
    if document in OF_THE_ROOMS and not MOVED_IN:
        pytest.skip("the code has not moved into these rooms")
    shown = documents.prose_of(document) + "".join(documents.blocks(document, "sh"))
    missing = {path for path in PATHS.findall(shown) if not resolved(path, document).exists()}
    assert not missing


def resolved(path: str, document: str) -> Path:
    """Where a path leads, which is a link's if it is one."""
    beside = (ROOT / document).parent / path
    return beside if beside.exists() else ROOT / path


def test_paths_are_looked_for_everywhere():
    found = {path for d in DOCUMENTS for path in PATHS.findall(documents.text_of(d))}
    assert {"sample/make_sample.py", "recipes/", ".ci/run", "LICENSE"} <= found


def test_every_page_is_in_the_navigation_and_nothing_is_fetched():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(f"docs/{page}" for page in pages_of(settings["nav"])) == DOCS
    assert settings["theme"]["font"] is False
    assert not [p for p in settings.get("extra_javascript", []) if "//" in p]
    assert not [p for p in settings.get("extra_css", []) if "//" in p]


def pages_of(nav: list[dict]) -> list[str]:
    """The pages of a navigation, however deep they are in it."""
    values = [value for entry in nav for value in entry.values()]
    return [page for v in values for page in (pages_of(v) if isinstance(v, list) else [v])]


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").iterdir()), ids=str)
def test_every_picture_is_small_and_shown(picture):
    assert picture.stat().st_size < LARGEST_PICTURE
    assert any(f"pictures/{picture.name}" in documents.text_of(document) for document in DOCS)


# READMEs


@both
def test_a_readme_is_read_in_three_minutes(readme):
    assert len(documents.text_of(readme).splitlines()) <= LONGEST


@both
def test_the_first_screen_fits_a_terminal(readme):
    lines = documents.text_of(readme).splitlines()
    prose = [line for line in lines if not line.startswith("|")]
    assert [line for line in (*lines[:FIRST_SCREEN], *prose) if width(line) > WIDEST] == []


def width(line: str) -> int:
    """Columns in a terminal, where a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def test_both_readmes_have_the_same_sections_code_and_links():
    english, korean = READMES
    assert len(documents.headings(english)) == len(documents.headings(korean))
    assert documents.languages(english) == documents.languages(korean)
    assert documents.commands(english) == documents.commands(korean)
    for language in ("yaml", "text"):
        assert documents.blocks(english, language) == documents.blocks(korean, language)
    assert documents.links(english)[1:] == documents.links(korean)[1:]
    counts = [[len(table) for table in documents.tables(readme)] for readme in READMES]
    assert counts[0] == counts[1]


# Recipes, markers, data, scores, encoders


def test_the_reference_of_recipe_keys_is_the_schemas():
    assert recipe_keys.PAGE.read_text(encoding="utf-8") == recipe_keys.page()


def test_a_reference_that_is_out_of_date_is_seen(tmp_path, monkeypatch):
    stale = tmp_path / "recipes.md"
    text = recipe_keys.PAGE.read_text(encoding="utf-8")
    stale.write_text(text.replace("| `seed` |", "| `sead` |"), encoding="utf-8")
    monkeypatch.setattr(recipe_keys, "PAGE", stale)
    monkeypatch.setattr(sys, "argv", ["recipe_keys.py", "--check"])
    with pytest.raises(SystemExit, match="out of date"):
        recipe_keys.main()
    monkeypatch.setattr(sys, "argv", ["recipe_keys.py"])
    recipe_keys.main()
    assert stale.read_text(encoding="utf-8") == text


def test_a_key_without_a_text_is_an_error(tmp_path, monkeypatch):
    texts = tmp_path / "recipe_keys.yaml"
    lines = recipe_keys.TEXTS.read_text(encoding="utf-8").splitlines(keepends=True)
    texts.write_text("".join(x for x in lines if not x.startswith("seed:")), encoding="utf-8")
    monkeypatch.setattr(recipe_keys, "TEXTS", texts)
    with pytest.raises(SystemExit, match="seed"):
        recipe_keys.page()


def test_the_reference_names_every_key_and_default():
    minimal = Recipe.model_validate({"name": "x", "encoder": {"from": {"fresh": {}}}})
    decoder = DecoderSection.model_validate({"from": {"fresh": {}}})
    shown = {}
    for table in documents.tables("docs/recipes.md"):
        shown |= {row[0].strip("`"): row[2].strip("`") for row in table if len(row) == 4}
    # A recipe has one of the two; the reference has both.
    sections = minimal.model_dump(mode="json", by_alias=True)
    tree = leaves(sections | {"decoder": decoder.model_dump(mode="json", by_alias=True)})
    names = ("encoder.from", "decoder.from", "name")
    assert {shown.pop(name) for name in names} == {"required"}
    assert shown.keys() == tree.keys() - {"name"}
    # `5e-5` and `null` as a recipe reads them.
    read = {
        key: float(text) if "e-" in text else yaml.safe_load(text) for key, text in shown.items()
    }
    assert read == {key: value for key, value in tree.items() if key != "name"}


def leaves(tree: dict, prefix: str = "") -> dict[str, object]:
    """The values of nested dictionaries by dotted key."""
    found = {}
    for key, value in tree.items():
        inside = leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        found |= inside if inside is not None else {f"{prefix}{key}": value}
    return found


@each
def test_every_recipe_shown_can_be_read(document, tmp_path):
    for block in documents.blocks(document, "yaml"):
        keys = yaml.safe_load(block)
        if "space" in keys:
            (tmp_path / "search.yaml").write_text(block, encoding="utf-8")
            assert read_search(tmp_path / "search.yaml").section.trials
            continue
        if "options" in keys:  # a study
            (tmp_path / "study.yaml").write_text(block, encoding="utf-8")
            assert read_study(tmp_path / "study.yaml").cells
            continue
        model = "decoder" if "decoder" in keys else "encoder"
        given = {"name": "name: x\n", model: f"{model}: {{from: x/y}}\n"}
        missing = "".join(line for key, line in given.items() if key not in keys)
        path = tmp_path / "my.yaml"
        path.write_text(missing + block, encoding="utf-8")
        load_recipe(path)


def test_the_recipes_that_ship_are_listed():
    (shown,) = [t for t in documents.tables("docs/recipes.md") if t[0][0] == "`demo`"]
    shipped = {path.stem for path in (ROOT / "recipes").glob("*.yaml")}
    assert {row[0].strip("`") for row in shown} == shipped
    for name, encoder, _ in [row for row in shown if row[1].startswith("`")]:
        text = (ROOT / "recipes" / f"{name.strip('`')}.yaml").read_text(encoding="utf-8")
        assert f"from: {encoder.strip('`')}\n" in text


def test_the_markers_table_is_what_the_code_does():
    page = documents.text_of("docs/markers.md")
    rows = re.findall(r"^\| `(style: .+?)` \| `(.+)` \|$", page, re.MULTILINE)
    shown = set()
    for settings, text in rows:
        section = MarkersSection.model_validate(yaml.safe_load(f"{{{settings}}}"))
        marked = mark(SENTENCE, section, "[SEP]")
        segments = [part for part in (marked.other, marked.text) if part is not None]
        assert text == " [SEP] ".join(segments)
        shown.add(section.style)
    assert shown == set(get_args(MarkerStyle))


@pytest.mark.parametrize("language", ["csv", "json"])
def test_the_rows_shown_can_be_read(language, tmp_path):
    (block,) = documents.blocks("docs/data-formats.md", language)
    path = tmp_path / f"rows.{language}"
    path.write_text(block, encoding="utf-8")
    reading = scanned(path, DataSection(), KLUE, require_labels=True)
    assert not reading.faults
    assert len(reading.examples) == 1


@both
def test_the_fault_shown_is_what_relx_says(readme, tmp_path, monkeypatch):
    (fault,) = documents.blocks(readme, "text")
    (block,) = documents.blocks("docs/data-formats.md", "csv")
    header, row = block.splitlines()
    faulty = row.replace("0,", "1,", 1).replace("'end_idx': 7", "'end_idx': 8")
    monkeypatch.chdir(tmp_path)
    Path("my.csv").write_text(f"{header}\n{row}\n{faulty}\n", encoding="utf-8")
    (said,) = scanned(Path("my.csv"), DataSection(), KLUE).faults
    assert fault == f"fault: {said}\n"
    assert fault in documents.blocks("docs/first-competition.md", "text")


def test_every_key_of_the_scores_is_named():
    page = documents.text_of("docs/scores.md")
    keys = [field.name for kind in (Scores, ClassScores) for field in fields(kind)]
    keys.remove("negative")  # which is said, not computed
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_the_architectures_are_those_that_relx_has():
    table = documents.tables("docs/encoders.md")[1]
    assert {row[0].strip("`") for row in table} == set(FAMILIES)


# Messages, layers, the built site


def test_every_message_explained_is_the_codes():
    code = "".join(
        path.read_text(encoding="utf-8")
        for room in ("relx", "relx_cli", "tapt")
        for path in sorted((ROOT / room).rglob("*.py"))
    )
    code = re.sub(r'"\s*f?"', "", code)  # a message in several pieces
    explained = documents.headings("docs/troubleshooting.md", "###")
    assert len(explained) > 30
    assert [message for message in explained if not said_in(code, message)] == []
    assert not said_in(code, "this … is a message that … never says")


def said_in(code: str, message: str) -> bool:
    """Tells whether the code has a text with these words, and anything where an ellipsis is."""
    pieces = [re.escape(piece) for piece in message.strip("… ").split("…")]
    return re.search(".{1,200}".join(pieces), code) is not None


def test_the_picture_of_the_layers_is_the_contracts():
    assert layers.PICTURE.read_text(encoding="utf-8") == layers.svg()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    whole, within = [c["layers"] for c in contracts if c["type"] == "layers"][:2]
    assert whole == ["relx_cli", "tapt", "relx"]
    within = [re.findall(r"\w+", line) for line in within]
    order = [{name} for name in whole[:2]] + [{f"relx.{name}" for name in line} for line in within]
    assert [set(modules) for modules, _ in layers.LAYERS] == order


def test_the_links_of_a_site_are_checked(tmp_path):
    (tmp_path / "index.html").write_text(
        '<a href="a.html#here">a</a> <a href="a.html#there">b</a> <a href="gone.html">c</a>'
        '<a href="https://example.org">d</a> <script src="https://example.org/x.js"></script>'
        '<link rel="canonical" href="https://example.org"> <img src="gone.png">',
        encoding="utf-8",
    )
    (tmp_path / "a.html").write_text('<h1 id="here">a</h1>', encoding="utf-8")
    (tmp_path / "a.css").write_text("@import url(https://example.org/f.css);", encoding="utf-8")
    script = ROOT / "docs" / "site_links.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "index.html: a.html#there names a part that is not there",
        "index.html: gone.html leads nowhere",
        "index.html: https://example.org/x.js is loaded from a network",
        "index.html: gone.png leads nowhere",
        "a.css loads something from a network",
    ]


def test_a_site_without_faults_and_one_without_pages(tmp_path):
    assert list(site_links.faults(tmp_path)) == [f"{tmp_path} has no pages"]
    (tmp_path / "index.html").write_text('<a id="x" href="#x">a</a>', encoding="utf-8")
    assert list(site_links.faults(tmp_path)) == []
