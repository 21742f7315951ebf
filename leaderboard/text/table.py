"""A table as people read it and as programs do; :mod:`survbench.leaderboard.writers.table_files` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as people read it: its heading, and how a row's values become its cell.

    Without ``in_latex`` it is left out in LaTeX, where a page has no room for it.
    """

    head: str
    text: Callable[[Cells], str]
    in_latex: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: ``rows`` hold flat values by name (CSV, JSON), ``columns`` make cells of them (Markdown, LaTeX).

    Attributes:
        facts: what it was made under, by name; Markdown shows it above the table.
        notes: sentences below it.
        left: how many columns, from the first, are text.
    """

    name: str
    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[Cells, ...]
    notes: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    left: int = 1
