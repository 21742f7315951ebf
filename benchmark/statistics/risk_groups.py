"""Two groups by the median of out-of-fold risks: Kaplan-Meier curves, log-rank test, hazard ratio.

Descriptive: how far apart the halves lie that a model makes. It does not test one model against another, and a cut at
the median throws away most of what a risk says.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.bootstrap import BLOCK_NUMBERS
from survbench.statistics.checks import one_risk, outcomes, positive, rows_of_folds

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Curve:
    """Kaplan and Meier's estimate as steps, with a pointwise log-log interval."""

    time: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskGroups:
    """Patients above the median risk of their fold against the others. Where more than half of a fold share the highest
    risk, as a marker of two values can have it, they are the group above.

    Attributes:
        is_high: shape (n,).
        low_risk: curve of those at or below the median.
        high_risk: curve of the others.
        chi2: log-rank statistic, stratified by fold.
        p: its p by permutation of the groups within folds; floor 1 / (permutations + 1).
        hazard_ratio: of the high-risk group, from a Cox model stratified by fold (Efron's ties).
        hazard_ratio_low: 95 % Wald interval.
        hazard_ratio_high: its other end.
        reason: why there is no test, or no hazard ratio.
    """

    is_high: Flags
    low_risk: Curve
    high_risk: Curve
    chi2: float
    p: float
    hazard_ratio: float
    hazard_ratio_low: float
    hazard_ratio_high: float
    reason: str = ""


def risk_groups(
    time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike, *, permutations: int = 1000, seed: int = 0
) -> RiskGroups:
    """Split patients at the median risk of their fold and compare the halves.

    Args:
        time: positive, shape (n,).
        event: shape (n,).
        fold: shape (n,); risks of different folds are not on one scale, so each fold has its own median and stratum.
        risk: out-of-fold, shape (n,).
        permutations: of the log-rank test.
        seed: of the permutations.

    Raises:
        ValueError: the arrays are not survival data; see :mod:`survbench.statistics.checks`.
    """
    t, e = outcomes(time, event)
    r, folds, strata = one_risk(risk, len(positive(t))), np.asarray(fold), rows_of_folds(fold, len(t))
    is_high = np.zeros(len(t), dtype=bool)
    for rows in strata:
        median, highest = np.median(r[rows]), r[rows].max()
        is_high[rows] = r[rows] > median if median < highest else (r[rows] == highest) & (r[rows].min() < highest)
    chi2, p, reason = _log_rank(t, e, is_high, strata, permutations, seed)
    ratio, low, high, no_ratio = (NAN, NAN, NAN, reason) if reason else _hazard_ratio(t, e, is_high, folds)
    return RiskGroups(
        is_high=is_high,
        low_risk=_curve(t[~is_high], e[~is_high]),
        high_risk=_curve(t[is_high], e[is_high]),
        chi2=chi2,
        p=p,
        hazard_ratio=ratio,
        hazard_ratio_low=low,
        hazard_ratio_high=high,
        reason=no_ratio,
    )


def _log_rank(
    time: Floats, event: Flags, is_high: Flags, strata: list[NDArray[np.intp]], permutations: int, seed: int
) -> tuple[float, float, str]:
    """Return the stratified log-rank statistic, its permutation p, and why there is none.

    Observed minus expected events of a group are the sum of its patients' martingale residuals, so a permutation of
    the groups costs one sum.
    """
    residual, variance = np.zeros(len(time)), 0.0
    for rows in strata:
        residual[rows] = _martingale_residuals(time[rows], event[rows])
        variance += _log_rank_variance(time[rows], event[rows], is_high[rows])
    if variance == 0:
        return NAN, NAN, "no event at which both groups are at risk"
    observed = float(residual[is_high].sum())
    rng = np.random.default_rng(seed)
    drawn = np.zeros(permutations)
    for rows in strata:
        block = max(1, BLOCK_NUMBERS // len(rows))
        for start in range(0, permutations, block):
            high = np.tile(is_high[rows], (min(block, permutations - start), 1))
            drawn[start : start + block] += rng.permuted(high, axis=1) @ residual[rows]
    # sums of the same numbers in another order differ in their last bits
    p = (int((np.abs(drawn) >= abs(observed) - 1e-9).sum()) + 1) / (permutations + 1)
    return observed**2 / variance, p, ""


def _martingale_residuals(time: Floats, event: Flags) -> Floats:
    at, deaths, at_risk, _ = _event_table(time, event, np.zeros(len(time), dtype=bool))
    hazard = np.concatenate([[0.0], np.cumsum(deaths / at_risk)])
    residuals: Floats = event - hazard[np.searchsorted(at, time, side="right")]
    return residuals


def _log_rank_variance(time: Floats, event: Flags, is_high: Flags) -> float:
    _, deaths, at_risk, high = _event_table(time, event, is_high)
    share = high / at_risk
    return float((deaths * share * (1 - share) * (at_risk - deaths) / np.maximum(at_risk - 1, 1)).sum())


def _event_table(time: Floats, event: Flags, is_high: Flags) -> tuple[Floats, Floats, Floats, Floats]:
    """Return event times with events, patients at risk, and those of them in the group."""
    at, deaths = np.unique(time[event], return_counts=True)
    ordered, ordered_high = np.sort(time), np.sort(time[is_high])
    at_risk = len(ordered) - np.searchsorted(ordered, at, side="left")
    high = len(ordered_high) - np.searchsorted(ordered_high, at, side="left")
    return at, deaths.astype(np.float64), at_risk.astype(np.float64), high.astype(np.float64)


def _hazard_ratio(
    time: Floats, event: Flags, is_high: Flags, fold: NDArray[np.generic]
) -> tuple[float, float, float, str]:
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    if not event[is_high].any() or not event[~is_high].any():
        return NAN, NAN, NAN, "one group has no event: the hazard ratio has no finite estimate"
    table = pd.DataFrame({"time": time, "event": event, "high": is_high.astype(float), "fold": fold})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            fitted = CoxPHFitter().fit(table, "time", "event", strata=["fold"])
    except (ConvergenceError, ConvergenceWarning):
        return NAN, NAN, NAN, "the groups' event times do not overlap: the hazard ratio has no finite estimate"
    row = fitted.summary.loc["high"]
    return float(row["exp(coef)"]), float(row["exp(coef) lower 95%"]), float(row["exp(coef) upper 95%"]), ""


def _curve(time: Floats, event: Flags) -> Curve:
    from sksurv.nonparametric import kaplan_meier_estimator

    if not event.any():
        # scikit-survival refuses to estimate without events: the curve stays at 1
        end = (float(time.max()),) if len(time) else ()
        return Curve(end, *([(1.0,) * len(end)] * 3))
    at, survival, (low, high) = kaplan_meier_estimator(event, time, conf_type="log-log")
    return Curve(*(tuple(values.tolist()) for values in (at, survival, low, high)))
