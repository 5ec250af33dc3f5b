"""The decoder families: what each calls its settings and its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from relx.faults import Fault, InputError, nearest
from relx.models.decoder.configurations.configuration import FULL, SLIDING, DecoderConfig
from relx.models.decoder.configurations.settings import Settings
from relx.models.stored.text_files import read_object


@dataclass(frozen=True, slots=True)
class Keys:
    """What a family's files call the tensors of a decoder.

    Args:
        layer: What the names of a layer's tensors begin with; `{}` is its number.
        parts: Its linear parts and its norms, by our name.
        tokens: The token table.
        norm: The last norm.
        head: What logits are products with, where it is not the token table.
        positions: The learned positions; empty where there are none.
        transposed: Whether matrices are (inputs, outputs) on disk, as kernels are here.
        interleaved: Whether query, key and value of a head lie side by side.
        unused: What the names of tensors end with that no computation here needs.
    """

    layer: str
    parts: Mapping[str, str]
    tokens: str
    norm: str
    head: str
    positions: str = ""
    transposed: bool = False
    interleaved: bool = False
    unused: tuple[str, ...] = ("rotary_emb.inv_freq",)


_LLAMA_PARTS = MappingProxyType(
    {
        "q": "self_attn.q_proj",
        "k": "self_attn.k_proj",
        "v": "self_attn.v_proj",
        "o": "self_attn.o_proj",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
        "before_attention": "input_layernorm",
        "before_mlp": "post_attention_layernorm",
        "queries": "self_attn.q_norm",
        "keys": "self_attn.k_norm",
    }
)


def _llama_keys(**parts: str) -> Keys:
    return Keys(
        layer="model.layers.{}.",
        parts={**_LLAMA_PARTS, **parts},
        tokens="model.embed_tokens",
        norm="model.norm",
        head="lm_head",
    )


_LLAMA = _llama_keys()


@dataclass(frozen=True, slots=True)
class Family:
    """A family of decoders.

    Args:
        read: Makes a configuration of a config.json.
        keys: What its files call things.
    """

    read: Callable[[Settings], DecoderConfig]
    keys: Keys = _LLAMA


_AFTER = {
    "after_attention": "post_attention_layernorm",
    "after_mlp": "post_feedforward_layernorm",
}
_AROUND = _llama_keys(**_AFTER, before_mlp="pre_feedforward_layernorm")
_POST = _llama_keys(**_AFTER)
_NEOX = Keys(
    layer="gpt_neox.layers.{}.",
    parts={
        "qkv": "attention.query_key_value",
        "o": "attention.dense",
        "up": "mlp.dense_h_to_4h",
        "down": "mlp.dense_4h_to_h",
        "before_attention": "input_layernorm",
        "before_mlp": "post_attention_layernorm",
    },
    tokens="gpt_neox.embed_in",
    norm="gpt_neox.final_layer_norm",
    head="embed_out",
    interleaved=True,
    unused=("rotary_emb.inv_freq", "attention.bias", "attention.masked_bias"),
)
_GPT2 = Keys(
    layer="transformer.h.{}.",
    parts={
        "qkv": "attn.c_attn",
        "o": "attn.c_proj",
        "up": "mlp.c_fc",
        "down": "mlp.c_proj",
        "before_attention": "ln_1",
        "before_mlp": "ln_2",
    },
    tokens="transformer.wte",
    norm="transformer.ln_f",
    head="lm_head",
    positions="transformer.wpe",
    transposed=True,
    unused=("attn.bias", "attn.masked_bias"),
)


def _sizes(s: Settings) -> dict[str, Any]:
    """Reads what all families but gpt2 call alike."""
    hidden, heads = s.size("hidden_size"), s.size("num_attention_heads")
    head_dim = s.size("head_dim", hidden // heads if heads else 1)
    if s.get("head_dim") is None and hidden % heads:
        what, place = "the attention heads do not divide the hidden size", "num_attention_heads"
        received = f"{heads} heads, hidden size {hidden}"
        s.faults.append(Fault(what, f"{s.where}: {place}", received))
    s.refuse("quantization_config", None, "weights that are quantised already are not read")
    return {
        "model_type": s.get("model_type"),
        "vocab_size": s.size("vocab_size"),
        "hidden_size": hidden,
        "num_layers": s.size("num_hidden_layers"),
        "num_heads": heads,
        "head_dim": head_dim,
        "intermediate_size": s.size("intermediate_size"),
        "max_positions": s.size("max_position_embeddings", 2048),
    }


def _llama_like(s: Settings, types: Sequence[str] | None = None, **own: Any) -> DecoderConfig:
    """Reads a llama or one of its kin; `own` is what the family fixes."""
    sizes = _sizes(s)
    heads, layers = sizes["num_heads"], sizes["num_layers"]
    kinds = tuple(s.get("layer_types", types or (FULL,) * layers))
    _check_types(s, kinds, layers)
    kv_heads = s.size("num_key_value_heads", heads)
    if heads % kv_heads:
        what, received = "the key heads do not divide the query heads", f"{kv_heads} and {heads}"
        s.faults.append(Fault(what, f"{s.where}: num_key_value_heads", received))
    own = {"rope": s.rope(sorted(set(kinds)), sizes["head_dim"]), **own}
    if SLIDING in kinds:
        own["window"] = s.size("sliding_window")
    settings = {
        "activation": "" if "activation" in own else s.activation("hidden_act", "silu"),
        "attention_scale": sizes["head_dim"] ** -0.5,
        "tied": s.flag("tie_word_embeddings", False),
        "qkv_bias": False if "qkv_bias" in own else s.flag("attention_bias", False),
        "output_bias": False if "qkv_bias" in own else s.flag("attention_bias", False),
        "mlp_bias": s.flag("mlp_bias", False),
    }
    return DecoderConfig(
        **{**sizes, **settings, **own},
        num_kv_heads=kv_heads,
        norm_epsilon=s.number("rms_norm_eps", 1e-6),
        layer_types=kinds,
    )


def _check_types(s: Settings, kinds: Sequence[str], layers: int) -> None:
    if len(kinds) != layers or set(kinds) - {FULL, SLIDING}:
        what = "there has to be one kind of attention for each layer"
        received, allowed = f"{len(kinds)}: {', '.join(sorted(set(kinds)))}", f"{FULL}, {SLIDING}"
        s.faults.append(Fault(what, f"{s.where}: layer_types", received, allowed))


def _mistral(s: Settings) -> DecoderConfig:
    layers = s.size("num_hidden_layers")
    return _llama_like(s, (SLIDING if s.get("sliding_window") else FULL,) * layers)


def _qwen(s: Settings, **own: Any) -> DecoderConfig:
    layers, first = s.size("num_hidden_layers"), s.size("max_window_layers", 28, least=0)
    sliding = s.flag("use_sliding_window", False) and s.get("sliding_window")
    kinds = [SLIDING if sliding and i >= first else FULL for i in range(layers)]
    return _llama_like(s, kinds, **own)


def _qwen2(s: Settings) -> DecoderConfig:
    return _qwen(s, qkv_bias=True)


def _qwen3(s: Settings) -> DecoderConfig:
    return _qwen(s, qk_norm=True)


def _gemma_like(s: Settings, types: Sequence[str] | None = None, **own: Any) -> DecoderConfig:
    name = "hidden_activation" if s.get("hidden_activation") else "hidden_act"
    own.setdefault("attention_scale", s.number("query_pre_attn_scalar", 256) ** -0.5)
    return _llama_like(
        s,
        types,
        norm="rms_from_one",
        activation=s.activation(name, "gelu_pytorch_tanh"),
        embedding_scale=s.size("hidden_size") ** 0.5,
        tied=s.flag("tie_word_embeddings", True),
        attention_cap=s.optional("attn_logit_softcapping"),
        logit_cap=s.optional("final_logit_softcapping"),
        **own,
    )


def _gemma(s: Settings) -> DecoderConfig:
    heads = s.size("num_attention_heads")
    head_dim = s.size("head_dim", s.size("hidden_size") // heads)
    # To transformers, "gelu" of a first Gemma is the one with tanh: so it was trained.
    if s.get("hidden_activation") is None and s.get("hidden_act") == "gelu":
        s = Settings({**s.values, "hidden_act": "gelu_pytorch_tanh"}, s.where)
    return _gemma_like(s, attention_scale=head_dim**-0.5)


def _gemma2(s: Settings) -> DecoderConfig:
    kinds = [FULL if i % 2 else SLIDING for i in range(s.size("num_hidden_layers"))]
    return _gemma_like(s, kinds, residual="around")


def _gemma3(s: Settings) -> DecoderConfig:
    if s.get("rope_local_base_freq") is not None and s.get("rope_parameters") is None:
        full = {"rope_theta": s.get("rope_theta", 1e6), **s.get("rope_scaling", {})}
        local = {"rope_theta": s.get("rope_local_base_freq")}
        values = {**s.values, "rope_parameters": {FULL: full, SLIDING: local}}
        s = Settings(values, s.where)
    return _gemma_like(s, _every(s, 6), residual="around", qk_norm=True)


def _every(s: Settings, usual: int) -> list[str] | None:
    """Lists the kinds of layers where each so-and-so-many-th sees everything."""
    if s.get("layer_types") is not None:
        return None  # which wins over any pattern
    layers = s.size("num_hidden_layers")
    pattern = s.get("sliding_window_pattern", s.get("_sliding_window_pattern", usual))
    if isinstance(pattern, str):  # such as LLLG: three local layers, one global
        return [FULL if pattern[i % len(pattern)] == "G" else SLIDING for i in range(layers)]
    every = s.size("sliding_window_pattern", usual)
    return [FULL if (i + 1) % every == 0 else SLIDING for i in range(layers)]


def _exaone4(s: Settings) -> DecoderConfig:
    window = s.get("sliding_window")
    types = _every(s, 4) if window else None
    kinds = sorted(set(s.get("layer_types", types or (FULL,))))
    rope = s.rope(kinds, _sizes(s)["head_dim"])
    if window:
        rope[FULL] = None  # layers that see everything do not turn
    return _llama_like(s, types, residual="post", qk_norm=True, rope=rope)


def _gpt_neox(s: Settings) -> DecoderConfig:
    sizes = _sizes(s)
    turning = int(sizes["head_dim"] * s.rope_value("partial_rotary_factor", 0.25))
    biased = s.flag("attention_bias", True)
    return DecoderConfig(
        **sizes,
        num_kv_heads=sizes["num_heads"],
        norm_epsilon=s.number("layer_norm_eps", 1e-5),
        norm="layer",
        residual="parallel" if s.flag("use_parallel_residual", True) else "pre",
        activation=s.activation("hidden_act", "gelu"),
        gated=False,
        fused_qkv=True,
        qkv_bias=biased,
        output_bias=biased,
        mlp_bias=True,
        layer_types=(FULL,) * sizes["num_layers"],
        rope=s.rope((FULL,), turning),
        attention_scale=sizes["head_dim"] ** -0.5,
        tied=s.flag("tie_word_embeddings", False),
    )


def _gpt2(s: Settings) -> DecoderConfig:
    s.refuse("scale_attn_by_inverse_layer_idx", False, "attention scaled by layer is not built")
    s.refuse("scale_attn_weights", True, "attention that is not scaled is not built")
    s.refuse("add_cross_attention", False, "cross-attention is not built")
    s.refuse("quantization_config", None, "weights that are quantised already are not read")
    hidden, heads, layers = s.size("n_embd"), s.size("n_head"), s.size("n_layer")
    positions = s.size("n_positions", 1024)
    return DecoderConfig(
        model_type="gpt2",
        vocab_size=s.size("vocab_size"),
        hidden_size=hidden,
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=heads,
        head_dim=hidden // heads,
        intermediate_size=s.size("n_inner", 4 * hidden),
        norm_epsilon=s.number("layer_norm_epsilon", 1e-5),
        max_positions=positions,
        norm="layer",
        activation=s.activation("activation_function", "gelu_new"),
        gated=False,
        fused_qkv=True,
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        layer_types=(FULL,) * layers,
        learned_positions=positions,
        attention_scale=(hidden // heads) ** -0.5,
        tied=s.flag("tie_word_embeddings", True),
    )


FAMILIES: Mapping[str, Family] = {
    "llama": Family(_llama_like),
    "mistral": Family(_mistral),
    "qwen2": Family(_qwen2),
    "qwen3": Family(_qwen3),
    "gemma": Family(_gemma),
    "gemma2": Family(_gemma2, _AROUND),
    "gemma3_text": Family(_gemma3, _AROUND),
    "gpt_neox": Family(_gpt_neox, _NEOX),
    "gpt2": Family(_gpt2, _GPT2),
    "exaone4": Family(_exaone4, _POST),
}


def read_configuration(folder: Path) -> DecoderConfig:
    """Reads the config.json of a Hugging Face folder.

    Args:
        folder: The folder.

    Returns:
        The configuration.

    Raises:
        InputError: There is no config.json, or it asks for what the decoder cannot do.
    """
    path = folder / "config.json"
    if not path.is_file():
        step = "name a folder written by transformers' save_pretrained"
        raise InputError(Fault("this folder has no config.json", str(folder), next_step=step))
    return configuration_from_dict(read_object(path), str(path))


def configuration_from_dict(values: Mapping[str, Any], where: str) -> DecoderConfig:
    """Makes a configuration of the content of a config.json.

    Args:
        values: The content.
        where: Its name in messages.

    Returns:
        The configuration.

    Raises:
        InputError: Every value that the decoder cannot honour, at once.
    """
    model_type = str(values.get("model_type") or "")
    if model_type not in FAMILIES:
        guess = nearest(model_type, FAMILIES)
        step = f"did you mean {guess}?" if guess else "name a checkpoint of one of these"
        what, place = "this model_type is no decoder that is supported", f"{where}: model_type"
        kind = "unknown model_type"
        raise InputError(Fault(what, place, model_type, ", ".join(FAMILIES), step, kind))
    settings = Settings(values, where)
    configuration = FAMILIES[model_type].read(settings)
    settings.require_good()
    return configuration
