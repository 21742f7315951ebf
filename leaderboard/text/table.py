"""A table as people read it and as programs do; :mod:`survbench.leaderboard.writers.table_files` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TableColumn(Generic[Item]):
    """A column as people read it: its heading, and how an item becomes its cell.

    Without ``in_latex`` it is left out in LaTeX, where a page has no room for it.
    """

    head: str
    text: Callable[[Item], str]
    in_latex: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[Item]):
    """A table with a row for each item.

    Attributes:
        columns: what people read (Markdown, LaTeX).
        items: what the rows are about, in their order.
        values: what programs read of an item (CSV, JSON): flat values by name.
        facts: what it was made under, by name; Markdown shows it above the table.
        notes: sentences below it.
        left: how many columns, from the first, are text.
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
