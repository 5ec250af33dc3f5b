"""What of a recipe to change so that its training fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relx.footprint.recipes import Configuration, footprint_of, precision_of
from relx.model_sections import DecoderSection
from relx.models.decoder.layers.formats import FORMATS
from relx.recipe import Recipe

GIB = 1 << 30
UNCOUNTED = 0.15  # of what is counted: twice what measured peaks were off by, in bench/fit.py
OF_THE_DRIVER = GIB  # of a GPU: its driver, and the code of the framework's kernels

Settings = Mapping[str, Any]  # keys of a recipe and their values


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings with which a training fits.

    Args:
        settings: The keys to change and their values.
        total: What it takes then, in bytes.
    """

    settings: Settings
    total: float

    @property
    def options(self) -> str:
        """The settings as a command takes them."""
        return " ".join(f"--set {key}={_yaml(value)}" for key, value in self.settings.items())


def fits(total: float, gpu: float) -> bool:
    """Says whether a training fits in a GPU's memory, with room for what is not counted.

    Args:
        total: What was counted, in bytes.
        gpu: The GPU's memory, in bytes.
    """
    return total * (1 + UNCOUNTED) + OF_THE_DRIVER <= gpu


def proposals(recipe: Recipe, configuration: Configuration, gpu: float) -> list[Proposal]:
    """Finds the changes with which a training fits.

    Args:
        recipe: The recipe, which does not fit.
        configuration: Its model's configuration.
        gpu: The GPU's memory, in bytes.

    Returns:
        Each that suffices alone, in its mildest form; where none does, the fewest of them
        together, in their order; empty where all of them do not suffice.
    """
    found = [_mildest({}, forms, recipe, configuration, gpu) for forms in _levers(recipe)]
    alone = [proposal for proposal in found if proposal is not None]
    return alone or _together(recipe, configuration, gpu)


def _together(recipe: Recipe, configuration: Configuration, gpu: float) -> list[Proposal]:
    """Pulls one lever after the other, each as far as it goes, and the last as far as needed."""
    pulled: dict[str, Any] = {}
    for forms in _levers(recipe):
        proposal = _mildest(pulled, forms, recipe, configuration, gpu)
        if proposal is not None:
            return [proposal]
        pulled |= forms[-1]
    return []


def _mildest(
    pulled: Settings,
    forms: Sequence[Settings],
    recipe: Recipe,
    configuration: Configuration,
    gpu: float,
) -> Proposal | None:
    for form in forms:
        settings = {**pulled, **form}
        total = footprint_of(changed(recipe, settings), configuration, on_gpu=True).total
        if fits(total, gpu):
            return Proposal(settings, total)
    return None


def _levers(recipe: Recipe) -> Iterator[list[Settings]]:
    """Yields what can be changed, each from its mildest form on.

    What leaves the result as it is comes first; then what changes how a model computes; what
    changes the training itself comes last.
    """
    batch, parts = recipe.train.batch_size, recipe.train.accumulate
    divisors = [n for n in range(parts + 1, batch + 1) if batch % n == 0]
    decoder = recipe.decoder
    levers: list[list[Settings]] = [
        [{"train.accumulate": n} for n in divisors],
        [{"train.remat": True}] if decoder is not None and not recipe.train.remat else [],
        [{"predict.batch_size": n} for n in _halves(recipe.predict.batch_size)],
        [{"device.precision": "mixed_bfloat16"}]
        if precision_of(recipe, on_gpu=True) == "float32"
        else [],
        [{"decoder.format": name} for name in _smaller_formats(decoder)],
        [{"train.batch_size": n} for n in _halves(batch) if n % parts == 0],
    ]
    yield from (forms for forms in levers if forms)


def _halves(count: int) -> list[int]:
    halves = []
    while count > 1:
        count //= 2
        halves.append(count)
    return halves


def _smaller_formats(section: DecoderSection | None) -> Sequence[str]:
    return () if section is None else FORMATS[FORMATS.index(section.format) + 1 :]


def changed(recipe: Recipe, settings: Settings) -> Recipe:
    """Returns a recipe with other values.

    Args:
        recipe: The recipe.
        settings: The values by key, such as `train.remat`.
    """
    tree = recipe.tree()
    for key, value in settings.items():
        section, _, name = key.partition(".")
        tree[section][name] = value
    return Recipe.model_validate(tree)


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
