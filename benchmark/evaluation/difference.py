"""The one shape of a difference between two methods, and the names that files give to its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """C of ``a`` minus C of ``b`` on the same patients. What the data do not give is None; all is, where nothing was
    compared.

    Attributes:
        value: the difference.
        low, high: its 95 % interval, by the paired bootstrap.
        se, p: by the paired infinitesimal jackknife.
        p_holm, p_bh: ``p`` adjusted by Holm and by Benjamini and Hochberg; over what, says who holds the difference.
        p_bootstrap, p_permutation: by the paired bootstrap and by the exchange of ranks, not adjusted.
        detectable: true difference that such a cohort shows at 5 % with 80 % power.
        reasons: why ``p``, or ``p_bootstrap`` and with it the interval, is None.
    """

    a: str = ""
    b: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_bh: float | None = None
    p_bootstrap: float | None = None
    p_permutation: float | None = None
    detectable: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why something is None, or ""."""
        return "; ".join(self.reasons.values())


NOT_COMPARED = Difference()
_INTERVAL = {"difference": "value", "difference_low": "low", "difference_high": "high"}
_ADJUSTED = {"p": "p", "p_holm": "p_holm", "p_bh": "p_bh", "p_bootstrap": "p_bootstrap"}
OF_ROW = {**_INTERVAL, **_ADJUSTED, "smallest_detectable_difference": "detectable"}
"""Keys of a board's row, with the attributes that they hold."""
OF_CONTRAST = {**_INTERVAL, **_ADJUSTED, "p_permutation": "p_permutation", "reason": "reason"}
OF_ORACLE = {"oracle_gap": "value", "oracle_gap_low": "low", "oracle_gap_high": "high"}
OF_PAIR = {
    "a": "a",
    "b": "b",
    "difference": "value",
    **{name: name for name in ("low", "high", "se", "p", "p_holm", "p_bootstrap", "p_permutation")},
    "detectable": "detectable",
    "reason": "reason",
}


def named(difference: Difference, names: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    """Return a difference by the keys of a file.

    >>> named(Difference(a="x", b="y", value=0.1), OF_ORACLE)
    {'oracle_gap': 0.1, 'oracle_gap_low': None, 'oracle_gap_high': None}
    """
    return {f"{prefix}{key}": getattr(difference, attribute) for key, attribute in names.items()}


def taken(
    values: dict[str, Any], names: Mapping[str, str], a: str, b: str, reasons: Mapping[str, str], prefix: str = ""
) -> Difference:
    """Take a difference out of what :func:`named` has written into ``values``.

    Args:
        values: of a file; the keys of the difference are removed.
        names: of these keys.
        a: the first method.
        b: the second.
        reasons: of what is None.
        prefix: of the keys.
    """
    known = {attribute: values.pop(f"{prefix}{key}") for key, attribute in names.items()}
    known.pop("reason", None)
    return NOT_COMPARED if known["value"] is None and not reasons else Difference(a=a, b=b, reasons=reasons, **known)
