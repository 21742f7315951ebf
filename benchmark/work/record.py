"""The record of a job that went well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.io.layout import CurveSource, Status
from survbench.runs.provenance import provenance
from survbench.runs.record import RunRecord
from survbench.runs.store import write_run

if TYPE_CHECKING:
    from survbench.plan.job import Job


def finish(
    folder: Path,
    job: Job,
    started: float,
    fitted: float,
    finished: float,
    *,
    params: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    survival: CurveSource = CurveSource.NONE,
    description: Mapping[str, int] | None = None,
) -> RunRecord:
    """Write ``job.json`` and ``run.json`` of a job that went well; return the latter."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    record = RunRecord(
        status=Status.OK,
        seconds=round(finished - started, 3),
        seconds_fit=round(fitted - started, 3),
        seconds_predict=round(finished - fitted, 3),
        cpu_seconds=round(used.ru_utime + used.ru_stime, 3),
        peak_memory_mb=round(used.ru_maxrss / 1024),
        gpu_peak_memory_mb=_gpu_memory(),
        params=params or {},
        settings=settings or {},
        survival=survival,
        description=description or {},
        provenance=provenance(),
    )
    write_run(folder, job, record)
    return record


def _gpu_memory() -> int | None:
    """Return the most memory that torch held on its GPU, in MB, or None where it has used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated() // 2**20)
