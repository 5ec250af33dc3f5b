"""Tiny random decoders of every family, as transformers writes them, with settings that bite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.configurations.families import configuration_from_dict
from relx.models.decoder.decoder import Decoder
from relx.models.decoder.files.load import LoadedDecoder

VOCABULARY = 160
_BASE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.2,
}
_GROUPED = {**_BASE, "intermediate_size": 96, "num_key_value_heads": 2}
_LLAMA = {**_GROUPED, "rms_norm_eps": 1e-5}
_NEOX = {**_BASE, "intermediate_size": 256, "hidden_act": "gelu", "layer_norm_eps": 1e-5}
_THETA = {"rope_type": "default", "rope_theta": 5e5}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
_KINDS = ["sliding_attention", "sliding_attention", "full_attention"]
_LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}


def _neox(share: float, **own: Any) -> dict[str, Any]:
    return {
        **_NEOX,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "partial_rotary_factor": share,
        },
        "tie_word_embeddings": False,
        **own,
    }


# The class of transformers' configuration, and its settings.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {**_LLAMA, "rope_parameters": _THETA, "tie_word_embeddings": True}),
    "llama-biases": (
        "LlamaConfig",
        {
            **_LLAMA,
            "head_dim": 24,
            "attention_bias": True,
            "mlp_bias": True,
            "rope_parameters": _THETA,
            "tie_word_embeddings": False,
        },
    ),
    "llama3-rope": ("LlamaConfig", {**_LLAMA, "rope_parameters": _LLAMA3}),
    "llama-linear-rope": ("LlamaConfig", {**_LLAMA, "rope_parameters": _LINEAR}),
    "mistral": (
        "MistralConfig",
        {**_LLAMA, "sliding_window": 8, "head_dim": 24, "rope_parameters": _THETA},
    ),
    "qwen2": (
        "Qwen2Config",
        {**_LLAMA, "rms_norm_eps": 1e-6, "rope_parameters": _THETA, "tie_word_embeddings": True},
    ),
    "qwen2-window": (
        "Qwen2Config",
        {
            **_LLAMA,
            "use_sliding_window": True,
            "sliding_window": 8,
            "max_window_layers": 1,
            "rope_parameters": _THETA,
        },
    ),
    "qwen3": (
        "Qwen3Config",
        {**_LLAMA, "head_dim": 24, "rope_parameters": _THETA, "tie_word_embeddings": True},
    ),
    "gemma": (
        "GemmaConfig",
        {**_LLAMA, "head_dim": 24, "rope_parameters": {**_THETA, "rope_theta": 5e4}},
    ),
    "gemma2": (
        "Gemma2Config",
        {
            **_LLAMA,
            "head_dim": 16,
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
            "attn_logit_softcapping": 3.0,
            "final_logit_softcapping": 5.0,
            "rope_parameters": {**_THETA, "rope_theta": 5e4},
        },
    ),
    "gemma3": (
        "Gemma3TextConfig",
        {
            **_LLAMA,
            "head_dim": 16,
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
            "layer_types": _KINDS,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
    ),
    "gpt_neox": ("GPTNeoXConfig", _neox(0.5, use_parallel_residual=True)),
    "gpt_neox-serial": ("GPTNeoXConfig", _neox(0.25, use_parallel_residual=False)),
    "gpt2": (
        "GPT2Config",
        {
            "vocab_size": VOCABULARY,
            "n_embd": 64,
            "n_layer": 3,
            "n_head": 4,
            "n_positions": 128,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-4,
            "initializer_range": 0.2,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "exaone4": (
        "Exaone4Config",
        {
            **_LLAMA,
            "sliding_window": 8,
            "sliding_window_pattern": 3,
            "layer_types": _KINDS,
            "rope_parameters": _LLAMA3,
            "tie_word_embeddings": False,
        },
    ),
}


def reference_model(name: str) -> Any:
    """Makes transformers' model of one of `MODELS`, the same on every call."""
    import torch
    import transformers

    kind, settings = MODELS[name]
    torch.manual_seed(0)
    configuration = getattr(transformers, kind)(**settings)
    configuration._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(configuration).float().eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:  # norms and biases that are not what they start as
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
    model.get_input_embeddings().weight.data.mul_(0.1)  # small states, in which epsilons show
    return model


def write_reference(name: str, folder: Path, **options: Any) -> Any:
    """Writes `reference_model(name)` to a folder, and returns it."""
    model = reference_model(name)
    model.save_pretrained(folder, **options)
    return model


def batch_of_ids(rows: int = 3, length: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Makes token ids that are padded on the right: ids and mask, each (rows, length) int32."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, VOCABULARY, (rows, length)).astype(np.int32)
    lengths = np.linspace(length, length // 3, rows).astype(int)
    mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
    return ids * mask, mask


def configuration_of(name: str) -> DecoderConfig:
    """Reads the configuration of one of `MODELS` without its weights."""
    import transformers

    kind, settings = MODELS[name]
    values = getattr(transformers, kind)(**settings).to_dict()
    return configuration_from_dict(values, name)


def draw_adapters(decoder: Decoder, seed: int = 0) -> None:
    """Sets every adapter to numbers that change the logits."""
    rng = np.random.default_rng(seed)
    for part in decoder.adapted_parts().values():
        for variable in (part.lora_a, part.lora_b):
            assert variable is not None
            variable.assign(rng.normal(0, 0.1, variable.shape).astype(np.float32))


def logits_of(loaded: LoadedDecoder, states: Any) -> np.ndarray:
    """Computes the logits of all tokens, which relx itself never does."""
    c = loaded.decoder.configuration
    rows = loaded.output_rows(list(range(c.vocab_size)))
    logits = ops.convert_to_numpy(states) @ rows.T
    return c.logit_cap * np.tanh(logits / c.logit_cap) if c.logit_cap else logits
