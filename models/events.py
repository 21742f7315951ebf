"""The minimum number of events in a training fold."""

from __future__ import annotations

from survbench.cohort import Cohort
from survbench.errors import BenchError

LEAST = 2
"""One event cannot show what distinguishes patients with events from others."""


def require_events(train: Cohort, *, what: str) -> None:
    """Refuse a training fold with fewer than two events.

    Args:
        train: the training fold.
        what: what needs the events, as words inside a sentence.

    Raises:
        BenchError: there are too few events; the message says how many, and what to do.
    """
    events = int(train.event.sum())
    if events < LEAST:
        counted = "1 event" if events == 1 else "No events"
        raise BenchError(
            f"{counted} in this training fold of {len(train)} patients; {what} "
            f"needs at least {LEAST}. Use a profile with other folds, or provide your own with --splits."
        )
