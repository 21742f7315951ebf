"""Every check there is: of inputs and of boards, ours and those of plugins."""

from __future__ import annotations

from survbench.datasets.checks.catalogue import input_checks
from survbench.findings import Check
from survbench.leaderboard.board.checks import BOARD_CHECKS


def all_checks() -> tuple[type[Check], ...]:
    """Return all checks: of inputs by code, of boards, and of plugins."""
    ours = [check for check in input_checks() if check.__module__.startswith("survbench.")]
    plugins = [check for check in input_checks() if check not in ours]
    return (*ours, *BOARD_CHECKS, *plugins)
