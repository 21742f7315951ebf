"""The patients of a job with what its method may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.cohort import Cohort, FeatureTable, UnlabelledCohort
from survbench.runs.store import Store
from survbench.volume import Volume
from survbench.work.fitted import fitted_method
from survbench.work.predictions import BadPredictionError
from survbench.work.prepared import PreparedCohort

if TYPE_CHECKING:
    from survbench.plan.job import FittingJob, PlannedJob, Upstream


def labelled(
    ids: Sequence[str], job: FittingJob, upstream: Upstream | None, store: Store, prepared: PreparedCohort
) -> Cohort:
    """Return patients with outcomes and what the method needs to fit, upstream features included."""
    cohort = prepared.labelled(ids, job.needs_fit)
    return cohort if upstream is None else replace(cohort, features=_above(ids, upstream, store, prepared))


def inputs(
    ids: Sequence[str], job: PlannedJob, upstream: Upstream | None, store: Store, prepared: PreparedCohort
) -> UnlabelledCohort:
    """Return patients with what the method needs to predict, upstream features included."""
    cohort = prepared.inputs(ids, job.needs_predict)
    return cohort if upstream is None else replace(cohort, features=_above(ids, upstream, store, prepared))


def _above(ids: Sequence[str], upstream: Upstream, store: Store, prepared: PreparedCohort) -> FeatureTable:
    method = fitted_method(store, upstream.key, device="cpu")
    return deep_features(method, prepared.inputs(ids, upstream.needs_predict))


def deep_features(method: Any, cohort: UnlabelledCohort) -> FeatureTable:
    """Return what a method's ``embed`` gives as a table: ``deep_000``, ``deep_001``, ...

    Raises:
        BadPredictionError: wrong shape, or not finite.
    """
    values = np.asarray(method.embed(cohort), dtype=np.float64)
    if values.ndim != 2 or len(values) != len(cohort) or not np.isfinite(values).all():
        raise BadPredictionError(f"embed gave shape {values.shape}, or values that are not finite")
    return FeatureTable(tuple(f"deep_{n:03d}" for n in range(values.shape[1])), values)


def masks_of(prepared: PreparedCohort, ids: Sequence[str]) -> list[Volume] | None:
    """Return the manual masks of patients; None where some have none."""
    subjects = prepared.inputs(ids, ["mask"]).subjects
    if not all("mask" in s.volumes for s in subjects):
        return None
    return [s.volumes["mask"] for s in subjects]
