"""Two methods of a study compared: difference, interval, p, and the patients that drive it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.errors import BenchError, UnknownNameError
from survbench.leaderboard.gather import Outcomes, gather
from survbench.leaderboard.sample import fold_concordance
from survbench.significance import Comparison, compare, influence
from survbench.store import Store
from survbench.study import Study

PATIENTS = 10
"""Patients listed: those whose weight moves the difference most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A patient and how much the difference leans on it.

    ``influence`` is the derivative of the difference with respect to the patient's weight, relative to a weight of 1:
    without the patient the difference changes by about minus this. Ranks count from the highest risk of the fold.
    """

    id: str
    time: float
    event: bool
    fold: int
    influence: float
    rank_a: float
    rank_b: float
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodComparison:
    """Two methods of a study compared on its cross-validated predictions.

    Attributes:
        a, b: the methods; all differences are ``a`` minus ``b``.
        tested: the comparison of their risks by every test.
        folds: C of both in each fold, averaged over seeds; NaN in one without a comparable pair.
        patients: those on whom the difference leans most.
    """

    a: str
    b: str
    tested: Comparison
    folds: tuple[tuple[float, float], ...]
    patients: tuple[Driver, ...]


def compare_methods(study: Study, store: Store, a: str, b: str, *, resamples: int) -> MethodComparison:
    """Compare two methods on the cross-validated predictions of a study.

    Raises:
        UnknownNameError: a method is not in the study.
        BenchError: a method is not complete, or gives no risk.
    """
    results = gather(study, store)
    risks = []
    for name in (a, b):
        if name not in results.methods:
            raise UnknownNameError("method of this study", name, results.methods, see="'bench status'")
        method = results.methods[name]
        if method.risk is None or results.outcomes is None:
            why = method.reason or "it gives no risk"
            raise BenchError(f"{name} cannot be compared: {method.status}, {why}. 'bench status' shows what is done.")
        risks.append(method.risk)
    o = _known(results.outcomes)
    seed = int(study.protocol["fingerprint"][:8], 16)
    tested = compare(o.time, o.event, risks[0], risks[1], o.fold, resamples=resamples, seed=seed)
    of_a, of_b = (influence(o.time, o.event, o.fold, risk) for risk in risks)
    return MethodComparison(
        a=a,
        b=b,
        tested=tested,
        folds=tuple(zip(*(fold_concordance(o, risk).mean(axis=0).tolist() for risk in risks), strict=True)),
        patients=_drivers(o, risks, of_a - of_b),
    )


def _known(outcomes: Outcomes | None) -> Outcomes:
    if outcomes is None:
        raise BenchError("The study has no complete method. 'bench status' shows what is done.")
    return outcomes


def _drivers(o: Outcomes, risks: list[NDArray[np.float64]], influences: NDArray[np.float64]) -> tuple[Driver, ...]:
    ranks = [_ranks(o, risk) for risk in risks]
    order = np.argsort(-np.abs(influences), kind="stable")[:PATIENTS]
    return tuple(
        Driver(
            id=o.ids[i],
            time=float(o.time[i]),
            event=bool(o.event[i]),
            fold=int(o.fold[i]),
            influence=float(influences[i]),
            rank_a=float(ranks[0][i]),
            rank_b=float(ranks[1][i]),
            of=int((o.fold == o.fold[i]).sum()),
        )
        for i in order
    )


def _ranks(o: Outcomes, risk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks within folds from the highest risk, averaged over seeds."""
    from scipy.stats import rankdata

    ranks = np.zeros(len(o.ids))
    for fold in np.unique(o.fold):
        rows = np.flatnonzero(o.fold == fold)
        ranks[rows] = np.mean([rankdata(-r[rows]) for r in risk], axis=0)
    return ranks
