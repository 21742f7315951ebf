"""The endpoint of a table: its time and event columns, what remains unclear, and other outcomes in the table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from survbench.datasets.drafting.columns import Column, paired_values, same_information, same_quantity
from survbench.datasets.drafting.times import (
    NOT_KNOWN,
    Unit,
    alike,
    are_years_and_months,
    complementary_times,
    date_pair,
    in_calendar_years,
    is_partial,
    named_like_a_time,
    time_strength,
    unit_of,
)
from survbench.datasets.vocabulary import words as w
from survbench.datasets.vocabulary.events import NOUNS, Coding, Kind, coding, is_dropout, meaning, without_legend

MAX_CODES = 8
"""An event column has at most this many codes."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A time and its event. Either is None if the table does not say which column it is; ``open`` then says why."""

    name: str
    time: Column | None
    event: Column | None
    coding: Coding
    open: tuple[str, ...] = ()
    unit: Unit = NOT_KNOWN


@dataclass(frozen=True, slots=True)
class Outcome:
    """The table's endpoint, other endpoints that are equally complete, and why columns reveal an outcome, by column."""

    endpoint: Endpoint
    others: tuple[Endpoint, ...]
    revealing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _NameReading:
    """What a name says about an endpoint: which one it is, and what counts as its event."""

    name: str | None
    kind: Kind | None


def find_outcome(columns: Sequence[Column]) -> Outcome:
    """Return the outcome in a table's columns (without the id column); what is unclear is left open, never guessed."""
    times = [c for c in columns if time_strength(c)]
    events = [c for c in columns if _may_be_event(c)]
    pairs = sorted(
        ((score, t, e) for t in times for e in events if t is not e and (score := _fit(t, e)) > 0),
        key=lambda pair: -pair[0],
    )
    complete: dict[str, Endpoint] = {}
    for score, time, event in pairs:
        if score >= _PARTNERS and time.filled > _HALF:
            found = _endpoint(time, event)
            if found.coding.clear:
                complete.setdefault(found.name, found)
    if complete and (life := _unnamed_survival(columns, times, events, complete)) is not None:
        complete.setdefault(life.name, life)
    taken = _without_contradiction(_first(columns, complete) or _rest(columns, times, events), events)
    revealing = {c.name: why for c in columns if (why := _why_revealing(c, times, events, taken))}
    others = tuple(_with_unit(e, columns) for e in complete.values() if e.name != taken.name)
    taken = _with_unit(taken, columns)
    return Outcome(taken, others, revealing)


_HALF = 0.5
_PARTNERS = 3.0
"""Score from which a time and an event are named after the same endpoint."""


def _first(columns: Sequence[Column], complete: Mapping[str, Endpoint]) -> Endpoint | None:
    """Return the complete endpoint whose time column comes first in the table, or None if no endpoint is complete."""
    order = {c.name: n for n, c in enumerate(columns)}
    return min(complete.values(), key=lambda e: order[e.time.name] if e.time else 0, default=None)


def _unnamed_survival(
    columns: Sequence[Column], times: Sequence[Column], events: Sequence[Column], complete: Mapping[str, Endpoint]
) -> Endpoint | None:
    """Return overall survival if its columns are in the table beside complete endpoints without naming it, and if
    nothing about it is unclear.
    """
    named = {c.name for end in complete.values() for c in (end.time, end.event) if c}
    others = [[c for c in some if c.name not in named] for some in (columns, times, events)]
    found = _rest(*others)
    return found if found.name == "OS" and found.time and found.event and not found.open else None


def _without_contradiction(end: Endpoint, events: Sequence[Column]) -> Endpoint:
    """Leave the codes open if another column divides the patients in the same way but reverses event and censored."""
    if end.event is None or not end.coding.clear:
        return end
    for other in events:
        found = _coding(None, other)
        if other is end.event or not found.clear or not same_information(end.event, other):
            continue
        if any((x in end.coding.observed) != (y in found.observed) for x, y in paired_values(end.event, other)):
            reason = f"{end.event.name!r} and {other.name!r} contradict each other"
            either = " or ".join(
                f"{_codes(r)} {_count_of(end.event, r)}" for r in (end.coding.observed, end.coding.censored)
            )
            doubt = f"observed, censored: {either} had the event; {reason}."
            return replace(end, coding=Coding((), (), reason), open=(*end.open, doubt))
    return end


