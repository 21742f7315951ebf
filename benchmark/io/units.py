"""Amounts in the unit that suits them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a duration in words.

    >>> duration(0.01), duration(4.2), duration(42), duration(200), duration(7300), duration(9e7)
    ('<0.1 s', '4.2 s', '42 s', '3 min', '2.0 h', '25,000 h')
    """
    if seconds < 10:
        return "<0.1 s" if seconds < 0.1 else f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 3600:,.0f} h"
