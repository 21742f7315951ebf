"""Metrics of risks and survival curves under censoring, from arrays. Imports nothing of ours but checks.

``time`` has shape (n,), ``event`` is boolean (n,), ``risk`` is higher for an earlier event; ``survival`` is the
predicted probability to be free of the event. Weights for censoring (IPCW) come from the censoring distribution of the
training fold. What legal data cannot give is NaN with a reason, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.checks import one_risk, outcomes, positive

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Score:
    """One number; NaN where the data do not give it, and ``reason`` says why."""

    value: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Survival times with event flags, for example those of a training fold.

    Raises:
        ValueError: lengths differ, a time is not finite or not positive, or an event is neither 0 nor 1.
    """

    time: Floats
    event: Flags

    def __post_init__(self) -> None:
        time, event = outcomes(self.time, self.event)
        object.__setattr__(self, "time", positive(time))
        object.__setattr__(self, "event", event)

    def structured(self) -> NDArray[Any]:
        """Return what scikit-survival takes."""
        from sksurv.util import Surv

        array: NDArray[Any] = Surv.from_arrays(self.event, self.time)
        return array


@dataclass(frozen=True, slots=True)
class DCalibration:
    """Chi-squared test that the predicted survival at patients' own times is uniform; ``bins`` holds shares of n."""

    statistic: float
    p: float
    bins: tuple[float, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predicted and observed risk of an event before a horizon, by groups of predicted risk from the lowest.

    ``observed`` is one minus Kaplan and Meier's estimate in the group, NaN where its follow-up ends before the horizon.
    ``ratio`` is observed over expected events of all patients, 1 for a model that is right on average; ``error`` the
    mean distance of the groups, weighted by their patients.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    patients: tuple[int, ...]
    ratio: float
    error: float
    reason: str = ""


def uno_c(train: Outcome, test: Outcome, risk: ArrayLike, *, tau: float) -> Score:
    """Return Uno's C: concordance up to ``tau``, weighted for censoring (Uno et al., Statistics in Medicine 30, 2011).

    The censoring distribution is taken at an event's own time, as scikit-survival does, and not just before it, as R
    does: where events and censored patients share times (months rounded to quarters), small folds differ by some 0.005.

    Args:
        train: outcomes of the training fold, for the censoring distribution.
        test: outcomes of the n patients with these risks.
        risk: shape (n,).
        tau: events at or after it do not count.
    """
    from sksurv.metrics import concordance_index_ipcw

    r = _ranks(risk, len(test.time))
    if not (test.event & (test.time < tau)).any():
        return Score(NAN, f"no event before tau = {tau:g}")
    return _score(lambda: concordance_index_ipcw(train.structured(), test.structured(), r, tau=tau)[0])


def dynamic_auc(train: Outcome, test: Outcome, risk: ArrayLike, horizons: Sequence[float]) -> tuple[Score, ...]:
    """Return the cumulative/dynamic area under the ROC curve at each horizon (Uno et al., JASA 102, 2007).

    Cases had the event by the horizon, controls live longer; what happens later plays no part.

    Args:
        train: outcomes of the training fold, for the censoring distribution.
        test: outcomes of the n patients with these risks.
        risk: shape (n,).
        horizons: times.
    """
    from sksurv.metrics import cumulative_dynamic_auc

    r = _ranks(risk, len(test.time))

    def at(horizon: float) -> Score:
        if not (test.event & (test.time <= horizon)).any():
            return Score(NAN, f"no event by {horizon:g}")
        if reason := _too_short(train, test, horizon):
            return Score(NAN, reason)
        cut = _cut(test, horizon)
        return _score(lambda: cumulative_dynamic_auc(train.structured(), cut.structured(), r, horizon)[0][0])

    return tuple(at(h) for h in horizons)


def brier(train: Outcome, test: Outcome, survival: ArrayLike, horizons: Sequence[float]) -> tuple[Score, ...]:
    """Return the Brier score at each horizon, weighted for censoring (Graf et al., Statistics in Medicine 18, 1999).

    Args:
        train: outcomes of the training fold, for the censoring distribution.
        test: outcomes of n patients.
        survival: predicted survival, shape (n, horizons).
        horizons: times.
    """
    from sksurv.metrics import brier_score

    s = _probabilities(survival, (len(test.time), len(horizons)))

    def at(horizon: float, predicted: Floats) -> Score:
        if reason := _too_short(train, test, horizon):
            return Score(NAN, reason)
        if not (test.event & (test.time <= horizon)).any():
            # scikit-survival asks for an event; without one those who live on are weighed alone
            alive = np.where(test.time > horizon, (1 - predicted) ** 2, 0.0)
            return Score(float(alive.mean() / _uncensored(train, horizon)))
        cut = _cut(test, horizon)
        return _score(lambda: brier_score(train.structured(), cut.structured(), predicted, horizon)[1][0])

    return tuple(at(h, s[:, k]) for k, h in enumerate(horizons))


def integrated_brier(
    train: Outcome, test: Outcome, survival: ArrayLike, times: Sequence[float], *, tau: float
) -> Score:
    """Return the Brier score integrated from 0 to ``tau`` by trapezoids, divided by ``tau``.

    At time 0 everybody is alive and the score is 0. It is known at ``times`` and taken as constant after the last of
    them up to ``tau``. Survival curves with steps need a grid that is finer than their steps.

    Args:
        train: outcomes of the training fold, for the censoring distribution.
        test: outcomes of n patients.
        survival: predicted survival, shape (n, times).
        times: increasing grid; its part up to ``tau`` is used.
        tau: end of the integral.
    """
    grid = np.asarray(times, dtype=np.float64)
    if (np.diff(grid) <= 0).any() or (grid <= 0).any():
        raise ValueError("times must be positive and increasing")
    s = _probabilities(survival, (len(test.time), len(grid)))[:, grid <= tau]
    grid = grid[grid <= tau]
    if len(grid) == 0:
        return Score(NAN, f"no time of the grid up to tau = {tau:g}")
    scores = brier(train, test, s, grid.tolist())
    for score in scores:
        if score.reason:
            return Score(NAN, score.reason)
    values = [0.0, *(score.value for score in scores), scores[-1].value]
    return Score(float(np.trapezoid(values, [0.0, *grid, tau]) / tau))


def d_calibration(event: ArrayLike, survival_at_time: ArrayLike, *, bins: int = 10) -> DCalibration:
    """Test whether predicted survival at patients' own times is uniform (Haider et al., JMLR 21, 2020).

    A patient with an event counts in the bin of its S(t); a censored one, whose event comes at a lower survival, is
    spread over its bin and those below in proportion to their share of [0, S(t)]. Tests with few patients say little.

    Args:
        event: shape (n,).
        survival_at_time: predicted survival of each patient at its own time, shape (n,).
        bins: of equal width.
    """
    from scipy.stats import chi2

    _, e = outcomes(np.ones(np.shape(event)), event)
    s = _probabilities(survival_at_time, e.shape)
    lower = np.arange(bins) / bins
    # the part of [0, S] in each bin, over S: also right for S in the lowest bin
    part = np.clip(s[:, None] - lower, 0, 1 / bins) / np.where(s > 0, s, 1)[:, None]
    part[s == 0] = np.eye(bins)[0]
    inside = np.minimum((s * bins).astype(int), bins - 1)
    shares = np.where(e[:, None], np.eye(bins)[inside], part).sum(axis=0)
    n = len(e)
    if n < 5 * bins:
        reason = f"{n} patients leave fewer than 5 to each of {bins} bins"
        return DCalibration(NAN, NAN, tuple((shares / n).tolist()), reason)
    statistic = float(((shares - n / bins) ** 2).sum() / (n / bins))
    return DCalibration(statistic, float(chi2.sf(statistic, bins - 1)), tuple((shares / n).tolist()))


def calibration(test: Outcome, survival: ArrayLike, *, horizon: float, groups: int = 5) -> Calibration:
    """Compare predicted with observed risk of an event by a horizon.

    Args:
        test: outcomes of n patients.
        survival: predicted survival at the horizon, shape (n,).
        horizon: time.
        groups: of equal size by predicted risk; ties stay in one group, so there can be fewer.
    """
    predicted = 1 - _probabilities(survival, test.time.shape)
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, groups + 1)[1:-1]))
    group = np.searchsorted(edges, predicted, side="left")
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    means = [float(predicted[rows].mean()) for rows in members]
    observed = [_observed_risk(test.time[rows], test.event[rows], horizon) for rows in members]
    sizes = [len(rows) for rows in members]
    overall = _observed_risk(test.time, test.event, horizon)
    reason = ""
    if not np.isfinite(overall):
        reason = f"nobody is followed up to {horizon:g}"
    elif not np.isfinite(observed).all():
        reason = f"in a group nobody is followed up to {horizon:g}"
    elif predicted.sum() == 0:
        reason = "the model expects no event"
    return Calibration(
        predicted=tuple(means),
        observed=tuple(observed),
        patients=tuple(sizes),
        ratio=float(overall / predicted.mean()) if predicted.sum() > 0 else NAN,
        error=float(np.average(np.abs(np.subtract(means, observed)), weights=sizes)),
        reason=reason,
    )


