"""Checks of predictors that hold the outcome: in their values, or by what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck
from survbench.datasets.checks.outcome import FIRST_YEAR, LAST_YEAR
from survbench.datasets.vocabulary import words as w
from survbench.datasets.vocabulary.events import coding
from survbench.datasets.vocabulary.outcomes import called_like_outcome
from survbench.datasets.vocabulary.words import means_missing
from survbench.findings import Finding

SAME = 0.995
"""A column whose ``|Spearman's rho|`` with the time or the event reaches this repeats the outcome."""
CENSORED, EVENTS = 0.7, 0.5
"""What the lower confidence bound of ``|rho|`` with the time must reach among the censored, and with events."""
NAMED = 0.3
"""The same for both, of a column that is named like an outcome."""
NAMED_EVENT = 0.5
"""``|rho|`` with the event from which a column of two values that is named like an outcome is taken for one."""
BLANK = 0.9
"""``|rho|`` with the event from which a column's blank cells tell it."""
AFTERWARDS = 0.65
"""``|rho|`` of a column of two values with an event from which it seems to be known afterwards."""
DEVIATIONS = 3.3
"""Of a correlation after Fisher's transformation, for the lower confidence bound."""
FEWEST_OF_A_KIND = 5
"""Events, and censored patients, below which a column that separates them may do so by chance."""
FEWEST = 8
"""Patients below which a correlation may be chance."""
APART, UNORDERED = 0.99, 0.4
"""AUC of a column by which it separates events from censored patients, and ``|rho|`` with the time of the events up to
which it cannot be a marker: one as good as that would order them, too. Of 34,000 simulated cohorts with an honest
marker of C 0.83 to 0.97, closed at one time or at random, none was taken for a leak.
"""
FEWEST_SEPARATED = (20, 10)
"""Events and censored patients without which they may be separated by chance."""
MOST_LEVELS = 6
"""Different values of a column that may be codes."""
MORE_THAN_LEVELS = 10
"""Patients beyond their number that must agree."""
BLOCK = 500
"""Columns that are ranked at once: more would take memory and save no time."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A column that methods get.

    Attributes:
        kind: how a sentence begins.
        name: of the column in the table.
        values: numbers, shape (n,), NaN where missing.
        remedy: how to leave it out.
        key: its name for methods, and the level of a categorical column; the same in an external cohort.
    """

    kind: str
    name: str
    values: Floats
    remedy: str
    key: tuple[str, str]


def predictors(source: SourceCohort) -> Iterator[Predictor]:
    """Yield the features and the clinical columns that methods get, each level of a categorical column on its own."""
    cohort = source.cohort
    if cohort.features is not None:
        remedy = "Name it in features.exclude."
        for name, column in zip(cohort.features.names, cohort.features.values.T, strict=True):
            yield Predictor("Feature", name, column, remedy, (name, ""))
    for declared in source.card.clinical:
        if not declared.model:
            continue
        cells = [s.clinical.get(declared.name) for s in cohort.subjects]
        for level, values in _numbers(declared.kind, declared.levels, cells):
            key = declared.name, level
            yield Predictor("Clinical column", declared.column, values, "Set model: false for it.", key)


def _numbers(kind: str, levels: Sequence[str], cells: Sequence[float | str | None]) -> list[tuple[str, Floats]]:
    """Return the values of a column; of a categorical one those of each level, with the level."""
    if kind == "numeric":
        return [("", np.array([np.nan if c is None else c for c in cells], dtype=np.float64))]
    if kind == "ordinal":
        return [("", np.array([np.nan if c is None else levels.index(str(c)) for c in cells], dtype=np.float64))]
    return [(v, np.array([np.nan if c is None else c == v for c in cells], dtype=np.float64)) for v in levels]


