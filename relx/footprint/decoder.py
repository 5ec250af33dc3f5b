"""The memory of training a decoder's adapters beside its frozen weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from relx.footprint.parts import (
    FLOAT,
    PREDICTION,
    TURN,
    UPDATE,
    Backend,
    Footprint,
    Precision,
    Trained,
    compute_bytes,
    fullest,
    rows_at_once,
)
from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.layers.formats import Format, stored_bytes


class Adapter(Protocol):
    """What of an adapter's settings its size depends on."""

    @property
    def rank(self) -> int:
        """The rank."""

    @property
    def dropout(self) -> float:
        """The share of inputs that training drops before it."""


_KEPT_LOGITS = 3  # as they are, as float32 and as shares, of all words
_ACTIVATION = {"silu": 1, "gelu": 3, "gelu_tanh": 6}  # tensors that each keeps of its formula


def decoder_footprint(
    configuration: DecoderConfig,
    format_: Format,
    lora_parts: Mapping[str, Adapter],
    *,
    batch_size: int,
    length: int,
    remat: bool = False,
    precision: Precision = "float32",
    accumulate: int = 1,
    backend: Backend = "tensorflow",
    labels: int = 30,
    dev_batch: int = 0,
    over_vocabulary: bool = False,
) -> Footprint:
    """Tells the memory of training a decoder's adapters.

    Args:
        configuration: Its configuration.
        format_: How kernels are stored.
        lora_parts: The adapter of each linear part that has one.
        batch_size: Rows of a batch.
        length: Tokens of a row.
        remat: Whether layers are computed again on the way back.
        precision: The dtype policy.
        accumulate: In how many parts a batch is computed.
        backend: Keras's backend.
        labels: Labels to choose from.
        dev_batch: Rows of a batch of prediction; 0 leaves prediction out.
        over_vocabulary: Whether training takes the softmax over all words.

    Returns:
        The footprint.
    """
    c = configuration
    adapters = adapter_weights(c, lora_parts) + (c.hidden_size + 1) * labels
    trained = Trained(adapters, adapters, backend, accumulate)
    counted = _Activations(c, format_, lora_parts, length, precision, backend)
    rows = rows_at_once(batch_size, accumulate)
    turn = {
        "gradients": trained.gradients_at_turn(),
        "copies of weights": trained.copies_at_turn(),
        "activations": counted.kept(rows, remat),
        "unpacked kernel": unpacked_bytes(c, format_, compute_bytes(precision)),
        "passing tensors": counted.at_work(rows),
    }
    update = {
        "gradients": trained.gradients_at_update(),
        "copies of weights": trained.copies_at_update(),
    }
    predicted = {
        "activations": counted.passing(dev_batch),
        "unpacked kernel": unpacked_bytes(c, format_, compute_bytes(precision)),
    }
    if over_vocabulary:
        turn["logits of all words"] = _KEPT_LOGITS * FLOAT * float(rows * c.vocab_size)
    held = _held(c, format_, adapters, over_vocabulary) | trained.held()
    return fullest(held, {TURN: turn, UPDATE: update, PREDICTION: predicted})


def _held(
    c: DecoderConfig, format_: Format, adapters: int, over_vocabulary: bool
) -> dict[str, float]:
    """Returns what is there from the loading on, in bytes; `adapters` counts the head's weights."""
    held = {
        f"frozen kernels in {format_}": float(kernel_bytes(c, format_)),
        "token table": float(table_bytes(c, format_)),
        "norms and biases": float(FLOAT * thin_weights(c)),
        "adapters and head": float(FLOAT * adapters),
    }
    return held | {"output table": float(output_bytes(c, format_))} if over_vocabulary else held


def output_bytes(c: DecoderConfig, format_: Format) -> int:
    """Returns the bytes of an output table that is not the token table."""
    size = FLOAT if format_ == "float32" else 2
    return 0 if c.tied else size * c.vocab_size * c.hidden_size


def kernel_bytes(c: DecoderConfig, format_: Format) -> int:
    """Returns the bytes of all kernels in a format."""
    return c.num_layers * sum(stored_bytes(format_, *s) for s in c.linear_shapes().values())


def table_bytes(c: DecoderConfig, format_: Format) -> int:
    """Returns the bytes of the token table and of learned positions."""
    size = FLOAT if format_ == "float32" else 2  # bfloat16, or float16 beside packed kernels
    return size * (c.vocab_size + c.learned_positions) * c.hidden_size


def thin_weights(c: DecoderConfig) -> int:
    """Counts the weights of norms and biases, all of them float32."""
    by_norm = 2 if c.norm == "layer" else 1
    biases = sum(outputs for name, (_, outputs) in c.linear_shapes().items() if c.has_bias(name))
    layer = by_norm * sum(c.norm_widths().values()) + biases
    return c.num_layers * layer + by_norm * c.hidden_size


def adapter_weights(c: DecoderConfig, lora_parts: Mapping[str, Adapter]) -> int:
    """Counts the weights of all adapters."""
    shapes = c.linear_shapes()
    layer = sum(lora.rank * sum(shapes[name]) for name, lora in lora_parts.items())
    return c.num_layers * layer