def _observed_risk(time: Floats, event: Flags, horizon: float) -> float:
    """Return one minus Kaplan and Meier's estimate at the horizon; NaN if follow-up ends earlier with survivors."""
    from sksurv.nonparametric import kaplan_meier_estimator

    if not (event & (time <= horizon)).any():
        return 0.0 if time.max() >= horizon else NAN
    times, survival = kaplan_meier_estimator(event, time)
    at = int(np.searchsorted(times, horizon, side="right")) - 1
    return float(1 - survival[at]) if time.max() >= horizon or survival[-1] == 0 else NAN


def _score(compute: Callable[[], float]) -> Score:
    """Call scikit-survival; what it refuses in data that are legal here (follow-up too short) has no value."""
    try:
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where no two patients can be ordered
            value = float(compute())
    except ValueError as error:
        return Score(NAN, str(error))
    return Score(value) if np.isfinite(value) else Score(NAN, "no two patients whose order is known")


def _too_short(train: Outcome, test: Outcome, horizon: float) -> str:
    """Return why nothing can be said about a horizon, or ""; scikit-survival would leave such patients out silently."""
    if not (test.time > horizon).any():
        return f"nobody is followed beyond {horizon:g}"
    if horizon >= train.time.max():
        return f"the training fold is followed up to {train.time.max():g}, not beyond {horizon:g}"
    return ""


def _cut(outcome: Outcome, horizon: float) -> Outcome:
    """Return outcomes followed up to just after a horizon: weights of later events play no part, but can be missing."""
    return Outcome(np.minimum(outcome.time, np.nextafter(horizon, np.inf)), outcome.event)


def _uncensored(train: Outcome, horizon: float) -> float:
    """Return the probability to be followed beyond a horizon."""
    from sksurv.nonparametric import kaplan_meier_estimator

    times, share = kaplan_meier_estimator(train.event, train.time, reverse=True)
    at = int(np.searchsorted(times, horizon, side="right")) - 1
    return float(share[at]) if at >= 0 else 1.0


def _ranks(risk: ArrayLike, patients: int) -> Floats:
    """Return risks as ranks: scikit-survival takes risks that lie closer than 1e-8 for equal."""
    from scipy.stats import rankdata

    ranks: Floats = rankdata(one_risk(risk, patients))
    return ranks


def _predicted(values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"predictions need the shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("predictions must be finite")
    return array


def _probabilities(values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = _predicted(values, shape)
    if (array < 0).any() or (array > 1).any():
        raise ValueError("survival must lie between 0 and 1")
    return array
