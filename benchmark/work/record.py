"""The record of a job that went well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.io.files import write_json
from survbench.io.layout import SCHEMA
from survbench.runs.provenance import provenance

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
    survival: str = "none",
    description: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Write ``job.json`` and ``run.json`` of a job that went well; return the latter."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "schema": SCHEMA,
        "status": "ok",
        "error": None,
        "seconds": round(finished - started, 3),
        "seconds_fit": round(fitted - started, 3),
        "seconds_predict": round(finished - fitted, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_memory_mb": round(used.ru_maxrss / 1024),
        "gpu_peak_memory_mb": _gpu_memory(),
        "params": dict(params or {}),
        "settings": dict(settings or {}),
        "survival": survival,
        "description": dict(description or {}),
        "provenance": provenance(),
    }
    write_json(folder / "job.json", dict(job))
    write_json(folder / "run.json", record)
    return record


def _gpu_memory() -> int | None:
    """Return the most memory that torch held on its GPU, in MB, or None where it has used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated() // 2**20)
