"""What a run's encoder attends to in one sentence: the weights, and the maps made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.batches import Batch
from relx.data.tokenizing.token_texts import TokenText, token_texts
from relx.dataset import token_rows
from relx.devices.device import open_device
from relx.faults import Fault, InputError
from relx.models.arrays import SpanArrays
from relx.models.saved import MODEL_FOLDER
from relx.predict import Run
from relx.progress import say
from relx.recipe import DeviceSection
from relx.spans import Span

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.rows.row import Row
    from relx.runs.find import FoundStage

Map = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class SentenceAttention:
    """One sentence as a run's encoder reads it.

    Args:
        run: The run's name.
        example: The row.
        tokens: Its tokens, with markers, query and special tokens.
        words: The tokens of the words that the row asks about, or of their masks, by role; without
            a role whose words the row lacks.
        pooled: The tokens whose last states a label is predicted from, in order.
        first_start: The token to pool of the first role's words; see `TokenRow`.
        weights: `(layers, heads, queries, keys)` float32; the weights of a query sum to 1.
        labels: The run's labels.
        probabilities: `(labels,)` float64, what the run predicts.
        chosen: The labels that it chooses; None where that is always the most probable one.
    """

    run: str
    example: Any
    tokens: tuple[TokenText, ...]
    words: Mapping[str, Span]
    pooled: tuple[int, ...]
    first_start: int
    weights: npt.NDArray[np.float32]
    labels: LabelList
    probabilities: npt.NDArray[np.float64]
    chosen: tuple[str, ...] | None = None

    @property
    def start(self) -> int:
        """The token to look from first: the first words' pooled one, else the first pooled one."""
        return self.first_start if self.first_start in self.pooled else self.pooled[0]

    @property
    def special(self) -> npt.NDArray[np.bool_]:
        """Which tokens are special ones, `(length,)`."""
        return np.array([token.part == "special" for token in self.tokens])


def read_attention(
    run: Run, example: Row, device: DeviceSection | None = None
) -> SentenceAttention:
    """Predicts a sentence with a run and reads what its encoder attends to, in float32.

    Args:
        run: The run.
        example: The row.
        device: The device section to use in place of the recipe's, or None.

    Returns:
        The weights of every layer and head with all that belongs to the sentence.

    Raises:
        InputError: The words cannot be found or do not fit the window; or the run's model is a
            decoder.
    """
    if run.recipe.decoder is not None:
        what = "attention is shown of encoders; this run's model is a decoder, which reads one way"
        step = "relx report shows which sentences the run gets wrong"
        raise InputError(Fault(what, run.name, next_step=step, kind="no attention"))
    found = _read_fold(run)
    probabilities = run.predict([example])[0]
    from relx.models.encoder.architectures.attention import attention_weights
    from relx.models.encoder.load import load_encoder

    recipe = run.recipe
    plain = {"precision": "float32", "strategy": "one"}
    section = (device or recipe.device).model_copy(update=plain)
    with open_device(section, recipe.seed).scope():
        # All of it: a relation model computes its last layer at the pooled tokens alone.
        loaded = load_encoder(str(found.folder / MODEL_FOLDER), seed=recipe.seed)
    window, tokenizer = recipe.tokens.max_length, loaded.tokenizer
    rows = token_rows([example], run.task, tokenizer, window)
    (row,) = rows
    arrays = SpanArrays(rows, run.task.pooling, tokenizer.pad_token_id, segments=True)
    inputs = arrays.inputs(Batch(np.zeros(1, np.int64), 1, len(row.token_ids)))
    marked = run.task.marked(example, tokenizer.sep_token)
    return SentenceAttention(
        run=run.name,
        example=example,
        tokens=tuple(token_texts(marked, row.token_ids, tokenizer, window)),
        words={
            role: tokens
            for role, words, tokens in zip(run.task.roles, marked.spans, row.spans, strict=True)
            if words is not None
        },
        pooled=_inside(inputs["spans"][0].tolist()),
        first_start=row.starts[0],
        weights=attention_weights(loaded.encoder, inputs),
        labels=run.labels,
        probabilities=probabilities,
        chosen=_chosen(run, probabilities),
    )


