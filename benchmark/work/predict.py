"""The job that predicts an external cohort by a fitted model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.io.layout import Role
from survbench.runs.completion import Unscored
from survbench.runs.store import LOG, Store
from survbench.work.fitted import fitted_method
from survbench.work.inputs import JobPatients
from survbench.work.one_by_one import predict_one_by_one
from survbench.work.prediction_table import table_of_predictions
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import in_own_folder, limit_threads, logged
from survbench.work.record import finish

if TYPE_CHECKING:
    from survbench.plan.job import PredictJob


def run_predict(job: PredictJob, out: str) -> Unscored:
    """Load a fitted model, predict an external cohort, and return the run, unsealed. No outcome is known here."""
    store = Store(Path(out))
    patients = JobPatients(PreparedCohort(store.root, job.cohort), store, job.upstream)
    scratch = store.scratch(job.key)
    with store.filling(job.key) as folder, logged(scratch / LOG, folder / LOG), in_own_folder(scratch):
        limit_threads(job.threads)
        test = [patients.inputs([patient], job.needs_predict) for patient in job.test]
        started = time.perf_counter()
        method = fitted_method(store, job.fit, device=job.device)
        predicted, survival = predict_one_by_one(method, test, job.gives, store.folder(job.fit))
        finished = time.perf_counter()
        masks = patients.masks(job.test) if "segmentation" in job.gives else None
        role = Role.EXTERNAL.of(job.cohort_name)
        predictions = table_of_predictions(job, patients.prepared, predicted, masks, role=role)
        record = finish(folder, job, started, started, finished, survival=survival)
        return Unscored(folder=folder, record=record, predictions=predictions)