def _with_unit(end: Endpoint, columns: Sequence[Column]) -> Endpoint:
    if end.time is None:
        return end
    unit = unit_of(end.time, columns)
    doubts = () if unit.name else (f"unit: {unit.reason}.",)
    return replace(end, unit=unit, open=(*end.open, *doubts))


def _rest(columns: Sequence[Column], times: Sequence[Column], events: Sequence[Column]) -> Endpoint:
    """Return the endpoint of a table in which no two columns are named after the same endpoint."""
    parts = complementary_times(times)
    whole = [c for c in times if c.filled > _HALF and not is_partial(c)]
    time: Column | None = None
    doubts: list[str] = []
    if parts is not None and not [c for c in whole if c not in parts and time_strength(c) > 1]:
        a, b = (f"{c.name!r} ({len(c.values)} of {len(c.cells)})" for c in parts)
        remedy = "Combine them into one column (time to the event, or to last contact if there was none)"
        doubts = [f"time: {a} and {b} complete each other. {remedy} and name it here."]
    else:
        time, doubts = _one_time(columns, whole, events)
        if time is None and not whole and times:
            part = times[0]
            filled = f"{len(part.values)} of {len(part.cells)}"
            remedy = "Make a column that also has the others' time to last contact."
            doubts = [f"time: {part.name!r} gives the time for {filled} patients. {remedy}"]
    event, more = _one_event(time, events)
    if event is None:
        return Endpoint(_name(time, None), time, None, Coding((), (), ""), (*doubts, *more))
    found = _endpoint(time, event)
    return Endpoint(found.name, time, event, found.coding, (*doubts, *more, *found.open))


def _one_time(
    columns: Sequence[Column], times: Sequence[Column], events: Sequence[Column]
) -> tuple[Column | None, list[str]]:
    fits = {c.name: max((_fit(c, e) for e in events), default=0.0) + time_strength(c) for c in times}
    # a time whose endpoint has no event column ranks behind one that has its event
    with_event = [c for c in times if not events or any(_fit(c, e) > 0 for e in events)]
    best = [c for c in with_event if fits[c.name] == max(fits[x.name] for x in with_event)]
    if best and (len(best) == 1 or alike(best)):
        return best[0], []
    if are_years_and_months(best):
        parts = _and(best)
        return None, [f"time: {parts} are parts of one duration. Add them up in one column and name it here."]
    if best:
        return None, [f"time: {_or(best)} could each be the time of the endpoint. Name one here."]
    if times:
        return None, [f"time: {_or(times)} belongs to another endpoint than {_or(events)}. Name the time here."]
    return None, [_no_time(columns, events)]


def _no_time(columns: Sequence[Column], events: Sequence[Column]) -> str:
    dates, pair = date_pair(columns)
    if pair:
        between = f"{pair[0].name} and {pair[1].name}"
        return f"time: no column is a duration. {between} hold dates: make a column of the days between them."
    if dates:
        return f"time: no column is a duration. {_and(dates)} hold dates, from which a duration can be computed."
    unreadable = [c for c in columns if c not in events and _perhaps_a_time(c)]
    for column in unreadable:
        shown = ", ".join(map(repr, dict.fromkeys(column.values[:3])))
        if any(re.search(r"\d", cell) for cell in column.values):
            return f"time: {column.name!r} is named like a time, but does not hold durations as numbers ({shown})."
    return "time: no column is named like a time, survival or follow-up. Name the time column here."


