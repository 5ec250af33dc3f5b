"""`relx encoder`: look at an encoder, write it as a folder, compare two."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relx_cli.options import quiet_option

if TYPE_CHECKING:
    from relx.models.encoder.check import Comparison
    from relx.models.encoder.describe import Description

TOLERANCE = 1e-4
MIB = 1 << 20

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
revision_option = click.option(
    "--revision", help="The branch, tag or commit of a hub id.  [default: main]"
)
pickle_option = click.option(
    "--allow-pickle",
    is_flag=True,
    help="Read pytorch_model.bin, weights only, if there are no safetensors; needs torch.",
)


sentences_option = click.option(
    "--sentences",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A text file, one sentence per line.  [default: eight Korean sentences]",
)


@click.group(
    epilog="""\b
Example:
  relx encoder show klue/roberta-base
  relx encoder convert klue/roberta-base encoders/roberta-base
  relx encoder check klue/roberta-base encoders/roberta-base

\b
An encoder is what encoder.from names in a recipe: a Hugging Face folder, such as the one
that relx tapt writes, a hub id, or keras: and the name or folder of a KerasHub preset."""
)
def encoder() -> None:
    """Show, convert and compare encoders."""


@encoder.command(
    short_help="What an encoder is, without loading it.",
    epilog="""\b
Example:
  relx encoder show runs/roberta/tapt/encoder
  relx encoder show klue/roberta-large --revision main --json
  relx encoder show klue/roberta-large --sentences lines.txt""",
)
@click.argument("source", metavar="FOLDER|ID")
@sentences_option
@revision_option
@json_option
def show(source: str, sentences: Path | None, revision: str | None, as_json: bool) -> None:
    """Show what an encoder is: architecture, sizes, tokenizer, head, parameters, files.

    The tokens of some sentences are counted, for a look at what the tokenizer does not know. The
    weights are not loaded. An encoder from the hub is first fetched into the hub's cache.
    """
    from relx.models.encoder.describe import describe
    from relx.models.encoder.sentences import read_sentences

    description = describe(source, revision, read_sentences(sentences) if sentences else None)
    if as_json:
        click.echo(json.dumps(description.tree(), ensure_ascii=False, indent=2))
        return
    from relx_cli.tables import print_table

    print_table(("what", "value"), _rows(description))
    for warning in description.warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}")


def _rows(description: Description) -> list[tuple[str, str]]:
    rows = [("source", description.source), ("folder", description.folder)]
    rows += [("revision", description.revision)] if description.revision else []
    rows += [("architecture", description.architecture)]
    rows += [(name, f"{size:,}") for name, size in description.sizes.items()]
    if (tokenizer := description.tokenizer) is not None:
        special = ", ".join(f"{token} {i}" for token, i in tokenizer.special_ids.items())
        rows += [("tokenizer", f"{tokenizer.kind}, {tokenizer.rows:,} rows")]
        rows += [("special ids", special)]
    if (coverage := description.coverage) is not None:
        rows += [("tokens of sentences", str(coverage))]
    if (weights := description.weights) is not None:
        tied = "tied to the token embedding" if weights.tied else "with a projection of its own"
        of_head = f"{tied}, {weights.head_parameters:,} parameters"
        rows += [("masked-LM head", of_head if weights.head else "none")]
        rows += [("parameters", f"{weights.parameters:,}")]
        rows += [("type on disk", ", ".join(weights.dtypes))]
        rows += [(name, f"{size / MIB:,.1f} MiB") for name, size in weights.files.items()]
    return rows


@encoder.command(
    short_help="Write an encoder as a Hugging Face folder.",
    epilog="""\b
