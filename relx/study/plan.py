"""What a study computes: a recipe with each of its options, at each seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from relx.faults import Fault, InputError
from relx.model_sections import Path_, Section
from relx.recipe import Recipe
from relx.recipe_file import load_recipe, read_section
from relx.shipped import shipped

BASE = "base"
Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9가-힣][A-Za-z0-9가-힣_-]*$", max_length=24)
]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Folds = Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class OptionSection(Section):
    """What an option changes of the study's recipe."""

    set: dict[str, Any] = Field(default_factory=dict)
    tapt: bool | None = None
    folds: Folds | None = None


class StudySection(Section):
    """A study file: a recipe, options to try, and the seeds to try each with."""

    name: Name
    recipe: Path_
    set: dict[str, Any] = Field(default_factory=dict)
    tapt: bool = False
    folds: Folds | None = None
    gold: Path_ | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)]
    options: Annotated[dict[Name, OptionSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _cells_are_different(self) -> StudySection:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is named twice: the same run counts once")
        if BASE in self.options:
            raise ValueError(f"{BASE} is the recipe without options; name the option otherwise")
        given = {**self.set, **{k: v for o in self.options.values() for k, v in o.set.items()}}
        if own := [key for key in ("name", "seed") if key in given]:
            raise ValueError(f"{', '.join(own)}: a study names its runs and seeds itself")
        return self


@dataclass(frozen=True)
class Cell:
    """One option at one seed: a run.

    Args:
        study: The study's name.
        option: The option's name, `BASE` for the recipe without any.
        seed: The seed.
        recipe: The run's recipe.
        tapt: Whether the encoder is adapted first.
        folds: The folds to train, None for the recipe's own.
        gold: The rows to score on; None for those that the run chose its epochs by.
    """

    study: str
    option: str
    seed: int
    recipe: Recipe
    tapt: bool
    folds: str | None
    gold: Path | None

    @property
    def name(self) -> str:
        """What the cell is called in messages and files."""
        return f"{self.option}.{self.seed}"


@dataclass(frozen=True)
class Study:
    """A study, as its file says.

    Args:
        name: Its name.
        file: Its file.
        cells: All options at the first seed, then at the second, …: a study that is stopped early
            has whole seeds.
    """

    name: str
    file: Path
    cells: tuple[Cell, ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The options in the file's order, `BASE` first."""
        return tuple(dict.fromkeys(cell.option for cell in self.cells))

    def folder(self, runs_dir: Path) -> Path:
        """Returns where the study keeps what it found."""
        return runs_dir / f"{self.name}.study"


def read_study(file: Path) -> Study:
    """Reads a study file, and the recipe of each of its cells.

    Args:
        file: A YAML file.

    Returns:
        The study.

    Raises:
        InputError: It cannot be read, or an option makes no recipe; every fault at once.
    """
    section = read_section(file, StudySection, "study")
    options = {BASE: OptionSection()} | section.options
    source = shipped().get(section.recipe) or Path(section.recipe)
    cells, faults = list[Cell](), list[Fault]()
    for seed in section.seeds:
        for name, option in options.items():
            try:
                cells.append(_cell(section, source, name, option, seed))
            except InputError as error:
                faults += (_of_option(fault, name) for fault in error.faults)
    if faults:
        raise InputError(*dict.fromkeys(faults))
    return Study(section.name, file, tuple(cells))


def _cell(section: StudySection, source: Path, name: str, option: OptionSection, seed: int) -> Cell:
    settings = {**section.set, **option.set}
    run = {"name": f"{section.name}.{name}.{seed}", "seed": seed}
    written = [f"{key}={json.dumps(value)}" for key, value in (settings | run).items()]
    recipe = load_recipe(source, written)
    tapt = section.tapt if option.tapt is None else option.tapt
    if recipe.family == "encoder" and "train.start_from" not in settings:
        begins = "tapt" if tapt else "encoder"  # whatever the folder of runs holds
        recipe = load_recipe(source, [*written, f"train.start_from={begins}"])
    folds = section.folds if option.folds is None else option.folds
    return Cell(
        study=section.name,
        option=name,
        seed=seed,
        recipe=recipe,
        tapt=tapt,
        folds=folds if folds is None or isinstance(folds, str) else ",".join(map(str, folds)),
        gold=None if section.gold is None else Path(section.gold),
    )


def _of_option(fault: Fault, name: str) -> Fault:
    where = f"options.{name}: {fault.where}".replace("--set", "set")
    return Fault(fault.what, where, fault.received, fault.allowed, fault.next_step, fault.kind)


def chosen_cells(study: Study, words: str | None) -> tuple[Cell, ...]:
    """Reads which cells of a study are meant.

    Args:
        study: The study.
        words: Numbers from 0 with commas between them, as `relx study list` shows them; None for
            all.

    Returns:
        The cells.

    Raises:
        InputError: There are no such cells.
    """
    if words is None:
        return study.cells
    parts = [part.strip() for part in words.split(",")]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(numbers) < len(parts) or max(numbers) >= len(study.cells):
        allowed = f"numbers from 0 to {len(study.cells) - 1}, such as 0,2"
        raise InputError(Fault("these are no cells of the study", "--cells", words, allowed))
    return tuple(study.cells[number] for number in dict.fromkeys(numbers))
