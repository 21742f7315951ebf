"""Every method of a study against every other: what the page that compares any two is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.leaderboard.board import rounded
from survbench.leaderboard.gather import Outcomes, Results
from survbench.leaderboard.sample import Measured
from survbench.metrics import concordance_index
from survbench.significance import holm, rank_swap_test, smallest_detectable_difference

AFFORDABLE = 10**9
"""Patients times permutations times pairs up to which every pair gets a permutation p: some seconds."""
PERMUTATIONS = 10_000
FEWEST_PERMUTATIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """C of ``a`` minus C of ``b``; None where there is no number.

    Attributes:
        low, high: paired bootstrap interval of the difference.
        se, p: by the paired jackknife; ``p_holm`` is adjusted over all pairs of ranked
            methods, None with a reference row.
        p_permutation: of the rank-swap test; None where so many pairs would take too long.
        detectable: true difference that such a cohort shows at 5 % with 80 % power.
    """

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    se: float | None
    p: float | None
    p_holm: float | None
    p_bootstrap: float | None
    p_permutation: float | None
    detectable: float | None


COLUMNS = tuple(f.name for f in fields(Pair))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All pairs of the methods that have a C-index."""

    methods: tuple[dict[str, Any], ...]
    """``name title c folds``, from the highest C."""
    pairs: tuple[Pair, ...]
    permutations: int


def compare_all(measured: Measured) -> Compared:
    """Compare every two methods that have risks of all patients; empty for a study without two of them."""
    sample, results = measured.inside, measured.results
    if sample is None:
        return Compared(methods=(), pairs=(), permutations=0)
    o = sample.outcomes
    risks = {name: m.risk for name in sample.names if (m := results.methods[name]).risk is not None}
    point = dict(zip(sample.names, sample.boot.point, strict=True))
    order = sorted(sample.names, key=lambda name: (-point[name], name))
    chosen = list(combinations(order, 2))
    permutations = _permutations(len(o.ids) * len(chosen))
    reference = {name for name in order if results.methods[name].entry.family == "reference"}
    tests = [sample.difference(a, b) for a, b in chosen]
    # reference rows frame the board; they are no comparisons that anybody wants to win
    counted = [np.nan if {a, b} & reference else test.p for (a, b), test in zip(chosen, tests, strict=True)]
    pairs = []
    for (a, b), test, p_holm in zip(chosen, tests, holm(counted), strict=True):
        swapped = np.nan
        if permutations:
            swapped = rank_swap_test(
                o.time, o.event, o.fold, risks[a], risks[b], permutations=permutations, seed=measured.seed
            ).p
        numbers = {
            "difference": test.value,
            "low": test.low,
            "high": test.high,
            "se": test.se,
            "p": test.p,
            "p_holm": p_holm,
            "p_bootstrap": test.p_bootstrap,
            "p_permutation": swapped,
            "detectable": smallest_detectable_difference(test.se),
        }
        pairs.append(Pair(a=a, b=b, **{k: float(v) if np.isfinite(v) else None for k, v in numbers.items()}))
    methods = tuple(_method(results, o, name, float(point[name])) for name in order)
    return Compared(methods=methods, pairs=tuple(pairs), permutations=permutations)


def to_json(compared: Compared) -> dict[str, Any]:
    """Return all pairs as JSON."""
    raw: dict[str, Any] = rounded(asdict(compared))
    return raw


def rows(compared: Compared) -> Iterator[tuple[object, ...]]:
    """Yield all pairs as rows of :data:`COLUMNS`."""
    for pair in compared.pairs:
        yield tuple(asdict(pair).values())


def _permutations(work: int) -> int:
    """Return how many permutations each pair can have, 0 for none."""
    affordable = min(PERMUTATIONS, AFFORDABLE // max(work, 1) // 1000 * 1000)
    return affordable if affordable >= FEWEST_PERMUTATIONS else 0


def _method(results: Results, o: Outcomes, name: str, c: float) -> dict[str, Any]:
    method = results.methods[name]
    return {
        "name": name,
        "title": method.entry.title,
        "c": c if np.isfinite(c) else None,
        "folds": [] if method.risk is None else [_fold_c(o, method.risk, int(k)) for k in np.unique(o.fold)],
    }


def _fold_c(o: Outcomes, risk: NDArray[np.float64], fold: int) -> float | None:
    members = o.fold == fold
    c = float(np.mean([concordance_index(o.time[members], o.event[members], r[members]).value for r in risk]))
    return c if np.isfinite(c) else None
