"""The patients of a cohort described without naming any, as a study stores them."""

from __future__ import annotations

from typing import Literal

from survbench.io.config import Stored


class Spread(Stored):
    """A median with the numbers around it; None where it does not exist."""

    median: float | None
    low: float | None
    high: float | None


class Term(Stored):
    """A hazard ratio of a univariate Cox model, with its 95 % interval.

    Attributes:
        level: that is compared with the first that occurs; "" for a number, of which it is one unit more.
        reason: why there is no hazard ratio, or "".
    """

    level: str
    hazard_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""


class Level(Stored):
    """A level of a clinical column that occurs: its patients, and how many of them had the event."""

    level: str
    patients: int
    events: int


class NumericColumn(Spread):
    """A clinical column of numbers: median and range, patients without a value, and its Cox model."""

    name: str
    kind: Literal["numeric"]
    missing: int
    terms: tuple[Term, ...]


class LevelsColumn(Stored):
    """A clinical column of levels: those that occur, patients without a value, and its Cox model."""

    name: str
    kind: Literal["ordinal", "categorical"]
    missing: int
    levels: tuple[Level, ...]
    terms: tuple[Term, ...]


class PatientsDescription(Stored):
    """What a table of patients shows of a cohort.

    Attributes:
        patients, events: how many.
        follow_up: months, median by the reverse Kaplan-Meier estimate with its 95 % interval.
        columns: every clinical column of the card.
        of: fingerprint of what it was made from, by which it is known to be still true; "" where nobody has asked.
    """

    patients: int
    events: int
    follow_up: Spread
    columns: tuple[NumericColumn | LevelsColumn, ...]
    of: str = ""
