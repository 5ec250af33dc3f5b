"""Many ids in little memory, in the order in which they came, and where each of them is."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

_SMALLEST = 1 << 10  # slots
_FULL = 0.6  # the share of slots at which there are made to be twice as many


class PackedTexts(Sequence[str]):
    """A list of texts in one array of bytes, without the 50 bytes that each takes by itself."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> None:
        """Adds a text at the end."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return self._encoded(range(len(self))[place]).decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        for start, end in itertools.pairwise(self._ends):
            yield self._bytes[start:end].decode("utf-8", "surrogatepass")

    def _encoded(self, place: int) -> bytes:
        return bytes(self._bytes[self._ends[place] : self._ends[place + 1]])


class SeenIds(PackedTexts):
    """A list of texts that finds each of them: 40 bytes an id, where a dictionary takes 150.

    It is a hash table with open addressing. A slot holds the text's number; texts are compared
    whole, so that no two are ever taken for one.

    Args:
        texts: What it holds from the beginning.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        super().__init__()
        self._hashes = array("q")
        self._slots = array("I", bytes(4 * _SMALLEST))  # the text's number + 1; 0 is free
        for text in texts:
            self.add(text)

    def add(self, text: str) -> int:
        """Adds a text at the end.

        Args:
            text: The text, which may be there already.

        Returns:
            The place of the first text that is equal, from 0; its own place where it is new.
        """
        hashed, encoded, place = (
            hash(text),
            text.encode("utf-8", "surrogatepass"),
            len(self._hashes),
        )
        slot = self._slot(hashed, encoded)
        self._bytes += encoded
        self._ends.append(len(self._bytes))
        self._hashes.append(hashed)
        if same := self._slots[slot]:
            return same - 1
        self._slots[slot] = place + 1
        if place > _FULL * len(self._slots):
            self._grow()
        return place

    def append(self, text: str) -> None:
        """Adds a text at the end; see `add`."""
        self.add(text)

    def find(self, text: str) -> int:
        """Returns the place of the first text that is equal; -1 where there is none."""
        slot = self._slot(hash(text), text.encode("utf-8", "surrogatepass"))
        return self._slots[slot] - 1

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.find(text) >= 0

    def _slot(self, hashed: int, encoded: bytes) -> int:
        """Returns the slot of a text, or the free one that it would take."""
        slots, hashes = self._slots, self._hashes
        mask = len(slots) - 1
        slot = hashed & mask
        while held := slots[slot]:
            if hashes[held - 1] == hashed and self._encoded(held - 1) == encoded:
                return slot
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old, self._slots = self._slots, array("I", bytes(8 * len(self._slots)))
        mask = len(self._slots) - 1
        for number in filter(None, old):
            slot = self._hashes[number - 1] & mask
            while self._slots[slot]:
                slot = (slot + 1) & mask
            self._slots[slot] = number
