"""What a run is: a strict, typed tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from relx.faults import Fault, InputError, shorten
from relx.known_tasks import USUAL, with_usual
from relx.model_sections import DecoderSection as DecoderSection
from relx.model_sections import EncoderSection as EncoderSection
from relx.model_sections import EncoderSource as EncoderSource
from relx.model_sections import FreshDecoder as FreshDecoder
from relx.model_sections import FreshSizes as FreshSizes
from relx.model_sections import FreshSource as FreshSource
from relx.model_sections import Path_, Section, word_or_list
from relx.stage_sections import AugmentSection as AugmentSection
from relx.stage_sections import Pooling as Pooling
from relx.stage_sections import TaptSection as TaptSection
from relx.stage_sections import TrainSection as TrainSection

MarkerStyle = Literal[
    "none",
    "entity_mask",
    "entity_marker",
    "entity_marker_punct",
    "typed_entity_marker",
    "typed_entity_marker_punct",
    "typed_entity_marker_korean",
    "klue",
]
Share = Annotated[float, Field(gt=0, lt=1)]


def _word_or_numbers(value: object) -> str:
    return "word" if isinstance(value, str) else "mapping" if isinstance(value, dict) else "number"


Labels = Annotated[
    Annotated[Path_, Tag("word")] | Annotated[list[Path_], Field(min_length=2), Tag("list")],
    Discriminator(word_or_list),
]
PositiveWeights = Annotated[
    Annotated[Literal["none", "balanced"], Tag("word")]
    | Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2), Tag("list")],
    Discriminator(word_or_list),
]
Thresholds = Annotated[
    Annotated[Literal["auto", "shared", "per_label", "joint"], Tag("word")]
    | Annotated[Share, Tag("number")]
    | Annotated[dict[str, Share], Field(min_length=2), Tag("mapping")],
    Discriminator(_word_or_numbers),
]


class DataSection(Section):
    """Where the rows come from and how they are read."""

    train: Path_ = "data/train.csv"
    test: Path_ | None = None
    dev: Path_ | None = None
    labels: Labels = "klue"
    negative: str | None = "no_relation"
    ends: Literal["inclusive", "exclusive"] = "inclusive"
    encoding: Literal["auto", "utf-8", "cp949"] = "auto"
    normalize: Literal["nfc"] | None = None
    sheet: Path_ | None = None
    folds: int = Field(10, ge=2)
    group: Path_ | None = None
    skip_bad_rows: Path_ | None = None

    @model_validator(mode="after")
    def _groups_are_split(self) -> DataSection:
        if self.group is not None and self.dev is not None:
            raise ValueError("group says how folds are made; with dev there are none: leave one")
        return self

    @model_validator(mode="after")
    def _skipped_rows_have_files_of_their_own(self) -> DataSection:
        files = {file for file in (self.train, self.test, self.dev) if file}
        if self.skip_bad_rows and len({Path(file).stem for file in files}) < len(files):
            raise ValueError("with skip_bad_rows, train, test and dev need different file names")
        return self

    def changed(self, **values: str | list[str] | None) -> DataSection:
        """Returns the section with other values, which are checked like those of a file.

        Args:
            **values: The values by key.

        Raises:
            InputError: A value cannot be used, such as a name that is not in UTF-8.
        """
        try:
            return DataSection.model_validate(self.model_dump() | values)
        except ValidationError as error:
            raise InputError(*map(_unusable, error.errors())) from error


def _unusable(detail: ErrorDetails) -> Fault:
    key = ".".join(str(part) for part in detail["loc"][:1])
    allowed = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    what, received = "this value cannot be used", shorten(detail["input"])
    return Fault(what, f"data.{key}", received, allowed, kind="value")


class MarkersSection(Section):
    """How the words that a task asks about are shown to the model."""

    style: MarkerStyle = "typed_entity_marker_punct"
    order: Literal["role", "appearance"] = "role"
    query: str | None = None
    query_place: Literal["first", "second"] = "first"


class TokensSection(Section):
    """How long a text may be."""

    max_length: int = Field(256, ge=16, le=8192)


class AsymmetricSection(Section):
    """The asymmetric loss (Ben-Baruch et al. 2020, https://arxiv.org/abs/2009.14119)."""

    positive: float = Field(1.0, ge=0)
    negative: float = Field(4.0, ge=0)
    margin: float = Field(0.05, ge=0, lt=1)


class DecideSection(Section):
    """What a row's labels are, what is trained for, and how probabilities become labels."""

    labels: Literal["one", "many"] = "one"
    loss: Literal["binary_cross_entropy", "asymmetric", "soft_cross_entropy"] = (
        "binary_cross_entropy"
    )
    positive_weights: PositiveWeights = "none"
    asymmetric: AsymmetricSection = AsymmetricSection()
    thresholds: Thresholds = "auto"
    measure: Literal["micro_f1", "macro_f1", "accuracy"] = "micro_f1"
    at_least_one: bool = False

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> DecideSection:
        usual = type(self).model_construct()
        if self.labels == "one":
            given = [n for n in type(self).model_fields if getattr(self, n) != getattr(usual, n)]
            if given:
                raise ValueError(
                    f"{', '.join(given)}: only with labels: many; of one label the most probable "
                    "is chosen"
                )
        if not isinstance(self.thresholds, str) and self.measure != usual.measure:
            raise ValueError("measure: only where thresholds are searched")
        if self.loss != "asymmetric" and self.asymmetric != AsymmetricSection():
            raise ValueError("asymmetric: only with loss: asymmetric")
        if self.loss != "binary_cross_entropy" and self.positive_weights != "none":
            raise ValueError("positive_weights: only with loss: binary_cross_entropy")
        return self


class PredictSection(Section):
    """Prediction with a finished run."""

    batch_size: int = Field(64, ge=1)
    engine: Literal["auto", "keras", "openvino"] = "auto"


class CheckpointSection(Section):
    """How often a stage saves what it needs to go on; the end of an epoch always does."""

    steps: int | None = Field(None, ge=1)
    minutes: float | None = Field(10.0, gt=0)


class DeviceSection(Section):
    """What the run computes on."""

    backend: Literal["tensorflow", "jax", "torch"] = "tensorflow"
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    strategy: Literal["auto", "one", "mirrored", "model_parallel", "multi_worker"] = "auto"
    virtual_devices: int = Field(1, ge=1, le=8)


# What only an encoder has, by section; None stands for the whole section.
_ENCODERS_ALONE = {
    "tapt": None,
    "train": (
        *("pooling", "dropout", "start_from", "layer_decay", "dropout_samples", "reinit_layers"),
        *("adversarial", "adversarial_radius"),
    ),
}


class Recipe(Section):
    """Everything that decides what a run computes."""

    name: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9가-힣][A-Za-z0-9가-힣._-]*$", max_length=60)
    ]
    task: Path_ = USUAL
    seed: int = Field(42, ge=0, lt=2**32)
    data: DataSection = DataSection()
    encoder: EncoderSection | None = None
    decoder: DecoderSection | None = None
    markers: MarkersSection = MarkersSection()
    tokens: TokensSection = TokensSection()
    tapt: TaptSection = TaptSection()
    train: TrainSection = TrainSection()
    augment: AugmentSection = AugmentSection()
    decide: DecideSection = DecideSection()
    predict: PredictSection = PredictSection()
    checkpoint: CheckpointSection = CheckpointSection()
    device: DeviceSection = DeviceSection()

    @model_validator(mode="before")
    @classmethod
    def _usual_values_of_the_task(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        if tree.get("decoder") is not None and (given := _encoders_keys(tree)):
            raise ValueError(f"{', '.join(given)}: only an encoder has it; leave it out")
        return with_usual(tree)

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Recipe:
        if (self.encoder is None) == (self.decoder is None):
            what = "encoder and decoder are both there" if self.encoder else "there is no model"
            raise ValueError(f"{what}: a recipe starts from encoder.from, or from decoder.from")
        if self.train.fold >= self.data.folds:
            raise ValueError(
                f"train.fold is {self.train.fold}, data.folds has 0 to {self.data.folds - 1}"
            )
        self._require_one_label()
        self._require_soft_labels_fit()
        if isinstance(self.source, str):
            self._require_family()
            return self
        if self.source.fresh.positions < self.tokens.max_length:
            raise ValueError(
                f"tokens.max_length is {self.tokens.max_length}, the fresh {self.family} has "
                f"{self.source.fresh.positions} positions"
            )
        self._require_family()
        return self

    def _require_one_label(self) -> None:
        """Refuses options of a softmax's loss where a row has any number of labels."""
        if self.decide.labels == "one":
            return
        if self.train.focal is not None:
            raise ValueError(
                "train.focal: only where a row has one label; with decide.labels: many, "
                "decide.loss: asymmetric counts easy labels for little"
            )
        if self.train.class_weights != "none":
            raise ValueError(
                "train.class_weights: only where a row has one label; with decide.labels: many, "
                "decide.positive_weights weighs the labels"
            )

    def _require_family(self) -> None:
        """Refuses what the model's family has no use for."""
        if self.decoder is None:
            if self.train.remat:
                raise ValueError("train.remat: only a decoder computes its layers again")
            if self.decide.loss == "soft_cross_entropy":
                raise ValueError("decide.loss: soft_cross_entropy is for a decoder's label words")
            return
        if self.markers.query is not None:
            raise ValueError("markers.query: a decoder is asked by its prompt; use decoder.prompt")
        if self.train.r_drop and not self.decoder.lora.dropout:
            raise ValueError(
                "train.r_drop compares two dropout masks, and decoder.lora.dropout is 0: give it a "
                "rate, or leave r_drop out"
            )
        if self.decoder.softmax == "vocabulary":
            self._require_softmax()

    def _require_soft_labels_fit(self) -> None:
        """Refuses soft labels of made rows, and beside a softmax that is not of the labels."""
        if self.train.distill.file is None:
            return
        if self.augment != AugmentSection():
            raise ValueError("train.distill: rows that augment makes have no soft labels")
        if self.decoder is None:
            return
        if self.decoder.softmax == "vocabulary":
            raise ValueError(
                "train.distill: soft labels are of the labels alone; set decoder.softmax to labels"
            )
        if self.decide.loss == "soft_cross_entropy":
            raise ValueError(
                "train.distill: with decide.loss: soft_cross_entropy a row counts once for each "
                "label; set decide.loss to binary_cross_entropy"
            )

    def _require_softmax(self) -> None:
        """Refuses a softmax over the vocabulary beside what is no plain cross-entropy."""
        where = "decoder.softmax: vocabulary"
        if self.decide.labels == "many" and self.decide.loss != "soft_cross_entropy":
            raise ValueError(f"{where} is for a softmax; decide.loss is {self.decide.loss}")
        if self.train.focal is not None:
            raise ValueError(f"{where} is for plain cross-entropy; set train.focal to null")
        if self.train.label_smoothing:
            raise ValueError(f"{where} smooths no labels; set train.label_smoothing to 0")

    def at_fold(self, fold: int) -> Recipe:
        """Returns the recipe with another fold as its dev rows.

        Args:
            fold: The fold, from 0; one of `data.folds`.
        """
        section = self.train.model_copy(update={"fold": fold})
        return self.model_copy(update={"train": section})

    @property
    def family(self) -> Literal["encoder", "decoder"]:
        """Which family of models it is about: the name of the section that says what to load."""
        return "encoder" if self.decoder is None else "decoder"

    @property
    def started_from(self) -> EncoderSection | DecoderSection:
        """The section that says what to load."""
        section = self.encoder or self.decoder
        assert section is not None
        return section

    @property
    def source(self) -> str | FreshSource | FreshDecoder:
        """What the model starts from: a folder, a hub id, a preset, or a fresh one's sizes."""
        return self.started_from.source

    def tree(self) -> dict[str, Any]:
        """Returns the recipe as plain dictionaries, under the names that YAML uses."""
        tree = self.model_dump(mode="json", by_alias=True)
        if self.decoder is None:
            del tree["decoder"], tree["train"]["remat"]
            return tree
        del tree["encoder"]
        for section, keys in _ENCODERS_ALONE.items():
            if keys is None:
                del tree[section]
            for key in keys or ():
                del tree[section][key]
        return tree


def _encoders_keys(tree: dict[str, Any]) -> list[str]:
    """Lists the keys of a recipe as YAML gives it that only an encoder has."""
    given = []
    for section, keys in _ENCODERS_ALONE.items():
        own = tree.get(section)
        if keys is None:
            given += [section] if own is not None else []
        elif isinstance(own, dict):
            given += [f"{section}.{key}" for key in keys if key in own]
    return given
