"""The job that predicts an external cohort by a fitted model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.io.layout import Role
from survbench.runs.store import LOG, Store
from survbench.work.fitted import fitted_method
from survbench.work.inputs import inputs, masks_of
from survbench.work.prediction_table import write_predictions
from survbench.work.predictions import predict
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import limit_threads, logged
from survbench.work.record import finish
from survbench.work.survival_curves import with_curves

if TYPE_CHECKING:
    from survbench.plan.job import PredictJob
    from survbench.runs.record import RunRecord


def run_predict(job: PredictJob, out: str) -> RunRecord:
    """Load a fitted model, predict an external cohort, and seal the run."""
    store = Store(Path(out))
    prepared = PreparedCohort(store.root, job.cohort)
    with store.writing(job.key) as folder, logged(store.scratch(job.key) / LOG, folder / LOG):
        limit_threads(job.threads)
        test = inputs(job.test, job, job.upstream, store, prepared)
        started = time.perf_counter()
        method = fitted_method(store, job.fit, device=job.device)
        predicted = predict(method, test, job.gives)
        finished = time.perf_counter()
        survival = with_curves(predicted, store.folder(job.fit))
        masks = masks_of(prepared, job.test) if "segmentation" in job.gives else None
        write_predictions(folder, job, prepared, predicted, masks, role=Role.EXTERNAL.of(job.cohort_name))
        return finish(folder, job, started, started, finished, survival=survival)