def _read_fold(run: Run) -> FoundStage:
    """Chooses the fold whose encoder is looked into, and says which where there are several."""
    first = run.found.first
    if len(run.folds) > 1:
        say(
            f"attention is that of fold {first.fold}, the prediction the mean of {run.found.words};"
            f" --run {run.name}/fold-K looks into another"
        )
    return first


def _chosen(run: Run, probabilities: Map) -> tuple[str, ...] | None:
    decision, names = run.decision, run.labels.names
    if not decision.takes_cutoffs:
        return None
    (cells,) = decision.cells(decision.choose(probabilities[None]), len(names))
    return tuple(name for name, given in zip(names, cells, strict=True) if given)


def _inside(spans: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(token for start, end in spans for token in range(start, end)))


def layer_means(weights: Map) -> Map:
    """Averages the heads of each layer.

    Args:
        weights: `(layers, heads, queries, keys)`.

    Returns:
        `(layers, queries, keys)` float64.
    """
    return np.asarray(weights.mean(axis=1, dtype=np.float64))


def overall_mean(weights: Map) -> Map:
    """Averages all heads of all layers: `(queries, keys)` float64."""
    return np.asarray(weights.mean(axis=(0, 1), dtype=np.float64))


def rollout(weights: Map) -> Map:
    """Follows attention through the layers, from the last layer's tokens to the input's.

    Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928): each layer is half its heads' mean
    and half the identity, for the residual connection; the layers are multiplied.

    Args:
        weights: `(layers, heads, queries, keys)`; the weights of a query sum to 1.

    Returns:
        `(queries, keys)` float64: how much of each output token comes from each input token; rows
        sum to 1.
    """
    same = np.eye(weights.shape[-1])
    flow = same
    for layer in layer_means(weights):
        mixed = 0.5 * layer + 0.5 * same
        flow = (mixed / mixed.sum(axis=-1, keepdims=True)) @ flow
    return flow


def restricted(weights: Map, kept: npt.NDArray[np.bool_]) -> Map:
    """Leaves tokens out, and scales what is left so that it sums to 1 again.

    Args:
        weights: `(..., queries, keys)`.
        kept: Which tokens stay, `(length,)`.

    Returns:
        `(..., kept queries, kept keys)` float64; 0 where a query looks at nothing that is left.
    """
    left = weights[..., kept, :][..., kept].astype(np.float64)
    sums = left.sum(axis=-1, keepdims=True)
    return np.asarray(left / np.where(sums > 0, sums, 1))


def between(weights: Map, one: Span, other: Span) -> Map:
    """Measures how much each head looks from some words to others, and back.

    Args:
        weights: `(layers, heads, queries, keys)`.
        one: The tokens of the ones.
        other: The tokens of the others.

    Returns:
        `(layers, heads)` float64: the weight that a token of the ones gives to all tokens of the
        others, averaged over the ones' tokens, and the same the other way, averaged.
    """
    there = weights[:, :, slice(*one), slice(*other)].sum(axis=-1, dtype=np.float64)
    back = weights[:, :, slice(*other), slice(*one)].sum(axis=-1, dtype=np.float64)
    return np.asarray(0.5 * there.mean(axis=-1) + 0.5 * back.mean(axis=-1))


def from_pooled(weights: Map, pooled: Sequence[int], words: Span) -> Map:
    """Measures how much each head looks to some words from what a label is predicted from.

    Args:
        weights: `(layers, heads, queries, keys)`.
        pooled: The tokens that are pooled.
        words: The tokens of the words.

    Returns:
        `(layers, heads)` float64: the weight that a pooled token gives to all tokens of the words,
        averaged over the pooled tokens.
    """
    given = weights[:, :, list(pooled), slice(*words)].sum(axis=-1, dtype=np.float64)
    return np.asarray(given.mean(axis=-1))
