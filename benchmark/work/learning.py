"""What a fit has made of its own training fold: predicted once more after it has finished, without augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS
from survbench.cohort import Cohort
from survbench.io.files import finite, write_json
from survbench.io.layout import LEARNING
from survbench.statistics.learning import chance_sd, constant_mask_dice, cox_best_slope, discrete_time_best_slope
from survbench.statistics.metrics import concordance_index, dice
from survbench.work.inputs import JobPatients
from survbench.work.predictions import Predicted, predict

if TYPE_CHECKING:
    from survbench.plan.job import FitJob


def write_learning(folder: Path, method: Any, train: Cohort, job: FitJob, patients: JobPatients) -> None:
    """Write ``learning.json`` of a method that declares ``selects``. Thresholds are for readers of the file to apply.

    Args:
        folder: the run's.
        method: fitted.
        train: the patients that it was fitted on, without those held out to choose a checkpoint.
        job: of the fit.
        patients: of the job.

    Raises:
        BadPredictionError: what the method predicts for these patients is not a risk, a survival curve or a mask.
    """
    if not job.selects:
        return
    predicted = predict(method, patients.inputs(train.ids, job.needs_predict), job.gives)
    masks = patients.masks(train.ids) if "segmentation" in job.gives else None
    manual = None if masks is None else [np.asarray(m.voxels(), dtype=bool) for m in masks]
    overlaps = None
    if predicted.probability is not None and manual is not None:
        overlaps = [dice(image > 0.5, mask) for image, mask in zip(predicted.probability, manual, strict=True)]
    write_json(
        folder / LEARNING,
        {
            "patients": len(train),
            "events": int(train.event.sum()),
            **risk_figures(predicted, train.time, train.event),
            "dice": None if overlaps is None else float(np.mean(overlaps)),
            "dice_constant": None if overlaps is None or manual is None else constant_mask_dice(manual),
        },
    )


def risk_figures(predicted: Predicted, time: NDArray[np.float64], event: NDArray[np.bool_]) -> dict[str, Any]:
    """Return C, and what the predictions are worth at their best slope, by the loss of the kind that they are of; None
    throughout without risks.

    Args:
        predicted: of n patients.
        time: months, shape (n,).
        event: shape (n,).
    """
    if predicted.risk is None:
        return dict.fromkeys(("c_index", "c_index_chance_sd", "loss", "loss_uninformed", "loss_best", "slope"))
    if predicted.survival is None:
        found = cox_best_slope(time, event, predicted.risk)
    else:
        found = discrete_time_best_slope(time, event, predicted.survival, SURVIVAL_MONTHS)
    return {
        "c_index": finite(concordance_index(time, event, predicted.risk).value),
        "c_index_chance_sd": finite(chance_sd(time, event)),
        "loss": "cox" if predicted.survival is None else "discrete-time",
        "loss_uninformed": finite(found.uninformed),
        "loss_best": finite(found.loss),
        "slope": finite(found.slope),
    }
