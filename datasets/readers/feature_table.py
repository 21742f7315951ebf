"""The table columns that a card declares as features: numbers, one row per patient, no outcome."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import FeatureTable
from survbench.datasets.cards.card import CohortCard, Features
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.predictors import (
    DeclaredTwice,
    FeatureNotNumber,
    NoFeatureRow,
    TextColumns,
    UnknownFeatureColumn,
    few,
)
from survbench.datasets.checks.table import IdsDoNotJoin, MissingColumn
from survbench.datasets.readers.joining import Joined, alike, join, shown
from survbench.datasets.readers.missing_cells import blank_missing
from survbench.datasets.vocabulary.words import BLANK
from survbench.errors import BenchError
from survbench.features.stored_table import row_keys
from survbench.findings import Finding, things
from survbench.io.tables import Row, Table, nearest, number, read_table

DIAGNOSTICS = "diagnostics"
"""Prefix of the pyradiomics columns that describe the extraction; some of them hold numbers."""
_EITHER = "Delete them from 'clinical' to use them as features, or name them in features.exclude to keep them clinical."
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """The feature table, its file name, and its id column."""

    table: Table
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ParsedFeatures:
    """The features of the patients without a problem.

    Attributes:
        names: names of the features.
        values: feature values by patient, shape (features,), NaN where missing.
        findings: findings about columns, rows and cells.
        joined: the patients' ids as the feature table spells them; None if ids were not compared.
    """

    names: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    findings: tuple[Finding, ...]
    joined: Joined | None = None

    def table(self, ids: Iterable[str]) -> FeatureTable:
        """Return the features of the patients ``ids``, in that order."""
        rows = [self.values[i] for i in ids]
        return FeatureTable(self.names, np.array(rows, dtype=np.float64).reshape(len(rows), len(self.names)))


def feature_file(card: CohortCard, features: Features, table: Table, folder: Path) -> FeatureFile:
    """Return the table that contains the features.

    Args:
        card: the cohort's card.
        features: the card's ``features`` section.
        table: the cohort's own table, with row numbers if the card asks for them.
        folder: the cohort's folder.

    Raises:
        BenchError: the feature table is outside the folder or cannot be read.
    """
    name = features.table or card.table
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise BenchError(f"features.table {name!r} lies outside the cohort's folder {folder}. Put the file into it.")
    key = features.id or card.id
    held = table if name == card.table else blank_missing(card, read_table(folder / name), key)
    return FeatureFile(held, name, key)


def parse_features(card: CohortCard, features: Features, held: FeatureFile, ids: Sequence[str]) -> ParsedFeatures:
    """Read the features of the patients ``ids`` and collect every finding about columns, rows and cells.

    Args:
        card: the cohort's card.
        features: the card's ``features`` section.
        held: the feature table, see :func:`feature_file`.
        ids: the cohort's patients that have a usable id.
    """
    table, file, key = held.table, held.name, held.key
    if key not in table.columns:
        cause = f"{file} has no column {key!r} (features.id in the card).{nearest(key, table.columns)}"
        remedy = f"Columns are: {', '.join(table.columns[:30])}."
        return ParsedFeatures((), {}, (MissingColumn.finding(cause, remedy=remedy),))
    names, findings = _columns(card, features, table.columns, file, key)
    parsed = _parsed(table, names)
    text, text_findings = _text_columns(table, parsed, file, features.exclude)
    findings += text_findings
    parsed = parsed.without(text)
    names = parsed.names
    if not names:
        return ParsedFeatures(names, {}, tuple(findings))
    rows = {name: n for n, name in enumerate(table.column(key))}
    count = Counter(table.column(key))
    joined = join(ids, list(rows))
    unjoined = _unjoined(card, file, ids, list(rows), joined)
    if unjoined:
        return ParsedFeatures(names, {}, (*findings, *unjoined))
    values: dict[str, NDArray[np.float64]] = {}
    for name in ids:
        theirs = joined.of.get(name, name)
        row = rows.get(theirs)
        if row is None:
            findings.append(_no_row(file, name, rows))
            continue
        found = _row_findings(table.rows[row], parsed.at(row), count[theirs], file, name)
        findings += found
        if not found:
            values[name] = parsed.values[row]
    return ParsedFeatures(names, values, tuple(findings), joined)


def _unjoined(card: CohortCard, file: str, ids: Sequence[str], theirs: Sequence[str], joined: Joined) -> list[Finding]:
    """Return why no patient's id could be joined to the ids of the feature table."""
    if joined.collision:
        both = " and ".join(joined.collision)
        return [IdsDoNotJoin.finding(f"{card.table} and {file} do not join: {both} would be the same id.")]
    if joined.of or not ids:
        return []
    differ = alike(ids, theirs)
    but = f"; they differ in {differ}" if differ else ""
    return [IdsDoNotJoin.finding(f"No id of {card.table} ({shown(ids)}) occurs in {file} ({shown(theirs)}){but}.")]


