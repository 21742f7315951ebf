"""The patients of a job with what its method may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.cohort import FeatureTable, Need, UnlabelledCohort
from survbench.runs.store import Store
from survbench.volume import Volume
from survbench.work.fitted import fitted_method
from survbench.work.predictions import BadPredictionError
from survbench.work.prepared import PreparedCohort

if TYPE_CHECKING:
    from survbench.plan.job import Upstream


class JobPatients:
    """The patients of a job, and the features that an upstream network makes of them; its model is loaded once.

    Args:
        prepared: their cohort.
        store: of the upstream fit.
        upstream: the fit whose features the job's method takes, if any.
    """

    def __init__(self, prepared: PreparedCohort, store: Store, upstream: Upstream | None) -> None:
        self.prepared = prepared
        self._store = store
        self._upstream = upstream

    def inputs(self, ids: Sequence[str], needs: Iterable[Need]) -> UnlabelledCohort:
        """Return patients, in the order of ``ids``, with what ``needs`` names, upstream features included."""
        cohort = self.prepared.inputs(ids, needs)
        if self._upstream is None:
            return cohort
        seen_above = self.prepared.inputs(ids, self._upstream.needs_predict)
        return replace(cohort, features=deep_features(self._network, seen_above))

    def masks(self, ids: Sequence[str]) -> list[Volume] | None:
        """Return the manual masks of patients; None where some have none."""
        subjects = self.prepared.inputs(ids, ["mask"]).subjects
        if not all("mask" in s.volumes for s in subjects):
            return None
        return [s.volumes["mask"] for s in subjects]

    @cached_property
    def _network(self) -> Any:
        return None if self._upstream is None else fitted_method(self._store, self._upstream.key, device="cpu")


def deep_features(method: Any, cohort: UnlabelledCohort) -> FeatureTable:
    """Return what a method's ``embed`` gives as a table: ``deep_000``, ``deep_001``, ...

    Raises:
        BadPredictionError: wrong shape, or not finite.
    """
    values = np.asarray(method.embed(cohort), dtype=np.float64)
    if values.ndim != 2 or len(values) != len(cohort) or not np.isfinite(values).all():
        raise BadPredictionError(f"embed gave shape {values.shape}, or values that are not finite")
    return FeatureTable(tuple(f"deep_{n:03d}" for n in range(values.shape[1])), values)
