"""What a recipe says of its model: an encoder or a decoder, from a checkpoint or made here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

Path_ = Annotated[str, StringConstraints(min_length=1)]


def word_or_list(value: object) -> str:
    """Tells which form a value was meant to have, so that only this one is complained of."""
    return "list" if isinstance(value, list) else "word"


class Section(BaseModel):
    """A part of a recipe: no unknown keys, no conversions, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FreshSizes(Section):
    """The sizes of an encoder that starts from random weights."""

    architecture: Literal["bert", "roberta"] = "bert"
    layers: int = Field(2, ge=1)
    hidden: int = Field(128, ge=4)
    heads: int = Field(2, ge=1)
    intermediate: int = Field(512, ge=4)
    vocabulary: int = Field(4000, ge=50)
    positions: int = Field(512, ge=16)

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> FreshSizes:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        return self


class FreshSource(Section):
    """An encoder made here, with a WordPiece vocabulary trained on the recipe's own sentences."""

    fresh: FreshSizes


def _source_kind(value: object) -> str:
    return "name" if isinstance(value, str) else "fresh"


EncoderSource = Annotated[
    Annotated[Path_, Tag("name")] | Annotated[FreshSource, Tag("fresh")],
    Discriminator(_source_kind),
]


class EncoderSection(Section):
    """The encoder to start from; a hub id may name a branch, tag or commit of it."""

    source: EncoderSource = Field(alias="from")
    revision: Path_ | None = None
    allow_pickle: bool = False

    @model_validator(mode="after")
    def _revisions_are_the_hubs(self) -> EncoderSection:
        if self.revision is not None and isinstance(self.source, FreshSource):
            raise ValueError("revision belongs to a hub id; a fresh encoder has none")
        return self

    def inputs(self) -> dict[str, Any]:
        """Returns what decides which weights are loaded, as a run's manifest holds it."""
        source: Any = self.model_dump(mode="json", by_alias=True)["from"]
        # Left out where there is none, as in the manifests of runs from before there were any.
        return {"from": source} | ({"revision": self.revision} if self.revision else {})


class FreshDecoderSizes(Section):
    """The sizes of a decoder that starts from random weights."""

    layers: int = Field(2, ge=1)
    hidden: int = Field(128, ge=8)
    heads: int = Field(4, ge=1)
    kv_heads: int = Field(2, ge=1)
    intermediate: int = Field(384, ge=8)
    vocabulary: int = Field(4000, ge=300)
    positions: int = Field(512, ge=16)

    @model_validator(mode="after")
    def _heads_divide(self) -> FreshDecoderSizes:
        if self.hidden % (2 * self.heads):
            raise ValueError(
                f"hidden ({self.hidden}) must be an even multiple of heads ({self.heads})"
            )
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads")
        return self


class FreshDecoder(Section):
    """A decoder made here, with a vocabulary trained on the recipe's own sentences."""

    fresh: FreshDecoderSizes


DecoderSource = Annotated[
    Annotated[Path_, Tag("name")] | Annotated[FreshDecoder, Tag("fresh")],
    Discriminator(_source_kind),
]
Targets = Annotated[
    Annotated[Literal["all-linear"], Tag("word")]
    | Annotated[list[Path_], Field(min_length=1), Tag("list")],
    Discriminator(word_or_list),
]


class LoraSection(Section):
    """The adapters that train beside a decoder's frozen weights."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: Targets = "all-linear"
    rank_stabilized: bool = False


class DecoderSection(Section):
    """The decoder to start from, how it is asked, and what of it trains."""

    source: DecoderSource = Field(alias="from")
    revision: Path_ | None = None
    allow_pickle: bool = False
    format: Literal["float32", "bfloat16", "int8", "nf4"] = "int8"
    head: Literal["label_words", "new", "classes"] = "label_words"
    words: dict[str, Path_] | None = None
    softmax: Literal["labels", "vocabulary"] = "labels"
    prompt: Path_ | None = None
    chat: bool = False
    lora: LoraSection = LoraSection()

    @model_validator(mode="after")
    def _revisions_are_the_hubs(self) -> DecoderSection:
        if self.revision is not None and isinstance(self.source, FreshDecoder):
            raise ValueError("revision belongs to a hub id; a fresh decoder has none")
        return self

    @model_validator(mode="after")
    def _words_are_of_the_vocabulary(self) -> DecoderSection:
        if self.softmax == "vocabulary" and self.head != "label_words":
            raise ValueError("softmax: vocabulary is for head: label_words, whose words are in it")
        return self

    def inputs(self) -> dict[str, Any]:
        """Returns what decides what a training computes, as a run's manifest holds it."""
        tree = self.model_dump(mode="json", by_alias=True)
        del tree["allow_pickle"]
        if self.softmax == "labels":  # as in the manifests of runs from before there was a choice
            del tree["softmax"]
        return tree
