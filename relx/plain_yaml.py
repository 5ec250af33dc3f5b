"""YAML as recipes have it: mappings, lists, texts and numbers, of a size that a person writes."""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000  # with every alias written out
DEEPEST = 50
_PLAIN = {"str", "int", "float", "bool", "null", "map", "seq", "merge"}
_TAG = "tag:yaml.org,2002:"


class NoPlainYamlError(ValueError):
    """A text is no YAML, or holds more than values that are written out."""


def read_plain(text: str) -> Any:
    """Reads YAML.

    Args:
        text: The text.

    Returns:
        Dictionaries, lists, texts, numbers, truth values and None; a date is a text.

    Raises:
        NoPlainYamlError: It is no YAML, has tags of its own, a repeated key, a reference to itself,
            or is larger than `MOST_CHARACTERS`, `MOST_VALUES` or `DEEPEST` allow.
    """
    if len(text) > MOST_CHARACTERS:
        raise NoPlainYamlError(f"it has more than {MOST_CHARACTERS:,} characters")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _require_plain(node, {}, 0)
        return loader.construct_document(node)
    except RecursionError as error:
        raise NoPlainYamlError(f"it is nested more than {DEEPEST} deep") from error
    except NoPlainYamlError:
        raise
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise NoPlainYamlError(" ".join(str(error).split())) from error


def write_plain(tree: Any) -> str:
    """Writes a tree so that `read_plain` gives an equal one.

    Args:
        tree: What `read_plain` returns.
    """
    return yaml.dump(tree, Dumper=_Dumper, allow_unicode=True, sort_keys=False)


def _require_plain(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Counts the values of a node with its aliases written out.

    Args:
        node: The node.
        sizes: The counts of nodes that were met before; 0 while a node is being counted.
        depth: How deep the node is nested.

    Raises:
        NoPlainYamlError: It is no plain one.
    """
    known = sizes.get(id(node))
    if known is not None:
        if not known:
            raise NoPlainYamlError("it refers to itself")
        return known
    if node.tag.removeprefix(_TAG) not in _PLAIN:
        raise NoPlainYamlError(f"{node.tag!r} is a tag that recipes do not have")
    if depth > DEEPEST:
        raise NoPlainYamlError(f"it is nested more than {DEEPEST} deep")
    sizes[id(node)], count = 0, 1
    for child in _children(node):
        count += _require_plain(child, sizes, depth + 1)
        if count > MOST_VALUES:
            raise NoPlainYamlError(f"its aliases stand for more than {MOST_VALUES:,} values")
    sizes[id(node)] = count
    return count


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Loader(yaml.SafeLoader):
    """YAML in which `1e-5` is a number and a repeated key is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.looked_at: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Looks at a node's own keys, once, before what it merges is written out among them."""
        if id(node) not in self.looked_at:
            self.looked_at.add(id(node))
            _require_keys(node)
        super().flatten_mapping(node)


def _require_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            words = "a key must be a word"
            raise yaml.constructor.ConstructorError(None, None, words, key_node.start_mark)
        if key_node.value in seen:
            words = f"the key {key_node.value!r} appears twice"
            raise yaml.constructor.ConstructorError(None, None, words, key_node.start_mark)
        seen.add(key_node.value)


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes that `_Loader` would take for a number, or whose U+0085 for a break."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        # Unquoted it reads back as a line feed, and PyYAML escapes it in this style alone.
        style = '"' if "\x85" in text else None
        return self.represent_scalar(f"{_TAG}str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


# YAML 1.1 wants a dot in a float; everybody writes 1e-5.
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        f"{_TAG}float",
        re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )

# A date is a text, and so is `=`.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag.removeprefix(_TAG) in _PLAIN]
    for first, forms in _Loader.yaml_implicit_resolvers.items()
}
