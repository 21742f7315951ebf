"""Findings on a terminal: the same lines wherever they are met."""

from __future__ import annotations

from collections.abc import Sequence

from survbench.cli.options import say
from survbench.findings import Group


def show_findings(groups: Sequence[Group], *, verbose: bool = False) -> None:
    """Print a block for each cause: code and severity, what it is, who is concerned, what to do.

    Args:
        groups: findings by cause, worst first.
        verbose: name every patient instead of some.
    """
    for group in groups:
        first = group.first
        say(f"{first.code} {first.severity}: {first.cause if verbose else group.text}")
        for subject, detail in group.places if verbose else ():
            if subject or detail:
                say(f"    {subject}{': ' if subject and detail else ''}{detail}")
        if first.advice:
            say(f"    {first.advice}")
