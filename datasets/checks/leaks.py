"""Checks for predictors that contain the outcome, judged by their values or names."""

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
from survbench.datasets.vocabulary.outcomes import named_like_outcome
from survbench.datasets.vocabulary.words import means_missing
from survbench.findings import Finding

SAME = 0.995
"""A column whose ``|Spearman's rho|`` with the time or the event reaches this value repeats the outcome."""
CENSORED, EVENTS = 0.7, 0.5
"""Smallest lower confidence bounds of ``|rho|`` with the time, among the censored and among events, for a leak."""
NAMED = 0.3
"""The same bound for both groups, for a column that is named like an outcome."""
NAMED_EVENT = 0.5
"""``|rho|`` with the event from which a two-valued column that is named like an outcome counts as one."""
BLANK = 0.9
"""``|rho|`` with the event from which the blank cells of a column reveal the event."""
AFTERWARDS = 0.65
"""``|rho|`` of a two-valued column with an event from which it seems to be known only afterwards."""
DEVIATIONS = 3.3
"""Number of standard errors, after Fisher's transformation, below a correlation for its lower confidence bound."""
FEWEST_OF_A_KIND = 5
"""Number of events, and of censored patients, below which a column may separate them by chance."""
FEWEST = 8
"""Number of patients below which a correlation may be chance."""
APART, UNORDERED = 0.99, 0.4
"""AUC from which a column separates events from censored patients, and largest ``|rho|`` with the time of events for
which it cannot be a marker: a marker that good would also order the events. Of 34,000 simulated cohorts with a true
marker of C 0.83 to 0.97 and administrative or random censoring, none was reported as a leak.
"""
FEWEST_SEPARATED = (20, 10)
"""Numbers of events and censored patients below which they may be separated by chance."""
MOST_LEVELS = 6
"""Largest number of distinct values in a column of codes."""
MORE_THAN_LEVELS = 10
"""Smallest excess of patients over distinct codes for the agreement to be more than chance."""
RANKED_CELLS = 2**18
"""Cells of columns that are ranked at once, which takes some ten times their memory; more would save no time."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A column that methods get.

    Attributes:
        kind: the column's kind as the first words of a sentence.
        name: the column's name in the table.
        values: numbers, shape (n,), NaN where missing.
        remedy: how to leave the column out.
        key: its name for methods, and the level of a categorical column; the same in an external cohort.
    """

    kind: str
    name: str
    values: Floats
    remedy: str
    key: tuple[str, str]


def predictors(source: SourceCohort) -> Iterator[Predictor]:
    """Yield the features and clinical columns that methods get; each level of a categorical column comes separately."""
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
    """Return the values of a column, paired with ""; for a categorical column one pair of a level and its indicator."""
    if kind == "numeric":
        return [("", np.array([np.nan if c is None else c for c in cells], dtype=np.float64))]
    if kind == "ordinal":
        return [("", np.array([np.nan if c is None else levels.index(str(c)) for c in cells], dtype=np.float64))]
    return [(v, np.array([np.nan if c is None else c == v for c in cells], dtype=np.float64)) for v in levels]


class TellsOutcome(CohortCheck):
    """A feature or a clinical column repeats the outcome, or another endpoint.

    It orders patients as the time or the event does, or it follows the time even in *censored* patients. No risk marker
    can do that, because nothing about a patient but the time itself says when follow-up ended. A column of a few codes,
    such as causes of death with 0 for the living, reveals the event if each code occurs in only one kind of patient. So
    do numbers that separate the two kinds (AUC 0.99) but do not order the events (rho up to 0.4), and a column that
    has a value only where the event was seen.
    """

    code = "SB306"
    severity = "error"
    part = "predictors"
    title = "A predictor repeats the outcome"
    remedy = "This is the outcome, not a predictor: set model: false for it, or name it in features.exclude."
    ignorable = True

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        found = list(predictors(source))
        reasons = zip(found, _reasons(found, source.cohort), strict=True)
        # a categorical column with blank cells has the same blank cells for each level
        for kind, name, reason, remedy in dict.fromkeys((p.kind, p.name, why, p.remedy) for p, why in reasons if why):
            yield self.finding(f"{kind} {name!r} {reason}.", remedy=f"This is the outcome, not a predictor. {remedy}")


class CalledLikeOutcome(CohortCheck):
    """The name of a feature or of a clinical column that methods get suggests an outcome: survival, death, recurrence,
    follow-up, status, or an endpoint such as PFS. A variable that is known only afterwards cannot be a predictor.
    """

    code = "SB312"
    severity = "warning"
    part = "predictors"
    title = "A predictor is named like an outcome"
    remedy = "If it is not known at baseline, set model: false for it, or name it in features.exclude."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        named = [p for p in predictors(source) if named_like_outcome(p.name) and not _is_calendar_year(p)]
        reported = {p.name for p, why in zip(named, _reasons(named, source.cohort), strict=True) if why}
        for p in {p.name: p for p in named if p.name not in reported}.values():
            yield self.finding(f"{p.kind} {p.name!r} is named like an outcome.", remedy=_at_baseline(p))


