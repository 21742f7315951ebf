"""A table column as the card draft sees it: which cells are known and what kind of values they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from survbench.datasets.vocabulary import words as w
from survbench.io.tables import Table, canonical, number

_FAR = 3.0
"""A code for missing is more than this many times as large as the largest other value."""
_FEW_LEVELS = 10
_ROUNDING = 0.02
"""Relative difference (root mean square) below which two columns are the same quantity in two units."""


@dataclass(frozen=True)
class Column:
    """A column: its name (``text`` adds the table's description), all cells, and the known ones as ``values``.

    ``missing`` holds each cell that means missing but that the table reader does not already read as blank.
    """

    name: str
    text: str
    cells: tuple[str, ...]
    values: tuple[str, ...]
    missing: tuple[str, ...]

    @cached_property
    def numbers(self) -> list[float]:
        """The known cells that are numbers."""
        return [value for cell in self.values if (value := number(cell)) is not None]

    @cached_property
    def numeric(self) -> bool:
        """Whether every known cell is a number."""
        return bool(self.values) and len(self.numbers) == len(self.values)

    @cached_property
    def mostly_numeric(self) -> bool:
        """Whether at least half of the known cells are numbers."""
        return 0 < len(self.values) <= 2 * len(self.numbers)

    @cached_property
    def codes(self) -> set[str]:
        """The distinct known values."""
        return {canonical(cell) for cell in self.values}

    @cached_property
    def measured(self) -> bool:
        """Whether the known cells are quantities, not codes: some have decimals, or hardly any two are equal."""
        decimals = any(not value.is_integer() for value in self.numbers)
        return self.numeric and len(self.codes) > 2 and (decimals or len(self.codes) >= len(self.values) - 1)

    @cached_property
    def filled(self) -> float:
        """Share of the rows in which the value is known."""
        return len(self.values) / len(self.cells)

    @cached_property
    def dated(self) -> bool:
        """Whether the known cells are dates: text, 20190312, or a spreadsheet's day number if the name says date."""
        if not self.values:
            return False
        if 2 * sum(w.is_date(cell) for cell in self.values) > len(self.values):
            return True
        if all(re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])[0-3]\d", cell) for cell in self.values):
            return True
        whole = self.numeric and all(value.is_integer() and 15_000 < value < 60_000 for value in self.numbers)
        return whole and w.has(w.tokens(self.text), w.NEVER_A_TIME["a date"])

    @cached_property
    def sentinels(self) -> tuple[str, ...]:
        """Cells that hold a common number for missing (-999, 9999, ...) far from all other values."""
        values = {cell: value for cell in set(self.values) if (value := number(cell)) is not None}
        usual = {cell for cell, value in values.items() if w.is_sentinel(value, among_codes=True)}
        others = [value for cell, value in values.items() if cell not in usual]
        if not usual or len(others) < 2 or len(values) < len(set(self.values)):
            return ()
        largest = max(abs(value) for value in others)
        coded = len(others) <= _FEW_LEVELS and 2 * len(values) <= len(self.values)
        few = coded and all(value.is_integer() for value in others)
        return tuple(sorted(cell for cell in usual if _is_far(values[cell], min(others), largest, few=few)))


def columns_of(table: Table) -> dict[str, Column]:
    """Return the columns of a table by name, with the cells that mean missing set apart."""
    found = {name: _column(table, name) for name in table.columns}
    # a number means missing only where no other column has it as an ordinary value
    values = {code for c in found.values() for code in c.codes - {canonical(cell) for cell in c.sentinels}}
    return {
        name: _without(column, {c for c in column.sentinels if canonical(c) not in values})
        for name, column in found.items()
    }


def _column(table: Table, name: str) -> Column:
    cells = tuple(table.column(name))
    signs = "+" in cells  # "-" is then the other sign
    words = {c for c in set(cells) if number(c) is None and w.means_missing(c) and not (signs and c == "-")}
    unknown = {c for c in set(cells) if c.casefold() in w.BLANK}
    known = tuple(c for c in cells if c not in unknown and c not in words)
    text = f"{name} {table.labels[name]}" if name in table.labels else name
    return Column(name, text, cells, known, tuple(sorted(words - unknown)))


def _without(column: Column, missing: set[str]) -> Column:
    if not missing:
        return column
    known = tuple(cell for cell in column.values if cell not in missing)
    return Column(column.name, column.text, column.cells, known, tuple(sorted({*column.missing, *missing})))


def _is_far(value: float, lowest: float, largest: float, *, few: bool) -> bool:
    if value < 0:
        return lowest >= 0 or -value > _FAR * largest
    return value > 1.5 * largest if few else value > max(100.0, _FAR * largest)


def paired_values(a: Column, b: Column) -> list[tuple[str, str]]:
    """Return the cells of two columns, for the rows in which both are known."""
    of_a, of_b = set(a.values), set(b.values)
    return [(x, y) for x, y in zip(a.cells, b.cells, strict=True) if x in of_a and y in of_b]


def same_information(a: Column, b: Column) -> bool:
    """Return whether two columns of codes divide the patients with both values known in the same way."""
    pairs = {(canonical(x), canonical(y)) for x, y in paired_values(a, b)}
    return 1 < len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def same_quantity(a: Column, b: Column, *, fewest: int = 5) -> bool:
    """Return whether two columns of numbers are equal up to their unit, within rounding.

    Args:
        a: one column.
        b: the other column.
        fewest: smallest number of rows with both values known; with fewer, agreement may be chance.
    """
    cells = [(number(x), number(y)) for x, y in paired_values(a, b)]
    pairs = [(x, y) for x, y in cells if x is not None and y is not None]
    squares = sum(y * y for _, y in pairs)
    if len(pairs) < fewest or not squares:
        return False
    factor = sum(x * y for x, y in pairs) / squares
    return sum((x - factor * y) ** 2 for x, y in pairs) <= (_ROUNDING**2) * sum(x * x for x, _ in pairs)
