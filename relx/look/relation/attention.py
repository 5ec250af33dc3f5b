"""Where a run's encoder looks in one sentence: heat maps as files, and a page to choose them in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.attention import (
    Map,
    SentenceAttention,
    between_entities,
    layer_means,
    overall_mean,
    restricted,
    rollout,
)
from relx.faults import Fault, InputError, nearest, shorten
from relx.look.font import drawable
from relx.look.page import write_page
from relx.look.plots import FAINT, FIRST, INK, SECOND, Plot, empty_figure, heat_map, new_figure
from relx.predict import MODEL_FOLDER, Run
from relx.progress import say
from relx.tasks.relation.rows import Example, read_examples

# Of more weights than this one gets a byte: two would make the page slow to open.
FINE_WEIGHTS = 4 * 2**20
LARGE_PAGE = 32 * 2**20  # bytes
TOP = 8  # relations that the page lists
CELL = 0.19  # inches, and less where the map would be larger than:
LARGEST = 24.0
POOLED = "●"


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at first, and drawn besides the rest.

    Args:
        layer: A layer from 1 on; None for the mean of all.
        head: A head of the layer from 1 on; None for the mean of its heads.
        special: Whether special tokens are shown.
    """

    layer: int | None = None
    head: int | None = None
    special: bool = True


def require_view(run: Run, view: View) -> None:
    """Checks that a run's encoder has the layer and the head.

    Args:
        run: The run.
        view: What is to be shown.

    Raises:
        InputError: It has not.
    """
    from relx.models.encoder.configuration import read_configuration

    configuration = read_configuration(run.folder / MODEL_FOLDER)
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


def find_row(run: Run, id: str, gold: Path | None = None, test: Path | None = None) -> Example:
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
) -> Iterator[tuple[str, Callable[[], list[Example]]]]:
    """Yields where to look for a row, and how to read it."""
    if gold is not None:
        yield str(gold), lambda: read_examples(gold, run.data, run.labels)
    if test is not None:
        yield str(test), lambda: read_examples(test, run.data, None)
    if gold is not None or test is not None:
        return
    yield run.data.dev or f"the run's fold of {run.data.train}", run.dev_rows
    if run.data.test is not None:
        file = Path(run.data.test)
        yield str(file), lambda: read_examples(file, run.data, None)


def write_attention(out: Path, attention: SentenceAttention, view: View) -> None:
    """Writes the page of a sentence, and its heat maps beside it.

    Args:
        out: The page to write.
        attention: The sentence.
        view: What the page shows first; a layer or head gets a plot of its own.

    Raises:
        InputError: The page or the folder cannot be written.
    """
    layers, heads, length, _ = attention.weights.shape
    bits = 16 if attention.weights.size <= FINE_WEIGHTS else 8
    say(f"{layers} layers x {heads} heads x {length} x {length} tokens, {bits} bits a weight")
    context = {
        "title": f"Attention: {attention.example.subject.word} – {attention.example.object.word}",
        "attention": attention,
        "facts": _printed_facts(attention, bits),
        "prediction": _prediction(attention),
        "data": page_data(attention, view, bits),
    }
    write_page(out, "attention.html", attention_plots(attention, view), context, _facts(attention))
    size = out.stat().st_size
    if size > LARGE_PAGE:
        advice = "a shorter tokens.max_length makes one that opens sooner"
        say(f"note: the page has {size / 1e6:.0f} MB; {advice}")


def _printed_facts(attention: SentenceAttention, bits: int) -> list[tuple[str, str]]:
    layers, heads, length, _ = attention.weights.shape
    gold = attention.example.label
    return [
        ("run", attention.run),
        ("layers × heads", f"{layers} × {heads}"),
        ("tokens", str(length)),
        ("weights kept", f"{bits} bits each"),
        *([("gold", gold)] if gold else []),
    ]


def _prediction(attention: SentenceAttention) -> list[tuple[str, float]]:
    """The most probable relations, in percent."""
    best = np.argsort(-attention.probabilities, kind="stable")[:TOP]
    return [(attention.labels.names[i], 100 * float(attention.probabilities[i])) for i in best]


