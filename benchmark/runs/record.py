"""What a run tells of itself: how it ended, what it took, and with what it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from survbench.io.config import Stored
from survbench.io.layout import SCHEMA, CurveSource, Ending
from survbench.io.versions import Provenance


class RunError(Stored):
    """What stopped a run."""

    type: str
    message: str
    traceback: str = ""


class RunRecord(Stored):
    """The content of ``run.json``.

    Attributes:
        status: how the job ended.
        error: what stopped it.
        retried: what stopped earlier attempts of the same call of ``bench run``, such as a process that was killed.
        seconds, seconds_fit, seconds_predict: of wall time.
        cpu_seconds: of the job's process.
        peak_memory_mb, gpu_peak_memory_mb: at most held.
        params: of the method's declaration and of a search.
        settings: arguments that the training fold decided, beside ``params``.
        survival: where survival curves are from.
        description: numbers that the method tells of itself, such as ``parameters``.
        provenance: versions and hardware.
    """

    status: Ending
    error: RunError | None = None
    retried: tuple[RunError, ...] = ()
    seconds: float | None = None
    seconds_fit: float | None = None
    seconds_predict: float | None = None
    cpu_seconds: float | None = None
    peak_memory_mb: int | None = None
    gpu_peak_memory_mb: int | None = None
    params: Mapping[str, Any] = {}
    settings: Mapping[str, Any] = {}
    survival: CurveSource = CurveSource.NONE
    description: Mapping[str, int] = {}
    provenance: Provenance = Provenance()

    def to_json(self) -> dict[str, Any]:
        """Return what stands in ``run.json``."""
        return {"schema": SCHEMA, **self.model_dump(mode="json")}
