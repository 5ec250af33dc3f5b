"""Writes the reference of recipe keys into docs/recipes.md, from the schema itself.

    python docs/recipe_keys.py            rewrites the page
    python docs/recipe_keys.py --check    says whether the page is up to date; exit status 1 if not

Sections, keys, values and defaults are those of `relx.recipe.Recipe`. What each key means is in
docs/recipe_keys.yaml; a key without a text there, or a text without a key, is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from relx.recipe import Recipe

DOCS = Path(__file__).parent
PAGE = DOCS / "recipes.md"
TEXTS = DOCS / "recipe_keys.yaml"
BEGIN, END = (
    "<!-- made by docs/recipe_keys.py: begin -->",
    "<!-- made by docs/recipe_keys.py: end -->",
)
SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
KINDS = {int: "a whole number", float: "a number", str: "text"}


class Key(NamedTuple):
    """A key of a recipe: its dotted name and what the schema says of it."""

    name: str
    field: FieldInfo


class Table(NamedTuple):
    """A section of a recipe and the keys directly in it."""

    name: str
    intro: str
    keys: list[Key]


def tables(section: type[BaseModel] = Recipe, name: str = "") -> Iterator[Table]:
    """Yields the sections in the schema's order, each before those inside it."""
    fields = {field.alias or key: field for key, field in section.model_fields.items()}
    prefix = f"{name}." if name else ""
    inside = {key: model for key, field in fields.items() if (model := section_of(field))}
    leaves = [Key(prefix + k, f) for k, f in fields.items() if k not in inside or is_choice(f)]
    yield Table(name, (section.__doc__ or "").partition("\n")[0], leaves)
    for key, model in inside.items():
        yield from tables(model, prefix + key)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Returns the section that a key holds, alone or as one of its values."""
    return next((t for t in types_in(field.annotation) if issubclass(t, BaseModel)), None)


def is_choice(field: FieldInfo) -> bool:
    """Tells whether a key holds a section or something else, as `encoder.from` does."""
    kinds = [t for t in types_in(field.annotation) if t is not NoneType]
    return any(not issubclass(kind, BaseModel) for kind in kinds)


def types_in(annotation: Any) -> Iterator[type]:
    """Yields the classes that an annotation is made of."""
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from types_in(argument)


def values(key: Key) -> str:
    """Says which values a key takes, as Markdown."""
    options = [o for part in parts_of(key.field.annotation) for o in options_of(part)]
    signs = [
        f"{sign} {getattr(bound, attribute):,}"
        for bound in key.field.metadata
        for kind, (attribute, sign) in SIGNS.items()
        if isinstance(bound, kind)
    ]
    if signs:
        options[0] = f"{options[0]} {' and '.join(signs)}"
    return ", ".join(options[:-1]) + (" or " if len(options) > 1 else "") + options[-1]


def parts_of(annotation: Any) -> Iterator[Any]:
    """Yields the alternatives of a union, without what annotates them."""
    if isinstance(annotation, type) or get_origin(annotation) is Literal:
        yield annotation
        return
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):  # Annotated[what, ...]
        arguments = arguments[:1]
    for argument in arguments:
        yield from parts_of(argument)


def options_of(part: Any) -> list[str]:
    """Says what one alternative takes, as Markdown."""
    if get_origin(part) is Literal:
        return [code(value) for value in get_args(part)]
    if part is bool:
        return ["`true`", "`false`"]
    if part is NoneType:
        return ["`null`"]
    if issubclass(part, BaseModel):
        return [f"a mapping of `{name}:`" for name in part.model_fields]
    return [KINDS[part]]


def code(value: object) -> str:
    """Writes a value as YAML does, in a code span."""
    if isinstance(value, float) and 0 < value < 0.001:
        return f"`{value:.0e}`".replace("e-0", "e-")
    return f"`{yaml.safe_dump(value, default_flow_style=True).split(chr(10))[0]}`"


def markdown() -> str:
    """Writes every section as a heading, a sentence and a table, then the defaults as YAML."""
    texts: dict[str, str] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    sections = list(tables())
    names = [key.name for section in sections for key in section.keys]
    if set(names) != set(texts):
        sys.exit(f"{TEXTS.name} and the schema differ in {sorted(set(names) ^ set(texts))}")
    lines = []
    for name, intro, keys in sections:
        if not keys:  # a mapping that only leads to another one
            continue
        lines += ["", f"### {name or 'The run'}", "", intro, ""]
        lines += ["| key | values | default | what it does |", "| --- | --- | --- | --- |"]
        for key in keys:
            default = "required" if key.field.is_required() else code(key.field.default)
            lines.append(f"| `{key.name}` | {values(key)} | {default} | {texts[key.name]} |")
    minimal = {"name": "my-task", "encoder": {"from": "klue/roberta-base"}}
    tree = Recipe.model_validate(minimal).model_dump(mode="json", by_alias=True)
    defaults = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).rstrip()
    lines += ["", "### Every key at its default", "", "```yaml", defaults, "```", ""]
    return "\n".join(lines)


def page() -> str:
    """Returns docs/recipes.md as it shall be: the text around the reference stays."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


def main() -> None:
    """Rewrites the page, or checks it."""
    wanted = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(wanted, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != wanted:
        sys.exit("docs/recipes.md is out of date: run python docs/recipe_keys.py")


if __name__ == "__main__":
    main()