class TellsOutcome(CohortCheck):
    """A feature or a clinical column repeats the outcome, or another endpoint.

    It orders patients as the time or the event does, or it follows the time even in *censored* patients. No marker of
    risk can do that, because nothing about a patient but the time itself says when follow-up ended. A column of a few
    codes, such as causes of death with 0 for the living, reveals the event if each code occurs in one kind of patient
    only. So do numbers that separate the two kinds (AUC 0.99) but do not order the events (rho up to 0.4), and a column
    that has a value only where the event was seen.
    """

    code = "SB306"
    severity = "error"
    part = "predictors"
    title = "A predictor repeats the outcome"
    remedy = "It is the outcome, not a predictor: set model: false for it, or name it in features.exclude."
    ignorable = True

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        found = list(predictors(source))
        reasons = zip(found, _reasons(found, source.cohort), strict=True)
        # the blank cells of a column are those of each of its levels
        for kind, name, reason, remedy in dict.fromkeys((p.kind, p.name, why, p.remedy) for p, why in reasons if why):
            yield self.finding(f"{kind} {name!r} {reason}.", remedy=f"It is the outcome, not a predictor. {remedy}")


class CalledLikeOutcome(CohortCheck):
    """The name of a feature or of a clinical column that methods get suggests what became of the patients: survival,
    death, recurrence, follow-up, status, or an endpoint such as PFS. What is known only afterwards cannot be a
    predictor.
    """

    code = "SB312"
    severity = "warning"
    part = "predictors"
    title = "A predictor is named like an outcome"
    remedy = "If it is not known at baseline, set model: false for it, or name it in features.exclude."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        named = [p for p in predictors(source) if called_like_outcome(p.name) and not _of_calendar(p)]
        told = {p.name for p, why in zip(named, _reasons(named, source.cohort), strict=True) if why}
        for p in {p.name: p for p in named if p.name not in told}.values():
            yield self.finding(f"{p.kind} {p.name!r} is named like an outcome.", remedy=_at_baseline(p))


class KnownAfterwards(CohortCheck):
    """A feature or a clinical column that methods get follows an event: it, or one of its values, occurs almost only
    where the event was seen, as palliative care does if it begins near the end.

    The event is that of the endpoint or of another endpoint in the table: a column that is named like one and whose
    codes say who had it. A salvage operation that is blank unless the tumour came back reveals survival, too.
    """

    code = "SB314"
    severity = "warning"
    part = "predictors"
    title = "A predictor seems to be known only after an event"
    remedy = "If it is not known at baseline, set model: false for it, or name it in features.exclude."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        events = _events(source)
        told: set[str] = set()
        for p in predictors(source):
            found = next((what for name, event in events.items() if (what := _follows(p.values, name, event))), "")
            if not found or p.name in told or called_like_outcome(p.name) or any(_reasons([p], source.cohort)):
                continue
            told.add(p.name)
            yield self.finding(f"{p.kind} {p.name!r} {found}.", remedy=_at_baseline(p))


def blank_by_events(source: SourceCohort) -> set[str]:
    """Return the predictors that have a value almost only where an event was seen, or where it was not."""
    events = _events(source).values()
    return {p.name for p in predictors(source) if any(_known(p.values, event) for event in events)}


def _at_baseline(p: Predictor) -> str:
    return f"Is it known at baseline? If not, {p.remedy[0].lower()}{p.remedy[1:]}"


def _events(source: SourceCohort) -> dict[str, Floats]:
    """Return who had the event of each endpoint that the table has, by its column; NaN where that is not known."""
    card, table, ids = source.card, source.table, source.cohort.ids
    events = {card.endpoint.event: source.cohort.event.astype(np.float64)}
    if table is None or card.id not in table.columns:
        return events
    for column in table.columns:
        if column in card.other_roles or not called_like_outcome(column):
            continue
        cells = {row.cells[card.id]: row.cells[column] for row in table.rows}
        known = [cell for cell in cells.values() if cell and not means_missing(cell)]
        codes = coding(column, known, None) if 1 < len(set(known)) <= MOST_LEVELS else None
        if codes is not None and codes.clear:
            value = dict.fromkeys(codes.observed, 1.0) | dict.fromkeys(codes.censored, 0.0)
            events[column] = np.array([value.get(cells.get(i, ""), np.nan) for i in ids])
    return events


