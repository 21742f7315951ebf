"""Patients with clinical columns, of the outcomes of the toy study."""

from __future__ import annotations

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from toy_study import EVENT, TIME

AGE = np.random.default_rng(7).normal(60, 10, 30).round(1).tolist()
SEX = ["male" if n % 3 else "female" for n in range(30)]
STAGE = [f"T{1 + n % 4}" for n in range(30)]


def source(time=TIME, event=EVENT, *, missing=(), **columns):
    """Return a cohort with a column by name: numbers, or levels in their order of appearance."""
    clinical = []
    for name, values in columns.items():
        levels = tuple(dict.fromkeys(v for v in values if isinstance(v, str)))
        clinical.append(
            {"name": name, "column": name, "kind": "categorical" if levels else "numeric", "levels": levels}
        )
    card = CohortCard(
        name="toy",
        title="Toy",
        endpoint={"name": "PFS", "time": "t", "event": "e", "unit": "months"},
        clinical=clinical,
        licence="CC0",
        citation="nobody",
    )
    subjects = tuple(
        Subject(f"P{n:03d}", "A", {k: None if n in missing else v[n] for k, v in columns.items()}, {})
        for n in range(len(time))
    )
    return SourceCohort(card, Cohort(subjects=subjects, time=np.asarray(time), event=np.asarray(event)))
