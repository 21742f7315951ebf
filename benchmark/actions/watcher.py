"""Who is told what happens during a run."""

from __future__ import annotations

from typing import Protocol as Interface

from survbench.actions.planned import Planned
from survbench.jobs.preparation import PreparationWatcher
from survbench.jobs.task import Ended
from survbench.plan.job import PlannedJob
from survbench.runs.record import RunError


class Watcher(PreparationWatcher, Interface):
    """Is told what happens during a run; the CLI shows it."""

    def planned(self, planned: Planned) -> None:
        """The plan stands."""

    def started(self, job: PlannedJob) -> None:
        """A job has been handed to a process."""

    def retried(self, job: PlannedJob, error: RunError) -> None:
        """Something from outside has stopped a job, which will be tried again."""

    def ended(self, job: PlannedJob, ended: Ended) -> None:
        """A job has ended."""


class Silent:
    """A watcher that shows nothing."""

    def preparing(self, name: str, done: int, total: int) -> None:
        """Show nothing."""

    def planned(self, planned: Planned) -> None:
        """Show nothing."""

    def started(self, job: PlannedJob) -> None:
        """Show nothing."""

    def poll(self) -> None:
        """Show nothing."""

    def retried(self, job: PlannedJob, error: RunError) -> None:
        """Show nothing."""

    def ended(self, job: PlannedJob, ended: Ended) -> None:
        """Show nothing."""
