"""The end of a job, in the process that started it: the outcomes of test patients are added to what the job's own
process predicted without knowing them, and the run is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from survbench.runs.follow_up import FollowUp
from survbench.runs.predictions import Predictions
from survbench.runs.record import RunError, RunRecord
from survbench.runs.store import CURVES, Store, Unsealed, write_run
from survbench.statistics.metrics import concordance_index, cox_loss

if TYPE_CHECKING:
    from survbench.plan.job import PlannedJob

CurvePoint = tuple[int, str, str]
"""(step, split, metric)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscored(Unsealed):
    """A run that waits for the outcomes of its n test patients.

    Attributes:
        predictions: of the test patients.
        curves: what is known of the curves without these outcomes; None of a job that has no curves.
        monitored: risks of the test patients, shape (n,), by the step after which the fit was watched.
    """

    predictions: Predictions
    curves: Mapping[CurvePoint, float] | None = None
    monitored: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)


def complete(
    store: Store, job: PlannedJob, follow_up: FollowUp, left: Unsealed, retried: tuple[RunError, ...] = ()
) -> RunRecord:
    """Add to a run what needs the outcomes of its test patients, seal it, and return its record.

    Args:
        store: of the run.
        job: whose process has ended well.
        follow_up: of the job's cohort.
        left: what that process has left; its folder is moved or, after an exception, removed.
        retried: what stopped earlier attempts.
    """
    record = left.record.model_copy(update={"retried": retried})
    with store.sealing(left.folder, job.key):
        write_run(left.folder, job, record)
        if isinstance(left, Unscored):
            time, event = follow_up.of(left.predictions.ids)
            left.predictions.write(left.folder, time, event)
            if left.curves is not None:
                _write_curves(left.folder, {**left.curves, **dict(_scores(left.monitored, time, event))})
    return record


def _scores(
    monitored: Mapping[int, NDArray[np.float64]], time: NDArray[np.float64], event: NDArray[np.bool_]
) -> Iterator[tuple[CurvePoint, float]]:
    """Yield L_sur and C of the test fold at every step."""
    for step, risk in monitored.items():
        yield (step, "test", "L_sur"), cox_loss(time, event, risk)
        yield (step, "test", "C"), concordance_index(time, event, risk).value


def _write_curves(folder: Path, curves: Mapping[CurvePoint, float]) -> None:
    """Write ``curves.parquet``, ordered."""
    import pandas as pd

    rows = [(*point, value) for point, value in sorted(curves.items())]
    table = pd.DataFrame(rows, columns=["step", "split", "metric", "value"])
    table.astype({"step": "int64", "split": "string", "metric": "string", "value": "float64"}).to_parquet(
        folder / CURVES
    )
