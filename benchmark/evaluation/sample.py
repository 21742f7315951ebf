"""Several methods on the same patients: their C-indices, common resamples and influences, and any two compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from survbench.evaluation.difference import Difference
from survbench.evaluation.gather import Outcomes, Results, gather
from survbench.io.files import finite
from survbench.plan.study import Study
from survbench.runs.store import Store
from survbench.statistics.bootstrap import Bootstrap, bootstrap
from survbench.statistics.metrics import concordance_index
from survbench.statistics.multiplicity import AllPairs, all_pairs
from survbench.statistics.paired_tests import (
    PermutationTest,
    influence,
    paired_jackknife,
    rank_swap_tests,
    smallest_detectable_difference,
)

Floats = NDArray[np.float64]
PERMUTATIONS = 10_000
"""Of the rank-swap test."""
NO_REPLICATE = "no bootstrap replicate has a comparable pair in every fold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Methods on the same patients.

    Attributes:
        names: of the methods, in the order of ``boot``.
        risks: shape (seeds, n), by method.
        boot: C as the mean over folds.
        pooled: C over all within-fold pairs together, of the same resamples.
        influences: of each patient on C, by method.
        seed: of the resampling, and of permutations.
    """

    outcomes: Outcomes
    names: tuple[str, ...]
    risks: Mapping[str, Floats]
    boot: Bootstrap
    pooled: Bootstrap
    influences: Mapping[str, Floats]
    seed: int

    @classmethod
    def of(cls, outcomes: Outcomes, risks: Mapping[str, Floats], *, resamples: int, seed: int) -> Self:
        """Resample patients once for all methods, whose risks have the shape (seeds, n)."""
        o, values = outcomes, list(risks.values())
        boot, pooled = (
            bootstrap(o.time, o.event, o.fold, values, resamples=resamples, seed=seed, estimand=estimand)
            for estimand in ("fold-mean", "pooled")
        )
        influences = {name: influence(o.time, o.event, o.fold, risk) for name, risk in risks.items()}
        return cls(
            outcomes=outcomes,
            names=tuple(risks),
            risks=risks,
            boot=boot,
            pooled=pooled,
            influences=influences,
            seed=seed,
        )

    def compares(self, name: str) -> bool:
        """Say whether a method is in the sample and has a C; one without a comparable pair in some fold has none."""
        return name in self.names and bool(np.isfinite(self.boot.point[self.names.index(name)]))

    def difference(self, a: str, b: str) -> Difference:
        """Compare two methods that are here; p is not adjusted."""
        i, j = self.names.index(a), self.names.index(b)
        value = float(self.boot.point[i] - self.boot.point[j])
        test = paired_jackknife(self.influences[a], self.influences[b], value)
        low, high = self.boot.difference_interval(i, j)
        reasons = {"p": test.reason, "p_bootstrap": "" if self.boot.replicates.shape[1] else NO_REPLICATE}
        return Difference(
            a=a,
            b=b,
            value=finite(value),
            low=finite(low),
            high=finite(high),
            se=finite(test.se),
            p=finite(test.p),
            p_bootstrap=finite(self.boot.difference_p(i, j)),
            detectable=finite(smallest_detectable_difference(test.se)),
            reasons={name: reason for name, reason in reasons.items() if reason},
        )

    def permuted(self, pairs: Sequence[tuple[str, str]]) -> tuple[PermutationTest, ...]:
        """Test pairs of methods that are here by exchanges of ranks, the same for all of them."""
        o, places = self.outcomes, [(self.names.index(a), self.names.index(b)) for a, b in pairs]
        risks = list(self.risks.values())
        return rank_swap_tests(o.time, o.event, o.fold, risks, places, permutations=PERMUTATIONS, seed=self.seed)

    def only(self, names: Sequence[str]) -> Bootstrap:
        """Return the resamples of some methods, so that ranks count among them."""
        chosen = [self.names.index(name) for name in names]
        return Bootstrap(self.boot.point[chosen], self.boot.replicates[chosen], self.boot.excluded, self.boot.level)

    def pairs(self, names: Sequence[str]) -> AllPairs:
        """Test every pair of some methods."""
        return all_pairs(self.only(names).point, [self.influences[name] for name in names])


def fold_concordance(outcomes: Outcomes, risk: Floats) -> Floats:
    """Return C of each seed in each fold, shape (seeds, folds); NaN where a fold has no comparable pair.

    Args:
        outcomes: of the n patients.
        risk: shape (seeds, n).
    """
    o, parts = outcomes, [outcomes.fold == k for k in np.unique(outcomes.fold)]
    return np.array([[concordance_index(o.time[p], o.event[p], r[p]).value for p in parts] for r in risk])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The runs of a study and what they were resampled to, made once for its board and its site.

    Attributes:
        results: what the runs say.
        inside: methods with out-of-fold risks; None without one.
        outside: methods with risks of the external cohort, alike.
        seed: of the resampling.
    """

    results: Results
    inside: Sample | None
    outside: Sample | None
    seed: int


def measure(study: Study, store: Store) -> Measured:
    """Read the runs of a study, and resample its patients once for all methods."""
    results = gather(study, store)
    resamples, seed = study.profile.resamples, study.protocol.seed

    def sample(outcomes: Outcomes | None, risks: Mapping[str, Floats | None]) -> Sample | None:
        known = {name: risk for name, risk in risks.items() if risk is not None}
        if outcomes is None or not known:
            return None
        return Sample.of(outcomes, known, resamples=resamples, seed=seed)

    return Measured(
        results=results,
        inside=sample(results.outcomes, {name: m.risk for name, m in results.methods.items()}),
        outside=sample(results.external, {name: m.external for name, m in results.methods.items()}),
        seed=seed,
    )
