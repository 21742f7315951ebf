"""The cells of a record in little memory: a table of features may have millions."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import overload


class PackedCells(Sequence[str]):
    """The cells of a record in one string, with the places where they end.

    A record of hundreds of numbers takes a fifth of the memory of a list of strings.
    """

    __slots__ = ("_ends", "_text")

    def __init__(self, cells: Iterable[str]) -> None:
        held = [*cells]
        self._text = "".join(held)
        self._ends = array("I", accumulate(map(len, held), initial=0))

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        n = place + len(self) if place < 0 else place
        if n < 0:
            raise IndexError("record index out of range")
        return self._text[self._ends[n] : self._ends[n + 1]]

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends[1:]:
            yield self._text[start:end]
            start = end

    def __len__(self) -> int:
        return len(self._ends) - 1


class NamedCells(Mapping[str, str]):
    """The cells of a record by column. All records of a table share the places of the columns."""

    __slots__ = ("_places", "_record")

    def __init__(self, places: Mapping[str, int], record: Sequence[str]) -> None:
        self._places = places
        self._record = record

    def __getitem__(self, name: str) -> str:
        return self._record[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
