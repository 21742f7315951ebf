"""Every method of a study against every other: what the page that compares any two is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.files import finite
from survbench.leaderboard.gather import Outcomes, Results
from survbench.leaderboard.render import rounded
from survbench.leaderboard.sample import PERMUTATIONS, Measured
from survbench.metrics import concordance_index
from survbench.significance import holm, smallest_detectable_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """C of ``a`` minus C of ``b``; None where there is no number.

    Attributes:
        low, high: paired bootstrap interval of the difference.
        se, p: by the paired jackknife; ``p_holm`` is adjusted over all pairs of ranked
            methods, None with a reference row.
        p_permutation: of the rank-swap test.
        detectable: true difference that such a cohort shows at 5 % with 80 % power.
        reason: why ``p`` or ``p_bootstrap`` is None, or "".
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
    reason: str


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
        return Compared(methods=(), pairs=(), permutations=PERMUTATIONS)
    o = sample.outcomes
    point = dict(zip(sample.names, sample.boot.point, strict=True))
    order = sorted(sample.names, key=lambda name: (-point[name], name))
    chosen = list(combinations(order, 2))
    reference = {name for name in order if results.methods[name].entry.family == "reference"}
    tests = [sample.difference(a, b) for a, b in chosen]
    # reference rows frame the board; they are no comparisons that anybody wants to win
    counted = [np.nan if {a, b} & reference else test.p for (a, b), test in zip(chosen, tests, strict=True)]
    pairs = []
    for (a, b), test, p_holm, swapped in zip(chosen, tests, holm(counted), sample.permuted(chosen), strict=True):
        numbers = {
            "difference": test.value,
            "low": test.low,
            "high": test.high,
            "se": test.se,
            "p": test.p,
            "p_holm": p_holm,
            "p_bootstrap": test.p_bootstrap,
            "p_permutation": swapped.p,
            "detectable": smallest_detectable_difference(test.se),
        }
        pairs.append(
            Pair(a=a, b=b, **{k: finite(v) for k, v in numbers.items()}, reason="; ".join(test.reasons.values()))
        )
    methods = tuple(_method(results, o, name, float(point[name])) for name in order)
    return Compared(methods=methods, pairs=tuple(pairs), permutations=PERMUTATIONS)


def to_json(compared: Compared) -> dict[str, Any]:
    """Return all pairs as JSON."""
    raw: dict[str, Any] = rounded(asdict(compared))
    return raw


def rows(compared: Compared) -> Iterator[tuple[object, ...]]:
    """Yield all pairs as rows of :data:`COLUMNS`."""
    for pair in compared.pairs:
        yield tuple(asdict(pair).values())


def _method(results: Results, o: Outcomes, name: str, c: float) -> dict[str, Any]:
    method = results.methods[name]
    return {
        "name": name,
        "title": method.entry.title,
        "c": finite(c),
        "folds": [] if method.risk is None else [_fold_c(o, method.risk, int(k)) for k in np.unique(o.fold)],
    }


def _fold_c(o: Outcomes, risk: NDArray[np.float64], fold: int) -> float | None:
    members = o.fold == fold
    return finite(np.mean([concordance_index(o.time[members], o.event[members], r[members]).value for r in risk]))
