"""Network methods that predict survival by intervals: they give curves beside the risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import UnlabelledCohort
from survbench.models.discrete_time import survival_curve
from survbench.models.network_method import Network, NetworkMethod


class DiscreteTimeMethod(NetworkMethod[Network]):
    """A network whose output holds conditional survival."""

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times))."""
        return survival_curve(self._collect(cohort, "conditional"), times)
