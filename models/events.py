"""The minimum number of patients with an event in a training fold."""

from __future__ import annotations

from survbench.cohort import Cohort
from survbench.errors import BenchError

LEAST = 2
"""One patient cannot show what distinguishes patients with events from others."""


def require_events(train: Cohort, *, what: str) -> None:
    """Refuse a training fold in which fewer than two patients have an event; rows of one patient count once.

    Args:
        train: the training fold.
        what: what needs the events, as words inside a sentence.

    Raises:
        BenchError: there are too few events; the message says how many, and what to do.
    """
    rows = int(train.event.sum())
    with_event = {s.patient for s, happened in zip(train.subjects, train.event, strict=True) if happened}
    if len(with_event) < LEAST:
        counted = ("No events", "1 event")[rows] if rows < LEAST else f"{rows} events of a single patient"
        raise BenchError(
            f"{counted} in this training fold of {len({s.patient for s in train.subjects})} patients; {what} "
            f"needs at least {LEAST} patients with an event. Use a profile with other folds, or provide your own with "
            "--splits."
        )
