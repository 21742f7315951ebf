"""What became of patients, for whoever may know it: no file is opened here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, UnlabelledCohort


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Outcomes of some patients: by id the time in months, and whether the event was seen. Of others nothing is known:
    to ask for them raises KeyError.
    """

    outcomes: Mapping[str, tuple[float, bool]]

    def only(self, ids: Iterable[str]) -> FollowUp:
        """Return the outcomes of these patients, and of no others."""
        return FollowUp({i: self.outcomes[i] for i in ids})

    def of(self, ids: Iterable[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return (time in months, event) of patients, in the order of ``ids``."""
        rows = [self.outcomes[i] for i in ids]
        return np.array([r[0] for r in rows], dtype=np.float64), np.array([r[1] for r in rows], dtype=bool)

    def label(self, inputs: UnlabelledCohort) -> Cohort:
        """Return the patients of a cohort with their outcomes."""
        time, event = self.of(inputs.ids)
        return Cohort(
            subjects=inputs.subjects,
            channels=inputs.channels,
            clinical_columns=inputs.clinical_columns,
            features=inputs.features,
            truth=inputs.truth,
            reference_centre=inputs.reference_centre,
            time=time,
            event=event,
        )
