"""The memory of fine-tuning an encoder whole."""

from __future__ import annotations

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
from relx.models.encoder.families.deberta import DebertaConfig
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.modernbert import ModernBertConfig


def encoder_footprint(
    configuration: EncoderConfig,
    *,
    batch_size: int,
    length: int,
    precision: Precision = "float32",
    accumulate: int = 1,
    backend: Backend = "tensorflow",
    places: int | None = None,
    labels: int = 30,
    dev_batch: int = 0,
) -> Footprint:
    """Tells the memory of fine-tuning an encoder.

    Args:
        configuration: Its configuration.
        batch_size: Rows of a batch.
        length: Tokens of a row.
        precision: The dtype policy.
        accumulate: In how many parts a batch is computed.
        backend: Keras's backend.
        places: The tokens whose states are read, where each is one token: BERT's build computes
            the last layer there alone. None for means over words.
        labels: Labels to choose from.
        dev_batch: Rows of a batch of prediction; 0 leaves prediction out.

    Returns:
        The footprint.
    """
    width = configuration.hidden_size
    head = (places or 2) * width * width + width + (width + 1) * labels
    matrices = encoder_matrices(configuration)
    weights = encoder_weights(configuration) + head
    table = configuration.vocab_size * configuration.embedding_width
    trained = Trained(weights, matrices + head, backend, accumulate, table)
    counted = _Activations(configuration, length, precision, backend, places)
    rows, small = rows_at_once(batch_size, accumulate), compute_bytes(precision)
    cast = small * matrices if small < FLOAT else 0
    turn = {
        "gradients": trained.gradients_at_turn(),
        "copies of weights": trained.copies_at_turn() + cast + counted.joined(),
        "activations": counted.kept(rows),
    }
    update = {"gradients": trained.gradients_at_update()}
    update["copies of weights"] = trained.copies_at_update()
    predicted = {"copies of weights": cast, "activations": counted.passing(dev_batch)}
    held = {"weights": float(FLOAT * weights), **trained.held()}
    return fullest(held, {TURN: turn, UPDATE: update, PREDICTION: predicted})


def embedding_weights(c: EncoderConfig) -> int:
    """Counts the tables of tokens, positions and token types."""
    segments = c.num_segments if c.num_segments > 1 else 0
    positions = c.max_sequence_length
    if isinstance(c, ModernBertConfig) or (
        isinstance(c, DebertaConfig) and not c.position_biased_input
    ):
        positions = 0
    return (c.vocab_size + positions + segments) * c.embedding_width


def encoder_matrices(c: EncoderConfig) -> int:
    """Counts the weights of products in all layers, those that layers share once."""
    hidden, middle = c.hidden_size, c.intermediate_size
    layers = max(c.layer_sequence) + 1
    up = 2 if isinstance(c, ModernBertConfig) else 1  # its middle has a gate
    count = layers * (4 * hidden * hidden + (up + 1) * hidden * middle)
    if isinstance(c, DebertaConfig):
        count += 2 * c.span * hidden
        count += 0 if c.share_att_key else layers * len(c.pos_att_type) * hidden * hidden
    return count + (c.embedding_width * hidden if c.has_projection else 0)


def encoder_weights(c: EncoderConfig) -> int:
    """Counts the weights of an encoder, norms and biases included, without any head."""
    hidden, middle = c.hidden_size, c.intermediate_size
    layers = max(c.layer_sequence) + 1
    if isinstance(c, ModernBertConfig):
        norm = hidden * (2 if c.norm_bias else 1)
        biases = 4 * hidden * c.attention_bias + (2 * middle + hidden) * c.mlp_bias
        # The first layer has no norm before its attention; one follows the embeddings, one ends.
        thin = (2 * layers - 1) * norm + 2 * norm + layers * biases
        return embedding_weights(c) + encoder_matrices(c) + thin
    thin = layers * (9 * hidden + middle)
    if not isinstance(c, DebertaConfig):
        thin += 2 * c.embedding_width + (hidden if c.has_projection else 0)
    else:  # its projection comes before the norm, and has no bias
        thin += 2 * hidden * (2 if "layer_norm" in c.norm_rel_ebd else 1)
        thin += 0 if c.share_att_key else layers * len(c.pos_att_type) * hidden
    return embedding_weights(c) + encoder_matrices(c) + thin


