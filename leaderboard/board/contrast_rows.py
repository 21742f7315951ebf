"""The paper's contrasts on a board: our differences and p values next to the published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from survbench.api import Published
from survbench.evaluation.difference import NOT_COMPARED, Difference
from survbench.evaluation.gather import Gathered
from survbench.evaluation.sample import Sample
from survbench.io.files import finite
from survbench.leaderboard.board.rows import ContrastRow
from survbench.plan.contrasts import Contrast, ContrastTable, adjust_within, paper_contrasts


def contrast_rows(methods: Mapping[str, Gathered], inside: Sample, outside: Sample | None) -> tuple[ContrastRow, ...]:
    """Return the paper's contrasts of every table in which at least one contrast has both methods on the board.

    The jackknife's p values are adjusted within a table, over the contrasts that could be tested.
    """
    rows: list[ContrastRow] = []
    for table in paper_contrasts():
        if not any(inside.compares(c.a) and inside.compares(c.b) for c in table.contrasts):
            continue
        ours = _tested(table, inside)
        beyond = [NOT_COMPARED] * len(ours) if outside is None else _tested(table, outside)
        for contrast, here, there in zip(table.contrasts, ours, beyond, strict=True):
            rows.append(
                ContrastRow(
                    table=table.name,
                    title=table.title,
                    a=contrast.a,
                    b=contrast.b,
                    inside=here,
                    outside=there,
                    published_difference=_published(methods, contrast, lambda of: of.c_index),
                    published_p=contrast.published,
                    published_external_difference=_published(methods, contrast, lambda of: of.external_c_index),
                    published_external_p=contrast.published_external,
                )
            )
    return tuple(rows)


def _tested(table: ContrastTable, sample: Sample) -> list[Difference]:
    """Return a sample's result for each contrast, or the reason why it has none."""
    pairs = [(c.a, c.b) for c in table.contrasts]
    known = [pair for pair in pairs if all(map(sample.compares, pair))]
    tests = {pair: sample.difference(*pair) for pair in known}
    permuted = dict(zip(known, sample.permuted(known), strict=True))
    adjusted = adjust_within(table, {pair: test.p for pair, test in tests.items() if test.p is not None})
    return [
        replace(
            tests[pair],
            p_holm=finite(of_table.p_holm),
            p_bh=finite(of_table.p_bh),
            p_permutation=finite(permuted[pair].p),
        )
        if pair in tests
        else Difference(a=pair[0], b=pair[1], reasons={"p": _unknown(pair, sample)})
        for pair, of_table in zip(pairs, adjusted, strict=True)
    ]


def _unknown(pair: tuple[str, str], sample: Sample) -> str:
    return f"no C-index of {' and '.join(name for name in pair if not sample.compares(name))}"


def _published(
    methods: Mapping[str, Gathered], contrast: Contrast, value: Callable[[Published], float | None]
) -> float | None:
    """Return the difference between two published values, at their printed precision."""
    entries = [methods[name].entry for name in (contrast.a, contrast.b) if name in methods]
    values = [value(entry.published) for entry in entries if entry.published is not None]
    known = [each for each in values if each is not None]
    return round(known[0] - known[1], 3) if len(known) == 2 else None
