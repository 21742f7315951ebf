"""How many events a training fold needs."""

from __future__ import annotations

from survbench.cohort import Cohort
from survbench.errors import BenchError

LEAST = 2
"""One event says nothing of what sets patients with events apart."""


def require_events(train: Cohort, *, what: str) -> None:
    """Refuse a training fold with fewer than two events.

    Args:
        train: the training fold.
        what: what needs them, as a sentence begins.

    Raises:
        BenchError: says how many there are, and what to do.
    """
    events = int(train.event.sum())
    if events < LEAST:
        counted = "1 event" if events == 1 else "No events"
        raise BenchError(
            f"{counted} in this training fold of {len(train)} patients; {what} "
            f"needs at least {LEAST}. Use a profile with other folds, or give your own with --splits."
        )
