"""A table for people and for programs; :mod:`survbench.leaderboard.writers.table_files` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TableColumn(Generic[Item]):
    """A column for people: its heading, and a function that turns an item into its cell.

    Without ``in_latex`` the column is left out in LaTeX, where a page has no space for it.
    """

    head: str
    text: Callable[[Item], str]
    in_latex: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[Item]):
    """A table with a row for each item.

    Attributes:
        columns: the columns for people (Markdown, LaTeX).
        items: the items of the rows, in order.
        values: returns an item's values for programs (CSV, JSON): flat values by name.
        facts: the conditions under which it was made, by name; Markdown shows them above the table.
        notes: sentences below the table.
        left: number of leading columns that are text.
    """

    name: str
    title: str
    columns: tuple[TableColumn[Item], ...]
    items: tuple[Item, ...]
    values: Callable[[Item], Cells]
    notes: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    left: int = 1

    @property
    def rows(self) -> tuple[Cells, ...]:
        """The values of every item."""
        return tuple(map(self.values, self.items))
