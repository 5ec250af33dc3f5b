"""The page about targets and their labels: what is in a recipe's data, and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relx.data.tokenizing.token_cache import token_folder
from relx.look.eda.corpus import read_corpus
from relx.look.eda.glance import (
    Group,
    kinds_glance,
    lengths_glance,
    rows_glance,
    signs_glance,
    token_glance,
)
from relx.look.eda.notices import are, counted, place_notices, sentence_notices, token_notices
from relx.look.eda.page import bars, card, common_context
from relx.look.eda.vocabulary.clouds import Cloud, draw_clouds
from relx.look.eda.vocabulary.word_plots import MOST_LABELS
from relx.look.page import write_page
from relx.look.target.eda.findings import TargetFindings, examine, facts
from relx.look.target.eda.plots import CLOUDS, plots
from relx.progress import say
from relx.recipe import Recipe

REPEATS = (
    "{count} of train repeat the sentence and target of an earlier row; {contradictory} of these "
    "targets have different labels."
)
WORDS = {
    "is": "has",
    "be": "have it",
    "answers": "answers.jsonl",
    "contradictions": "Same sentence, same target, different labels",
    "asked": "targets",
    "others": "the rows without it",
}


def write_eda(recipe: Recipe, pred: Path | None, out: Path, runs_dir: Path) -> dict[str, Any]:
    """Reads a recipe's data and writes the page about them, with the plots beside it.

    Args:
        recipe: The recipe.
        pred: Answers or probabilities of its test rows; None for a page without predictions.
        out: The page to write.
        runs_dir: The folder of all runs, in which the words found are kept for the next time.

    Returns:
        The facts, as `facts` says.

    Raises:
        InputError: A file cannot be read, or the page cannot be written.
    """
    say(f"reading the files of {recipe.name}")
    found = examine(read_corpus(recipe, pred), token_folder(runs_dir))
    clouds = draw_clouds(found.common.counts, found.common.labels[:MOST_LABELS])
    say("drawing")
    figures = facts(found)
    write_page(out, "target/eda.html", plots(found, clouds), context(found, clouds), figures)
    return figures


def context(found: TargetFindings, clouds: Mapping[str, Mapping[str, Cloud]]) -> dict[str, Any]:
    """Gives the template what it reads.

    Args:
        found: What was found.
        clouds: The clouds by label and role.

    Returns:
        Texts and numbers, ready to print.
    """
    common = found.common
    return {
        **common_context(common),
        "words": WORDS,
        "word_pictures": ["targets", *(f"clouds-{role}" for role in CLOUDS)],
        "notices": _notices(found),
        "glance": _glance(found),
        "cards": [
            card(common, clouds, label, CLOUDS, [("Together with", bars(_others(found, label)))])
            for label in common.labels[:MOST_LABELS]
        ],
    }


def _others(found: TargetFindings, label: str) -> list[tuple[str, int]]:
    """The labels that rows of a label have besides, the most frequent first."""
    place = found.common.labels.index(label)
    pairs = zip(found.common.labels, found.together[place].tolist(), strict=True)
    others = [(name, rows) for name, rows in pairs if name != label and rows]
    return sorted(others, key=lambda pair: -pair[1])


def _notices(found: TargetFindings) -> list[str]:
    """Says what to know before training, the weightiest first."""
    common = found.common
    return [
        *_empty_notices(found),
        *sentence_notices(common, REPEATS),
        *_missing_notices(found),
        *place_notices(common),
        *token_notices(common, "the target is"),
    ]


def _empty_notices(found: TargetFindings) -> list[str]:
    none = found.labels_a_row["train"][:1]
    if not none or not none[0]:
        return []
    rows = counted(none[0], "row")
    return [f"{rows} of train {'has' if none[0] == 1 else 'have'} no label that is true."]


def _missing_notices(found: TargetFindings) -> list[str]:
    return [
        f"{counted(own.missing, 'row')} of {role} {are(own.missing)} about the whole sentence: "
        "no target is given."
        for role, own in found.targets.items()
        if own.missing
    ]


def _glance(found: TargetFindings) -> list[Group]:
    """Facts about the files side by side."""
    files, targets = list(found.common.files.values()), list(found.targets.values())
    counts = [
        ("about the whole sentence", [f"{own.missing:,}" for own in targets]),
        ("whose words are there more than once", [f"{own.repeated:,}" for own in targets]),
    ]
    groups = [
        ("Rows", rows_glance(files, found.common.data.task.asked)),
        ("Targets", counts),
        ("Middle of the target in the sentence", kinds_glance([o.places for o in targets], files)),
        ("Characters of targets", lengths_glance([own.lengths for own in targets])),
        ("Characters", lengths_glance([own.characters for own in files])),
        *token_glance(found.common),
    ]
    if any(own.placeholders for own in targets):
        kinds = kinds_glance([own.placeholders for own in targets], files)
        groups.append(("Rows with placeholders", kinds))
    return [*groups, ("Sentences with a sign that markers are made of", signs_glance(files))]
