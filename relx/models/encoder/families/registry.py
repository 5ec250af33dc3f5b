"""The families by `model_type`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from relx.models.encoder.families.albert import AlbertConfig
from relx.models.encoder.families.bert import BertConfig
from relx.models.encoder.families.deberta import DebertaConfig
from relx.models.encoder.families.distilbert import DistilBertConfig
from relx.models.encoder.families.electra import ElectraConfig
from relx.models.encoder.families.family import EncoderConfig, Family
from relx.models.encoder.families.modernbert import ModernBertConfig
from relx.models.encoder.families.roberta import RobertaConfig, XlmRobertaConfig

CONFIGURATIONS: Mapping[str, type[EncoderConfig]] = {
    kind.model_type: kind
    for kind in (
        BertConfig,
        RobertaConfig,
        XlmRobertaConfig,
        ElectraConfig,
        DistilBertConfig,
        AlbertConfig,
        DebertaConfig,
        ModernBertConfig,
    )
}
FAMILIES: Mapping[str, Family] = {name: kind.family for name, kind in CONFIGURATIONS.items()}

Config = TypeVar("Config", bound=EncoderConfig)


def configuration_of(settings: Config | Mapping[str, Any], kind: type[Config]) -> Config:
    """Returns a configuration, rebuilt where it went through Keras' or JSON's hands.

    Args:
        settings: The configuration, or what its `to_dict` returned.
        kind: The class that the caller builds from.

    Returns:
        The configuration, of the class that belongs to its `model_type`.

    Raises:
        TypeError: It is a configuration of another class.
    """
    if isinstance(settings, EncoderConfig):
        configuration: EncoderConfig = settings
    else:
        values = dict(settings)
        configuration = CONFIGURATIONS[values.pop("model_type")](**values)
    if not isinstance(configuration, kind):
        raise TypeError(f"{type(configuration).__name__} is not a {kind.__name__}")
    return configuration
