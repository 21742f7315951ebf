"""Describe a cohort without individual data: counts, medians, follow-up, and each clinical column's hazard ratios."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.cards.card import Clinical
from survbench.datasets.cards.source import SourceCohort
from survbench.plan.patient_description import Level, LevelsColumn, NumericColumn, PatientsDescription, Spread, Term

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Value = float | str | None


def describe_patients(source: SourceCohort) -> PatientsDescription:
    """Return the patients' characteristics for a table. A median or limit that a curve does not reach is None."""
    cohort = source.cohort.select(sorted(source.cohort.ids))
    return PatientsDescription(
        patients=len(cohort),
        events=int(cohort.event.sum()),
        follow_up=_follow_up(cohort.time, cohort.event),
        columns=tuple(
            _column(column, [s.clinical.get(column.name) for s in cohort.subjects], cohort.time, cohort.event)
            for column in source.card.clinical
        ),
    )


def _follow_up(time: Floats, event: Flags) -> Spread:
    from lifelines import KaplanMeierFitter
    from lifelines.utils import median_survival_times

    with _quiet():
        fitted = KaplanMeierFitter().fit(time, ~event)
        low, high = median_survival_times(fitted.confidence_interval_).iloc[0]
    return Spread(median=_rounded(fitted.median_survival_time_), low=_rounded(low), high=_rounded(high))


def _column(column: Clinical, values: Sequence[Value], time: Floats, event: Flags) -> NumericColumn | LevelsColumn:
    known = np.array([v is not None for v in values])
    present = [v for v in values if v is not None]
    missing = int((~known).sum())
    t, e = time[known], event[known]
    if column.kind == "numeric":
        numbers = np.array(present, dtype=np.float64)
        median, low, high = (np.median(numbers), numbers.min(), numbers.max()) if present else (np.nan,) * 3
        return NumericColumn(
            name=column.name,
            kind=column.kind,
            missing=missing,
            median=_rounded(median),
            low=_rounded(low),
            high=_rounded(high),
            terms=(_term("", _numeric_ratio(numbers, t, e)),),
        )
    labels = np.array(present, dtype=str)
    occurring = [level for level in column.levels if (labels == level).any()]
    return LevelsColumn(
        name=column.name,
        kind=column.kind,
        missing=missing,
        levels=tuple(
            Level(level=v, patients=int((labels == v).sum()), events=int(e[labels == v].sum())) for v in occurring
        ),
        terms=_level_terms(labels, occurring, t, e),
    )


def _numeric_ratio(values: Floats, time: Floats, event: Flags) -> Mapping[str, float] | str:
    if not event.any():
        return "no event among patients with a known value"
    if np.ptp(values) == 0:
        return "all values are equal"
    found = _cox({"x": values}, time, event)
    return found if isinstance(found, str) else found["x"]


def _level_terms(labels: NDArray[np.str_], levels: Sequence[str], time: Floats, event: Flags) -> tuple[Term, ...]:
    """Compare every level with the first. A level without events has an estimated hazard ratio of 0, at which its
    patients drop out of every risk set; therefore the other levels are fitted without them.
    """
    first, *others = levels or ("",)
    with_events = [v for v in levels if event[labels == v].any()]
    if others and first not in with_events:
        return tuple(_term(v, f"no event in {first}, the reference level") for v in others)
    fitted = [v for v in others if v in with_events]
    rows = np.isin(labels, with_events)
    columns = {v: (labels[rows] == v).astype(np.float64) for v in fitted}
    found = _cox(columns, time[rows], event[rows]) if fitted else {}
    by_level = {v: found if isinstance(found, str) else found[v] for v in fitted}
    return tuple(_term(v, by_level.get(v, f"no event in {v}")) for v in others)


def _cox(columns: Mapping[str, Floats], time: Floats, event: Flags) -> dict[str, dict[str, float]] | str:
    """Return hazard ratio, interval and p value of each column of a Cox model (Efron's ties), or why it has none."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    table = pd.DataFrame({f"x{n}": values for n, values in enumerate(columns.values())})
    table = table.assign(time=time, event=event)
    with _quiet():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            summary = CoxPHFitter().fit(table, "time", "event").summary
        except (ConvergenceError, ConvergenceWarning):
            return "the fit does not converge"
    heads = {"hazard_ratio": "exp(coef)", "low": "exp(coef) lower 95%", "high": "exp(coef) upper 95%", "p": "p"}
    return {
        name: {key: float(summary.loc[f"x{n}", head]) for key, head in heads.items()} for n, name in enumerate(columns)
    }


def _term(level: str, found: Mapping[str, float] | str) -> Term:
    if isinstance(found, str):
        return Term(level=level, reason=found)
    ratio, low, high, p = (_rounded(found[key]) for key in ("hazard_ratio", "low", "high", "p"))
    return Term(level=level, hazard_ratio=ratio, low=low, high=high, p=p)


def _quiet() -> warnings.catch_warnings[None]:
    """Silence lifelines' warnings about pandas."""
    return warnings.catch_warnings(action="ignore")


def _rounded(value: Any) -> float | None:
    """Return a number rounded to six significant digits, so that it is equal on all machines; None if not finite."""
    return float(f"{float(value):.6g}") if np.isfinite(value) else None