def unpacked_bytes(c: DecoderConfig, format_: Format, small: int) -> int:
    """Returns what unpacking the largest kernel takes while a product is computed, in bytes.

    A cast, and its product with the scale, for eight bits; for four, the codes as int32, the
    levels of each pair, both halves joined and the same with its scale.
    """
    largest = max(inputs * outputs for inputs, outputs in c.linear_shapes().values())
    if format_ == "int8":
        return 2 * small * largest
    if format_ == "nf4":
        return (FLOAT // 2 + 3 * small) * largest
    stored = FLOAT if format_ == "float32" else 2
    return small * largest if stored != small else 0


class _Activations:
    """What the layers of a decoder keep for the way back, counted as the code computes them."""

    def __init__(
        self,
        c: DecoderConfig,
        format_: Format,
        lora_parts: Mapping[str, Adapter],
        length: int,
        precision: Precision,
        backend: Backend,
    ) -> None:
        self.c, self.lora, self.length = c, lora_parts, length
        self.backend, self.small = backend, compute_bytes(precision)
        stored = {"float32": FLOAT, "bfloat16": 2}.get(format_)
        # PyTorch's custom gradient saves the inputs of every kernel that is brought to floats.
        self.saves_inputs = backend == "torch" and stored != self.small

    def kept(self, rows: int, remat: bool) -> float:
        """Returns what is kept of rows on the way forward, in bytes."""
        tokens, layers = rows * self.length, self.c.num_layers
        around = rows * self.c.hidden_size * 2 * FLOAT  # the last norm's input and output
        if not remat:
            return (layers - 1) * self.layer(rows) + self.last_layer(rows) + around
        # The states before each layer, and one layer that is computed again.
        return layers * tokens * self.small * self.c.hidden_size + self.layer(rows) + around

    def layer(self, rows: int) -> float:
        """Returns what one layer keeps, in bytes."""
        tokens = rows * self.length
        numbers = self._norms() + self._inputs(self.c.linear_shapes()) + self._middle()
        return tokens * numbers + self._attention(rows)

    def last_layer(self, rows: int) -> float:
        """Returns what the last layer keeps, in bytes: keys and values, and rows' last tokens."""
        tokens, shapes = rows * self.length, self.c.linear_shapes()
        asked = {name: shape for name, shape in shapes.items() if name in ("q", "k", "v", "qkv")}
        return tokens * (FLOAT * self.c.hidden_size + self._inputs(asked)) + self._operands(tokens)

    def _norms(self) -> int:
        """Returns the bytes a token: each norm keeps its input in float32."""
        c = self.c
        heads = {"queries": c.num_heads, "keys": c.num_kv_heads}
        return FLOAT * sum(w * heads.get(name, 1) for name, w in c.norm_widths().items())

    def _inputs(self, shapes: Mapping[str, tuple[int, int]]) -> int:
        """Returns the bytes a token of what linear parts of these shapes keep.

        An adapter with dropout keeps its mask and the inputs that are left; parts that share
        inputs draw masks of their own. One without keeps its inputs, which all parts share.
        """
        shared: dict[str, int] = {}
        count = 0
        for name, (inputs, _) in shapes.items():
            lora = self.lora.get(name)
            count += 2 * inputs * bool(lora and lora.dropout) + (lora.rank if lora else 0)
            if self.saves_inputs or (lora and not lora.dropout):
                shared["qkv" if name in ("q", "k", "v") else name.replace("gate", "up")] = inputs
        return self.small * (count + sum(shared.values()))

    def _middle(self) -> int:
        """Returns the bytes a token of the activation, and of its product with the other half."""
        kept = 1 if self.backend == "torch" else _ACTIVATION[self.c.activation]
        count = kept + 2 * self.c.gated
        return self.small * count * self.c.intermediate_size

    def _attention(self, rows: int) -> float:
        """Returns queries, keys, values and scores, in bytes.

        PyTorch's kernel keeps its result in the place of scores, where these are not capped.
        """
        c, s, tokens = self.c, self.small, rows * self.length
        if self.backend == "torch" and not c.attention_cap:
            return self._operands(tokens) + tokens * c.num_heads * c.head_dim * s
        scores = rows * c.num_heads * self.length**2
        softmax = FLOAT * scores * (2 if c.attention_cap else 1)
        # The mix takes it in the compute type; PyTorch copies it where heads share keys.
        copied = s < FLOAT or (self.backend == "torch" and c.num_heads > c.num_kv_heads)
        return self._operands(tokens) + softmax + s * scores * copied

    def _operands(self, tokens: int) -> float:
        c = self.c
        return tokens * (c.num_heads + 2 * c.num_kv_heads) * c.head_dim * self.small

    def at_work(self, rows: int) -> float:
        """Returns what one operation after the other needs for a moment, in bytes.

        The hash of a mask goes through three tensors of int32 as wide as the middle.
        """
        drops = any(lora.dropout for lora in self.lora.values())
        widest = max(self.c.intermediate_size, self.c.hidden_size)
        return rows * self.length * widest * FLOAT * (3 if drops else 1)

    def passing(self, rows: int) -> float:
        """Returns what is there at once of rows where nothing is kept, in bytes."""
        c, tokens, s = self.c, rows * self.length, self.small
        heads = (c.num_heads + 2 * c.num_kv_heads) * c.head_dim
        scores = rows * c.num_heads * self.length**2
        attention = tokens * (2 * c.hidden_size + 2 * heads) * s + 2 * FLOAT * scores
        return max(attention, tokens * (2 * c.hidden_size + 4 * c.intermediate_size) * s)
