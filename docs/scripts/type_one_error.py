"""Print how often each test declares two equally good models different, as a table: ``type_one_error.py [COHORTS]``.

Below the table are medians of what such cohorts can show about two models of equal quality.

In the first part, both models know the true log hazard up to independent noise of the same size, so neither is better;
with folds, patients are assigned to folds as in a cross-validation. In the second part, linear models are fitted in
five times repeated 5-fold cross-validation, on either half of the predictors, which are equally useful; and a method
with a random part is compared with itself under another seed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from survbench.metrics import concordance_index
from survbench.significance import (
    bootstrap,
    compare,
    corrected_resampled_t,
    holm,
    influence,
    paired_jackknife,
    smallest_detectable_difference,
    standard_error,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LEVEL = 0.05
FOLDS, REPEATS, PREDICTORS = 5, 5, 10
RESAMPLES = 999
CORRELATIONS = (0.5, 0.95, 0.99, 0.995)
"""Correlations between the risks of two models for which the standard error of their difference is shown."""


def cohort(n: int, share: float, log_hazard: Floats, rng: np.random.Generator) -> tuple[Floats, Flags]:
    """Draw exponential survival times, seen in this share of patients; others are censored at a uniform fraction."""
    times = rng.exponential(np.exp(-log_hazard))
    seen = rng.random(n) < share
    return np.where(seen, times, times * rng.random(n)), seen


def two_models(n: int, share: float, rng: np.random.Generator, folds: int = 1) -> dict[str, float]:
    """Return the p value of each test on two equally good columns of risks."""
    from scipy.stats import ttest_rel

    truth = rng.normal(size=n)
    times, event = cohort(n, share, truth, rng)
    a, b = (truth + rng.normal(size=n) for _ in range(2))
    fold = dealt(event, rng, folds)
    seed = int(rng.integers(2**31))
    tested = compare(times, event, a, b, fold, resamples=RESAMPLES, permutations=RESAMPLES, seed=seed)
    replicates = bootstrap(times, event, fold, [a, b], resamples=RESAMPLES, seed=seed).replicates
    t_test = float(ttest_rel(*replicates).pvalue) if replicates.shape[1] > 1 else np.nan
    return {**tested.p, "t-test over bootstrap replicates": t_test}


def what_it_shows(n: int, share: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Return the width of one model's interval of C, the smallest difference between two models that is detected with
    80 % power, and the standard error of the difference between two models at each of :data:`CORRELATIONS`.
    """
    truth = rng.normal(size=n)
    times, event = cohort(n, share, truth, rng)
    own, other = (rng.normal(size=n) for _ in range(2))
    fold = np.zeros(n)
    low, high = bootstrap(times, event, fold, [truth + own], resamples=RESAMPLES, seed=0).interval(0)
    of_a = influence(times, event, fold, truth + own)
    errors = []
    for correlation in CORRELATIONS:
        common = 2 * correlation - 1  # correlation of the noise, which is half of a risk's variance
        b = truth + common * own + np.sqrt(1 - common**2) * other
        errors.append(standard_error(of_a - influence(times, event, fold, b)))
    return high - low, smallest_detectable_difference(errors[0]), *errors


def two_ways_of_fitting(n: int, share: float, rng: np.random.Generator) -> dict[str, float]:
    """Return p values of tests over the folds of repeated cross-validation, for two equally good ways of fitting."""
    from scipy.stats import ttest_1samp

    x = rng.normal(size=(n, 2 * PREDICTORS))
    times, event = cohort(n, share, x @ np.full(2 * PREDICTORS, 0.25), rng)
    halves = x[:, :PREDICTORS], x[:, PREDICTORS:]
    differences = []
    for _ in range(REPEATS):
        fold = dealt(event, rng, FOLDS)
        for k in range(FOLDS):
            test = fold == k
            c = [
                concordance_index(times[test], event[test], half[test] @ fit(half[~test], times[~test], event[~test]))
                for half in halves
            ]
            differences.append(c[0].value - c[1].value)
    d = np.array(differences)
    return {
        "corrected resampled t": corrected_resampled_t(d, test_share=1 / (FOLDS - 1)).p,
        "t-test over the folds of repeated cross-validation": float(ttest_1samp(d, 0).pvalue),
    }


