"""What a search tries: a recipe, and from where each of its values may be taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from relx.faults import Fault, InputError
from relx.files import facts_digest
from relx.model_sections import Path_, Section
from relx.recipe import Recipe
from relx.recipe_file import load_recipe, read_section
from relx.shipped import shipped
from relx.study.plan import Name, Seed

Value = bool | int | float | str


class RangeSection(Section):
    """Numbers from one to another, both included; whole ones where both ends are."""

    low: int | float = Field(alias="from")
    high: int | float = Field(alias="to")
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> RangeSection:
        if self.low >= self.high:
            raise ValueError(f"from ({self.low}) has to be below to ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError("log: only of numbers above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def _kind(value: object) -> str:
    return "choices" if isinstance(value, list) else "range"


Domain = Annotated[
    Annotated[RangeSection, Tag("range")]
    | Annotated[list[Value | None], Field(min_length=2), Tag("choices")],
    Discriminator(_kind),
]


class SearchSection(Section):
    """A search file: a recipe, where its values may be taken from, and how many are tried."""

    name: Name
    recipe: Path_
    set: dict[str, Any] = Field(default_factory=dict)
    space: Annotated[dict[str, Domain], Field(min_length=1)]
    trials: int = Field(30, ge=1)
    prune: bool = True
    seed: Seed = 0

    @model_validator(mode="after")
    def _keys_are_its_own(self) -> SearchSection:
        if twice := [key for key in self.space if key in self.set]:
            raise ValueError(f"{', '.join(twice)}: in space and in set; leave one")
        if "name" in {*self.space, *self.set}:
            raise ValueError("name: a search names its runs itself")
        return self


@dataclass(frozen=True)
class SearchPlan:
    """A search, as its file says.

    Args:
        file: Its file.
        section: What the file says.
        source: The recipe's file.
    """

    file: Path
    section: SearchSection
    source: Path

    @property
    def name(self) -> str:
        """The search's name."""
        return self.section.name

    @property
    def digest(self) -> str:
        """What decides what a trial is; how many there are does not."""
        tree = self.section.model_dump(mode="json", by_alias=True)
        del tree["trials"]
        return facts_digest("search", [tree, self.recipe(0, {}).tree()])

    def folder(self, runs_dir: Path) -> Path:
        """Returns where the search keeps what it found."""
        return runs_dir / f"{self.name}.search"

    def recipe(self, number: int, values: Mapping[str, Value | None]) -> Recipe:
        """Returns the recipe of a trial.

        Args:
            number: The trial's number.
            values: The values that were chosen, by key.

        Raises:
            InputError: They make no recipe.
        """
        return load_recipe(self.source, self.settings(number, values))

    def settings(self, number: int, values: Mapping[str, Value | None]) -> list[str]:
        """Returns what a trial sets of the recipe, as `--set` takes it.

        Args:
            number: The trial's number.
            values: The values that were chosen, by key.
        """
        tree = {**self.section.set, **values, "name": f"{self.name}.trial.{number}"}
        return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in tree.items()]


def read_search(file: Path) -> SearchPlan:
    """Reads a search file, and tries each end of each of its ranges in the recipe.

    Args:
        file: A YAML file.

    Returns:
        The search.

    Raises:
        InputError: It cannot be read, or a value of its space makes no recipe; all at once.
    """
    section = read_section(file, SearchSection, "search")
    source = shipped().get(section.recipe) or Path(section.recipe)
    plan = SearchPlan(file, section, source)
    first = {key: _ends(domain)[0] for key, domain in section.space.items()}
    faults: list[Fault] = []
    for key, domain in section.space.items():
        for value in _ends(domain):
            try:
                plan.recipe(0, first | {key: value})
            except InputError as error:
                faults += (_of_space(fault) for fault in error.faults)
    if faults:
        raise InputError(*dict.fromkeys(faults))
    return plan


def _ends(domain: RangeSection | list[Value | None]) -> list[Any]:
    return domain if isinstance(domain, list) else [domain.low, domain.high]


def _of_space(fault: Fault) -> Fault:
    where = fault.where.replace("--set", "space")
    return Fault(fault.what, where, fault.received, fault.allowed, fault.next_step, fault.kind)
