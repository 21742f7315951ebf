"""Every method of a study against every other: what the page that compares any two is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any

from survbench.evaluation.sample import PERMUTATIONS, Measured, fold_concordance
from survbench.io.files import finite, rounded
from survbench.statistics.paired_tests import smallest_detectable_difference

Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMatrix:
    """Every ranked method against every other, row minus column; ``p_holm`` is adjusted over all pairs."""

    methods: tuple[str, ...] = ()
    difference: Matrix = ()
    se: Matrix = ()
    p: Matrix = ()
    p_holm: Matrix = ()


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


def compare_all(measured: Measured, ranked: PairMatrix) -> Compared:
    """Compare every two methods that have risks of all patients; empty for a study without two of them.

    Args:
        measured: the runs of a study.
        ranked: the board's pairs, for p adjusted over them. Reference rows frame the board and are not among them.
    """
    sample = measured.inside
    if sample is None:
        return Compared(methods=(), pairs=(), permutations=PERMUTATIONS)
    point = dict(zip(sample.names, sample.boot.point, strict=True))
    order = sorted(sample.names, key=lambda name: (-point[name], name))
    chosen = list(combinations(order, 2))
    place = {name: i for i, name in enumerate(ranked.methods)}
    pairs = []
    for (a, b), swapped in zip(chosen, sample.permuted(chosen), strict=True):
        test = sample.difference(a, b)
        pairs.append(
            Pair(
                a=a,
                b=b,
                difference=finite(test.value),
                low=finite(test.low),
                high=finite(test.high),
                se=finite(test.se),
                p=finite(test.p),
                p_holm=ranked.p_holm[place[a]][place[b]] if {a, b} <= place.keys() else None,
                p_bootstrap=finite(test.p_bootstrap),
                p_permutation=finite(swapped.p),
                detectable=finite(smallest_detectable_difference(test.se)),
                reason="; ".join(test.reasons.values()),
            )
        )
    methods = tuple(
        {
            "name": name,
            "title": measured.results.methods[name].entry.title,
            "c": finite(point[name]),
            "folds": [finite(c) for c in fold_concordance(sample.outcomes, sample.risks[name]).mean(axis=0)],
        }
        for name in order
    )
    return Compared(methods=methods, pairs=tuple(pairs), permutations=PERMUTATIONS)


def to_json(compared: Compared) -> dict[str, Any]:
    """Return all pairs as JSON."""
    raw: dict[str, Any] = rounded(asdict(compared))
    return raw


def rows(compared: Compared) -> Iterator[tuple[object, ...]]:
    """Yield all pairs as rows of :data:`COLUMNS`."""
    for pair in compared.pairs:
        yield tuple(asdict(pair).values())
