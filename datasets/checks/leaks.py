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
from survbench.datasets.vocabulary.outcomes import called_like_outcome
from survbench.findings import Finding

SAME = 0.995
"""A column whose ``|Spearman's rho|`` with the time or the event reaches this is the outcome in other words."""
CENSORED, EVENTS = 0.7, 0.5
"""What the lower confidence bound of ``|rho|`` with the time must reach among the censored, and with events."""
NAMED = 0.3
"""The same for both, of a column that is called like an outcome."""
NAMED_EVENT = 0.5
"""``|rho|`` with the event from which a column of two values that is called like an outcome is taken for one."""
BLANK = 0.9
"""``|rho|`` with the event from which a column's blank cells tell it."""
DEVIATIONS = 3.3
"""Of a correlation after Fisher's transformation, for the lower confidence bound."""
FEWEST_OF_A_KIND = 5
"""Events, and censored patients, below which a column that separates them may do so by chance."""
FEWEST = 8
"""Patients below which a correlation may be chance."""
APART, UNORDERED = 0.99, 0.4
"""AUC of a column by which it separates events from censored patients, and ``|rho|`` with the time of the events up to
which it is no marker: one that is as good would order them, too. Of 34,000 simulated cohorts with an honest marker of
C 0.83 to 0.97, closed at one time or at random, none was taken for a leak.
"""
FEWEST_SEPARATED = (20, 10)
"""Events and censored patients without which they may be separated by chance."""
MOST_LEVELS = 6
"""Different values of a column that may be codes."""
MORE_THAN_LEVELS = 10
"""Patients beyond their number that must agree."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A column that methods get, as numbers (NaN: missing), shape (n,); ``kind`` is how a sentence begins."""

    kind: str
    name: str
    values: Floats
    remedy: str


def predictors(source: SourceCohort) -> Iterator[Predictor]:
    """Yield the features and the clinical columns that methods get, each level of a categorical column on its own."""
    cohort = source.cohort
    if cohort.features is not None:
        remedy = "Name it in features.exclude."
        for name, column in zip(cohort.features.names, cohort.features.values.T, strict=True):
            yield Predictor("Feature", name, column, remedy)
    for declared in source.card.clinical:
        if not declared.model:
            continue
        cells = [s.clinical.get(declared.name) for s in cohort.subjects]
        for values in _numbers(declared.kind, declared.levels, cells):
            yield Predictor("Clinical column", declared.column, values, "Set model: false for it.")


def _numbers(kind: str, levels: Sequence[str], cells: Sequence[float | str | None]) -> list[Floats]:
    if kind == "numeric":
        return [np.array([np.nan if c is None else c for c in cells], dtype=np.float64)]
    if kind == "ordinal":
        return [np.array([np.nan if c is None else levels.index(str(c)) for c in cells], dtype=np.float64)]
    return [np.array([np.nan if c is None else c == v for c in cells], dtype=np.float64) for v in levels]


class TellsOutcome(CohortCheck):
    """A feature or a clinical column is the outcome, or another endpoint, in other words.

    It orders patients as the time or the event does, or it knows when patients were *censored*: a marker of risk
    cannot, however good it is, as nothing of a patient but the time itself says when looking ended. So its rank
    correlation with the time is taken among the censored and among those with events apart, and both must be high
    with the same sign: their lower confidence bounds (Fisher, 3.3 standard errors) above 0.7 and 0.5. Of 28,000
    simulated cohorts of 60 to 300 patients with an honest marker of C 0.90 to 0.98, 5 reached that, and of 3,000 with
    the year of diagnosis none. A column that is called like an outcome needs 0.3 for both. A column of a few codes,
    such as causes of death with 0 for the living, tells the event if each code stands for one kind of patient; numbers
    that separate the two kinds (AUC 0.99) and do not order the events (rho up to 0.4) tell it, too; and a column that
    has a value only where the event was seen tells it by its blank cells.
    """

    code = "SB306"
    severity = "error"
    part = "predictors"
    title = "A predictor is the outcome in other words"
    ignorable = True

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        # the blank cells of a column are those of each of its levels
        for kind, name, reason, remedy in dict.fromkeys(
            (p.kind, p.name, reason, p.remedy) for p in predictors(source) if (reason := _reason(p, source.cohort))
        ):
            yield self.finding(f"{kind} {name!r} {reason}.", remedy=f"It is the outcome, not a predictor. {remedy}")


