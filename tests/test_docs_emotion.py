"""What docs/emotion.md says of rows, markers, poolings and cut-offs, held against the code."""

import re
from typing import get_args

import documents
import pytest
import yaml
from documents import ROOT

from relx.data.labels import LabelList
from relx.data.table import open_table
from relx.known_tasks import with_usual
from relx.recipe import DataSection, MarkersSection
from relx.recipe_file import load_recipe
from relx.scoring.decisions.thresholds import Method
from relx.spans import Span
from relx.tasks.target.markers import ALLOWED, mark
from relx.tasks.target.rows import IDS, SENTENCES, Target, TargetRow, scan_rows
from relx.tasks.target.task import POOLINGS

PAGE = "docs/emotion.md"
ROW = TargetRow("0", "국밥은 맛있는데 김치가 별로다.", Target("국밥", Span(0, 2)), None)
EMOTIONS = ("joy", "anticipation", "trust", "surprise", "disgust", "fear", "anger", "sadness")
DATA = DataSection(**with_usual({"task": "target"})["data"])


def table_of(first: str) -> list[list[str]]:
    (table,) = [table for table in documents.tables(PAGE) if table[0][0].startswith(first)]
    return table


@pytest.mark.parametrize(
    ("language", "labels"), [("json", EMOTIONS), ("csv", ("joy", "disgust"))], ids=str
)
def test_the_rows_shown_are_read_as_the_page_says(language, labels, tmp_path):
    (block,) = documents.blocks(PAGE, language)
    path = tmp_path / f"rows.{language}"
    path.write_text(block, encoding="utf-8")
    names = LabelList(labels, None)
    found = scan_rows(open_table(path), DATA, names, one=False, required=True).whole()
    assert not found.faults
    first, second, third = found.examples
    assert (first.target, second.target, third.target) == (
        ROW.target,
        Target("김치", Span(9, 11)),
        None,
    )
    assert (first.gold, second.gold) == ({"joy"}, {"disgust"})
    assert third.gold == set(labels) & {"joy", "anticipation"}


def test_the_columns_named_are_those_that_are_read():
    cells = {name for row in table_of("`id`") for name in re.findall("`([a-z]+)`", row[0])}
    assert {*IDS, *SENTENCES} <= cells
    assert {"target", "labels", "label"} <= cells


def test_the_markers_table_is_what_the_code_does():
    shown = set()
    for settings, text in table_of("`style"):
        section = MarkersSection.model_validate(yaml.safe_load(f"{{{settings.strip('`')}}}"))
        marked = mark(ROW, section)
        segments = [part for part in (marked.other, marked.text) if part is not None]
        assert text.strip("`") == " [SEP] ".join(segments)
        shown.add(section.style)
    assert shown == set(ALLOWED)


def test_a_row_without_a_target_reads_as_the_page_says():
    whole = TargetRow("0", ROW.sentence, None, None)
    query = MarkersSection(style="entity_marker", query="{target}에 대한 감정은?")
    marked = mark(whole, query)
    assert marked.text == ROW.sentence
    assert marked.other == "이 문장에 대한 감정은?"
    assert "이 문장" in documents.text_of(PAGE)


def test_the_poolings_and_the_searches_are_all_named():
    assert {row[0].strip("`") for row in table_of("`target_start`")} == set(POOLINGS)
    values = {row[0].strip("`") for row in table_of("`shared`")}
    assert {*get_args(Method), "auto"} <= values


def test_the_public_figures_are_those_of_the_recipes():
    for encoder, figure, recipe in table_of("`beomi")[:2]:
        path = ROOT / "recipes" / f"{recipe.strip('`')}.yaml"
        header = path.read_text(encoding="utf-8").split("\nname:")[0]
        assert f"{figure} test micro-F1" in header.replace("\n# ", " ")
        assert load_recipe(path).encoder.source == encoder.strip("`")
    (_, baseline, _) = table_of("`beomi")[2]
    assert baseline in (ROOT / "recipes/emotion-roberta.yaml").read_text(encoding="utf-8")
