"""The values of a config.json, asked for by name; what is wrong with them is collected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from relx.faults import Fault, InputError, shorten
from relx.models.decoder.configurations.rope import Frequencies, rope_frequencies

_ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


class Settings:
    """The content of a config.json, and every fault found in it so far.

    Args:
        values: The content.
        where: Its name in messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where
        self.faults: list[Fault] = []

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a value; what is null or not there is the default."""
        value = self.values.get(name)
        return default if value is None else value

    def size(self, name: str, default: int | None = None, least: int = 1) -> int:
        """Returns a whole number, of at least `least`; notes the fault of any other value."""
        value = self.get(name, default)
        if value is None:
            self.faults.append(
                Fault("this key is required", f"{self.where}: {name}", kind="missing key")
            )
            return least
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._wrong(name, value, f"a whole number from {least}")
            return least
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Returns a number above 0; notes the fault of any other value."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            self._wrong(name, value, "a number above 0")
            return 1.0
        return float(value)

    def optional(self, name: str) -> float:
        """Returns a number above 0, or 0 where config.json has none."""
        return self.number(name) if self.get(name) is not None else 0.0

    def flag(self, name: str, default: bool) -> bool:
        """Returns true or false; notes the fault of any other value."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            self._wrong(name, value, "true, false")
            return default
        return value

    def activation(self, name: str, default: str | None = None) -> str:
        """Returns an activation under our name; one that is not computed here is a fault."""
        value = self.get(name, default)
        if value not in _ACTIVATIONS:
            self._wrong(name, value, ", ".join(_ACTIVATIONS))
        return _ACTIVATIONS.get(value, "silu")

    def refuse(self, name: str, usual: Any, what: str) -> None:
        """Notes a fault where a setting would change the computation in a way not built here."""
        value = self.values.get(name)
        if value is not None and value != usual:
            place, allowed = f"{self.where}: {name}", repr(usual)
            self.faults.append(Fault(what, place, shorten(value), allowed, kind="unsupported"))

    def rope(self, kinds: Sequence[str], size: int) -> dict[str, Frequencies | None]:
        """Computes the frequencies of each kind of layer, from either form of config.json.

        Args:
            kinds: The kinds of layers.
            size: How many elements of a head turn.
        """
        found: dict[str, Frequencies | None] = {}
        for kind, settings, key in self._rotations(kinds):
            if not isinstance(settings, Mapping):
                self._wrong(key, settings, "a mapping")
                continue
            try:
                found[kind] = rope_frequencies(settings, size, f"{self.where}: {key}")
            except InputError as error:
                self.faults += [fault for fault in error.faults if fault not in self.faults]
        return found

    def _rotations(self, kinds: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
        """Yields kind, settings and key; files of before transformers 5 keep theta outside."""
        key = next((n for n in ("rope_parameters", "rope_scaling") if self.get(n)), "rope_theta")
        given = {} if key == "rope_theta" else self.get(key)
        if not isinstance(given, Mapping):
            yield "", given, key
            return
        theta = self.get("rope_theta", self.get("rotary_emb_base", 10000.0))
        by_kind = any(isinstance(value, Mapping) for value in given.values())
        for kind in kinds:
            own = given.get(kind) if by_kind else given
            if by_kind and own is None:
                yield kind, None, f"{key}.{kind}"
            else:
                yield kind, {"rope_theta": theta, **own} if isinstance(own, Mapping) else own, key

    def rope_value(self, name: str, default: float) -> float:
        """Returns a value that stands among the rotation's, or by itself in older files."""
        inside = self.get("rope_parameters")
        if isinstance(inside, Mapping) and inside.get(name) is not None:
            return float(inside[name])
        old = {"partial_rotary_factor": "rotary_pct"}.get(name, name)
        return self.number(old, default) if self.get(old) is not None else default

    def require_good(self) -> None:
        """Raises all that was found.

        Raises:
            InputError: Something was.
        """
        if self.faults:
            raise InputError(*self.faults)

    def _wrong(self, name: str, value: Any, allowed: str) -> None:
        what = "the decoder cannot be built with this value"
        place = f"{self.where}: {name}"
        self.faults.append(Fault(what, place, shorten(value), allowed, kind="value"))