class CalledLikeOutcome(CohortCheck):
    """A feature or a clinical column that methods get is called after what became of the patients: survival, death,
    recurrence, follow-up, status, or an endpoint such as PFS. What is known only afterwards is no predictor.
    """

    code = "SB312"
    severity = "warning"
    part = "predictors"
    title = "A predictor is called like an outcome"

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        named = [p for p in predictors(source) if called_like_outcome(p.name) and not _of_calendar(p)]
        told = {p.name for p in named if _reason(p, source.cohort)}
        for p in {p.name: p for p in named if p.name not in told}.values():
            yield self.finding(
                f"{p.kind} {p.name!r} is called like an outcome.", remedy=f"Is it known at baseline? If not: {p.remedy}"
            )


def _of_calendar(p: Predictor) -> bool:
    """Say whether a column holds calendar years and is called like nothing else, as ``yr`` of the diagnosis."""
    known = p.values[np.isfinite(p.values)]
    years = len(known) > 0 and bool(((known >= FIRST_YEAR) & (known <= LAST_YEAR) & (known == np.round(known))).all())
    rest = [word for word in w.tokens(p.name) if not w.is_word(word, w.UNITS["years"])]
    return years and not called_like_outcome(" ".join(rest))


def _reason(p: Predictor, cohort: Cohort) -> str:
    """Return how a predictor tells the outcome, by its values or by where it has none; "" where it does not."""
    by_values = _tells(p.values, cohort, named=called_like_outcome(p.name))
    if by_values or not _blank_tells(p.values, cohort):
        return by_values
    return "has a value almost only where the event was seen, or almost only where it was not"


def _tells(values: Floats, cohort: Cohort, *, named: bool) -> str:
    """Return how a column tells the outcome, or ""."""
    known = np.isfinite(values)
    x, time, event = values[known], cohort.time[known], cohort.event[known]
    if len(x) < FEWEST or np.ptp(x) == 0:
        return ""
    with_time, with_event = _rho(x, time), _rho(x, event.astype(np.float64))
    two = len(np.unique(x)) == 2
    enough = named or min(int(event.sum()), int((~event).sum())) >= FEWEST_OF_A_KIND
    if enough and abs(with_event) >= (NAMED_EVENT if named and two else SAME):
        how = "the event the other way round" if with_event < 0 else "the event"
        return f"tells {how} (Spearman's rho {with_event:.3f})"
    if enough and (kinds := _kinds(x, time, event)):
        return kinds
    if abs(with_time) >= SAME:
        return f"orders patients as the endpoint's time does (Spearman's rho {with_time:.3f})"
    censored, ended = _rho(x[~event], time[~event]), _rho(x[event], time[event])
    if _knows_time(censored, int((~event).sum()), ended, int(event.sum()), with_time, named=named):
        return (
            f"knows the endpoint's time, even when patients were censored (Spearman's rho {with_time:.2f}, among the "
            f"censored {censored:.2f})"
        )
    return ""


def _kinds(x: Floats, time: Floats, event: NDArray[np.bool_]) -> str:
    """Return how a column tells the two kinds of patients apart, or ""."""
    if _codes_tell(x, event):
        return "tells the event: each of its values stands for patients with it alone, or for censored patients alone"
    if _separates(x, time, event):
        return "separates those with the event from the censored, and does not say when the event came"
    return ""


def _codes_tell(x: Floats, event: NDArray[np.bool_]) -> bool:
    """Say whether a column holds codes, such as causes of death, each of which is found with the event alone or without
    it alone, in more patients than chance allows.
    """
    levels = np.unique(x)
    if len(levels) > MOST_LEVELS or len(x) - len(levels) < MORE_THAN_LEVELS:
        return False
    return all(len(np.unique(event[x == level])) == 1 for level in levels)


def _separates(x: Floats, time: Floats, event: NDArray[np.bool_]) -> bool:
    """Say whether a column separates the events from the censored, but does not order the events as a marker does."""
    from scipy.stats import rankdata

    events, censored = int(event.sum()), int((~event).sum())
    if events < FEWEST_SEPARATED[0] or censored < FEWEST_SEPARATED[1] or len(np.unique(x)) <= MOST_LEVELS:
        return False
    above = (rankdata(x)[event].sum() - events * (events + 1) / 2) / (events * censored)
    return bool(max(above, 1 - above) >= APART and abs(_rho(x[event], time[event])) <= UNORDERED)


def _blank_tells(values: Floats, cohort: Cohort) -> bool:
    """Say whether it is the event that decides in whom a value is known, as it does for a cause of death."""
    known = np.isfinite(values).astype(np.float64)
    return abs(_rho(known, cohort.event.astype(np.float64))) >= BLANK


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
    from scipy.stats import rankdata

    if len(a) < FEWEST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