class _Activations:
    """What the layers of an encoder keep for the way back, counted as the code computes them."""

    def __init__(
        self,
        configuration: EncoderConfig,
        length: int,
        precision: Precision,
        backend: Backend,
        places: int | None,
    ) -> None:
        self.c, self.length, self.backend = configuration, length, backend
        self.small = compute_bytes(precision)
        built_alike = not isinstance(configuration, DebertaConfig | ModernBertConfig)
        self.at_places = built_alike and places is not None

    @property
    def layers(self) -> int:
        """How many layers are computed everywhere; the last may be so at some places alone."""
        return len(self.c.layer_sequence) - self.at_places

    def joined(self) -> float:
        """Returns what a layer keeps of its query, key and value kernels side by side."""
        if isinstance(self.c, DebertaConfig | ModernBertConfig):
            return 0
        return 3 * self.c.hidden_size**2 * self.small * len(self.c.layer_sequence)

    def kept(self, rows: int) -> float:
        """Returns what is kept of rows on the way forward, in bytes."""
        tokens, c = rows * self.length, self.c
        scores = rows * c.num_attention_heads * self.length**2
        layer = (self._written if self.backend == "tensorflow" else self._derived)(tokens, scores)
        # After the embeddings: their sum, its norm, dropout and result.
        first = tokens * c.embedding_width * (2 * FLOAT + 2 * self.small)
        # Of the last layer, keys and values of all tokens.
        last = tokens * c.hidden_size * 3 * self.small if self.at_places else 0
        return self.layers * layer + first + last

    def _written(self, tokens: int, scores: int) -> float:
        """Returns a layer's where gradients are written out, as on TensorFlow."""
        c, s = self.c, self.small
        drops = bool(c.hidden_dropout_prob)
        # States, queries, keys, values, the mix by heads and by tokens, the output of either norm:
        # in the compute type, as the masks of dropout. The norms keep what they made in float32.
        states = tokens * c.hidden_size * ((7 + 2 * drops) * s + 2 * FLOAT)
        # Of the softmax, itself and what dropout left of it; where that is cast, the cast too.
        drawn = bool(c.attention_probs_dropout_prob)
        softmax = scores * (FLOAT * (1 + drawn) + (s if s < FLOAT else 0))
        # By its formula gelu keeps two tensors of the middle beside its result. Measured at two
        # widths of the middle are two in all.
        return states + softmax + self._middle(tokens)

    def _derived(self, tokens: int, scores: int) -> float:
        """Returns a layer's as derived gradients need it; counted with PyTorch's hooks."""
        c, s = self.c, self.small
        drops, drawn = bool(c.hidden_dropout_prob), bool(c.attention_probs_dropout_prob)
        # Inputs of products: states, queries, keys and values by heads, the mix, the middle's.
        # Dropout keeps its noise as numbers. A norm keeps its input, in float32.
        states = tokens * c.hidden_size * ((6 + 2 * drops) * s + 2 * FLOAT)
        # Without dropout the fused attention keeps no scores, but its own output.
        softmax = scores * (FLOAT + 2 * s) if drawn else tokens * c.hidden_size * s
        return states + softmax + self._middle(tokens)

    def _middle(self, tokens: int) -> float:
        """Returns what a layer keeps of its middle: before and after gelu, and of a gate's."""
        tensors = 4 if isinstance(self.c, ModernBertConfig) else 2
        return tensors * tokens * self.c.intermediate_size * self.small

    def passing(self, rows: int) -> float:
        """Returns what is there at once of rows where nothing is kept, in bytes."""
        tokens, c = rows * self.length, self.c
        scores = rows * c.num_attention_heads * self.length**2
        attention = tokens * c.hidden_size * 4 * self.small + 2 * scores * FLOAT
        return max(attention, tokens * (2 * c.hidden_size + 2 * c.intermediate_size) * self.small)
