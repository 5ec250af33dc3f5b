"""What a recipe says of the two stages: how an encoder reads on, and how a classifier is tuned."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from relx.model_sections import Path_, Section

Pooling = Literal[
    "entity_starts",
    "cls_entity_starts",
    "cls",
    "entity_means",
    "entity_ends",
    "cls_entity_ends",
    "target_start",
    "target_ends",
    "cls_target_start",
    "cls_target_ends",
    "target_mean",
]


class TaptSection(Section):
    """Stage 1: masked-LM pretraining on the task's own sentences."""

    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(1, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    clip_norm: float | None = Field(1.0, gt=0)
    mask_rate: float = Field(0.15, gt=0, lt=1)
    mask_unit: Literal["tokens", "words", "entities"] = "words"
    markers: bool = False
    held_out: float = Field(0.05, gt=0, lt=0.5)
    texts: list[Path_] | None = None
    own_sentences: bool = True

    @model_validator(mode="after")
    def _reads_something(self) -> TaptSection:
        if not self.own_sentences and not self.texts:
            raise ValueError("without own_sentences, tapt.texts has to name files to read")
        if not self.own_sentences and self.markers:
            raise ValueError("markers are those of own_sentences: leave one of both out")
        return self


class DistillSection(Section):
    """Learning from soft labels (Hinton et al. 2015, https://arxiv.org/abs/1503.02531)."""

    file: Path_ | None = None
    weight: float = Field(0.5, gt=0, le=1)
    temperature: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _there_is_a_file(self) -> DistillSection:
        if self.file is None and self != type(self).model_construct():
            raise ValueError("weight and temperature: only with distill.file")
        return self


class TrainSection(Section):
    """Stage 2: fine-tuning the classifier."""

    # Keys that a manifest holds where they are not at their usual values: they came later than the
    # manifests of runs that went without them.
    LATER: ClassVar[tuple[str, ...]] = (
        *("focal", "class_weights", "class_weights_from", "dropout_samples", "reinit_layers"),
        *("r_drop", "layer_decay", "ema", "swa", "adversarial", "adversarial_radius"),
        "distill",
    )

    epochs: int = Field(5, ge=1)
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(1, ge=1)
    learning_rate: float = Field(3e-5, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    clip_norm: float | None = Field(1.0, gt=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    pooling: Pooling = "entity_starts"
    dropout: float = Field(0.1, ge=0, lt=1)
    fold: int = Field(0, ge=0)
    start_from: Literal["auto", "tapt", "encoder"] = "auto"
    best_by: Literal["micro_f1", "macro_f1", "auprc", "accuracy"] = "micro_f1"
    patience: int | None = Field(None, ge=1)
    remat: bool = False
    focal: float | None = Field(None, gt=0)
    class_weights: Literal["none", "balanced", "effective"] = "none"
    class_weights_from: int = Field(1, ge=1)
    r_drop: float = Field(0.0, ge=0)
    layer_decay: float | None = Field(None, gt=0, le=1)
    ema: float | None = Field(None, gt=0, lt=1)
    swa: int | None = Field(None, ge=2)
    dropout_samples: int = Field(1, ge=1)
    reinit_layers: int = Field(0, ge=0)
    adversarial: Literal["none", "fgm"] = "none"
    adversarial_radius: float = Field(1.0, gt=0)
    distill: DistillSection = DistillSection()

    @model_validator(mode="after")
    def _masks_differ(self) -> TrainSection:
        if self.dropout_samples > 1 and not self.dropout:
            raise ValueError("dropout_samples: without dropout all masks are the same")
        if self.dropout_samples > 1 and self.r_drop:
            raise ValueError(
                "dropout_samples and r_drop: both compare masks; leave one of both out"
            )
        return self

    @model_validator(mode="after")
    def _weights_begin(self) -> TrainSection:
        if self.class_weights_from == 1:
            return self
        if self.class_weights == "none":
            raise ValueError("class_weights_from: only with class_weights: balanced or effective")
        if self.class_weights_from > self.epochs:
            raise ValueError(
                f"class_weights_from is {self.class_weights_from}: of {self.epochs} epochs none "
                "would have the weights"
            )
        return self

    @model_validator(mode="after")
    def _steps_are_one(self) -> TrainSection:
        if self.adversarial == "none" and self.adversarial_radius != 1:
            raise ValueError("adversarial_radius: only with adversarial: fgm")
        if self.adversarial != "none" and self.r_drop:
            raise ValueError(
                "adversarial and r_drop: each computes a row a second time in its own way; leave "
                "one of both out"
            )
        return self

    @model_validator(mode="after")
    def _averages_are_one_and_whole(self) -> TrainSection:
        if self.swa is None:
            return self
        if self.ema is not None:
            raise ValueError(
                "ema and swa: one average is evaluated and saved; leave one of both out"
            )
        if self.swa > self.epochs:
            raise ValueError(f"swa: {self.swa} epochs cannot be averaged, epochs is {self.epochs}")
        if self.patience is not None:
            raise ValueError("swa averages the last epochs, and patience may end before them")
        return self


class AugmentSection(Section):
    """Rows that are made of the training rows, and trained on beside them."""

    punctuation: float = Field(0.0, ge=0, le=10)
    swap: float = Field(0.0, ge=0, le=10)
    mask: float = Field(0.0, ge=0, le=10)
    inverse: dict[Path_, Path_] | None = None
