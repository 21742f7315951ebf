"""What finished jobs leave for others: fitted models, and chosen hyper-parameters."""

from __future__ import annotations

from typing import Any

from survbench.plan.job import FitJob
from survbench.runs.store import MODEL, Store
from survbench.work.construct import construct
from survbench.work.tuned import read_tuned


def fitted_method(store: Store, key: str, *, device: str) -> Any:
    """Return the method that a fit has fitted, made with the hyper-parameters that it was fitted with.

    Raises:
        OSError: the run is not there, or its model is not as it was written.
    """
    run = store.read(key) if store.has_model(key) else None
    if run is None or not isinstance(run.job, FitJob):
        message = f"the model in {store.folder(key)} is damaged; remove that folder and run 'bench run' again"
        raise OSError(message)
    return construct(run.job.target, run.record.params).load(run.folder / MODEL, device=device)


def tuned_params(store: Store, key: str | None) -> dict[str, Any]:
    """Return the hyper-parameters that a tuning job has chosen; none without one."""
    if key is None:
        return {}
    if not store.is_done(key):
        message = f"{store.folder(key)} is damaged; run 'bench run' again to tune again"
        raise OSError(message)
    return dict(read_tuned(store.folder(key)).best.params)
