"""A recipe from YAML, changed by `--set a.b=c`, and back; faults name the key that was written."""

from __future__ import annotations

import codecs
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from relx.faults import Fault, InputError, nearest, shorten
from relx.plain_yaml import NoPlainYamlError, read_plain, write_plain
from relx.recipe import Recipe

S = TypeVar("S", bound=BaseModel)
LOOK = "relx recipes list shows what ships; relx recipes copy NAME gives you one to edit"


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Reads a recipe; the defaults yield to the file, the file to the settings.

    Args:
        path: A YAML file.
        settings: Texts of the form `train.epochs=1`; the value is read as YAML.

    Returns:
        The recipe.

    Raises:
        InputError: The file is missing or no YAML; else every wrong key and value at once.
    """
    tree = _read_yaml(path)
    faults = list(_apply_settings(tree, settings))
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        set_keys = {setting.partition("=")[0].strip() for setting in settings}
        for detail in error.errors():
            key = ".".join(_key_of(detail))
            is_set = any(f"{key}.".startswith(f"{n}.") or n.startswith(f"{key}.") for n in set_keys)
            faults.append(_fault_of(detail, "--set" if is_set else str(path)))
    if faults:
        raise InputError(*faults)
    return recipe


def read_section(path: Path, kind: type[S], what: str) -> S:
    """Reads a YAML file that is no recipe, but as strict as one.

    Args:
        path: The file.
        kind: What it has to be.
        what: What that is called, in messages.

    Returns:
        The section.

    Raises:
        InputError: The file is missing or no YAML; else every wrong key and value at once.
    """
    tree = _read_yaml(path, what, f"name a {what} file")
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        faults = (_fault_of(detail, str(path), kind) for detail in error.errors())
        raise InputError(*faults) from error


def recipe_from_tree(tree: Mapping[str, Any]) -> Recipe:
    """Builds a recipe from the dictionaries that `Recipe.tree` returns, as a manifest holds them.

    Args:
        tree: The dictionaries.

    Returns:
        The recipe.

    Raises:
        InputError: The tree is not one of this version's recipes.
    """
    try:
        return Recipe.model_validate(dict(tree))
    except ValidationError as error:
        raise InputError(*(_fault_of(detail, "recipe") for detail in error.errors())) from error


def recipe_yaml(recipe: Recipe) -> str:
    """Writes a resolved recipe as YAML that `load_recipe` reads back to an equal one.

    Args:
        recipe: The recipe.

    Returns:
        The text.
    """
    return write_plain(recipe.tree())


def _read_yaml(path: Path, what: str = "recipe", look: str = LOOK) -> dict[str, Any]:
    try:
        tree = read_plain(_text(path))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            Fault(f"there is no such {what} file", str(path), next_step=look)
        ) from error
    except NoPlainYamlError as error:
        raise InputError(Fault("this file is not YAML", str(path), str(error))) from error
    if not isinstance(tree, dict):
        fault = Fault(
            f"a {what} must be a mapping of keys to values",
            str(path),
            shorten(tree),
            next_step=look,
        )
        raise InputError(fault)
    return tree


def _text(path: Path) -> str:
    """Reads a recipe's text, with or without a byte-order mark.

    Raises:
        InputError: It is not UTF-8; the encoding that it seems to be in is named.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        seems = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "cp949"
        try:
            data.decode(seems)
        except UnicodeDecodeError:
            seems = ""
        line = data.count(b"\n", 0, error.start) + 1
        received = f"{data[error.start : error.start + 4]!r} at byte {error.start}"
        received += f", as {seems} has it" if seems else ""
        new = path.with_stem(f"{path.stem}-utf8")
        step = f"iconv -f {seems} -t utf-8 {shlex.quote(str(path))} > {shlex.quote(str(new))}"
        where = str(path) if seems == "utf-16" else f"{path}:{line}"
        what, otherwise = "a recipe is UTF-8, and this file is not", "save it as UTF-8"
        fault = Fault(what, where, received, "UTF-8", step if seems else otherwise, "no UTF-8")
        raise InputError(fault) from error


def _apply_settings(tree: dict[str, Any], settings: Sequence[str]) -> Iterator[Fault]:
    """Writes each `a.b=c` into the tree, and yields the ones that cannot be read."""
    for setting in settings:
        key, equals, text = setting.partition("=")
        names = key.strip().split(".")
        if not equals or not all(names):
            what = "this setting has no key or no value"
            yield Fault(what, "--set", setting[:200], "train.epochs=1")
            continue
        try:
            value = read_plain(text)
        except NoPlainYamlError as error:
            reason = f"{shorten(text)}: {error}"
            yield Fault("this value is not YAML", f"--set {key[:200]}", reason)
            continue
        branch = tree
        for name in names[:-1]:
            if not isinstance(branch.get(name), dict):
                branch[name] = {}
            branch = branch[name]
        branch[names[-1]] = value


# The keys whose values have several forms; pydantic puts the form's tag after the key.
_SEVERAL_FORMS = {
    "encoder.from": ("name", "fresh"),
    "decoder.from": ("name", "fresh"),
    "data.labels": ("word", "list"),
    "decide.positive_weights": ("word", "list"),
    "decide.thresholds": ("word", "number", "mapping"),
    "space.*": ("range", "choices"),  # of a search file
}


def _key_of(detail: ErrorDetails) -> list[str]:
    """Returns a finding's place as a user writes it, without the tags of forms."""
    place = [str(part) for part in detail["loc"]]
    names = (".".join(place[:2]), f"{place[0]}.*") if place else ()
    if place[2:3] and any(place[2] in _SEVERAL_FORMS.get(name, ()) for name in names):
        del place[2]
    return place


def _fault_of(detail: ErrorDetails, origin: str, root: type[BaseModel] = Recipe) -> Fault:
    """Turns one finding of pydantic into a fault with the key that a user wrote."""
    parts = _key_of(detail)
    key = ".".join(parts)
    where = f"{origin}: {key}" if key else origin
    if detail["type"] == "extra_forbidden":
        known = sorted(_keys_beside(parts, root))
        guess = nearest(parts[-1], known)
        step = f"did you mean {guess}?" if guess else ""
        return Fault("unknown key", where, parts[-1], ", ".join(known), step, "unknown key")
    if detail["type"] == "missing":
        return Fault("this key is required", where, kind="missing key")
    received = shorten(detail["input"]) if key else ""
    allowed = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "model_type":
        allowed = f"a mapping of {', '.join(sorted(_keys_beside([*parts, ''], root)))}"
    allowed = allowed.replace("Input should be", "it should be")
    return Fault("this value cannot be used", where, received, allowed, kind="value")


def _keys_beside(parts: Sequence[str], root: type[BaseModel]) -> list[str]:
    """Lists the keys that the section around `parts` admits."""
    section = root
    for part in parts[:-1]:
        fields = {field.alias or name: field for name, field in section.model_fields.items()}
        if part in fields:  # else it is a name that the user chose
            section = _section_of(fields[part].annotation)
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_of(annotation: Any) -> type[BaseModel]:
    """Finds the section class inside an annotation such as `str | FreshSource`."""
    return next(leaf for leaf in _leaves(annotation) if issubclass(leaf, BaseModel))


def _leaves(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _leaves(argument)
