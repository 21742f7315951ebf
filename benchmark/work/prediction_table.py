"""The table of predictions of a run, without outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from survbench.runs.predictions import Predictions
from survbench.statistics.metrics import dice, hd95
from survbench.volume import Volume
from survbench.work.predictions import BadPredictionError, Predicted
from survbench.work.prepared import PreparedCohort

if TYPE_CHECKING:
    from survbench.plan.job import FitJob, PredictJob


def table_of_predictions(
    job: FitJob | PredictJob,
    prepared: PreparedCohort,
    predicted: Predicted,
    masks: list[Volume] | None,
    *,
    role: str,
) -> Predictions:
    """Return what a method predicted, a row per test patient, with the scores of its masks.

    Args:
        job: whose ``test`` patients are predicted.
        prepared: their cohort.
        predicted: what the method said; its probabilities are scored here, and used up.
        masks: manual masks, or None where there are none.
        role: see :class:`survbench.io.layout.Role`.

    Raises:
        BadPredictionError: probabilities of another shape or number, or not finite.
    """
    ids = list(job.test)
    scores = [(np.nan, np.nan)] * len(ids)
    if predicted.probability is not None:
        scores = _segmentation_scores(predicted.probability, masks, ids)
    return Predictions(
        ids=ids,
        fold=job.fold,
        seed=job.seed,
        role=role,
        centres=prepared.centres(ids),
        risk=predicted.risk,
        dice=np.array([overlap for overlap, _ in scores], dtype=np.float64),
        hd95=np.array([distance for _, distance in scores], dtype=np.float64),
        survival=predicted.survival,
    )


def _segmentation_scores(
    probability: Iterator[NDArray[np.float32]], masks: list[Volume] | None, ids: list[str]
) -> list[tuple[float, float]]:
    """Return (Dice, HD95 in mm) of each patient; NaN without a manual mask."""
    scores: list[tuple[float, float]] = []
    for row, image in enumerate(probability):
        if not np.isfinite(image).all():
            raise BadPredictionError(f"segment gave a probability that is not finite for {ids[row]}")
        if masks is None:
            scores.append((np.nan, np.nan))
            continue
        if image.shape != masks[row].shape:
            raise BadPredictionError(f"segment gave shape {image.shape} for {ids[row]}, expected {masks[row].shape}")
        manual = np.asarray(masks[row].voxels(), dtype=bool)
        scores.append((dice(image > 0.5, manual), hd95(image > 0.5, manual, masks[row].spacing)))
    if len(scores) != len(ids):
        raise BadPredictionError(f"segment gave {len(scores)} images for {len(ids)} patients")
    return scores