def _follows(values: Floats, name: str, event: Floats) -> str:
    """Return how a predictor follows an event, or ""."""
    if who := _known(values, event):
        return f"has a value almost only in patients {who} the event of {name!r}"
    both = np.isfinite(values) & np.isfinite(event)
    x, seen = values[both], event[both]
    if len(np.unique(x)) == 2 and min(seen.sum(), (1 - seen).sum()) >= FEWEST_OF_A_KIND:
        rho = _rho(x, seen)
        if abs(rho) >= AFTERWARDS:
            return f"follows the event of {name!r} (Spearman's rho {rho:.2f})"
    return ""


def _of_calendar(p: Predictor) -> bool:
    """Say whether a column holds calendar years and is called like nothing else, as ``yr`` of the diagnosis."""
    known = p.values[np.isfinite(p.values)]
    years = len(known) > 0 and bool(((known >= FIRST_YEAR) & (known <= LAST_YEAR) & (known == np.round(known))).all())
    rest = [word for word in w.tokens(p.name) if not w.is_word(word, w.UNITS["years"])]
    return years and not called_like_outcome(" ".join(rest))


def _reasons(found: Sequence[Predictor], cohort: Cohort) -> list[str]:
    """Return how predictors tell the outcome, by their values or by where they have none; "" for those that do not."""
    reasons = []
    for start in range(0, len(found), BLOCK):
        block = found[start : start + BLOCK]
        rhos = _with_outcome(np.column_stack([p.values for p in block]), cohort)
        reasons += [_reason(p, cohort, rho) for p, rho in zip(block, rhos, strict=True)]
    return reasons


@dataclass(frozen=True, slots=True)
class _Rhos:
    """Spearman's rho of a column with the time and with the event, and with the time among the censored and among those
    with events.
    """

    time: float
    event: float
    censored: float
    ended: float


def _with_outcome(values: Floats, cohort: Cohort) -> list[_Rhos]:
    """Return the correlations of columns, shape (n, columns), with the outcome."""
    time, event = cohort.time, cohort.event
    parts = (
        rank_correlations(values, time),
        rank_correlations(values, event.astype(np.float64)),
        rank_correlations(values[~event], time[~event]),
        rank_correlations(values[event], time[event]),
    )
    return [_Rhos(*map(float, of_column)) for of_column in zip(*parts, strict=True)]


def _reason(p: Predictor, cohort: Cohort, rho: _Rhos) -> str:
    by_values = _tells(p.values, cohort, rho, named=called_like_outcome(p.name))
    who = _known(p.values, cohort.event.astype(np.float64))
    if by_values or not who:
        return by_values
    return f"has a value almost only in patients {who} the event"


def _tells(values: Floats, cohort: Cohort, rho: _Rhos, *, named: bool) -> str:
    """Return how a column tells the outcome, or ""."""
    known = np.isfinite(values)
    x, event = values[known], cohort.event[known]
    if len(x) < FEWEST or np.ptp(x) == 0:
        return ""
    of_ended, of_censored = int(event.sum()), int((~event).sum())
    enough = named or min(of_ended, of_censored) >= FEWEST_OF_A_KIND
    if enough and abs(rho.event) >= (NAMED_EVENT if named and len(np.unique(x)) == 2 else SAME):
        how = "the event with the codes reversed" if rho.event < 0 else "the event"
        return f"reveals {how} (Spearman's rho {rho.event:.3f})"
    if enough and (kinds := _kinds(x, cohort.time[known], event)):
        return kinds
    if abs(rho.time) >= SAME:
        return f"ranks patients in the same order as the survival time (Spearman's rho {rho.time:.3f})"
    if _knows_time(rho.censored, of_censored, rho.ended, of_ended, rho.time, named=named):
        return (
            f"follows the endpoint's time, even in censored patients (Spearman's rho {rho.time:.2f}, among the "
            f"censored {rho.censored:.2f})"
        )
    return ""


