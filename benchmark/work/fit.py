"""The job that fits a method on a training fold and predicts its test fold."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from survbench.api import Context, Method, Seeds
from survbench.cohort import Cohort
from survbench.io.files import write_json
from survbench.io.layout import PROGRESS, SELECTED, Role
from survbench.plan.folds import inner_split
from survbench.runs.completion import Unscored
from survbench.runs.follow_up import FollowUp
from survbench.runs.store import LOG, MODEL, Store
from survbench.work.construct import construct, settings
from survbench.work.convergence import Curves, FileMonitor, recorded_risks, score_masks
from survbench.work.example_slices import watched_examples
from survbench.work.fitted import tuned_params
from survbench.work.inputs import JobPatients
from survbench.work.learning import write_learning
from survbench.work.prediction_table import table_of_predictions
from survbench.work.predictions import BadPredictionError, predict
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import foreign_code, in_own_folder, limit_threads, logged
from survbench.work.record import finish
from survbench.work.survival_curves import calibrate, with_curves

if TYPE_CHECKING:
    from survbench.plan.job import FitJob

MONITOR = "monitor"
"""What a fit predicts for its test fold while it trains, in its scratch folder."""

log = logging.getLogger(__name__)


def run_fit(job: FitJob, out: str, follow_up: FollowUp) -> Unscored:
    """Fit a method on a training fold and predict its test fold.

    Args:
        job: the fit.
        out: the output folder.
        follow_up: outcomes of the training fold; of the test fold, too, where the published way to choose a checkpoint
            looks at it.

    Returns:
        The run, unsealed.
    """
    store = Store(Path(out))
    patients = JobPatients(PreparedCohort(store.root, job.cohort), store, job.upstream)
    scratch = store.scratch(job.key)
    with store.filling(job.key) as folder, logged(scratch / LOG, folder / LOG), in_own_folder(scratch):
        limit_threads(job.threads)
        train = follow_up.label(patients.inputs(job.train, job.needs_fit))
        test = patients.inputs(job.test, job.needs_predict)
        params = {**job.params, **tuned_params(store, job.tune)}
        validation = None
        if job.selection == "paper":
            validation = follow_up.label(patients.inputs(job.test, job.needs_fit))
        elif job.selection == "inner":
            kept, held_out = inner_split(train)
            train, validation = train.take(kept), train.take(held_out)
        curves = Curves(scratch / PROGRESS, total=job.training.steps)
        ctx = Context(
            seeds=Seeds(job.seed, job.fold, job.method),
            training=job.training,
            device=job.device,
            threads=job.threads,
            selection=job.selection,
            scratch=scratch,
            deadline=time.monotonic() + job.timeout_s,
            monitor=FileMonitor(test, scratch / MONITOR),
            report=curves.report,
        )
        started = time.perf_counter()
        with foreign_code():
            method = construct(job.target, params).fit(train, validation=validation, ctx=ctx)
        fitted = time.perf_counter()
        predicted = predict(method, test, job.gives)
        finished = time.perf_counter()
        unseen = validation.ids if job.selection == "inner" and validation is not None else ()
        calibrate(method, unseen if job.needs_fit else job.train, job, patients, follow_up, folder)
        survival = with_curves(predicted, folder)
        (folder / MODEL).mkdir()
        with foreign_code():
            method.save(folder / MODEL)
        _write_selected(folder, method, train)
        masks = patients.masks(job.test) if "segmentation" in job.gives else None
        examples = watched_examples(predicted, masks, patients.prepared, job.test)
        predictions = table_of_predictions(job, patients.prepared, predicted, masks, role=Role.TEST)
        examples.write(folder)
        points, monitored = dict(curves.points), recorded_risks(scratch / MONITOR)
        if masks is not None:
            manual = [np.asarray(m.voxels(), dtype=bool) for m in masks]
            points.update(score_masks(scratch / MONITOR, manual))
        record = finish(
            folder,
            job,
            started,
            fitted,
            finished,
            params=params,
            settings=settings(method, params),
            survival=survival,
            description=_description(method),
        )
        # last, so that it cannot change what was predicted for the test fold, nor what the fit took
        _check_learning(folder, method, train, job, patients)
        return Unscored(folder=folder, record=record, predictions=predictions, curves=points, monitored=monitored)


def _check_learning(folder: Path, method: Method, train: Cohort, job: FitJob, patients: JobPatients) -> None:
    """Write ``learning.json``, or say in the log why there is none: a check that fails takes no good fit down."""
    try:
        write_learning(folder, method, train, job, patients)
    except Exception:
        log.exception("Whether this fit has learned could not be checked.")


def _description(method: Method) -> dict[str, int]:
    describe = getattr(method, "describe", None)
    return {} if describe is None else describe()


def _write_selected(folder: Path, method: Method, train: Cohort) -> None:
    """Write ``selected.json``, the weight of every feature and clinical column, for methods that tell them.

    Raises:
        BadPredictionError: a weight is not a finite number.
    """
    selected = getattr(method, "selected", None)
    if selected is None:
        return
    offered = () if train.features is None else train.features.names
    weights = {**dict.fromkeys(offered, 0.0), **{str(name): float(weight) for name, weight in selected().items()}}
    bad = ", ".join(name for name, weight in weights.items() if not np.isfinite(weight))
    if bad:
        raise BadPredictionError(f"selected gave a weight that is not finite for {bad[:200]}")
    write_json(folder / SELECTED, weights)