def _columns(
    card: CohortCard, features: Features, columns: Sequence[str], file: str, key: str
) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the feature columns that the card's patterns select, and what is wrong with other selected columns."""
    findings = [
        UnknownFeatureColumn.finding(
            f"{file} has no column {pattern!r} (features.{where} in the card).{nearest(pattern, columns)}"
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
        cause, remedy = f"No column of {file} is a feature.", "Correct features.columns in the card."
        findings.append(UnknownFeatureColumn.finding(cause, remedy=remedy))
    declared = card.other_roles
    twice = [name for name in names if name in {c.column for c in card.clinical} - declared.keys()]
    if twice:
        verb = "is" if len(twice) == 1 else "are"
        cause = f"{things(len(twice), 'column')} {verb} declared both under 'clinical' and as features: {few(twice)}."
        findings.append(DeclaredTwice.finding(cause, remedy=_EITHER))
    exclude, rename = "Name it in features.exclude.", "Give the clinical column another 'name'."
    findings += [
        DeclaredTwice.finding(f"Column {name!r} is {declared[name]} and cannot be a feature.", remedy=exclude)
        for name in names
        if name in declared
    ]
    clinical = {c.name for c in card.clinical} - {*declared, *twice}
    findings += [
        DeclaredTwice.finding(f"Feature {name!r} has the name of a clinical column.", remedy=rename)
        for name in names
        if name in clinical
    ]
    return tuple(name for name in names if name not in {*declared, *twice, *clinical}), findings


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Columns of a table as numbers.

    Attributes:
        names: names of the columns.
        values: their numbers, NaN where a cell has none, shape (rows, columns) or, of one row, (columns,).
        wrong: which cells hold something else than a number or a missing value, of the same shape.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    wrong: NDArray[np.bool_]

    def without(self, names: Collection[str]) -> _Numbers:
        """Return the other columns."""
        if not names:
            return self
        kept = [n for n, name in enumerate(self.names) if name not in names]
        return _Numbers(tuple(self.names[n] for n in kept), self.values[:, kept], self.wrong[:, kept])

    def at(self, row: int) -> _Numbers:
        """Return one row."""
        return _Numbers(self.names, self.values[row], self.wrong[row])


def _parsed(table: Table, names: tuple[str, ...]) -> _Numbers:
    """Return columns of a table as numbers, one after the other: a cell is parsed once."""
    values = np.full((len(table.rows), len(names)), np.nan)
    wrong = np.zeros(values.shape, dtype=bool)
    for n, name in enumerate(names):
        cells = table.column(name)
        values[:, n] = [np.nan if (value := number(cell)) is None else value for cell in cells]
        for row in np.flatnonzero(np.isnan(values[:, n])):
            wrong[row, n] = cells[row].casefold() not in BLANK
    return _Numbers(names, values, wrong)


def _text_columns(table: Table, parsed: _Numbers, file: str, exclude: Sequence[str]) -> tuple[list[str], list[Finding]]:
    """Return the columns that hold text instead of numbers, and one finding for all of them."""
    names = parsed.names
    more = parsed.wrong.sum(axis=0) > np.isfinite(parsed.values).sum(axis=0)
    text = [name for name, is_text in zip(names, more, strict=True) if is_text]
    if not text:
        return [], []
    cells = {n: [c for c in table.column(n) if c.casefold() not in BLANK] for n in text}
    shown = few([f"{n} ({cells[n][0]!r})" for n in text])
    cause = f"{len(text)} column{'s' if len(text) > 1 else ''} of {file} hold{'' if len(text) > 1 else 's'} no numbers"
    if all(_COMMA.fullmatch(c) for n in text for c in cells[n]):
        return text, [TextColumns.finding(f"{cause}: {shown}.", remedy="Use decimal points instead of commas.")]
    patterns = ", ".join(f'"{p}"' for p in (*exclude, *_patterns(text, [n for n in names if n not in text])))
    remedy = f"Leave {'them' if len(text) > 1 else 'it'} out: features.exclude: [{patterns}]."
    return text, [TextColumns.finding(f"{cause}: {shown}.", remedy=remedy)]


def _patterns(text: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return names and patterns that match all of ``text`` and none of ``others`` except pyradiomics diagnostics."""
    found: dict[str, None] = {}
    for name in text:
        before = name.split("_")[0]
        alike = sum(other.startswith(f"{before}_") for other in text)
        apart = before == DIAGNOSTICS or not any(other.startswith(f"{before}_") for other in others)
        found[f"{before}_*" if alike > 1 and apart else name] = None
    return list(found)


def _matches(column: str, pattern: str) -> bool:
    return column == pattern or fnmatchcase(column, pattern)


def _no_row(file: str, subject: str, rows: Iterable[str]) -> Finding:
    near = [other for other in rows if alike([subject], [other])]
    remedy = "Add it, or name the patient in patients.without of the card."
    detail = f"{file} has {near[0]!r}" if len(near) == 1 else ""
    return NoFeatureRow.finding(f"{file} has no row for a patient.", subject=subject, detail=detail, remedy=remedy)


def _row_findings(row: Row, numbers: _Numbers, count: int, file: str, subject: str) -> list[Finding]:
    found: list[Finding] = []
    if count > 1:
        cause, remedy = f"An id occurs in more than one row of {file}.", "Keep one row per patient."
        found.append(NoFeatureRow.finding(cause, subject=subject, remedy=remedy))
    if not (np.isfinite(numbers.values) | numbers.wrong).any():
        cause = f"None of the {len(numbers.names)} features has a value."
        remedy = "Fill in the row, or leave the patient out."
        found.append(NoFeatureRow.finding(cause, subject=subject, remedy=remedy))
    found += [
        FeatureNotNumber.finding(f"Feature {n!r} must hold numbers.", subject=subject, detail=repr(row.cells[n]))
        for n, wrong in zip(numbers.names, numbers.wrong.tolist(), strict=True)
        if wrong
    ]
    return found


def table_keys(source: SourceCohort) -> dict[str, str]:
    """Return the key of each patient's features if the cohort has a feature table of its own, otherwise nothing."""
    features = source.cohort.features
    return {} if features is None else dict(zip(source.cohort.ids, row_keys(features), strict=True))