def _kinds(x: Floats, time: Floats, event: NDArray[np.bool_]) -> str:
    """Return how a column tells the two kinds of patients apart, or ""."""
    if _codes_tell(x, event):
        return "reveals the event: each of its values occurs with the event alone, or in censored patients alone"
    if _separates(x, time, event):
        return "separates patients with the event from the censored, but says nothing of when it came"
    return ""


def _codes_tell(x: Floats, event: NDArray[np.bool_]) -> bool:
    """Say whether a column holds codes, such as causes of death, each of which is found with the event alone or without
    it alone, in more patients than chance allows.
    """
    levels = np.unique(x)
    if event.all() or not event.any():
        return False  # of one kind of outcome each value is found with it alone
    if len(levels) > MOST_LEVELS or len(x) - len(levels) < MORE_THAN_LEVELS:
        return False
    return all(len(np.unique(event[x == level])) == 1 for level in levels)


def _known(values: Floats, event: Floats) -> str:
    """Return in which patients alone a value is known, if the event decides that, as for a cause of death; else ""."""
    there = np.isfinite(event)
    known, seen = np.isfinite(values[there]), event[there]
    if min(known.sum(), (~known).sum(), seen.sum(), (1 - seen).sum()) < FEWEST_OF_A_KIND:
        return ""
    rho = float(np.corrcoef(known, seen)[0, 1])  # of two values, Spearman's is Pearson's
    return "" if abs(rho) < BLANK else "with" if rho > 0 else "without"


def _separates(x: Floats, time: Floats, event: NDArray[np.bool_]) -> bool:
    """Say whether a column separates the events from the censored, but does not order the events as a marker does."""
    from scipy.stats import rankdata

    events, censored = int(event.sum()), int((~event).sum())
    if events < FEWEST_SEPARATED[0] or censored < FEWEST_SEPARATED[1] or len(np.unique(x)) <= MOST_LEVELS:
        return False
    above = (rankdata(x)[event].sum() - events * (events + 1) / 2) / (events * censored)
    return bool(max(above, 1 - above) >= APART and abs(_rho(x[event], time[event])) <= UNORDERED)


def _knows_time(censored: float, of_censored: int, ended: float, of_ended: int, whole: float, *, named: bool) -> bool:
    if of_censored < FEWEST:
        return named and of_ended >= FEWEST and _lower(ended, of_ended) >= CENSORED
    apart = _lower(censored, of_censored)
    if of_ended < FEWEST:  # too few to be asked apart: the year of diagnosis, too, says when patients were censored
        return named and apart >= NAMED and abs(whole) >= 0.9
    both = censored * ended > 0
    return both and apart >= (NAMED if named else CENSORED) and _lower(ended, of_ended) >= (NAMED if named else EVENTS)


def _lower(rho: float, patients: int) -> float:
    """Return the lower confidence bound of ``|rho|``."""
    z = np.arctanh(min(abs(rho), 0.999999)) - DEVIATIONS / np.sqrt(patients - 3)
    return float(np.tanh(z))


def _rho(a: Floats, b: Floats) -> float:
    """Return Spearman's rho; 0 where one side is constant or there are too few patients."""
    return float(rank_correlations(a[:, None], b)[0])


def rank_correlations(columns: Floats, other: Floats) -> Floats:
    """Return Spearman's rho of columns, shape (n, columns) and NaN where missing, with another, shape (n,); 0 where one
    side is constant or there are too few patients.
    """
    from scipy.stats import rankdata

    x, y = columns.T, other[None]
    known = np.isfinite(x)
    count = known.sum(axis=1, keepdims=True)
    if not known.all():  # what is missing ranks last, and then counts for nothing
        x, y = (np.where(known, side, np.inf) for side in (x, y))
    x, y = (np.where(known, rankdata(side, axis=1) - (count + 1) / 2, 0.0) for side in (x, y))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    usable = (count[:, 0] >= FEWEST) & (scale > 0)
    return np.asarray(np.where(usable, (x * y).sum(axis=1) / np.where(usable, scale, 1.0), 0.0))
