"""KerasHub presets of BERT, RoBERTa and XLM-R: their weights read as ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from relx.faults import Fault, InputError, shorten
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import CONFIGURATIONS
from relx.models.stored.text_files import read_object

if TYPE_CHECKING:  # importing it takes seconds, and only its names are needed
    import keras


@dataclass(frozen=True, slots=True)
class _Kind:
    """What KerasHub fixes in the class and a Hugging Face configuration spells out."""

    model_type: str
    layer_norm_eps: float
    hidden_act: str


_KINDS = {
    "BertBackbone": _Kind("bert", 1e-12, "gelu_pytorch_tanh"),
    "RobertaBackbone": _Kind("roberta", 1e-5, "gelu"),
    "XLMRobertaBackbone": _Kind("xlm-roberta", 1e-5, "gelu"),
}


def read_preset(folder: Path) -> tuple[EncoderConfig, list[NDArray[Any]]]:
    """Reads a preset's encoder.

    Args:
        folder: The preset's folder.

    Returns:
        Its configuration, and its arrays in the order of `Encoder.weights`.

    Raises:
        InputError: It is not a preset of BERT, RoBERTa or XLM-R, or its weights are missing.
    """
    import keras_hub
    from keras import ops

    kind = _kind(folder)
    try:
        backbone = keras_hub.models.Backbone.from_preset(str(folder))
    except (OSError, ValueError) as error:
        what = "this preset cannot be read"
        raise InputError(Fault(what, str(folder), received=shorten(str(error), 200))) from error
    configuration = _configuration(backbone, kind)
    return configuration, [ops.convert_to_numpy(v) for v in _variables(backbone)]


def preset_configuration(folder: Path) -> EncoderConfig:
    """Reads a preset's configuration, without Keras.

    Args:
        folder: The preset's folder.

    Returns:
        The configuration.

    Raises:
        InputError: It is not a preset of BERT, RoBERTa or XLM-R, or its config.json lacks a size.
    """
    kind, path = _kind(folder), folder / "config.json"
    values = read_object(path).get("config", {})
    if not isinstance(values, dict):
        raise InputError(Fault("this preset's config is no object", str(path), shorten(values)))
    try:
        return _configuration(SimpleNamespace(**values), kind)
    except AttributeError as error:
        what = f"this preset's configuration lacks {error.name}"
        raise InputError(Fault(what, str(path), kind="missing key")) from error
    except TypeError as error:  # a size that is no number
        what = "a size of this preset's configuration is no number"
        raise InputError(Fault(what, str(path), shorten(values), kind="malformed")) from error


def _kind(folder: Path) -> _Kind:
    path = folder / "config.json"
    values = read_object(path) if path.is_file() else {}
    name = str(values.get("class_name", ""))
    if name not in _KINDS:
        what = "this is not a KerasHub preset of a supported encoder"
        raise InputError(Fault(what, str(folder), name, ", ".join(_KINDS)))
    return _KINDS[name]


def _configuration(backbone: Any, kind: _Kind) -> EncoderConfig:
    segments = getattr(backbone, "num_segments", 1)
    pad = 0 if kind.model_type == "bert" else 1
    offset = 0 if kind.model_type == "bert" else pad + 1
    return CONFIGURATIONS[kind.model_type](
        vocab_size=backbone.vocabulary_size,
        hidden_size=backbone.hidden_dim,
        num_hidden_layers=backbone.num_layers,
        num_attention_heads=backbone.num_heads,
        intermediate_size=backbone.intermediate_dim,
        max_position_embeddings=backbone.max_sequence_length + offset,
        type_vocab_size=segments,
        layer_norm_eps=kind.layer_norm_eps,
        hidden_act=kind.hidden_act,
        hidden_dropout_prob=backbone.dropout,
        attention_probs_dropout_prob=backbone.dropout,
        pad_token_id=pad,
    )


def _variables(backbone: keras.Model) -> Iterator[keras.Variable]:
    """Yields a backbone's variables in our order; BERT's pooler is left out."""
    for name in ("embeddings", "token_embedding", "position_embedding", "segment_embedding"):
        if name == "embeddings" or not hasattr(backbone, "embeddings"):
            layer = getattr(backbone, name, None)
            yield from layer.weights if layer is not None else ()
    yield from backbone.get_layer("embeddings_layer_norm").weights
    for layer in backbone.transformer_layers:
        yield from layer.weights
