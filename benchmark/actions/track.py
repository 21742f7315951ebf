"""MLflow brought up to date after a run; that it cannot be reached or written takes no run down."""

from __future__ import annotations

import logging
from pathlib import Path

from survbench.plan.study import Study
from survbench.runs.store import Store

log = logging.getLogger(__name__)


def track_if_possible(study: Study, out: Path, *, tracking_uri: str | None, pseudonyms: Path | None = None) -> None:
    """Bring a study into MLflow; a warning says if that failed.

    Args:
        study: whose runs and board are shown.
        out: the output folder.
        tracking_uri: an MLflow server; None for a file in ``out``.
        pseudonyms: file of the key of the pseudonyms that MLflow gets; None for ids.
    """
    from survbench.tracking.failures import TrackingError
    from survbench.tracking.mlflow_writer import track

    try:
        track(study, Store(out), out, tracking_uri=tracking_uri, pseudonyms=pseudonyms)
    except TrackingError as error:
        option = "" if tracking_uri is None else " with the same --tracking-uri"
        log.warning("MLflow was not updated: %s Then 'bench ui --only-track'%s catches up.", error, option)