def _facts(attention: SentenceAttention) -> dict[str, Any]:
    return {
        "run": attention.run,
        "id": attention.example.id,
        "sentence": attention.example.sentence,
        "gold": attention.example.label,
        "prediction": dict(_prediction(attention)),
        "tokens": [token.text for token in attention.tokens],
        "pieces": [token.piece for token in attention.tokens],
        "subject": list(attention.subject),
        "object": list(attention.object),
        "pooled": list(attention.pooled),
        "special": np.flatnonzero(attention.special).tolist(),
    }


# --- the page's data -------------------------------------------------------------------------


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
        "subject": list(attention.subject),
        "object": list(attention.object),
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


# --- the plots -------------------------------------------------------------------------------


def attention_plots(attention: SentenceAttention, view: View) -> list[Plot]:
    """Draws the heat maps.

    Args:
        attention: The sentence.
        view: A layer or head that gets a plot of its own, and whether special tokens are shown.

    Returns:
        `layer-mean`, `all-mean`, `rollout`, `entities`, and `layer-L` or `layer-L-head-H`.
    """
    weights = attention.weights
    kept = np.full(weights.shape[-1], True) if view.special else ~attention.special
    drawn = [
        ("all-mean", "Mean of all heads of all layers", overall_mean(weights)),
        ("rollout", "Attention rollout", rollout(weights)),
    ]
    if view.layer is not None and view.head is None:
        one = layer_means(weights)[view.layer - 1]
        drawn.append((f"layer-{view.layer}", f"Layer {view.layer}, mean of its heads", one))
    elif view.layer is not None and view.head is not None:
        name = f"layer-{view.layer}-head-{view.head}"
        title = f"Layer {view.layer}, head {view.head}"
        drawn.append((name, title, weights[view.layer - 1, view.head - 1]))
    plots = [_map_plot(attention, name, title, numbers, kept) for name, title, numbers in drawn]
    return [*plots, _layers_plot(attention, kept), _entities_plot(attention)]


def _note(kept: npt.NDArray[np.bool_]) -> str:
    if not kept.all():
        return "Special tokens are left out, and each row sums to 1 without them."
    return "The strongest colour is the largest weight between two tokens that are not special."


def _darkest(numbers: Map, special: npt.NDArray[np.bool_]) -> float:
    """The largest weight between ordinary tokens: special ones would leave the rest pale."""
    ordinary = numbers[..., ~special, :][..., ~special]
    return float(ordinary.max(initial=0.0)) or 1.0


def _map_plot(
    attention: SentenceAttention,
    name: str,
    title: str,
    numbers: Map,
    kept: npt.NDArray[np.bool_],
) -> Plot:
    numbers = restricted(numbers, kept) if not kept.all() else numbers
    tokens = np.flatnonzero(kept)
    names = [_axis_name(attention, token) for token in tokens.tolist()]
    cell = min(CELL, LARGEST / len(tokens))
    side = cell * len(tokens) + 1.6
    figure, axes = new_figure(side, side)
    heat_map(axes, numbers, names, names, _darkest(numbers, attention.special[kept]))
    # Points are 1/72 inch, and letters stand in three quarters of a cell.
    axes.tick_params(labelsize=min(9.0, 0.75 * 72 * cell))
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, token in zip(labels, tokens.tolist(), strict=True):
            label.set_color(_color(attention, token))
    axes.set_aspect("equal")
    axes.set_xlabel("to (key)")
    axes.set_ylabel("from (query)")
    axes.set_title(drawable(title))
    columns = ("query", "query_token", "key", "key_token", "weight")
    return Plot(name, title, figure, columns, _cells(attention, tokens, numbers), _note(kept))


def _axis_name(attention: SentenceAttention, token: int) -> str:
    text = attention.tokens[token].text
    return f"{POOLED} {text}" if token in attention.pooled else text


