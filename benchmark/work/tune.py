"""What happens inside the process of a job that tunes, and of a trial with one of its own: fit and score a method on
splits, again and again.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.runs.follow_up import FollowUp
from survbench.runs.store import LOG, Store, Unsealed
from survbench.space import space_from_json
from survbench.statistics.metrics import concordance_index
from survbench.work.construct import construct
from survbench.work.inputs import JobPatients
from survbench.work.predictions import predict
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import GRACE_S, foreign_code, in_own_folder, limit_threads, logged
from survbench.work.record import finish
from survbench.work.search import Objective, Search
from survbench.work.trials import Trials
from survbench.work.tuned import write_tuned

if TYPE_CHECKING:
    from survbench.plan.job import TuneJob


def run_tune(job: TuneJob, out: str, follow_up: FollowUp) -> Unsealed:
    """Choose hyper-parameters by the mean C-index over the job's splits.

    Trials that have ended are taken as they are: those of an earlier attempt, and those that had processes of their
    own.

    Args:
        job: the search.
        out: the output folder.
        follow_up: outcomes of the patients of its splits.

    Returns:
        The run, unsealed.
    """
    store = Store(Path(out))
    scratch = store.scratch(job.key)
    with store.filling(job.key) as folder, logged(scratch / LOG, folder / LOG), in_own_folder(scratch):
        limit_threads(job.threads)
        kept = Trials(store.root, job.key)
        with (scratch / LOG).open("ab") as log:
            for number in range(job.trials):
                log.write(kept.taken_log(number).encode())
        search = _search(job, kept, _objective(job, store, follow_up, scratch))
        started = time.perf_counter()
        tuned = search.run()
        write_tuned(folder, tuned)
        finished = time.perf_counter()
        record = finish(folder, job, started, finished, finished, params=tuned.best.params)
        return Unsealed(folder=folder, record=record)


def run_trial(job: TuneJob, out: str, follow_up: FollowUp, number: int) -> None:
    """Run one trial of a search, unless one of an earlier batch is missing: then :func:`run_tune` runs both.

    Args:
        job: the search.
        out: the output folder.
        follow_up: outcomes of the patients of its splits.
        number: of the trial.
    """
    store = Store(Path(out))
    scratch = store.scratch(job.key)
    kept = Trials(store.root, job.key)
    with logged(kept.log_of(number)), in_own_folder(scratch):
        limit_threads(job.threads)
        _search(job, kept, _objective(job, store, follow_up, scratch)).run_one(number)


def _search(job: TuneJob, kept: Trials, objective: Objective) -> Search:
    return Search(
        objective=objective,
        space=space_from_json(job.space),
        trials=job.trials,
        batch=job.batch,
        seed=Seeds(job.seed, -1 if job.fold is None else job.fold, job.method).of("tuning"),
        kept=kept,
        steps=len(job.splits) - 1,
    )


def _objective(job: TuneJob, store: Store, follow_up: FollowUp, scratch: Path) -> Objective:
    """Return what scores a set of params on the splits, whose patients are read when the first set is scored."""

    @cache
    def parts() -> list[tuple[Cohort, UnlabelledCohort, tuple[NDArray[np.float64], NDArray[np.bool_]]]]:
        prepared = PreparedCohort(store.root, job.cohort)
        return [
            (
                follow_up.label(patients.inputs(split.train, job.needs_fit)),
                patients.inputs(split.validation, job.needs_predict),
                follow_up.of(split.validation),
            )
            for split in job.splits
            for patients in [JobPatients(prepared, store, split.upstream)]
        ]

    def score(params: Mapping[str, Any], report: Callable[[int, float], None]) -> float:
        values: list[float] = []
        for number, (train, validation, outcomes) in enumerate(parts()):
            with tempfile.TemporaryDirectory(dir=scratch) as folder_of_fit, _watchdog(job.fit_timeout_s):
                ctx = Context(
                    # the same seeds in every trial, so that trials differ by their params alone
                    seeds=Seeds(job.seed, number, f"{job.method} tuned for fold {job.fold}"),
                    training=job.training,
                    device=job.device,
                    threads=job.threads,
                    scratch=Path(folder_of_fit),
                    deadline=time.monotonic() + job.fit_timeout_s,
                )
                with foreign_code():
                    method = construct(job.target, {**job.params, **params})
                    method = method.fit(train, validation=None, ctx=ctx)
            risk = predict(method, validation, ("risk",)).risk
            values.append(concordance_index(*outcomes, risk if risk is not None else ()).value)
            if number < len(job.splits) - 1:  # what has been paid for in full is not given up
                report(number, float(np.mean(values)))
        return float(np.mean(values))

    return score


@contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer: a fit that does not look at its deadline must not hold the search.
    The next attempt goes on from the trials that have ended.
    """
    timer = threading.Timer(seconds + GRACE_S, os._exit, (1,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
