"""`relx decoder`: look at the label words of a recipe, merge adapters into their base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx.faults import visible
from relx_cli.options import quiet_option, recipe_options, runs_dir_option, unverified_option

if TYPE_CHECKING:
    from relx.family.words import WordTable


@click.group(
    epilog="""\b
Example:
  relx decoder words --recipe recipes/decoder-demo.yaml
  relx decoder merge models/merged --run my-decoder

\b
A decoder is what decoder.from names in a recipe: a Hugging Face folder or hub id of a causal
language model."""
)
def decoder() -> None:
    """Look at label words, and merge adapters into their base."""


@decoder.command(
    short_help="How the label words are cut into tokens.",
    epilog="""\b
Example:
  relx decoder words --recipe recipes/decoder-demo.yaml
  relx decoder words --recipe my.yaml --set 'decoder.words={joy: 기쁨, anger: 화}'
  relx decoder words --recipe my.yaml --log-probs --json""",
)
@recipe_options
@click.option(
    "--log-probs",
    is_flag=True,
    help="Load the decoder, and show how likely it finds each word without a sentence.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def words(recipe: str | None, settings: tuple[str, ...], log_probs: bool, as_json: bool) -> None:
    """Show the token of each label's word, right after the prompt of a recipe.

    With decoder.head label_words a word has to be one token, and no two labels may share it: what
    trains is what the decoder says next. Words of several tokens are shown in pieces.
    """
    from relx.family.words import word_table
    from relx.shipped import chosen_recipe

    table = word_table(chosen_recipe(recipe, settings), with_probabilities=log_probs)
    if as_json:
        click.echo(visible(json.dumps(table.tree(), ensure_ascii=False, indent=2)))
        return
    from relx_cli.tables import print_table

    headings = ["label", "word", "tokens", "pieces", *(["log-probability"] if log_probs else [])]
    print_table(headings, _rows(table, log_probs), ["tokens", "log-probability"])
    for pair in table.pairs:
        words_ = f"{pair.first.strip()!r} {pair.how}: {pair.second.strip()!r}"
        click.echo(f"{click.style('note:', fg='yellow')} {visible(words_)}")


def _rows(table: WordTable, log_probs: bool) -> list[list[str]]:
    rows = []
    for label, word in zip(table.labels, table.words, strict=True):
        row = [label, word.text.strip(), str(len(word.token_ids)), " + ".join(word.pieces)]
        if word.joins:
            row[-1] += " (changes the prompt's tokens)"
        if log_probs:
            found = table.log_probabilities.get(label)
            row.append("" if found is None else f"{found:.2f}")
        rows.append(row)
    return rows


@decoder.command(
    short_help="A run's adapters and their base as one folder.",
    epilog="""\b
Example:
  relx decoder merge models/merged
  relx decoder merge models/merged --run emotion-polyglot""",
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--run", "run_name", metavar="NAME", help="The run.  [default: the latest]")
@runs_dir_option
@unverified_option
@quiet_option
def merge(folder: Path, run_name: str | None, runs_dir: Path) -> None:
    """Write a run's adapters and their base as one Hugging Face folder, for other programs.

    The weights have the base's own types, and are added up from its files, never from few bits.
    What a run's head has learnt besides is not in it.
    """
    from relx.family.merging import merge_run
    from relx.progress import say

    merge_run(runs_dir, run_name, folder)
    say(f"{folder} is written")