def _color(attention: SentenceAttention, token: int) -> str:
    """The entities in their colours, what is not the sentence's own faint."""
    marker = attention.tokens[token].part == "marker"
    for span, color in ((attention.subject, FIRST), (attention.object, SECOND)):
        if span.start <= token < span.end:
            return color
    pooled = token in attention.pooled
    return FAINT if (marker and not pooled) or attention.special[token] else INK


def _cells(
    attention: SentenceAttention, tokens: npt.NDArray[np.intp], numbers: Map
) -> list[tuple[Any, ...]]:
    """The numbers of a map, a cell a line; tokens are counted from 0 over the whole row."""
    named = [(token, attention.tokens[token].text) for token in tokens.tolist()]
    return [
        (*query, *key, f"{weight:.6g}")
        for query, line in zip(named, numbers.tolist(), strict=True)
        for key, weight in zip(named, line, strict=True)
    ]


def _layers_plot(attention: SentenceAttention, kept: npt.NDArray[np.bool_]) -> Plot:
    """The mean of each layer's heads, side by side; of the tokens the entities' are named."""
    means = layer_means(attention.weights)
    means = restricted(means, kept) if not kept.all() else means
    tokens = np.flatnonzero(kept)
    across = int(np.ceil(np.sqrt(len(means))))
    down = -(-len(means) // across)
    figure = empty_figure(2.6 * across, 2.5 * down)
    places, names = _entity_ticks(attention, tokens)
    for index, numbers in enumerate(means):
        axes = figure.add_subplot(down, across, index + 1)
        heat_map(axes, numbers, (), (), _darkest(numbers, attention.special[kept]))
        axes.set_xticks(places, names, rotation=90)
        axes.set_yticks(places, names)
        axes.tick_params(length=2, labelsize=6)
        axes.set_aspect("equal")
        axes.collections[0].set_rasterized(True)  # they are many cells together
        axes.set_title(f"layer {index + 1}", fontsize=8)
    # A column a key: a line a cell would be millions of a long sentence.
    named = [(token, attention.tokens[token].text) for token in tokens.tolist()]
    columns = ("layer", "query", "query_token", *(f"{token} {text}" for token, text in named))
    rows = [
        (index, *query, *(f"{weight:.6g}" for weight in line))
        for index, numbers in enumerate(means.tolist(), start=1)
        for query, line in zip(named, numbers, strict=True)
    ]
    return Plot("layer-mean", "Mean of each layer's heads", figure, columns, rows, _note(kept))


def _entity_ticks(
    attention: SentenceAttention, tokens: npt.NDArray[np.intp]
) -> tuple[list[float], list[str]]:
    """Where the entities begin on an axis, and their words."""
    example = attention.example
    found: dict[float, str] = {}
    pairs = ((attention.subject, example.subject), (attention.object, example.object))
    for span, entity in pairs:
        place = float(np.searchsorted(tokens, span.start)) + 0.5
        found.setdefault(place, drawable(entity.word[:10]))
    return list(found), list(found.values())


def _entities_plot(attention: SentenceAttention) -> Plot:
    numbers = between_entities(attention)
    layers, heads = numbers.shape
    figure, axes = new_figure(1.4 + 0.34 * heads, 1.0 + 0.3 * layers)
    texts = [[f"{100 * weight:.0f}" for weight in line] for line in numbers.tolist()]
    layer_names, head_names = ([str(1 + i) for i in range(count)] for count in (layers, heads))
    heat_map(axes, numbers, layer_names, head_names, texts=texts)
    axes.tick_params(axis="x", rotation=0)
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    title = "Weight from one entity to the other, percent"
    axes.set_title(title)
    rows = [
        (1 + layer, 1 + head, f"{weight:.6g}") for (layer, head), weight in np.ndenumerate(numbers)
    ]
    note = (
        "What a token of the subject gives to all of the object's, and the other way: the mean "
        "of both."
    )
    return Plot("entities", title, figure, ("layer", "head", "weight"), rows, note)
