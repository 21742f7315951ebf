"""Is one model's C-index better than another's? Intervals and paired tests, from arrays.

The estimand is always the headline: mean over seeds of the mean over folds of Harrell's C. All methods see the same
patients in the same folds, so every comparison is paired. The parts lie in :mod:`survbench.statistics.bootstrap`,
:mod:`survbench.statistics.paired_tests` and :mod:`survbench.statistics.multiplicity`; :func:`compare` puts them
together for two models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from survbench.statistics.bootstrap import Bootstrap, bootstrap
from survbench.statistics.checks import outcomes, positive, rows_of_folds, seeds_of
from survbench.statistics.paired_tests import (
    PairedTest,
    PermutationTest,
    compare_c,
    influence,
    paired_jackknife,
    rank_swap_test,
    smallest_detectable_difference,
)
from survbench.statistics.pairs import count_by_patient

ALPHA = 0.05
"""Level at which a sentence calls a difference one."""

FEW_EVENTS, FEW_EVENTS_OF_A_FOLD = 30, 10
"""Below these the normal approximation of the jackknife rejects too often (docs/explanation/statistics.md)."""


def p_text(p: float) -> str:
    """Return a p value as papers print it.

    >>> p_text(0.0004), p_text(0.0416)
    ('<0.001', '0.042')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """C of model a minus C of model b on the same patients.

    Attributes:
        n: patients.
        events: of them.
        fewest_events: in the fold with the fewest.
        pairs: comparable pairs, within folds.
        c_index_a: mean over folds (and seeds) of Harrell's C.
        c_index_b: alike.
        difference: a minus b.
        se: standard error of the difference, by the infinitesimal jackknife.
        ci_low: paired bootstrap, percentile interval.
        ci_high: its other end.
        estimand: what was estimated, in words.
        p: two-sided p of no difference by each test: bootstrap, jackknife, compareC, permutation.
        z: of the tests that have one: jackknife, compareC.
        smallest_detectable_difference: that such a cohort shows at 5 % with 80 % power; NaN without a standard error.
        level: of the interval.
        resamples: bootstrap replicates that were kept.
        excluded: replicates in which a fold had no comparable pair.
        reasons: why what is NaN is NaN; empty if nothing is.
    """

    n: int
    events: int
    fewest_events: int
    pairs: int
    c_index_a: float
    c_index_b: float
    difference: float
    se: float
    ci_low: float
    ci_high: float
    estimand: str
    p: dict[str, float]
    z: dict[str, float]
    smallest_detectable_difference: float
    level: float
    resamples: int
    excluded: int
    reasons: tuple[str, ...] = ()

    def meaning(self, a: str = "a", b: str = "b", *, turned: tuple[str, ...] = ()) -> str:
        """Return what the comparison shows, in words: by the jackknife, for few events by permutation.

        Args:
            a: name of the first model.
            b: name of the second.
            turned: of them, those whose C lies far below 0.5, so that their risks may be reversed.
        """
        few = self.events < FEW_EVENTS or self.fewest_events < FEW_EVENTS_OF_A_FOLD
        test = "permutation" if few else "jackknife"
        p = self.p[test]
        if not np.isfinite(p):
            return f"These data cannot compare {a} with {b}: {'; '.join(self.reasons)}."
        interval = (
            f"{100 * self.level:g} % interval of the difference {self.ci_low:+.3f} to {self.ci_high:+.3f}; "
            if np.isfinite(self.ci_low)
            else ""
        )
        size = f"{abs(self.difference):.3f} ({interval}{test} p {p_text(p)})"
        if p < ALPHA:
            better, worse = (a, b) if self.difference > 0 else (b, a)
            says = f"{better} orders survival of such patients better than {worse}: its C-index is higher by {size}."
            if max(self.c_index_a, self.c_index_b) < 0.5:
                return f"{says} Yet neither C-index reaches 0.5, so this does not show that {better} is useful."
            if worse in turned:
                return f"{says} Yet C of {worse} is far below 0.5, as it is when risks are reversed."
            return says
        missed = (
            f"In a cohort like this a true difference below {self.smallest_detectable_difference:.3f} is missed more "
            "often than one time in five, so this does not prove"
            if np.isfinite(self.smallest_detectable_difference)
            else "This does not prove"
        )
        return (
            f"These {self.n} patients do not show whether {a} or {b} orders survival better: their C-indices differ by "
            f"{size}. {missed} that the models are equally good."
        )


