"""What a run's encoder attends to in one sentence: the weights, and the maps made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.batches import Batch
from relx.data.token_texts import TokenText, token_texts
from relx.dataset import token_rows
from relx.devices.device import open_device
from relx.models.arrays import SpanArrays
from relx.models.saved import MODEL_FOLDER
from relx.predict import Run
from relx.recipe import DeviceSection
from relx.spans import Span
from relx.tasks.relation.rows import Example

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Map = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class SentenceAttention:
    """One sentence as a run's encoder reads it.

    Args:
        run: The run's name.
        example: The sentence.
        tokens: Its tokens, with markers, query and special tokens.
        subject: The tokens of the subject's words, or of its mask.
        object: The tokens of the object's words, or of its mask.
        pooled: The tokens whose last states the relation is predicted from, in order.
        subject_start: The subject's token to pool; see `TokenRow`.
        weights: `(layers, heads, queries, keys)` float32; the weights of a query sum to 1.
        labels: The run's labels.
        probabilities: `(classes,)` float64, what the run predicts.
    """

    run: str
    example: Example
    tokens: tuple[TokenText, ...]
    subject: Span
    object: Span
    pooled: tuple[int, ...]
    subject_start: int
    weights: npt.NDArray[np.float32]
    labels: LabelList
    probabilities: npt.NDArray[np.float64]

    @property
    def start(self) -> int:
        """The token to look from first: the subject's pooled one, else the first pooled one."""
        return self.subject_start if self.subject_start in self.pooled else self.pooled[0]

    @property
    def special(self) -> npt.NDArray[np.bool_]:
        """Which tokens are special ones, `(length,)`."""
        return np.array([token.part == "special" for token in self.tokens])


def read_attention(
    run: Run, example: Example, device: DeviceSection | None = None
) -> SentenceAttention:
    """Predicts a sentence with a run and reads what its encoder attends to, in float32.

    Args:
        run: The run.
        example: The sentence.
        device: The device section to use in place of the recipe's, or None.

    Returns:
        The weights of every layer and head with all that belongs to the sentence.

    Raises:
        InputError: The entities cannot be found or do not fit the window.
    """
    probabilities = run.predict([example])[0]
    from relx.models.encoder.architectures.attention import attention_weights
    from relx.models.encoder.load import load_encoder

    recipe = run.recipe
    plain = {"precision": "float32", "strategy": "one"}
    section = (device or recipe.device).model_copy(update=plain)
    with open_device(section, recipe.seed).scope():
        # All of it: a relation model computes its last layer at the pooled tokens alone.
        loaded = load_encoder(str(run.folder / MODEL_FOLDER), seed=recipe.seed)
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
        subject=row.spans[0],
        object=row.spans[1],
        pooled=_inside(inputs["spans"][0].tolist()),
        subject_start=row.starts[0],
        weights=attention_weights(loaded.encoder, inputs),
        labels=run.labels,
        probabilities=probabilities,
    )


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


def between_entities(attention: SentenceAttention) -> Map:
    """Measures how much each head looks from one entity to the other.

    Args:
        attention: A sentence.

    Returns:
        `(layers, heads)` float64: the weight that a token of the subject gives to all tokens of
        the object, averaged over the subject's tokens, and the same the other way, averaged.
    """
    one, other = slice(*attention.subject), slice(*attention.object)
    there = attention.weights[:, :, one, other].sum(axis=-1, dtype=np.float64)
    back = attention.weights[:, :, other, one].sum(axis=-1, dtype=np.float64)
    return np.asarray(0.5 * there.mean(axis=-1) + 0.5 * back.mean(axis=-1))
