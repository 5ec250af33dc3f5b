"""KerasHub presets of BERT, RoBERTa and XLM-R: found, fetched, and their weights read as ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from relx.faults import Fault, InputError, nearest, shorten
from relx.files import read_json
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import CONFIGURATIONS

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


def find_preset(name: str) -> Path:
    """Finds the folder of a preset, and fetches a built-in one that is not on this machine.

    Args:
        name: A preset's name, such as `bert_tiny_en_uncased`, or its folder.

    Returns:
        The folder.

    Raises:
        InputError: There is no such preset, or it cannot be fetched.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    import keras_hub

    presets: dict[str, Any] = {}
    for kind in _KINDS:
        presets |= getattr(keras_hub.models, kind).presets
    if name not in presets:
        guess = nearest(name, presets)
        step = f"did you mean keras:{guess}?" if guess else "name a preset or a preset's folder"
        what = "KerasHub has no preset of this name for BERT, RoBERTa or XLM-R"
        raise InputError(Fault(what, "encoder.from", f"keras:{name}", next_step=step))
    return _fetch(name, presets[name]["kaggle_handle"].removeprefix("kaggle://"))


def _fetch(name: str, handle: str) -> Path:
    import kagglehub  # type: ignore[import-untyped]

    try:
        return Path(kagglehub.model_download(handle))
    except Exception as error:  # whatever the network's library raises
        what = "this preset cannot be fetched"
        step = "save it with save_to_preset where there is a network: --set encoder.from=FOLDER"
        received = f"keras:{name} ({shorten(str(error))})"
        raise InputError(Fault(what, "encoder.from", received, next_step=step)) from error


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
    sizes = SimpleNamespace(**read_json(path).get("config", {}))
    try:
        return _configuration(sizes, kind)
    except AttributeError as error:
        what = f"this preset's configuration lacks {error.name}"
        raise InputError(Fault(what, str(path), kind="missing key")) from error


def _kind(folder: Path) -> _Kind:
    path = folder / "config.json"
    values = read_json(path) if path.is_file() else {}
    name = str(values.get("class_name", "")) if isinstance(values, dict) else ""
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
