"""Network methods that predict survival per interval, so that they give survival curves as well as a risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import UnlabelledCohort
from survbench.models.engine.network_method import Network, NetworkMethod
from survbench.models.networks.discrete_time import survival_curve


class DiscreteTimeMethod(NetworkMethod[Network]):
    """A network whose output includes conditional survival."""

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times))."""
        return survival_curve(self._collect(cohort, "conditional"), times)