def one_method_twice(n: int, share: float, rng: np.random.Generator) -> dict[str, float]:
    """Return the jackknife's p value for a method against itself: each seed fits every fold on a random half of it."""
    x = rng.normal(size=(n, PREDICTORS))
    times, event = cohort(n, share, x @ np.full(PREDICTORS, 0.35), rng)
    fold = dealt(event, rng, FOLDS)
    risks = np.zeros((2, n))
    for risk in risks:
        for k in range(FOLDS):
            train = np.flatnonzero(fold != k)
            half = rng.choice(train, len(train) // 2, replace=False)
            risk[fold == k] = x[fold == k] @ fit(x[half], times[half], event[half])
    c = bootstrap(times, event, fold, list(risks), resamples=1, seed=0).point
    parts = [influence(times, event, fold, risk) for risk in risks]
    return {"A/A: one method, two seeds (jackknife)": paired_jackknife(*parts, float(c[0] - c[1])).p}


def family_of_24(n: int, share: float, rng: np.random.Generator) -> dict[str, float]:
    """Return the smallest p value of 24 equally good models against a 25th, raw and Holm-adjusted."""
    truth = rng.normal(size=n)
    times, event = cohort(n, share, truth, rng)
    risks = [truth + rng.normal(size=n) for _ in range(25)]
    c = bootstrap(times, event, np.zeros(n), risks, resamples=1, seed=0).point
    parts = [influence(times, event, np.zeros(n), risk) for risk in risks]
    p = np.array([paired_jackknife(parts[i], parts[0], float(c[i] - c[0])).p for i in range(1, 25)])
    return {"any of 24 (jackknife, raw)": p.min(), "any of 24 (jackknife, Holm)": holm(p).min()}


def dealt(event: Flags, rng: np.random.Generator, folds: int) -> NDArray[np.int64]:
    """Return folds with equal numbers of events, up to rounding."""
    fold = np.zeros(len(event), dtype=np.int64)
    for rows in (np.flatnonzero(event), np.flatnonzero(~event)):
        fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return fold


def fit(x: Floats, times: Floats, event: Flags) -> Floats:
    """Return linear weights: one gradient step of the Cox likelihood from zero, which orders risks well enough."""
    order = np.argsort(times)
    at_risk = np.arange(len(times), 0, -1)
    hazard = np.empty(len(times))
    hazard[order] = np.cumsum(event[order] / at_risk)
    weights: Floats = x.T @ (event - hazard)
    return weights


def main() -> None:
    """Measure and print a Markdown table."""
    cohorts = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    started = time.process_time()
    settings = {
        "n = 170, 28 % events": (170, 0.28),
        "the same in 5 folds": (170, 0.28),
        "in 10 folds": (170, 0.28),
        "n = 23, 61 % events": (23, 0.61),
    }
    folded = {"the same in 5 folds": 5, "in 10 folds": 10}
    simulations: list[Callable[[int, float, np.random.Generator], dict[str, float]]]
    rates: dict[str, dict[str, float]] = {}
    for title, (n, share) in settings.items():
        simulations = [partial(two_models, folds=folded.get(title, 1))]
        if title not in folded:
            simulations.append(family_of_24)
        if title == "the same in 5 folds":
            simulations += [two_ways_of_fitting, one_method_twice]
        for number, simulate in enumerate(simulations):
            results = [simulate(n, share, np.random.default_rng([n, number, k])) for k in range(cohorts)]
            for test in results[0]:
                p = np.array([each[test] for each in results])
                # without a p value nothing is rejected
                rates.setdefault(test, {})[title] = float(np.mean(np.nan_to_num(p, nan=1.0) < LEVEL))
    print(f"| rejected at 5 % of {cohorts:,} null cohorts | {' | '.join(settings)} |\n|---|{'---|' * len(settings)}")
    for test, row in rates.items():
        cells = " | ".join(f"{row[title]:.1%}".replace("%", " %") if title in row else "–" for title in settings)
        print(f"| {test} | {cells} |")
    for title, (n, share) in {t: s for t, s in settings.items() if t not in folded}.items():
        drawn = [what_it_shows(n, share, np.random.default_rng([n, 9, k])) for k in range(min(cohorts, 200))]
        width, found, *errors = np.nanmedian(drawn, axis=0)
        print(f"\n{title}: interval of C {width:.2f} wide, difference found with 80 % power {found:.3f}")
        shown = ", ".join(f"{se:.4f} at {r:g}" for r, se in zip(CORRELATIONS, errors, strict=True))
        print(f"standard error of the difference by the correlation of the risks: {shown}")
    print(f"\n{time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
