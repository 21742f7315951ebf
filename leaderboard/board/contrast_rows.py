"""The paper's contrasts on a board: our differences and p values, the published ones beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from survbench.evaluation.gather import Gathered
from survbench.evaluation.sample import Sample
from survbench.io.files import finite
from survbench.leaderboard.board.rows import ContrastRow
from survbench.plan.contrasts import Contrast, ContrastTable, adjust_within, paper_contrasts


def contrast_rows(methods: Mapping[str, Gathered], inside: Sample, outside: Sample | None) -> tuple[ContrastRow, ...]:
    """Return the paper's contrasts of every table of which at least one has both of its methods on the board.

    The jackknife's p values are adjusted within a table, over its contrasts that could be tested.
    """
    rows: list[ContrastRow] = []
    for table in paper_contrasts():
        if not any(inside.known(c.a) and inside.known(c.b) for c in table.contrasts):
            continue
        ours = _tested(table, inside)
        beyond = [{} for _ in ours] if outside is None else _tested(table, outside)
        for contrast, here, there in zip(table.contrasts, ours, beyond, strict=True):
            rows.append(
                ContrastRow(
                    table=table.name,
                    title=table.title,
                    a=contrast.a,
                    b=contrast.b,
                    **here,
                    **{f"external_{name}": value for name, value in there.items()},
                    published_difference=_published(methods, contrast, "c_index"),
                    published_p=contrast.published,
                    published_external_difference=_published(methods, contrast, "external_c_index"),
                    published_external_p=contrast.published_external,
                )
            )
    return tuple(rows)


def _tested(table: ContrastTable, sample: Sample) -> list[dict[str, Any]]:
    """Return what a sample says of each contrast, by the names of :class:`ContrastRow`; why, where it says nothing."""
    pairs = [(c.a, c.b) for c in table.contrasts]
    known = [pair for pair in pairs if all(map(sample.known, pair))]
    tests = {pair: sample.difference(*pair) for pair in known}
    permuted = dict(zip(known, sample.permuted(known), strict=True))
    adjusted = adjust_within(table, {pair: test.p for pair, test in tests.items()})
    found: list[dict[str, Any]] = []
    for pair, of_table in zip(pairs, adjusted, strict=True):
        if pair not in tests:
            found.append({"reason": f"no C-index of {' and '.join(n for n in pair if not sample.known(n))}"})
            continue
        test = tests[pair]
        numbers = {
            "difference": test.value,
            "difference_low": test.low,
            "difference_high": test.high,
            "p": test.p,
            "p_holm": of_table.p_holm,
            "p_bh": of_table.p_bh,
            "p_bootstrap": test.p_bootstrap,
            "p_permutation": permuted[pair].p,
        }
        known_numbers = {name: finite(value) for name, value in numbers.items()}
        found.append({**known_numbers, "reason": "; ".join(test.reasons.values())})
    return found


def _published(methods: Mapping[str, Gathered], contrast: Contrast, which: str) -> float | None:
    """Return the difference of two published values, as precisely as they are printed."""
    known = [methods[name].entry.published or {} if name in methods else {} for name in (contrast.a, contrast.b)]
    values = [float(each[which]) for each in known if each.get(which) is not None]
    return round(values[0] - values[1], 3) if len(values) == 2 else None