def _one_event(time: Column | None, events: Sequence[Column]) -> tuple[Column | None, list[str]]:
    if not events:
        return None, ["event: no column is named like an event or a status. Name the event column here."]
    fits = {c.name: (_fit(time, c) if time else _generic_fit(c)) for c in events}
    best = [c for c in events if fits[c.name] == max(fits.values())]
    if time is not None and max(fits.values()) <= 0:
        return None, [f"event: {_or(best)} does not say who had the event of {time.name!r}. Name the column that does."]
    best = [c for c in best if _coding(time, c).clear] or best
    if all(same_information(best[0], other) for other in best[1:]):
        return best[0], []
    if time is None:
        return None, [f"event: {_or(best)} could each be the event. Name one here."]
    return None, [f"event: {_or(best)} could each be the event of {time.name!r}. Name one here."]


def _endpoint(time: Column | None, event: Column) -> Endpoint:
    found = _coding(time, event)
    if found.clear:
        return Endpoint(_name(time, event), time, event, found)
    either = " or ".join(f"{_codes(r)} {_count_of(event, r)}" for r in found.readings)
    doubt = f"observed, censored: {either} had the event; {found.reason}."
    return Endpoint(_name(time, event), time, event, found, (doubt,))


def _coding(time: Column | None, event: Column) -> Coding:
    kind = (_read_name(time.text).kind if time else None) or _read_name(event.text).kind
    return coding(event.text, event.values, kind)


def _read_name(text: str) -> _NameReading:
    named = w.endpoint_of(text)
    if named is not None:
        return _NameReading(named[0], named[1])  # type: ignore[arg-type]  # the vocabulary uses the kinds of events.py
    says = meaning(text)
    if says.dead is not None or w.has(w.tokens(text), w.VITAL):
        return _NameReading(None, "death")
    return _NameReading(None, None)


def _is_disease_only(text: str) -> bool:
    says = meaning(" ".join(x for x in w.tokens(text) if not w.is_word(x, NOUNS)))
    return says.disease is not None and says.dead is None


def _fit(time: Column, event: Column) -> float:
    """Return how well a time and an event belong together; 0 if they belong to different endpoints."""
    t, e = _read_name(time.text), _read_name(event.text)
    if t.name and e.name:
        return _PARTNERS + 1 if t.name == e.name else 0.0
    if t.name or t.kind:
        if e.kind == "death" or meaning(event.text).dead is not None:
            return 2.0 if t.kind == "death" else 0.0
        if _is_disease_only(event.text):
            return 2.0 if t.kind in {"composite", "disease"} else 0.0
        return 1.5 if not e.name else 0.0
    if e.name or _is_disease_only(time.text):
        return 1.0
    return 2.0 if _is_generic(event) else 1.0


def _generic_fit(event: Column) -> float:
    return 2.0 if _is_generic(event) else 1.0


def _is_generic(event: Column) -> bool:
    """Return whether a column is named only event, status or similar, without naming an endpoint."""
    reading, says = _read_name(event.text), meaning(event.text)
    return reading.name is None and reading.kind is None and says.disease is None


def _name(time: Column | None, event: Column | None) -> str:
    found = [_read_name(c.text) for c in (time, event) if c is not None]
    named = next((a.name for a in found if a.name), None)
    of_death = any(a.kind == "death" for a in found) or (event is not None and _states_survival(event))
    return named or ("OS" if of_death else "event")


def _states_survival(event: Column) -> bool:
    """Return whether every code says whether the patient is dead, and none says anything about the disease."""
    meanings = [meaning(code) for code in event.codes]
    return bool(meanings) and all(m.dead is not None and m.disease is None for m in meanings)


def _has_outcome_word(column: Column) -> bool:
    """Return whether the name has an outcome word; most short words do not count because they occur in other names."""
    found = [x for x in w.tokens(column.text) if len(x) > 3 or x in {"tod", "evt", "dcd"}]
    plain = [x for x in found if not w.is_word(x, f"{NOUNS}|lesions?")]
    vocabulary = f"{w.EVENT}|{w.CENSORED}|{w.CENSORING}|{w.DEAD}|{w.ALIVE}|{w.DISEASE}|{w.VITAL}|{w.NEGATED_INSIDE}"
    disease_free = len(plain) < len(found) and w.has(found, w.NEGATED_AFTER)
    return w.has(plain, vocabulary) or disease_free or _whole_event(column)


