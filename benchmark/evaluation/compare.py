"""Two methods compared, of one study or of two: difference, interval, p, and the patients that drive it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.errors import BenchError, UnknownNameError
from survbench.evaluation.gather import Outcomes, Results, gather
from survbench.evaluation.sample import fold_concordance
from survbench.io.study_files import SPLITS
from survbench.plan.study import Study
from survbench.runs.store import Store
from survbench.statistics.paired_tests import influence
from survbench.statistics.significance import Comparison, compare

PATIENTS = 10
"""Patients listed: those whose weight moves the difference most."""
NAMED = 5
"""Patients that an error names."""


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
    """Two methods compared on their cross-validated predictions.

    Attributes:
        a, b: the methods; all differences are ``a`` minus ``b``.
        study_a, study_b: the names of their studies.
        tested: the comparison of their risks by every test.
        folds: C of both in each fold, averaged over seeds; NaN in one without a comparable pair.
        patients: those who contribute most to the difference.
    """

    a: str
    b: str
    study_a: str
    study_b: str
    tested: Comparison
    folds: tuple[tuple[float, float], ...]
    patients: tuple[Driver, ...]

    @property
    def labels(self) -> tuple[str, str]:
        """The methods as a text tells them apart: with their studies where these differ."""
        if self.study_a == self.study_b:
            return self.a, self.b
        return f"{self.a}@{self.study_a}", f"{self.b}@{self.study_b}"


def compare_methods(
    study: Study,
    store: Store,
    a: str,
    b: str,
    *,
    resamples: int,
    study_b: Study | None = None,
    store_b: Store | None = None,
    names: tuple[str, str] | None = None,
) -> MethodComparison:
    """Compare two methods on their cross-validated predictions.

    Args:
        study: of ``a``; its fingerprint seeds the resampling.
        store: the runs of both, or of ``a``.
        a: a method.
        b: another, or the same of another study.
        resamples: how often patients are drawn.
        study_b: of ``b``, if it is another one; it must have the same patients, outcomes and folds.
        store_b: the runs of ``b``, if they are in another output folder.
        names: what to call the studies; by default by their names.

    Raises:
        UnknownNameError: a method is not in its study.
        BenchError: a method is not complete, or gives no risk, or the studies differ in patients, outcomes or folds.
    """
    first = gather(study, store)
    of_b, in_b = study_b or study, store_b or store
    same = (of_b.name, in_b.root) == (study.name, store.root)
    second = first if same else gather(of_b, in_b)
    risks = [_risk(first, a), _risk(second, b)]
    o = _known(first.outcomes)
    names = names or (study.name, of_b.name)
    if second is not first:
        _refuse_other_patients(study.folder(store.root) / SPLITS, names, o, _known(second.outcomes))
    seed = study.protocol.seed
    tested = compare(o.time, o.event, risks[0], risks[1], o.fold, resamples=resamples, seed=seed)
    influences = [influence(o.time, o.event, o.fold, risk) for risk in risks]
    return MethodComparison(
        a=a,
        b=b,
        study_a=names[0],
        study_b=names[1],
        tested=tested,
        folds=tuple(zip(*(fold_concordance(o, risk).mean(axis=0).tolist() for risk in risks), strict=True)),
        patients=_drivers(o, risks, influences[0] - influences[1]),
    )


def _risk(results: Results, name: str) -> NDArray[np.float64]:
    if name not in results.methods:
        raise UnknownNameError("method of this study", name, results.methods, see="'bench status'")
    method = results.methods[name]
    if method.risk is None or results.outcomes is None:
        why = method.reason or "it gives no risk"
        raise BenchError(f"{name} cannot be compared: {method.status}, {why}. 'bench status' shows what is done.")
    return method.risk


def _known(outcomes: Outcomes | None) -> Outcomes:
    if outcomes is None:
        raise BenchError("The study has no complete method. 'bench status' shows what is done.")
    return outcomes


def _refuse_other_patients(splits: Path, names: tuple[str, str], o: Outcomes, o_other: Outcomes) -> None:
    differences = list(_differences(names[0], o, names[1], o_other))
    if differences:
        remedy = (
            "Two studies need the same patients with the same outcomes in the same folds. Run the second again on the "
            f"cohort of the first, with --splits {splits}."
        )
        what = (f"  {difference}" for difference in differences)
        raise BenchError("\n".join([f"{names[0]} and {names[1]} cannot be compared:", *what, remedy]))


def _differences(name: str, o: Outcomes, other: str, o_other: Outcomes) -> Iterator[str]:
    """Say in which patients two studies differ, or else in which outcomes and in which folds of theirs."""
    ids, ids_other = set(o.ids), set(o_other.ids)
    if ids != ids_other:
        for who, only in ((name, ids - ids_other), (other, ids_other - ids)):
            if only:
                yield f"patients that only {who} has ({len(only)}): {_some(sorted(only))}"
        return
    # both are in the order of the ids
    moved = np.flatnonzero((o.time != o_other.time) | (o.event != o_other.event))
    if len(moved):
        yield f"patients with other outcomes ({len(moved)}): {_some([o.ids[i] for i in moved])}"
    folds, folds_other = _folds(o), _folds(o_other)
    if set(folds.values()) != set(folds_other.values()):
        apart = [i for i in o.ids if folds[i] != folds_other[i]]
        counts = f"{len(set(folds.values()))} against {len(set(folds_other.values()))} folds"
        yield f"patients who share their fold with others ({len(apart)}, {counts}): {_some(apart)}"


def _folds(o: Outcomes) -> dict[str, frozenset[str]]:
    """Return by patient who is tested with it; the numbers of folds mean nothing."""
    members = {k: frozenset(i for i, of in zip(o.ids, o.fold, strict=True) if of == k) for k in np.unique(o.fold)}
    return {i: members[k] for i, k in zip(o.ids, o.fold, strict=True)}


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")


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
