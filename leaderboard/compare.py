"""Two methods of a study compared: difference, interval, p, and the patients that drive it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench import significance
from survbench.errors import BenchError, UnknownNameError
from survbench.leaderboard.gather import Outcomes, gather
from survbench.metrics import concordance_index
from survbench.store import Store
from survbench.study import Study

if TYPE_CHECKING:
    from rich.console import RenderableType

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
class Comparison:
    """C of ``a`` minus C of ``b``: estimate, paired bootstrap interval, p by every test (``p`` is the jackknife's)."""

    a: str
    b: str
    c_a: float
    c_b: float
    difference: float
    low: float
    high: float
    se: float
    p: float
    p_bootstrap: float
    p_compare_c: float
    p_permutation: float
    smallest_detectable_difference: float
    meaning: str
    folds: tuple[tuple[float, float], ...]
    patients: tuple[Driver, ...]


def compare(study: Study, store: Store, a: str, b: str, *, resamples: int) -> Comparison:
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
    tested = significance.compare(o.time, o.event, risks[0], risks[1], o.fold, resamples=resamples, seed=seed)
    of_a, of_b = (significance.influence(o.time, o.event, o.fold, risk) for risk in risks)
    return Comparison(
        a=a,
        b=b,
        c_a=tested.c_index_a,
        c_b=tested.c_index_b,
        difference=tested.difference,
        low=tested.ci_low,
        high=tested.ci_high,
        se=tested.se,
        p=tested.p["jackknife"],
        p_bootstrap=tested.p["bootstrap"],
        p_compare_c=tested.p["compareC"],
        p_permutation=tested.p["permutation"],
        smallest_detectable_difference=tested.smallest_detectable_difference,
        meaning=tested.meaning(a, b),
        folds=tuple((_fold_c(o, risks[0], k), _fold_c(o, risks[1], k)) for k in np.unique(o.fold)),
        patients=_drivers(o, risks, of_a - of_b),
    )


def to_json(result: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON; what is not a number is None."""
    raw: dict[str, Any] = _without_nan(asdict(result))
    return raw


def render(result: Comparison) -> RenderableType:
    """Return a comparison for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text(
        f"{result.a} {result.c_a:.3f}, {result.b} {result.c_b:.3f}: difference {result.difference:+.3f} "
        f"(95 % {result.low:+.3f} to {result.high:+.3f}), p {result.p:.3f} (jackknife), "
        f"{result.p_bootstrap:.3f} (bootstrap), {result.p_compare_c:.3f} (compareC), "
        f"{result.p_permutation:.3f} (permutation)"
    )
    folds = Text("C by fold: " + ", ".join(f"{k}: {x:.3f} / {y:.3f}" for k, (x, y) in enumerate(result.folds)))
    table = Table(title="Patients that drive the difference", title_justify="left")
    for name in ("patient", "months", "event", "fold", f"risk rank by {result.a}", f"by {result.b}", "influence"):
        table.add_column(name)
    for p in result.patients:
        ranks = (f"{p.rank_a:g} of {p.of}", f"{p.rank_b:g} of {p.of}")
        event = "yes" if p.event else "no"
        table.add_row(Text(p.id), f"{p.time:.1f}", event, str(p.fold), *ranks, f"{p.influence:+.4f}")
    return Group(head, folds, Text(result.meaning), table)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    return [_without_nan(v) for v in value] if isinstance(value, list | tuple) else value


def _known(outcomes: Outcomes | None) -> Outcomes:
    if outcomes is None:
        raise BenchError("The study has no complete method. 'bench status' shows what is done.")
    return outcomes


def _fold_c(o: Outcomes, risk: NDArray[np.float64], fold: int) -> float:
    rows = o.fold == fold
    return float(np.mean([concordance_index(o.time[rows], o.event[rows], r[rows]).value for r in risk]))


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
