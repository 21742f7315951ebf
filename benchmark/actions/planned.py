"""A study ready to run: what is done already, and what is to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from survbench.api import MethodInfo
from survbench.datasets.preprocessing.grid import Grid
from survbench.plan.estimate import Forecast, declared_gpu_mb, declared_mb
from survbench.plan.job import PlannedJob
from survbench.plan.planner import Plan
from survbench.plan.profile import Profile
from survbench.plan.protocol import Protocol
from survbench.plan.study import Study

DECLARED_IS_ROUGH = 2.0
"""Times the memory that a method declares, a job is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A study ready to run: what is done already, and what is to do."""

    study: Study
    plan: Plan
    cached: frozenset[str]
    infos: Mapping[str, MethodInfo]
    grid: Grid | None
    protocol: Protocol
    profile: Profile
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The cohort's prepared patients, by id."""
    to_prepare: int = 0
    """Patients that are not in the cache."""

    @property
    def to_do(self) -> tuple[PlannedJob, ...]:
        """Jobs that have to run."""
        return tuple(job for job in self.plan.jobs if job.key not in self.cached)

    def most_mb(self, job: PlannedJob, share: float) -> float:
        """Return the megabytes that a job may hold: twice what it should take, and in any case its share of the memory
        that is free, for what methods declare is rough.
        """
        grid = self.grid.shape if self.grid else None
        return max(share, DECLARED_IS_ROUGH * declared_mb(job, self.infos[job.method], self.profile, grid))

    def gpu_mb(self, job: PlannedJob) -> float | None:
        """Return the megabytes of a GPU to keep for a job, twice what it should take; None of a job on the CPU."""
        grid = self.grid.shape if self.grid else None
        declared = declared_gpu_mb(job, self.infos[job.method], self.profile, grid)
        return None if declared is None else DECLARED_IS_ROUGH * declared

    def forecast(self, workers: int) -> Forecast:
        """Return how long this will take with so many jobs at once, to be corrected as it goes on."""
        grid = self.grid.shape if self.grid else None
        forecast = Forecast(workers)
        forecast.expect(self.to_do, self.infos, self.profile, grid)
        forecast.preparing(self.to_prepare, grid)
        return forecast
