"""Every method of a study against every other: what the page that compares any two is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from survbench.evaluation.difference import OF_PAIR, Difference, named
from survbench.evaluation.sample import PERMUTATIONS, Measured, fold_concordance
from survbench.io.files import finite, rounded

Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMatrix:
    """Every ranked method against every other, row minus column; ``p_holm`` is adjusted over all pairs."""

    methods: tuple[str, ...] = ()
    difference: Matrix = ()
    se: Matrix = ()
    p: Matrix = ()
    p_holm: Matrix = ()


COLUMNS = tuple(OF_PAIR)
"""Of the table of all pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All pairs of the methods that have a C-index."""

    methods: tuple[dict[str, Any], ...]
    """``name title c folds``, from the highest C."""
    pairs: tuple[Difference, ...]
    """``p_holm`` is adjusted over all pairs of ranked methods, None with a reference row."""
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
    pairs = tuple(
        replace(
            sample.difference(a, b),
            p_holm=ranked.p_holm[place[a]][place[b]] if {a, b} <= place.keys() else None,
            p_permutation=finite(swapped.p),
        )
        for (a, b), swapped in zip(chosen, sample.permuted(chosen), strict=True)
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
    return Compared(methods=methods, pairs=pairs, permutations=PERMUTATIONS)


def to_json(compared: Compared) -> dict[str, Any]:
    """Return all pairs as JSON."""
    pairs = [named(pair, OF_PAIR) for pair in compared.pairs]
    raw: dict[str, Any] = rounded({"methods": compared.methods, "pairs": pairs, "permutations": compared.permutations})
    return raw


def rows(compared: Compared) -> Iterator[tuple[object, ...]]:
    """Yield all pairs as rows of :data:`COLUMNS`."""
    for pair in compared.pairs:
        yield tuple(named(pair, OF_PAIR).values())
