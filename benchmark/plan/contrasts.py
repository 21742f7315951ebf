"""The differences that the paper reports, by table, and the adjustment of our p values within each table.

The published P values are quoted beside ours, not reproduced: the paper does not name its test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import Field
from survbench.io.config import Strict
from survbench.statistics.multiplicity import benjamini_hochberg, holm

Published = Annotated[float, Field(gt=0, lt=1)] | Literal["> 0.05"]


class Contrast(Strict):
    """Method ``a`` against ``b``, the paper giving the higher C to ``a``; its P in cross-validation and outside."""

    a: str
    b: str
    published: Published
    published_external: Published | None = None


class ContrastTable(Strict):
    """Contrasts that are adjusted together: those of one table of the paper."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    paper_table: Literal["II", "III", "IV", "V"]
    title: str
    contrasts: tuple[Contrast, ...]


class _File(Strict):
    source: str
    tables: tuple[ContrastTable, ...]


@dataclass(frozen=True, slots=True)
class AdjustedContrast:
    """A contrast with our p: raw, and adjusted over those of its table that have one. NaN where it was not tested."""

    contrast: Contrast
    p: float
    p_holm: float
    p_bh: float


@cache
def paper_contrasts() -> tuple[ContrastTable, ...]:
    """Return the paper's contrasts by table."""
    text = (files("survbench.plan") / "contrasts.yaml").read_text(encoding="utf-8")
    return _File.model_validate(yaml.safe_load(text)).tables


def adjust_within(table: ContrastTable, p: Mapping[tuple[str, str], float]) -> tuple[AdjustedContrast, ...]:
    """Adjust p values within a table of contrasts, by Holm and by Benjamini and Hochberg.

    Args:
        table: the contrasts.
        p: of each contrast (a, b) that was tested.
    """
    raw = [p.get((c.a, c.b), float("nan")) for c in table.contrasts]
    adjusted = zip(table.contrasts, raw, holm(raw), benjamini_hochberg(raw), strict=True)
    return tuple(AdjustedContrast(c, one, float(by_holm), float(by_bh)) for c, one, by_holm, by_bh in adjusted)
