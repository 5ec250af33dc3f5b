"""Where a run's encoder looks in one sentence: heat maps as files, and a page to choose them in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relx.attention import Map, SentenceAttention, layer_means, overall_mean, rollout
from relx.data.labels import LabelList
from relx.data.rows.reading import require_good
from relx.data.rows.row import labels_of
from relx.faults import Fault, InputError, nearest, shorten
from relx.look.attention.plots import View, attention_plots
from relx.look.page import write_page
from relx.look.plots import Plot
from relx.models.saved import MODEL_FOLDER
from relx.predict import Run
from relx.progress import say

# Of more weights than this one gets a byte: two would make the page slow to open.
FINE_WEIGHTS = 4 * 2**20
LARGE_PAGE = 32 * 2**20  # bytes
TOP = 8  # labels that the page lists


@dataclass(frozen=True, slots=True)
class Words:
    """What a task's page says in its own words.

    Args:
        title: What the sentence asks about.
        label: What is predicted.
        template: The page's template.
        plots: What is drawn besides the maps.
    """

    title: str
    label: str
    template: str
    plots: Sequence[Plot]


def require_view(run: Run, view: View) -> None:
    """Checks that a run's encoder has the layer and the head.

    Args:
        run: The run.
        view: What is to be shown.

    Raises:
        InputError: It has not.
    """
    from relx.models.encoder.configuration import read_configuration

    configuration = read_configuration(run.found.first.folder / MODEL_FOLDER)
    sizes = {
        "layer": (view.layer, len(configuration.layer_sequence)),
        "head": (view.head, configuration.num_attention_heads),
    }
    faults = [
        Fault(f"the run's encoder has no such {name}", f"--{name}", str(wanted), f"1 to {count}")
        for name, (wanted, count) in sizes.items()
        if wanted is not None and not 1 <= wanted <= count
    ]
    if faults:
        raise InputError(*faults)


def find_row(run: Run, id: str, gold: Path | None = None, test: Path | None = None) -> Any:
    """Finds a row by its id, and says where it was found.

    Args:
        run: The run.
        id: The id.
        gold: A file of labelled rows to look in.
        test: A file of rows without labels to look in.

    Returns:
        The row of the file that was named; else of the rows that the run chose its epoch by, else
        of its test file.

    Raises:
        InputError: There is no such row, or a file cannot be read.
    """
    known: list[str] = []
    files: list[str] = []
    for file, read in _files(run, gold, test):
        rows = {row.id: row for row in read()}
        if id in rows:
            say(f"row {id} is one of {file}")
            return rows[id]
        known += rows
        files.append(file)
    guess = nearest(id, known)
    step = f"did you mean {guess}?" if guess else "name the row's file with --gold or --test"
    allowed = ", ".join([*known[:3], "…"]) if len(known) > 3 else ", ".join(known)
    where = " or ".join(files) or "--id"
    raise InputError(Fault("there is no row with this id", where, shorten(id), allowed, step))


def _files(
    run: Run, gold: Path | None, test: Path | None
) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    """Yields where to look for a row, and how to read it."""
    if gold is not None:
        yield str(gold), lambda: _rows(run, gold, run.labels)
    if test is not None:
        yield str(test), lambda: _rows(run, test, None)
    if gold is not None or test is not None:
        return
    yield run.data.dev or f"the run's fold of {run.data.train}", run.dev_rows
    if run.data.test is not None:
        file = Path(run.data.test)
        yield str(file), lambda: _rows(run, file, None)


def _rows(run: Run, file: Path, labels: LabelList | None) -> list[Any]:
    return require_good(run.task.scan(file, labels).whole(), run.data.skip_bad_rows)


def write_page_of(out: Path, attention: SentenceAttention, view: View, words: Words) -> None:
    """Writes the page of a sentence, and its heat maps beside it.

    Args:
        out: The page to write.
        attention: The sentence.
        view: What the page shows first; a layer or head gets a plot of its own.
        words: What it says in the task's own words.

    Raises:
        InputError: The page or the folder cannot be written.
    """
    layers, heads, length, _ = attention.weights.shape
    bits = 16 if attention.weights.size <= FINE_WEIGHTS else 8
    say(f"{layers} layers x {heads} heads x {length} x {length} tokens, {bits} bits a weight")
    context = {
        "title": f"Attention: {words.title}",
        "attention": attention,
        "what": words.label,
        "gold": gold_in_words(attention),
        "facts": _printed_facts(attention, bits),
        "prediction": _prediction(attention),
        "data": page_data(attention, view, bits),
    }
    plots = [*attention_plots(attention, view), *words.plots]
    write_page(out, words.template, plots, context, _facts(attention))
    size = out.stat().st_size
    if size > LARGE_PAGE:
        advice = "a shorter tokens.max_length makes one that opens sooner"
        say(f"note: the page has {size / 1e6:.0f} MB; {advice}")


def _printed_facts(attention: SentenceAttention, bits: int) -> list[tuple[str, str]]:
    layers, heads, length, _ = attention.weights.shape
    gold, chosen = gold_in_words(attention), attention.chosen
    return [
        ("run", attention.run),
        ("layers × heads", f"{layers} × {heads}"),
        ("tokens", str(length)),
        ("weights kept", f"{bits} bits each"),
        *([("gold", gold)] if gold else []),
        *([] if chosen is None else [("predicted", ", ".join(chosen) or "no label")]),
    ]


def gold_in_words(attention: SentenceAttention) -> str:
    """Names the gold labels of a sentence; empty where it has none."""
    return ", ".join(labels_of(attention.example))


def _prediction(attention: SentenceAttention) -> list[tuple[str, float]]:
    """The most probable labels, in percent."""
    best = np.argsort(-attention.probabilities, kind="stable")[:TOP]
    return [(attention.labels.names[i], 100 * float(attention.probabilities[i])) for i in best]


def _facts(attention: SentenceAttention) -> dict[str, Any]:
    return {
        "run": attention.run,
        "id": attention.example.id,
        "sentence": attention.example.sentence,
        "gold": gold_in_words(attention) or None,
        "prediction": dict(_prediction(attention)),
        **({} if attention.chosen is None else {"chosen": list(attention.chosen)}),
        "tokens": [token.text for token in attention.tokens],
        "pieces": [token.piece for token in attention.tokens],
        **_places(attention),
        "pooled": list(attention.pooled),
        "special": np.flatnonzero(attention.special).tolist(),
    }


def _places(attention: SentenceAttention) -> dict[str, list[int]]:
    """The tokens of the words that the row asks about, by role."""
    return {role: list(span) for role, span in attention.words.items()}


def page_data(attention: SentenceAttention, view: View, bits: int) -> dict[str, Any]:
    """Makes what the page's script reads.

    Args:
        attention: The sentence.
        view: What is shown first.
        bits: 8 or 16, of each weight; means and the rollout have 16.

    Returns:
        JSON; numbers as `packed` makes them.
    """
    layers, heads, length, _ = attention.weights.shape
    tokens = attention.tokens
    return {
        "layers": layers,
        "heads": heads,
        "length": length,
        "bits": bits,
        "weights": packed(attention.weights, bits),
        "means": packed(layer_means(attention.weights), 16),
        "mean": packed(overall_mean(attention.weights), 16),
        "rollout": packed(rollout(attention.weights), 16),
        "texts": [token.text for token in tokens],
        "pieces": [token.piece for token in tokens],
        "parts": [token.part for token in tokens],
        "spaced": [int(token.spaced) for token in tokens],
        "unknown": [int(token.unknown) for token in tokens],
        **_places(attention),
        "pooled": list(attention.pooled),
        "start": attention.start,
        "view": {
            "view": "mean" if view.layer is None else "layer" if view.head is None else "head",
            "layer": view.layer or layers,
            "head": view.head or 1,
            "special": view.special,
        },
    }


def packed(weights: Map, bits: int) -> str:
    """Packs weights into text, small ones more finely: what is kept is the square root.

    Args:
        weights: Numbers from 0 to 1, any shape.
        bits: 8 or 16.

    Returns:
        Base64 of unsigned integers in C order, little-endian: a weight is `(integer / most)²` with
        the most that the bits hold, and off by at most `sqrt(weight) / most`.
    """
    most = 2**bits - 1
    roots = np.sqrt(np.clip(weights, 0, 1)) * most
    return base64.b64encode(np.rint(roots).astype(f"<u{bits // 8}").tobytes()).decode("ascii")
