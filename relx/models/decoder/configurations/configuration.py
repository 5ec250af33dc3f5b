"""What a decoder computes: its sizes and settings, whatever its family calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from relx.models.decoder.configurations.rope import Frequencies

Norm = Literal["rms", "rms_from_one", "layer"]
Residual = Literal["pre", "parallel", "around", "post"]
FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """A decoder's sizes and settings.

    Args:
        model_type: The family, as config.json names it.
        vocab_size: Rows of the token table.
        hidden_size: Width of the hidden states.
        num_layers: Transformer layers.
        num_heads: Query heads a layer.
        num_kv_heads: Key and value heads a layer; they divide the query heads.
        head_dim: Width of a head.
        intermediate_size: Width of the feed-forward layers.
        norm_epsilon: Epsilon of every norm.
        max_positions: The longest text that it was made for, in tokens.
        norm: RMS norm; the same with weights that count from 1; or layer norm with a bias.
        residual: Where the norms are: before each part; before both parts, which are then side by
            side; before and after each part; or after each part alone.
        activation: Of the feed-forward layers: silu, gelu or gelu_tanh.
        gated: Whether the feed-forward layers have a gate.
        fused_qkv: Whether query, key and value are one projection.
        qkv_bias: Whether these have a bias.
        output_bias: Whether the attention's output has a bias.
        mlp_bias: Whether the feed-forward layers have biases.
        qk_norm: Whether queries and keys are normed by head.
        layer_types: The kind of attention of each layer: full or sliding.
        window: How many tokens a sliding layer sees, its own included.
        rope: The frequencies of each kind of layer; None where it does not turn.
        learned_positions: Rows of a learned position table; 0 where there is none.
        attention_scale: What a product of query and key is multiplied with.
        attention_cap: The soft cap of attention scores; 0 for none.
        logit_cap: The soft cap of logits; 0 for none.
        embedding_scale: What embeddings are multiplied with.
        tied: Whether logits are products with the token table.
    """

    model_type: str
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    norm_epsilon: float
    max_positions: int
    norm: Norm = "rms"
    residual: Residual = "pre"
    activation: str = "silu"
    gated: bool = True
    fused_qkv: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    layer_types: tuple[str, ...] = ()
    window: int = 0
    rope: Mapping[str, Frequencies | None] = field(default_factory=dict)
    learned_positions: int = 0
    attention_scale: float = 0.0
    attention_cap: float = 0.0
    logit_cap: float = 0.0
    embedding_scale: float = 1.0
    tied: bool = True

    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """Lists the linear parts of a layer, in order: (inputs, outputs) by name."""
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        hidden, middle = self.hidden_size, self.intermediate_size
        if self.fused_qkv:
            shapes = {"qkv": (hidden, queries + 2 * keys)}
        else:
            shapes = {"q": (hidden, queries), "k": (hidden, keys), "v": (hidden, keys)}
        shapes["o"] = (queries, hidden)
        shapes |= {"gate": (hidden, middle)} if self.gated else {}
        return shapes | {"up": (hidden, middle), "down": (middle, hidden)}

    def has_bias(self, part: str) -> bool:
        """Says whether a linear part has a bias."""
        if part in ("q", "k", "v", "qkv"):
            return self.qkv_bias
        return self.output_bias if part == "o" else self.mlp_bias

    def norm_widths(self) -> dict[str, int]:
        """Lists the norms of a layer, in order: their width by name."""
        names = {
            "pre": ("before_attention", "before_mlp"),
            "parallel": ("before_attention", "before_mlp"),
            "around": ("before_attention", "after_attention", "before_mlp", "after_mlp"),
            "post": ("after_attention", "after_mlp"),
        }[self.residual]
        widths = dict.fromkeys(names, self.hidden_size)
        return widths | (dict.fromkeys(("queries", "keys"), self.head_dim) if self.qk_norm else {})
