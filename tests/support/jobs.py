"""Jobs as a plan has them, without patients."""

from __future__ import annotations

from survbench.plan.job import FitJob, PredictJob, TuneJob
from survbench.plan.profile import load_profile

TRAINING = load_profile("smoke").training


def a_fit(key, *, upstream=None, **fields):
    """Return the job of a fit."""
    above = None if upstream is None else {"needs_predict": (), **upstream}
    return FitJob(**_common(key), training=TRAINING, gives=("risk",), needs_fit=(), upstream=above).model_copy(
        update=fields
    )


def a_search(key, **fields):
    """Return the job of a search."""
    made = TuneJob(
        **_common(key) | {"fold": None},
        training=TRAINING,
        needs_fit=(),
        fit_timeout_s=60,
        space={},
        trials=3,
        splits=(),
    )
    return made.model_copy(update=fields)


def a_prediction(key, **fields):
    """Return the job that predicts an external cohort."""
    return PredictJob(**_common(key), gives=("risk",), fit="f").model_copy(update=fields)


def _common(key):
    place = {"key": key, "method": "m", "seed": 0, "fold": 0, "cohort": "c"}
    return {**place, "needs_predict": (), "threads": 1, "timeout_s": 60}
