"""The card's line about features, from the cohort's own table or from another table in the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from survbench.datasets.drafting.columns import columns_of
from survbench.datasets.drafting.outcome import find_outcome
from survbench.datasets.drafting.roles import Roles, id_column, roles
from survbench.datasets.drafting.yaml_text import flow, quoted
from survbench.datasets.readers.joining import join
from survbench.errors import BenchError
from survbench.io.tables import Table, read_table

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz", ".txt.gz")
FEWEST = 3
"""Number of numeric columns from which another table counts as a feature table; a table of folds has fewer."""
_HALF = 0.5


def own_features(table: Table, columns: Roles, key: str) -> list[str]:
    """Return the line for features in the cohort's own table, if it has any.

    Args:
        table: the cohort's table.
        columns: the roles of its columns.
        key: its id column.
    """
    names = [c.name for c in columns.features]
    return [_line("", names, [c for c in table.columns if c not in names and c != key])] if names else []


def other_features(folder: Path, used: Path, ids: Sequence[str]) -> list[str]:
    """Return the line for the first other table in the folder with numbers for at least half of the patients, if any.

    Args:
        folder: the cohort's folder.
        used: the cohort's own table.
        ids: the patients' ids.
    """
    for path in sorted(p for p in folder.iterdir() if p.name.lower().endswith(TABLES) and not p.samefile(used)):
        try:
            table = read_table(path)
        except BenchError:
            continue
        columns = list(columns_of(table).values())
        key = id_column(columns, [])
        if key is None or len(join(ids, table.column(key)).of) < _HALF * len(ids):
            continue
        revealing = find_outcome([c for c in columns if c.name != key]).revealing
        usable = {c.name for c in roles(columns, revealing, {key}, images=True).clinical if c.numeric}
        if len(usable) >= FEWEST:
            where = f"table: {quoted(path.name)}, id: {quoted(key)}, "
            return [_line(where, sorted(usable), [c for c in table.columns if c not in usable and c != key])]
    return []


def _line(where: str, names: Sequence[str], others: Sequence[str]) -> str:
    guess = f"# GUESS: {len(names)} columns; check that none reveals the outcome"
    return f'features: {{{where}columns: ["*"], exclude: {flow(others)}}}  {guess}'