class KnownAfterwards(CohortCheck):
    """A feature or a clinical column that methods get follows an event: the column, or one of its values, occurs almost
    only where the event was seen, as palliative care does if it begins near the end.

    The event is that of the card's endpoint or of another endpoint in the table, that is, of a column that is named
    like an outcome and whose codes say who had the event. Salvage surgery that is blank unless the tumour recurred
    reveals survival, too.
    """

    code = "SB314"
    severity = "warning"
    part = "predictors"
    title = "A predictor seems to be known only after an event"
    remedy = "If it is not known at baseline, set model: false for it, or name it in features.exclude."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        events = _events(source)
        reported: set[str] = set()
        for p in predictors(source):
            found = next((what for name, event in events.items() if (what := _follows(p.values, name, event))), "")
            if not found or p.name in reported or named_like_outcome(p.name) or any(_reasons([p], source.cohort)):
                continue
            reported.add(p.name)
            yield self.finding(f"{p.kind} {p.name!r} {found}.", remedy=_at_baseline(p))


def blank_by_events(source: SourceCohort) -> set[str]:
    """Return the predictors that have a value almost only where an event was seen, or almost only where it was not."""
    events = _events(source).values()
    return {p.name for p in predictors(source) if any(_known_only(p.values, event) for event in events)}


def _at_baseline(p: Predictor) -> str:
    return f"Is it known at baseline? If not, {p.remedy[0].lower()}{p.remedy[1:]}"


def _events(source: SourceCohort) -> dict[str, Floats]:
    """Return who had the event of each endpoint in the table, by event column; NaN where that is not known."""
    card, table, ids = source.card, source.table, source.cohort.ids
    events = {card.endpoint.event: source.cohort.event.astype(np.float64)}
    if table is None or card.id not in table.columns:
        return events
    for column in table.columns:
        if column in card.other_roles or not named_like_outcome(column):
            continue
        cells = {row.cells[card.id]: row.cells[column] for row in table.rows}
        known = [cell for cell in cells.values() if cell and not means_missing(cell)]
        codes = coding(column, known, None) if 1 < len(set(known)) <= MOST_LEVELS else None
        if codes is not None and codes.clear:
            value = dict.fromkeys(codes.observed, 1.0) | dict.fromkeys(codes.censored, 0.0)
            events[column] = np.array([value.get(cells.get(i, ""), np.nan) for i in ids])
    return events


def _follows(values: Floats, name: str, event: Floats) -> str:
    """Return in words how a predictor follows an event, or ""."""
    if who := _known_only(values, event):
        return f"has a value almost only in patients {who} the event of {name!r}"
    both = np.isfinite(values) & np.isfinite(event)
    x, seen = values[both], event[both]
    if len(np.unique(x)) == 2 and min(seen.sum(), (1 - seen).sum()) >= FEWEST_OF_A_KIND:
        rho = _rho(x, seen)
        if abs(rho) >= AFTERWARDS:
            return f"follows the event of {name!r} (Spearman's rho {rho:.2f})"
    return ""


def _is_calendar_year(p: Predictor) -> bool:
    """Return whether a column holds calendar years and its name says nothing else, as ``yr`` for year of diagnosis."""
    known = p.values[np.isfinite(p.values)]
    years = len(known) > 0 and bool(((known >= FIRST_YEAR) & (known <= LAST_YEAR) & (known == np.round(known))).all())
    rest = [word for word in w.tokens(p.name) if not w.is_word(word, w.UNITS["years"])]
    return years and not named_like_outcome(" ".join(rest))


