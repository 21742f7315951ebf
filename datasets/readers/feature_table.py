"""The columns of a table that a card declares as features: numbers, a row per patient, none of them an outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import FeatureTable
from survbench.datasets.cards.card import CohortCard, Features
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.readers.missing_cells import blank_missing
from survbench.datasets.readers.patients import MISSING
from survbench.errors import BenchError, Problem
from survbench.features.extraction import _finite
from survbench.io.hashing import digest
from survbench.io.tables import Row, Table, nearest, number, read_table

SHOWN = 5
"""Cells or columns that a message names at most."""
TELLS_OUTCOME = 0.999
"""A feature whose ``|Spearman's rho|`` with the time or the event reaches this is the outcome in other words."""
FEWEST = 8
"""Patients below which such a correlation may be chance."""


@dataclass(frozen=True, slots=True)
class ParsedFeatures:
    """Names of the features, the values of patients without a problem by id (NaN: missing), and the problems."""

    names: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    problems: tuple[Problem, ...]

    def table(self, ids: Iterable[str]) -> FeatureTable:
        """Return the features of patients, in the order of ``ids``."""
        rows = [self.values[i] for i in ids]
        return FeatureTable(self.names, np.array(rows, dtype=np.float64).reshape(len(rows), len(self.names)))


def feature_source(card: CohortCard, features: Features, table: Table, folder: Path) -> tuple[Table, str, str]:
    """Return the table that holds the features, its name, and its column of ids.

    Args:
        card: the cohort's card.
        features: the card's section.
        table: the cohort's own table, with row numbers where the card asks for them.
        folder: where the tables lie.

    Raises:
        BenchError: the features' table cannot be read.
    """
    name = features.table or card.table
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise BenchError(f"features.table {name!r} lies outside the cohort's folder {folder}. Put the file into it.")
    key = features.id or card.id
    return (table if name == card.table else blank_missing(card, read_table(folder / name), key)), name, key


def parse_features(
    card: CohortCard, features: Features, source: tuple[Table, str, str], ids: Sequence[str]
) -> ParsedFeatures:
    """Read the features of the patients ``ids`` and collect every problem of columns, rows and cells.

    Args:
        card: the cohort's card.
        features: the card's section.
        source: see :func:`feature_source`.
        ids: the patients of the cohort that have a usable id.
    """
    table, file, key = source
    if key not in table.columns:
        what = f"{file} has no column {key!r} (features.id in the card).{nearest(key, table.columns)}"
        return ParsedFeatures((), {}, (Problem("", what, f"Columns are: {', '.join(table.columns[:30])}."),))
    names, problems = _columns(card, features, table.columns, file, key)
    if problems:
        return ParsedFeatures(names, {}, tuple(problems))
    rows = {row.cells[key]: row for row in table.rows}
    count = Counter(row.cells[key] for row in table.rows)
    values: dict[str, NDArray[np.float64]] = {}
    for name in ids:
        found = _row_problems(rows.get(name), count[name], names, file)
        problems += [Problem(name, what, remedy) for what, remedy in found]
        if not found:
            cells = rows[name].cells
            values[name] = np.array([np.nan if (v := number(cells[n])) is None else v for n in names])
    return ParsedFeatures(names, values, tuple(problems))


def _columns(
    card: CohortCard, features: Features, columns: Sequence[str], file: str, key: str
) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the columns that the card's patterns name, and what is wrong with them."""
    problems = [
        Problem(
            "",
            f"{file} has no column {pattern!r} (features.{where} in the card).{nearest(pattern, columns)}",
            "Correct the name or the pattern.",
        )
        for where, patterns in (("columns", features.columns), ("exclude", features.exclude))
        for pattern in patterns
        if not any(_matches(column, pattern) for column in columns)
    ]
    names = tuple(
        column
        for column in columns
        if column != key
        and any(_matches(column, p) for p in features.columns)
        and not any(_matches(column, p) for p in features.exclude)
    )
    if not names:
        problems.append(Problem("", f"No column of {file} is a feature.", "Correct features.columns in the card."))
    declared = card.told | {c.column: f"the clinical column {c.name!r}" for c in card.clinical}
    problems += [
        Problem("", f"Column {name!r} is {declared[name]} and cannot be a feature.", "Name it in features.exclude.")
        for name in names
        if name in declared
    ]
    clinical = {c.name for c in card.clinical} - declared.keys()
    problems += [
        Problem("", f"Feature {name!r} has the name of a clinical column.", "Give the clinical column another 'name'.")
        for name in names
        if name in clinical
    ]
    return names, problems


def _matches(column: str, pattern: str) -> bool:
    return column == pattern or fnmatchcase(column, pattern)


def _row_problems(row: Row | None, count: int, names: Sequence[str], file: str) -> list[tuple[str, str]]:
    if row is None:
        return [(f"{file} has no row of features.", "Add it, or name the patient in patients.without of the card.")]
    found: list[tuple[str, str]] = []
    if count > 1:
        found.append((f"The id stands in {count} rows of {file}.", "Keep one row per patient."))
    known = [n for n in names if row.cells[n].casefold() not in MISSING]
    if not known:
        found.append((f"None of the {len(names)} features has a value.", "Fill the row in, or leave the patient out."))
    bad = [f"{n} is {row.cells[n]!r}" for n in known if number(row.cells[n]) is None]
    if bad:
        shown = ", ".join(bad[:SHOWN]) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
        found.append((f"Features must be numbers, but {shown}.", "Correct the cells; leave them blank if unknown."))
    return found


def outcome_copies(table: FeatureTable, time: NDArray[np.float64], event: NDArray[np.bool_]) -> list[Problem]:
    """Return a problem for each feature that says the outcome in other words: a copy of it, in other units, or coded
    the other way round.

    Args:
        table: features of n patients.
        time: months, shape (n,).
        event: shape (n,).
    """
    from scipy.stats import rankdata

    problems: list[Problem] = []
    for name, column in zip(table.names, table.values.T, strict=True):
        known = np.isfinite(column)
        if known.sum() < FEWEST or np.ptp(column[known]) == 0:
            continue
        for what, outcome in (("time", time[known]), ("event", event[known].astype(np.float64))):
            if np.ptp(outcome) == 0:
                continue
            rho = np.corrcoef(rankdata(column[known]), rankdata(outcome))[0, 1]
            if abs(rho) >= TELLS_OUTCOME:
                found = f"Feature {name!r} orders patients as the endpoint's {what} does (Spearman's rho {rho:.3f})."
                problems.append(Problem("", found, "It is the outcome, not a predictor; name it in features.exclude."))
    return problems


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A patient's row of a cohort's own table of features, and the key under which it is stored as radiomics are."""

    key: str
    values: Mapping[str, float]


def feature_rows(features: FeatureTable, ids: Iterable[str]) -> dict[str, FeatureRow]:
    """Return each patient's row of a table, by id; equal values have equal keys."""
    named = (dict(zip(features.names, row, strict=True)) for row in features.values.tolist())
    return {i: FeatureRow(digest(["table", _finite(row)]), row) for i, row in zip(ids, named, strict=True)}


def table_rows(source: SourceCohort) -> Mapping[str, FeatureRow]:
    """Return the features of each patient of a cohort with a table of its own; else nothing."""
    features = source.cohort.features
    return {} if features is None else feature_rows(features, source.cohort.ids)
