"""Convert rows and contrasts of a board to the flat values of its JSON, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from survbench.api import Published
from survbench.evaluation.difference import OF_CONTRAST, OF_ORACLE, OF_ROW, Difference, named, taken
from survbench.evaluation.learning import Verdicts
from survbench.io.layout import CurveSource, Status
from survbench.io.stored import known_fields
from survbench.leaderboard.board.rows import ORACLE, ContrastRow, Row

PREFIXES = {"inside": "", "outside": "external_"}
"""Prefixes of the keys of a contrast's two differences."""


def row_json(row: Row) -> dict[str, Any]:
    """Return a row's values by their keys in JSON."""
    raw = asdict(row)
    raw["reference"] = raw.pop("is_reference")
    del raw["difference"], raw["oracle_gap"]
    return {**raw, **named(row.difference, OF_ROW), **named(row.oracle_gap, OF_ORACLE)}


def row_of(raw: dict[str, Any], reference: str) -> Row:
    """Return the row from its JSON; its difference is from the method ``reference``."""
    rest = dict(raw)
    why = {name: raw["reasons"][name] for name in ("p", "p_bootstrap") if name in raw["reasons"]}
    difference = taken(rest, OF_ROW, raw["method"], reference, why)
    gap = taken(rest, OF_ORACLE, ORACLE, raw["method"], {})
    published, learning = rest.pop("published"), rest.pop("learning")
    return Row(
        is_reference=rest.pop("reference"),
        status=Status(rest.pop("status")),
        survival=CurveSource(rest.pop("survival")),
        difference=difference,
        oracle_gap=gap,
        published=None if published is None else Published(**known_fields(Published, published)),
        learning=None if learning is None else Verdicts(**known_fields(Verdicts, learning)),
        **known_fields(Row, rest),
    )


def contrast_json(row: ContrastRow) -> dict[str, Any]:
    """Return a contrast's values by their keys in JSON and CSV: methods, both differences, and published values."""
    rest = {field.name: getattr(row, field.name) for field in fields(row) if field.name not in PREFIXES}
    first = {key: rest.pop(key) for key in ("table", "title", "a", "b")}
    for name, prefix in PREFIXES.items():
        first |= named(getattr(row, name), OF_CONTRAST, prefix)
    return {**first, **rest}


def contrast_of(raw: dict[str, Any]) -> ContrastRow:
    """Return the contrast from its JSON."""
    rest = dict(raw)

    def difference(prefix: str) -> Difference:
        why = raw[f"{prefix}reason"]
        return taken(rest, OF_CONTRAST, raw["a"], raw["b"], {"p": why} if why else {}, prefix)

    inside, outside = (difference(PREFIXES[name]) for name in ("inside", "outside"))
    return ContrastRow(inside=inside, outside=outside, **known_fields(ContrastRow, rest))