def _reasons(found: Sequence[Predictor], cohort: Cohort) -> list[str]:
    """Return how each predictor reveals the outcome, by its values or by its blank cells; "" if it does not."""
    reasons = []
    at_once = max(1, RANKED_CELLS // max(1, len(cohort)))
    for start in range(0, len(found), at_once):
        block = found[start : start + at_once]
        rhos = _outcome_correlations(np.column_stack([p.values for p in block]), cohort)
        reasons += [_reason(p, cohort, rho) for p, rho in zip(block, rhos, strict=True)]
    return reasons


@dataclass(frozen=True, slots=True)
class _Rhos:
    """Spearman's rho of a column with the time and with the event, and with the time among censored patients and among
    patients with the event (``ended``).
    """

    time: float
    event: float
    censored: float
    ended: float


def _outcome_correlations(values: Floats, cohort: Cohort) -> list[_Rhos]:
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
    by_values = _how_revealing(p.values, cohort, rho, named=named_like_outcome(p.name))
    who = _known_only(p.values, cohort.event.astype(np.float64))
    if by_values or not who:
        return by_values
    return f"has a value almost only in patients {who} the event"


def _how_revealing(values: Floats, cohort: Cohort, rho: _Rhos, *, named: bool) -> str:
    """Return in words how a column reveals the outcome, or ""."""
    known = np.isfinite(values)
    x, event = values[known], cohort.event[known]
    if len(x) < FEWEST or np.ptp(x) == 0:
        return ""
    n_events, n_censored = int(event.sum()), int((~event).sum())
    enough = named or min(n_events, n_censored) >= FEWEST_OF_A_KIND
    if enough and abs(rho.event) >= (NAMED_EVENT if named and len(np.unique(x)) == 2 else SAME):
        how = "the event with the codes reversed" if rho.event < 0 else "the event"
        return f"reveals {how} (Spearman's rho {rho.event:.3f})"
    if enough and (kinds := _kinds(x, cohort.time[known], event)):
        return kinds
    if abs(rho.time) >= SAME:
        return f"ranks patients in the same order as the survival time (Spearman's rho {rho.time:.3f})"
    if _follows_time(rho.censored, n_censored, rho.ended, n_events, rho.time, named=named):
        return (
            f"follows the endpoint's time, even in censored patients (Spearman's rho {rho.time:.2f}, among the "
            f"censored {rho.censored:.2f})"
        )
    return ""


def _kinds(x: Floats, time: Floats, event: NDArray[np.bool_]) -> str:
    """Return in words how a column separates patients with the event from censored patients, or ""."""
    if _codes_reveal(x, event):
        return "reveals the event: each of its values occurs only with the event, or only in censored patients"
    if _separates(x, time, event):
        return "separates patients with the event from censored patients, but does not order the events in time"
    return ""


def _codes_reveal(x: Floats, event: NDArray[np.bool_]) -> bool:
    """Return whether a column has codes, such as causes of death, that each occur only with the event or only without
    it, in more patients than expected by chance.
    """
    levels = np.unique(x)
    if event.all() or not event.any():
        return False  # with one kind of outcome, every value occurs with it alone
    if len(levels) > MOST_LEVELS or len(x) - len(levels) < MORE_THAN_LEVELS:
        return False
    return all(len(np.unique(event[x == level])) == 1 for level in levels)


def _known_only(values: Floats, event: Floats) -> str:
    """Return "with" or "without" if a value is known almost only with, or without, the event; otherwise ""."""
    there = np.isfinite(event)
    known, seen = np.isfinite(values[there]), event[there]
    if min(known.sum(), (~known).sum(), seen.sum(), (1 - seen).sum()) < FEWEST_OF_A_KIND:
        return ""
    rho = float(np.corrcoef(known, seen)[0, 1])  # for binary variables, Spearman's rho equals Pearson's
    return "" if abs(rho) < BLANK else "with" if rho > 0 else "without"


def _separates(x: Floats, time: Floats, event: NDArray[np.bool_]) -> bool:
    """Return whether a column separates events from censored patients without ordering the events as a marker would."""
    from scipy.stats import rankdata

    events, censored = int(event.sum()), int((~event).sum())
    if events < FEWEST_SEPARATED[0] or censored < FEWEST_SEPARATED[1] or len(np.unique(x)) <= MOST_LEVELS:
        return False
    above = (rankdata(x)[event].sum() - events * (events + 1) / 2) / (events * censored)
    return bool(max(above, 1 - above) >= APART and abs(_rho(x[event], time[event])) <= UNORDERED)


def _follows_time(censored: float, n_censored: int, ended: float, n_events: int, whole: float, *, named: bool) -> bool:
    if n_censored < FEWEST:
        return named and n_events >= FEWEST and _lower(ended, n_events) >= CENSORED
    apart = _lower(censored, n_censored)
    if n_events < FEWEST:  # too few to judge separately: the year of diagnosis also says when patients were censored
        return named and apart >= NAMED and abs(whole) >= 0.9
    both = censored * ended > 0
    return both and apart >= (NAMED if named else CENSORED) and _lower(ended, n_events) >= (NAMED if named else EVENTS)


def _lower(rho: float, patients: int) -> float:
    """Return the lower confidence bound of ``|rho|``."""
    z = np.arctanh(min(abs(rho), 0.999999)) - DEVIATIONS / np.sqrt(patients - 3)
    return float(np.tanh(z))


def _rho(a: Floats, b: Floats) -> float:
    """Return Spearman's rho; 0 if one side is constant or there are too few patients."""
    return float(rank_correlations(a[:, None], b)[0])


def rank_correlations(columns: Floats, other: Floats) -> Floats:
    """Return Spearman's rho between columns, shape (n, columns) with NaN where missing, and another column, shape (n,).

    The correlation is 0 if one side is constant or there are too few patients.
    """
    from scipy.stats import rankdata

    x, y = columns.T, other[None]
    known = np.isfinite(x)
    count = known.sum(axis=1, keepdims=True)
    if not known.all():  # missing values rank last and then get weight 0
        x, y = (np.where(known, side, np.inf) for side in (x, y))
    x, y = (np.where(known, rankdata(side, axis=1) - (count + 1) / 2, 0.0) for side in (x, y))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    usable = (count[:, 0] >= FEWEST) & (scale > 0)
    return np.asarray(np.where(usable, (x * y).sum(axis=1) / np.where(usable, scale, 1.0), 0.0))
