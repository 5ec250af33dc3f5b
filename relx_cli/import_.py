"""`relx import`: relations from other programs' files, with every span checked."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from relx_cli.options import quiet_option

NAMES = ("tacred", "opennre", "docred", "doccano", "label-studio", "prodigy", "brat", "inception")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(NAMES), required=True, help="What it is.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The rows to write: a CSV where the name ends in .csv, else JSON Lines.",
)
@quiet_option
def import_(file: Path, format_: str, out: Path) -> None:
    """Make rows of relations out of another program's FILE.

    TACRED, OpenNRE and DocRED are data sets of tokens, joined with blanks; doccano, Label Studio,
    Prodigy, brat and INCEpTION are annotation tools. Of a text of several lines, the line that
    holds both entities is the sentence. Tools have no rows without a relation: add your own. With
    brat, FILE is an .ann file or a folder of them, each with its .txt beside it; with INCEpTION, a
    file of WebAnno TSV 3 or a folder of them.

    \b
    Examples:
      relx import train.json --format tacred --out train.csv
      relx import export.jsonl --format doccano --out rows.jsonl
      relx import annotated --format brat --out rows.csv
    """  # noqa: D301 - click reads the backspace
    from relx.files import require_place
    from relx.progress import say
    from relx.tasks.relation.imports.importing import (
        read_relations,
        source_files,
        write_relations,
    )

    require_place(out, "--out", source_files(file))
    found = read_relations(file, format_)
    write_relations(found, out)
    labels = len({each.label for each in found})
    say(f"rows: {len(found):,}, labels: {labels}; written to {out}")
    negative = "" if any(each.label == "no_relation" for each in found) else " --negative ''"
    say(f"next: relx validate --data {shlex.quote(str(out))} --labels from-train{negative}")
