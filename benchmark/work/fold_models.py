"""The models of a method's fits, loaded once, and what each of them says of a patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.io.layout import CurveSource
from survbench.runs.store import Store
from survbench.work.fitted import fitted_method
from survbench.work.inputs import deep_features
from survbench.work.one_by_one import predict_one_by_one
from survbench.work.predictions import BadPredictionError
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import limit_threads

if TYPE_CHECKING:
    from survbench.plan.job import FitJob

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one model says of one patient.

    Attributes:
        risk: as the model gives it.
        survival: at :data:`survbench.api.SURVIVAL_MONTHS`, or None.
        source: where the curve is from.
        probability: of tumour, on the patient's grid, or None.
    """

    risk: float
    survival: Floats | None
    source: CurveSource
    probability: NDArray[np.float32] | None


class FoldModel:
    """The model of one fit, loaded when it is first asked and kept.

    Args:
        job: the fit.
        store: where it lies, with the fit whose features it takes.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, job: FitJob, store: Store, *, device: str) -> None:
        self.job = job
        self._store = store
        self._device = device

    def predict(self, prepared: PreparedCohort, patient: str) -> Answer:
        """Return what the model says of a patient of a prepared cohort, as the job that predicts an external cohort
        has it say.

        Raises:
            BadPredictionError: it is not a risk, a survival curve or a mask.
        """
        job = self.job
        limit_threads(job.threads)
        seen = prepared.inputs([patient], job.needs_predict)
        if job.upstream is not None:
            above = prepared.inputs([patient], job.upstream.needs_predict)
            seen = replace(seen, features=deep_features(self._network, above))
        predicted, source = predict_one_by_one(self._method, [seen], job.gives, self._store.folder(job.key))
        if predicted.risk is None:
            raise BadPredictionError("it gives no risk")
        return Answer(
            risk=float(predicted.risk[0]),
            survival=None if predicted.survival is None else predicted.survival[0],
            source=source,
            probability=None if predicted.probability is None else _finite(next(predicted.probability)),
        )

    @cached_property
    def _method(self) -> Any:
        return fitted_method(self._store, self.job.key, device=self._device)

    @cached_property
    def _network(self) -> Any:
        return None if self.job.upstream is None else fitted_method(self._store, self.job.upstream.key, device="cpu")


def _finite(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(probability).all():
        raise BadPredictionError("segment gave a probability that is not finite")
    return probability
