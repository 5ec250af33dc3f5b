"""Heat maps of attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.attention import (
    Map,
    SentenceAttention,
    layer_means,
    overall_mean,
    restricted,
    rollout,
)
from relx.look.font import drawable
from relx.look.plots import FAINT, FIRST, INK, SECOND, Plot, empty_figure, heat_map, new_figure

CELL = 0.19  # inches, and less where the map would be larger than:
LARGEST = 24.0
POOLED = "●"


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows first, and what gets a plot of its own.

    Args:
        layer: A layer from 1 on; None for the mean of all.
        head: A head of the layer from 1 on; None for the mean of its heads.
        special: Whether special tokens are shown.
    """

    layer: int | None = None
    head: int | None = None
    special: bool = True


def attention_plots(attention: SentenceAttention, view: View) -> list[Plot]:
    """Draws the heat maps.

    Args:
        attention: The sentence.
        view: A layer or head that gets a plot of its own, and whether special tokens are shown.

    Returns:
        `layer-mean`, `all-mean`, `rollout`, and `layer-L` or `layer-L-head-H`.
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
    return [*plots, _layers_plot(attention, kept)]


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
    # Points are 1/72 inch; letters take three quarters of a cell.
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
    """The words that are asked about in their colours, what is not the sentence's own faint."""
    marker = attention.tokens[token].part == "marker"
    for span, color in zip(attention.words.values(), (FIRST, SECOND), strict=False):
        if span.start <= token < span.end:
            return color
    pooled = token in attention.pooled
    return FAINT if (marker and not pooled) or attention.special[token] else INK


def _cells(
    attention: SentenceAttention, tokens: npt.NDArray[np.intp], numbers: Map
) -> list[tuple[Any, ...]]:
    """The numbers of a map, one line per cell; tokens count from 0 over the whole row."""
    named = [(token, attention.tokens[token].text) for token in tokens.tolist()]
    return [
        (*query, *key, f"{weight:.6g}")
        for query, line in zip(named, numbers.tolist(), strict=True)
        for key, weight in zip(named, line, strict=True)
    ]


def _layers_plot(attention: SentenceAttention, kept: npt.NDArray[np.bool_]) -> Plot:
    """The mean of each layer's heads, side by side; of the tokens those asked about are named."""
    means = layer_means(attention.weights)
    means = restricted(means, kept) if not kept.all() else means
    tokens = np.flatnonzero(kept)
    across = int(np.ceil(np.sqrt(len(means))))
    down = -(-len(means) // across)
    figure = empty_figure(2.6 * across, 2.5 * down)
    places, names = _word_ticks(attention, tokens)
    for index, numbers in enumerate(means):
        axes = figure.add_subplot(down, across, index + 1)
        heat_map(axes, numbers, (), (), _darkest(numbers, attention.special[kept]))
        axes.set_xticks(places, names, rotation=90)
        axes.set_yticks(places, names)
        axes.tick_params(length=2, labelsize=6)
        axes.set_aspect("equal")
        axes.collections[0].set_rasterized(True)  # they are many cells together
        axes.set_title(f"layer {index + 1}", fontsize=8)
    # One column per key: one line per cell would be millions for a long sentence.
    named = [(token, attention.tokens[token].text) for token in tokens.tolist()]
    columns = ("layer", "query", "query_token", *(f"{token} {text}" for token, text in named))
    rows = [
        (index, *query, *(f"{weight:.6g}" for weight in line))
        for index, numbers in enumerate(means.tolist(), start=1)
        for query, line in zip(named, numbers, strict=True)
    ]
    return Plot("layer-mean", "Mean of each layer's heads", figure, columns, rows, _note(kept))


def _word_ticks(
    attention: SentenceAttention, tokens: npt.NDArray[np.intp]
) -> tuple[list[float], list[str]]:
    """Where the words that are asked about begin on an axis, and what they are."""
    example = attention.example
    found: dict[float, str] = {}
    for span, words in zip(attention.words.values(), example.spans, strict=True):
        place = float(np.searchsorted(tokens, span.start)) + 0.5
        found.setdefault(place, drawable(words.of(example.sentence)[:10]))
    return list(found), list(found.values())


def heads_plot(name: str, title: str, numbers: Map, note: str) -> Plot:
    """Draws a number of each head.

    Args:
        name: The stem of its files.
        title: What it shows.
        numbers: `(layers, heads)`, shares from 0 to 1.
        note: How they are made.
    """
    layers, heads = numbers.shape
    figure, axes = new_figure(1.4 + 0.34 * heads, 1.0 + 0.3 * layers)
    texts = [[f"{100 * weight:.0f}" for weight in line] for line in numbers.tolist()]
    layer_names, head_names = ([str(1 + i) for i in range(count)] for count in (layers, heads))
    heat_map(axes, numbers, layer_names, head_names, texts=texts)
    axes.tick_params(axis="x", rotation=0)
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    axes.set_title(title)
    rows = [
        (1 + layer, 1 + head, f"{weight:.6g}") for (layer, head), weight in np.ndenumerate(numbers)
    ]
    return Plot(name, title, figure, ("layer", "head", "weight"), rows, note)
