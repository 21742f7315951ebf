"""What a check does not find as it should be."""

from __future__ import annotations


def demand(condition: object, otherwise: str) -> None:
    """Raise with a sentence unless a condition holds."""
    if not condition:
        raise AssertionError(otherwise)