def compare(
    time: ArrayLike,
    event: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    fold: ArrayLike | None = None,
    *,
    resamples: int = 10_000,
    permutations: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare two columns of risks on the same patients by every test.

    Args:
        time: positive, in any unit, shape (n,).
        event: 1 or True for an event, 0 or False for censored, shape (n,).
        risk_a: higher for an earlier event, shape (n,) or (seeds, n).
        risk_b: alike.
        fold: which model of a cross-validation predicted a patient, shape (n,): risks of different folds are not
            compared. By default all patients were predicted by one model.
        resamples: replicates of the bootstrap.
        permutations: exchanges of the permutation test.
        seed: of both.
        level: of the interval.

    Returns:
        The comparison; what these data cannot give is NaN, with a reason.

    Raises:
        ValueError: the arrays are not survival data: lengths differ, a value is not finite, a time is not positive, an
            event is neither 0 nor 1, or a patient has no fold.

    >>> import numpy as np
    >>> time, event = np.arange(1.0, 9.0), [1, 1, 0, 1, 1, 0, 1, 1]
    >>> result = compare(time, event, -time, [3, 8, 1, 6, 2, 7, 4, 5])
    >>> round(result.difference, 3), result.pairs
    (0.476, 21)
    """
    t, e = outcomes(time, event)
    positive(t)
    a, b = seeds_of(risk_a, len(t)), seeds_of(risk_b, len(t))
    folds = np.zeros(len(t), dtype=np.int64) if fold is None else np.asarray(fold)
    of_folds = rows_of_folds(folds, len(t))
    boot = bootstrap(t, e, folds, [a, b], resamples=resamples, seed=seed, level=level)
    difference = float(boot.point[0] - boot.point[1])
    jackknife = paired_jackknife(influence(t, e, folds, a), influence(t, e, folds, b), difference, level=level)
    one_shot = compare_c(t, e, folds, a, b, level=level)
    swapped = rank_swap_test(t, e, folds, a, b, permutations=permutations, seed=seed)
    low, high = boot.difference_interval(0, 1)
    pairs = sum(count_by_patient(t[rows], e[rows], t[rows]).earlier_pairs.sum() for rows in of_folds)
    return Comparison(
        n=len(t),
        events=int(e.sum()),
        fewest_events=min(int(e[rows].sum()) for rows in of_folds),
        pairs=int(pairs),
        c_index_a=float(boot.point[0]),
        c_index_b=float(boot.point[1]),
        difference=difference,
        se=jackknife.se,
        ci_low=low,
        ci_high=high,
        estimand="difference (a - b) of Harrell's C-index"
        + (f", mean over {len(of_folds)} folds of within-fold pairs" if len(of_folds) > 1 else ""),
        p={
            "bootstrap": boot.difference_p(0, 1),
            "jackknife": jackknife.p,
            "compareC": one_shot.p,
            "permutation": swapped.p,
        },
        z={"jackknife": jackknife.z, "compareC": one_shot.z},
        smallest_detectable_difference=smallest_detectable_difference(jackknife.se, level=1 - ALPHA),
        level=level,
        resamples=boot.replicates.shape[1],
        excluded=boot.excluded,
        reasons=_reasons(boot, {"jackknife": jackknife, "compareC": one_shot, "permutation": swapped}),
    )


def _reasons(boot: Bootstrap, tests: dict[str, PairedTest | PermutationTest]) -> tuple[str, ...]:
    said: dict[str, list[str]] = {}
    for name, test in tests.items():
        if test.reason:
            said.setdefault(test.reason, []).append(name)
    if boot.replicates.shape[1] == 0:
        said.setdefault("no bootstrap replicate has a comparable pair in every fold", []).append("bootstrap")
    return tuple(f"{reason} ({', '.join(names)})" for reason, names in said.items())
