"""Which columns may be the time to an event or to last contact, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from survbench.datasets.cards.card import TimeUnit
from survbench.datasets.drafting.columns import Column, paired_values, same_quantity
from survbench.datasets.vocabulary import words as w
from survbench.datasets.vocabulary.events import meaning

MAX_YEARS = 40
"""No cohort is followed for longer; a unit that implies more years is wrong."""
FILLED = 0.9
"""Smallest share of rows that a complete time column fills."""
_PER_YEAR: dict[TimeUnit, float] = {"years": 1.0, "months": 12.0, "weeks": 52.2, "days": 365.25}
_ONLY_DAYS = 1560
"""Longer times can only be days: this many weeks are 30 years."""
_NEVER = ("an age", "about birth", "a date", "an id")
_NO_DURATION = "status|probability|prob|risk|score|predicted|prediction|hazard|count|visits?|group|class"


def time_strength(column: Column) -> int:
    """Return how clearly a column is named after a time to an event.

    3: an endpoint's name; 2: survival, follow-up, or the event it leads to; 1: only a word for time; 0: none of
    these, or the column does not hold durations.
    """
    return _name_strength(column.text) if not column.dated and is_duration(column) else 0


def _name_strength(text: str) -> int:
    found = w.tokens(text)
    if any(w.has(found, w.NEVER_A_TIME[what]) for what in _NEVER) or w.has(found, _NO_DURATION):
        return 0
    lasting = w.has(found, w.DURATION) or w.unit_of(text) is not None
    if not lasting and w.has(found, f"{w.EVENT}|{w.CENSORED}|{w.CENSORING}"):
        return 0
    if w.endpoint_of(text) is not None:
        return 3
    if w.has(found, w.FOLLOW_UP) or (lasting and (meaning(text).is_known or w.has(found, w.TO_CONTACT))):
        return 2
    units = "|".join(w.UNITS.values())
    plain = all(w.is_word(x, f"{w.DURATION}|{units}|{w.FILLERS}|{w.EVENT}|[dwmy]") for x in found)
    return 1 if lasting and plain else 0


def named_like_a_time(text: str) -> bool:
    """Return whether a name has a word for time together with other words, as ``rt_days`` has; it may be an outcome."""
    found = [x for x in w.tokens(text) if len(x) > 2]
    units = "|".join(w.UNITS.values())
    banned = any(w.has(found, w.NEVER_A_TIME[what]) for what in w.NEVER_A_TIME)
    return not banned and w.has(found, f"{w.DURATION}|{units}|{w.FOLLOW_UP}")


def is_duration(column: Column) -> bool:
    """Return whether a column's values look like durations: mostly numbers, several distinct values, none below 0,
    and neither calendar years nor days since 1900.
    """
    values = column.numbers
    different = len(set(values))
    if not column.mostly_numeric or different < min(3, len(column.values)):
        return False
    if w.tokens(column.name) == ["t"] and different <= 8:
        return False
    return min(values) >= 0 and not in_calendar_years(column) and max(values) <= MAX_YEARS * _PER_YEAR["days"]


def in_calendar_years(column: Column) -> bool:
    """Return whether a column holds years such as 2014."""
    return column.numeric and all(value.is_integer() and 1900 <= value <= 2100 for value in column.numbers)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of time and why it was chosen; if ``name`` is None, ``reason`` says why the unit is not known."""

    name: TimeUnit | None
    reason: str


NOT_KNOWN = Unit(None, "")
"""The unit where there is no time column."""


def unit_of(time: Column, columns: Sequence[Column]) -> Unit:
    """Return the unit of a time column: the one in its name or in its unit column, or else the only possible one.

    Args:
        time: the column.
        columns: all columns. A unit column is named after its time column, as CDISC's ``AVALU`` is after ``AVAL``.
    """
    longest = max(time.numbers)
    years = {unit: longest / per_year for unit, per_year in _PER_YEAR.items()}
    named = w.unit_of(time.text) or _unit_beside(time, columns)
    if named is not None and years[named] <= MAX_YEARS:
        return Unit(named, "")
    if named is None and longest > _ONLY_DAYS:
        return Unit("days", f"a time of {longest:g} can only be days")
    whole = all(value.is_integer() for value in time.numbers)
    possible = [u for u in _PER_YEAR if u != named and years[u] <= MAX_YEARS and (whole or u != "days")]
    readings = "; ".join(f"{unit}: up to {years[unit]:.2g} years" for unit in possible)
    says = "no name states the unit" if named is None else f"{years[named]:.0f} years are too long for {named}"
    return Unit(None, f"{says} ({readings})")


def _unit_beside(time: Column, columns: Sequence[Column]) -> TimeUnit | None:
    called = re.compile(rf"{re.escape(time.name)}[ _.]?(u|units?)", re.IGNORECASE)
    beside = [c for c in columns if called.fullmatch(c.name) and len(c.codes) == 1]
    return w.unit_of(beside[0].values[0]) if beside else None


def complementary_times(times: Sequence[Column]) -> tuple[Column, Column] | None:
    """Return two columns that each give the time of some patients: to an event in one, to last contact in the other."""
    parts = [c for c in times if c.filled < FILLED]
    for n, a in enumerate(parts):
        for b in parts[n + 1 :]:
            together = sum(x in a.values or y in b.values for x, y in zip(a.cells, b.cells, strict=True))
            if together >= FILLED * len(a.cells):
                return a, b
    whole = [c for c in times if c.filled >= FILLED]
    dead = [c for c in parts if meaning(c.text).dead]
    if len(whole) == 1 and w.has(w.tokens(whole[0].text), f"{w.FOLLOW_UP}|{w.TO_CONTACT}"):
        apart = [c for c in dead if any(x != y for x, y in paired_values(c, whole[0]))]
        return (apart[0], whole[0]) if apart else None
    return None


def is_partial(column: Column) -> bool:
    """Return whether a column of times to an event is filled for only some of the patients."""
    says = meaning(column.text)
    return column.filled < FILLED and (says.dead or says.disease or says.event) is True


def are_years_and_months(times: Sequence[Column]) -> bool:
    """Return whether two columns hold the years of a duration and its remaining months."""
    by_unit = {w.unit_of(c.text): c for c in times}
    if len(times) != 2 or set(by_unit) != {"years", "months"}:
        return False
    years, months = by_unit["years"].numbers, by_unit["months"].numbers
    return all(value.is_integer() for value in (*years, *months)) and max(months) < _PER_YEAR["months"]


def alike(times: Sequence[Column]) -> bool:
    """Return whether columns hold the same times, possibly in different units."""
    return all(same_quantity(times[0], other, fewest=2) for other in times[1:])


def date_pair(columns: Sequence[Column]) -> tuple[list[Column], tuple[Column, Column] | None]:
    """Return the date columns except dates of birth, and the two that a duration could be computed from."""
    dates = [c for c in columns if c.dated and not w.has(w.tokens(c.text), w.NEVER_A_TIME["about birth"])]
    ends = [c for c in dates if w.has(w.tokens(c.text), f"{w.FOLLOW_UP}|{w.TO_CONTACT}|up|{w.DEAD}|{w.EVENT}")]
    starts = [c for c in dates if c not in ends]
    best = [c for c in ends if not w.has(w.tokens(c.text), w.DEAD)] or ends
    return dates, (starts[0], best[0]) if starts and best else None