Example:
  relx encoder convert klue/roberta-base encoders/roberta-base
  relx encoder convert old-checkpoint encoders/new --allow-pickle
  relx encoder convert keras:bert_base_multi encoders/bert-multi --force""",
)
@click.argument("source", metavar="A")
@click.argument("folder", metavar="B", type=click.Path(file_okay=False, path_type=Path))
@revision_option
@pickle_option
@click.option("--force", is_flag=True, help="Replace an encoder that is already in B.")
@quiet_option
def convert(
    source: str, folder: Path, revision: str | None, allow_pickle: bool, force: bool
) -> None:
    """Write encoder A as the Hugging Face folder B: config.json, model.safetensors, tokenizer.

    The masked-LM head is included if A has one. Both transformers and encoder.from read B.
    """
    from relx.models.stored.folder import require_free

    require_free(folder, force)
    _open_device()
    from relx.models.encoder.convert import convert
    from relx.progress import say

    written = convert(source, folder, revision=revision, allow_pickle=allow_pickle, force=force)
    for note in written.notes:
        say(f"encoder: {note}")
    head = "with its masked-LM head" if written.head is not None else "without a masked-LM head"
    click.echo(f"wrote {folder}, {head}; use it with --set encoder.from={folder}")


@encoder.command(
    short_help="The largest difference between two encoders.",
    epilog="""\b
Example:
  relx encoder check klue/roberta-base encoders/roberta-base
  relx encoder check A B --sentences lines.txt --tolerance 1e-5 --json
  relx encoder check klue/bert-base klue/bert-base --revision-b 3f2a91c""",
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@sentences_option
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=TOLERANCE,
    show_default=True,
    help="The largest difference that passes.",
)
@click.option("--revision-a", help="The branch, tag or commit of A.")
@click.option("--revision-b", help="The branch, tag or commit of B.")
@pickle_option
@json_option
@click.pass_context
def check(
    context: click.Context,
    first: str,
    second: str,
    sentences: Path | None,
    tolerance: float,
    revision_a: str | None,
    revision_b: str | None,
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Compare encoders A and B: the largest difference of hidden states and masked-LM logits.

    Both are computed in float32 on the same tokens. The exit status is 1 if a difference
    exceeds the tolerance.
    """
    _open_device()
    from relx.models.encoder.check import compare
    from relx.models.encoder.convert import load_as_it_is
    from relx.models.encoder.sentences import SENTENCES, read_sentences

    texts = read_sentences(sentences) if sentences else SENTENCES
    ours = load_as_it_is(first, revision_a, allow_pickle)
    theirs = load_as_it_is(second, revision_b, allow_pickle)
    comparison = compare(ours, theirs, texts)
    agree = comparison.agrees(tolerance)
    if as_json:
        tree = _tree(comparison) | {"a": first, "b": second, "tolerance": tolerance, "agree": agree}
        click.echo(json.dumps(tree, ensure_ascii=False, indent=2))
    else:
        _print_comparison(comparison, tolerance)
    context.exit(0 if agree else 1)


def _open_device() -> None:
    """Starts the framework, in float32 and on one device."""
    from relx.devices.device import open_device
    from relx.recipe import DeviceSection

    open_device(DeviceSection(precision="float32", strategy="one"), seed=0)


def _tree(comparison: Comparison) -> dict[str, Any]:
    """Gives a comparison as JSON takes it, which knows no nan."""
    differences = {"hidden": comparison.hidden, "logits": comparison.logits}
    finite = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in differences.items()
    }
    counts = {"sentences": comparison.sentences, "tokens": comparison.tokens}
    return counts | finite | {"notes": comparison.notes}


def _print_comparison(comparison: Comparison, tolerance: float) -> None:
    from relx_cli.tables import print_table

    differences = {"hidden states": comparison.hidden, "masked-LM logits": comparison.logits}
    rows = [
        (name, "not compared", "")
        if value is None
        else (name, f"{value:.2e}", "yes" if value <= tolerance else "no")
        for name, value in differences.items()
    ]
    print_table(
        ("output", "largest difference", f"within {tolerance:g}"),
        rows,
        right=["largest difference"],
    )
    for note in comparison.notes:
        click.echo(note)
    click.echo(f"{comparison.sentences} sentences, {comparison.tokens} tokens")
