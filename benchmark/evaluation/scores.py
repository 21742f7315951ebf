"""Metrics of a method beside Harrell's C: Uno's C, AUC and Brier scores as means over folds and seeds; calibration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS
from survbench.evaluation.gather import Outcomes
from survbench.io.files import finite
from survbench.statistics.survival_metrics import (
    Calibration,
    Outcome,
    Score,
    brier,
    calibration,
    d_calibration,
    dynamic_auc,
    integrated_brier,
    uno_c,
)

Floats = NDArray[np.float64]
NAN = float("nan")
NO_CURVES = "the method has no survival curves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means over folds, and then over seeds; None where a fold does not give a number, and ``reasons`` says why.

    Attributes:
        uno_c: up to tau.
        auc: at each horizon, by ``f"{horizon:g}"``.
        brier: alike.
        ibs: up to tau.
        d_calibration: p over the patients of all folds.
        calibration: at each horizon ``ratio`` (observed over expected events) and ``error`` (mean distance of groups by
            predicted risk), over the patients of all folds.
        reasons: by name (``uno_c``, ``auc_12``, ...) of what is None.
    """

    uno_c: float | None
    auc: dict[str, float | None]
    brier: dict[str, float | None]
    ibs: float | None
    d_calibration: float | None
    calibration: dict[str, dict[str, float | None]]
    reasons: dict[str, str]


def scores(
    outcomes: Outcomes, risk: Floats, survival: Floats | None, *, tau: float | None, horizons: Sequence[float]
) -> Scores:
    """Score a method fold by fold; the censoring distribution is that of the fold's training patients.

    Args:
        outcomes: of the n patients.
        risk: shape (seeds, n).
        survival: at :data:`survbench.api.SURVIVAL_MONTHS`, shape (seeds, n, months), or None.
        tau: months up to which Uno's C and the IBS look; None where follow-up is too short.
        horizons: months.
    """
    found: dict[str, list[Score]] = defaultdict(list)
    for fold in np.unique(outcomes.fold):
        rows = outcomes.fold == fold
        train = Outcome(outcomes.time[~rows], outcomes.event[~rows])
        test = Outcome(outcomes.time[rows], outcomes.event[rows])
        for seed in range(len(risk)):
            curves = None if survival is None else survival[seed, rows]
            for name, score in _of_fold(train, test, risk[seed, rows], curves, tau, horizons):
                reason = f"fold {fold}: {score.reason}" if score.reason not in {"", NO_CURVES} else score.reason
                found[name].append(Score(score.value, reason))
    found["d_calibration"] = [_d_calibration(outcomes, survival)]
    values = {name: finite(np.mean([s.value for s in each])) for name, each in found.items()}
    reasons = {n: next(s.reason for s in found[n] if s.reason) for n, value in values.items() if value is None}
    calibrated, unknown = _calibration(outcomes, survival, horizons)
    return Scores(
        uno_c=values["uno_c"],
        auc={f"{h:g}": values[f"auc_{h:g}"] for h in horizons},
        brier={f"{h:g}": values[f"brier_{h:g}"] for h in horizons},
        ibs=values["ibs"],
        d_calibration=values["d_calibration"],
        calibration=calibrated,
        reasons={**reasons, **unknown},
    )


def calibrations(outcomes: Outcomes, survival: Floats, horizons: Sequence[float]) -> dict[str, Calibration]:
    """Compare predicted with observed risk at each horizon, by ``f"{horizon:g}"``, over the patients of all folds:
    survival, unlike risk, means the same in every fold. Predictions of several seeds are averaged.

    Args:
        outcomes: of the n patients.
        survival: at :data:`survbench.api.SURVIVAL_MONTHS`, shape (seeds, n, months).
        horizons: months, of those.
    """
    outcome, mean = Outcome(outcomes.time, outcomes.event), survival.mean(axis=0)
    places = np.searchsorted(SURVIVAL_MONTHS, horizons)
    return {f"{h:g}": calibration(outcome, mean[:, at], horizon=h) for h, at in zip(horizons, places, strict=True)}


def survival_at(time: Floats, survival: Floats) -> Floats:
    """Return predicted survival of each patient at its own time: straight between stored months, from 1 at 0, level
    after the last.

    Args:
        time: months, shape (n,).
        survival: at :data:`survbench.api.SURVIVAL_MONTHS`, shape (n, months).
    """
    grid = np.concatenate([[0.0], SURVIVAL_MONTHS])
    return np.array([np.interp(t, grid, [1.0, *curve]) for t, curve in zip(time, survival, strict=True)])


def _of_fold(
    train: Outcome,
    test: Outcome,
    risk: Floats,
    survival: Floats | None,
    tau: float | None,
    horizons: Sequence[float],
) -> Iterator[tuple[str, Score]]:
    too_short = Score(NAN, f"too few patients are followed beyond {SURVIVAL_MONTHS[0]:g} months")
    yield "uno_c", too_short if tau is None else uno_c(train, test, risk, tau=tau)
    for horizon, score in zip(horizons, dynamic_auc(train, test, risk, horizons), strict=True):
        yield f"auc_{horizon:g}", score
    if survival is None:
        for name in (*(f"brier_{h:g}" for h in horizons), "ibs"):
            yield name, Score(NAN, NO_CURVES)
        return
    at = survival[:, np.searchsorted(SURVIVAL_MONTHS, horizons)]
    for horizon, score in zip(horizons, brier(train, test, at, horizons), strict=True):
        yield f"brier_{horizon:g}", score
    yield (
        "ibs",
        too_short if tau is None else integrated_brier(train, test, survival, SURVIVAL_MONTHS.tolist(), tau=tau),
    )


def _calibration(
    outcomes: Outcomes, survival: Floats | None, horizons: Sequence[float]
) -> tuple[dict[str, dict[str, float | None]], dict[str, str]]:
    """Return the numbers of each horizon, and why some are not known."""
    if survival is None:
        names = [f"{h:g}" for h in horizons]
        return {n: {"ratio": None, "error": None} for n in names}, {f"calibration_{n}": NO_CURVES for n in names}
    found = calibrations(outcomes, survival, horizons)
    numbers = {name: {"ratio": finite(at.ratio), "error": finite(at.error)} for name, at in found.items()}
    return numbers, {f"calibration_{name}": at.reason for name, at in found.items() if None in numbers[name].values()}


def _d_calibration(outcomes: Outcomes, survival: Floats | None) -> Score:
    """Return p over all patients: survival, unlike risk, means the same in every fold. Of several seeds twice the mean
    p, which is valid however they depend on each other (Vovk and Wang, Biometrika 107, 2020).
    """
    if survival is None:
        return Score(NAN, NO_CURVES)
    tests = [d_calibration(outcomes.event, survival_at(outcomes.time, curves)) for curves in survival]
    p = float(np.mean([t.p for t in tests]))
    return Score(p if len(tests) == 1 else min(1.0, 2 * p), tests[0].reason)
