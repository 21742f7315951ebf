"""Encode clinical columns as numbers, learning scaling and imputation from the training fold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import ClinicalColumn, FeatureTable, UnlabelledCohort
from survbench.features.scaling import sd_or_one


def coded_names(column: ClinicalColumn) -> tuple[str, ...]:
    """Return the names of the numbers that stand for a clinical column."""
    if column.kind == "categorical":
        return tuple(f"{column.name}={level}" for level in column.levels[1:])
    return (column.name,)


def code(column: ClinicalColumn, value: float | str) -> list[float]:
    """Return the numbers that stand for a cell of a clinical column, unscaled; see :class:`ClinicalEncoder`."""
    if column.kind == "categorical":
        return [float(value == level) for level in column.levels[1:]]
    if column.kind == "ordinal":
        return [column.levels.index(str(value)) / max(1, len(column.levels) - 1)]
    return [float(value)]


def coded_table(cohort: UnlabelledCohort) -> FeatureTable:
    """Return the clinical columns as numbers, unscaled; NaN where a cell is missing."""
    names: list[str] = []
    columns = [np.empty((len(cohort), 0))]
    for column in cohort.clinical_columns:
        coded = coded_names(column)
        missing = [np.nan] * len(coded)
        cells = (subject.clinical[column.name] for subject in cohort.subjects)
        rows = [missing if cell is None else code(column, cell) for cell in cells]
        names += coded
        columns.append(np.array(rows, dtype=np.float64).reshape(len(cohort), len(coded)))
    return FeatureTable(tuple(names), np.hstack(columns))


@dataclass(frozen=True, slots=True)
class _Column:
    """The encoding of one column. ``fill`` replaces missing values: the training median, or the most frequent level.
    ``mean`` and ``sd`` scale numbers.
    """

    name: str
    kind: Literal["numeric", "ordinal", "categorical"]
    levels: tuple[str, ...]
    fill: float | str
    mean: float = 0.0
    sd: float = 1.0

    @property
    def column(self) -> ClinicalColumn:
        return ClinicalColumn(self.name, self.kind, self.levels)

    def encode(self, value: float | str | None) -> list[float]:
        coded = code(self.column, self.fill if value is None else value)
        return [(number - self.mean) / self.sd for number in coded] if self.kind == "numeric" else coded


@dataclass(frozen=True, slots=True)
class ClinicalEncoder:
    """Encode a cohort's clinical columns.

    Numbers are standardised with the training fold's mean and standard deviation. Ordinal levels become 0 to 1 in equal
    steps (the paper's TNM stage: III is 0, IVa is 1). Categorical levels become one indicator each, except the first.
    Missing numbers become the training median, missing levels the most frequent level.
    """

    encoded: tuple[_Column, ...]

    @classmethod
    def fit(cls, cohort: UnlabelledCohort) -> Self:
        """Learn scaling and imputation from a training cohort."""
        return cls(tuple(_learn(column, cohort) for column in cohort.clinical_columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        return tuple(name for column in self.encoded for name in coded_names(column.column))

    def transform(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the encoded values, shape (n, len(columns)), with none missing."""
        rows = [[v for c in self.encoded for v in c.encode(s.clinical[c.name])] for s in cohort.subjects]
        return np.array(rows, dtype=np.float64).reshape(len(cohort), len(self.columns))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the encoder as JSON."""
        return [asdict(column) for column in self.encoded]

    @classmethod
    def from_json(cls, raw: list[dict[str, Any]]) -> Self:
        """Restore an encoder from the output of :meth:`to_json`."""
        return cls(tuple(_Column(**{**c, "levels": tuple(c["levels"])}) for c in raw))


def _learn(column: ClinicalColumn, cohort: UnlabelledCohort) -> _Column:
    known = [v for s in cohort.subjects if (v := s.clinical[column.name]) is not None]
    if column.kind == "numeric":
        values = np.array(known, dtype=np.float64)
        if values.size == 0:
            return _Column(column.name, column.kind, (), 0.0)
        centre, sd = float(values.mean()), float(sd_or_one(values))
        return _Column(column.name, column.kind, (), float(np.median(values)), centre, sd)
    levels = column.levels
    # of equally frequent levels, the first on the card
    fill = max(levels, key=lambda level: (known.count(level), -levels.index(level)))
    return _Column(column.name, column.kind, levels, fill)