def _whole_event(column: Column) -> bool:
    found = w.tokens(column.name)
    return len(found) == 1 and w.is_word(found[0], f"{w.WHOLE_EVENT}|tot")


def _named_event(column: Column) -> bool:
    """Return whether a column is named after an event, without any word that makes it something else."""
    name = without_legend(column.text)
    found = w.tokens(name)
    allowed = (
        f"{w.EVENT}|{w.CENSORED}|{w.CENSORING}|{w.DEAD}|{w.ALIVE}|{w.DISEASE}|{w.VITAL}|{w.NEGATED_INSIDE}|{w.STATUS}|"
        f"{w.OUTCOME}|{w.FILLERS}|{w.SURVIVAL}|{w.FOLLOW_UP}|{w.NEGATION}|up|right|any|cause|local|distant|regional|loco|"
        f"locoregional|observed|known|specific|kontrolle|control|all|{w.WHOLE_EVENT}|[vqx]|var|item|\\d+"
    )
    plain = all(w.is_word(x, allowed) or w.endpoint_of(x) is not None for x in found)
    named = (
        _has_outcome_word(column) or w.has(found, f"{w.STATUS}|{w.OUTCOME}") or w.endpoint_of(column.text) is not None
    )
    if w.has(found, NOUNS) and not _has_outcome_word(column):
        # a disease's status is an outcome only if its codes have known meanings
        named = all(meaning(code).is_known for code in set(column.values))
    return plain and named and not _at_fixed_time(name)


def _at_fixed_time(text: str) -> bool:
    """Return whether a name states a fixed time: ``os_5yr`` says who was alive after five years."""
    units = "|".join(w.UNITS.values())
    return re.search(rf"\d+ ({units}|[dwmy])\b", " ".join(w.tokens(text))) is not None


def _may_be_event(column: Column) -> bool:
    few = 0 < len(column.codes) <= MAX_CODES and 2 * len(column.values) >= len(column.cells) and not column.dated
    if not few or column.measured or is_dropout(column.text):
        return False
    if _named_event(column):
        return True
    if _at_fixed_time(column.text) or w.has(w.tokens(column.text), "response|ansprechen|reponse|respuesta|risposta"):
        return False
    meanings = [meaning(code) for code in set(column.values)]
    return len(meanings) > 1 and all(m.is_known for m in meanings) and any(m.dead is not None for m in meanings)


def _perhaps_a_time(column: Column) -> bool:
    """Return whether a column is named like a time and is not a calendar year, such as the year of treatment."""
    later = w.has(w.tokens(column.text), f"{w.FOLLOW_UP}|{w.TO_CONTACT}")
    return named_like_a_time(column.text) and (later or not in_calendar_years(column))


def _why_revealing(column: Column, times: Sequence[Column], events: Sequence[Column], taken: Endpoint) -> str:
    """Return why a column reveals an outcome, or ``""`` if it does not."""
    if column in times or _perhaps_a_time(column):
        return "named like a time"
    if column in events:
        return "looks like an event"
    if w.endpoint_of(column.text) is not None or _has_outcome_word(column):
        return "named like an outcome"
    if taken.event and len(column.codes) <= MAX_CODES and same_information(column, taken.event):
        return f"divides the patients the same way as {taken.event.name!r}"
    if taken.time and column.numeric and same_quantity(column, taken.time):
        return f"the same numbers as {taken.time.name!r}"
    return ""


def _codes(codes: Sequence[str]) -> str:
    return " or ".join(map(repr, codes)) if len(codes) == 1 else "(" + " or ".join(map(repr, codes)) + ")"


def _count_of(event: Column, codes: Sequence[str]) -> str:
    return f"{sum(cell in codes for cell in event.values)} of {len(event.cells)}"


def _or(columns: Sequence[Column]) -> str:
    return " or ".join(repr(c.name) for c in columns)


def _and(columns: Sequence[Column]) -> str:
    return " and ".join(repr(c.name) for c in columns)
