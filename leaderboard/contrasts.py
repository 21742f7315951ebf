"""The paper's contrasts on a board: our differences and p values, the published ones beside them."""

from __future__ import annotations

from collections.abc import Mapping

from survbench.contrasts import Contrast, ContrastTable, adjust_within, paper_contrasts
from survbench.files import finite
from survbench.leaderboard.board import ContrastRow
from survbench.leaderboard.gather import Gathered
from survbench.leaderboard.sample import Difference, Sample


def contrast_rows(methods: Mapping[str, Gathered], inside: Sample, outside: Sample | None) -> tuple[ContrastRow, ...]:
    """Return the paper's contrasts of every table of which at least one has both of its methods on the board.

    p values are adjusted within a table, over its contrasts that could be tested.
    """
    rows: list[ContrastRow] = []
    for table in paper_contrasts():
        known = _tested(table, inside)
        if not known:
            continue
        adjusted = {(r.contrast.a, r.contrast.b): r for r in adjust_within(table, _p(known))}
        beyond = {} if outside is None else _tested(table, outside)
        external = {(r.contrast.a, r.contrast.b): r for r in adjust_within(table, _p(beyond))}
        for contrast in table.contrasts:
            pair = (contrast.a, contrast.b)
            rows.append(
                ContrastRow(
                    table=table.name,
                    title=table.title,
                    a=contrast.a,
                    b=contrast.b,
                    **_ours(known.get(pair), ""),
                    p_holm=finite(adjusted[pair].p_holm),
                    p_bh=finite(adjusted[pair].p_bh),
                    **_ours(beyond.get(pair), "external_"),
                    external_p_holm=finite(external[pair].p_holm),
                    external_p_bh=finite(external[pair].p_bh),
                    published_difference=_published(methods, contrast, "c_index"),
                    published_p=contrast.published,
                    published_external_difference=_published(methods, contrast, "external_c_index"),
                    published_external_p=contrast.published_external,
                )
            )
    return tuple(rows)


def _tested(table: ContrastTable, sample: Sample) -> dict[tuple[str, str], Difference]:
    return {(c.a, c.b): sample.difference(c.a, c.b) for c in table.contrasts if sample.known(c.a) and sample.known(c.b)}


def _p(differences: Mapping[tuple[str, str], Difference]) -> dict[tuple[str, str], float]:
    return {pair: d.p for pair, d in differences.items()}


def _ours(difference: Difference | None, prefix: str) -> dict[str, float | None]:
    names = {"value": "difference", "low": "difference_low", "high": "difference_high", "p": "p"}
    return {
        f"{prefix}{name}": None if difference is None else finite(getattr(difference, of)) for of, name in names.items()
    }


def _published(methods: Mapping[str, Gathered], contrast: Contrast, which: str) -> float | None:
    """Return the difference of two published values, as precisely as they are printed."""
    known = [methods[name].entry.published or {} if name in methods else {} for name in (contrast.a, contrast.b)]
    values = [float(each[which]) for each in known if each.get(which) is not None]
    return round(values[0] - values[1], 3) if len(values) == 2 else None
