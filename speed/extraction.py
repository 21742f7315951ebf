"""Time the radiomics of the paper profile's phantom patients: 128 x 128 x 112 voxels of 1 mm, 2 workers.

Prints wall seconds, and CPU seconds of all processes; then the time of a second call, which the cache answers. Without
``--patients`` all 193 are extracted; with it, a sample spread evenly over both centres is, and the rest is
extrapolated. ``extraction.py [--patients N] [--workers N] [--set NAME]``
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from survbench.actions.watcher import Silent
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.cohorts.opened import Cohorts, open_cohorts
from survbench.features.feature_sets import DEFAULT_SET
from survbench.jobs.executor import execute
from survbench.jobs.preparation import prepare_source
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine
from survbench.plan.profile import load_profile

NAMES = (("phantom", None), ("phantom-external", None))
AIM_S = 180.0


@dataclass(frozen=True)
class Cost:
    """Time in seconds of one pass over all patients."""

    wall: float
    cpu: float


def sampled(sources: list[SourceCohort], patients: int) -> list[SourceCohort]:
    """Return the cohorts with ``patients`` patients in total, spread evenly over their ids."""
    owners = [(n, i) for n, source in enumerate(sources) for i in source.cohort.ids]
    sample = [owners[k] for k in np.linspace(0, len(owners) - 1, patients).round().astype(int)]
    return [
        SourceCohort(source.card, source.cohort.select([i for owner, i in sample if owner == n]))
        for n, source in enumerate(sources)
    ]


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, of the server that forks the workers, and of finished workers."""
    own = psutil.Process()
    used = [own.cpu_times(), *(child.cpu_times() for child in own.children())]
    return sum(t.user + t.system + t.children_user + t.children_system for t in used)


def measure(cohorts: Cohorts, out: Path, workers: int) -> Cost:
    """Prepare everything that is not yet in the cache, for all cohorts."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    for source in cohorts.sources:
        made = prepare_source(cohorts, source, out=out, workers=workers, timeout_s=3600, watcher=Silent())
        if made.problems:
            raise RuntimeError(made.problems)
    return Cost(time.perf_counter() - wall, cpu_seconds() - cpu)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", default=DEFAULT_SET)
    arguments = parser.parse_args()
    cohorts = open_cohorts(NAMES, profile=load_profile("paper"))
    total = sum(len(s.cohort) for s in cohorts.sources)
    patients = min(arguments.patients or total, total)
    cohorts.sources = sampled(cohorts.sources, patients)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        # start the server that forks the workers: its imports count once, not per patient
        list(execute([Task("start", os.getpid, ())], place=ThisMachine(1)))
        images = measure(cohorts, out, arguments.workers)
        cohorts.ask_for_radiomics(arguments.set)
        features = measure(cohorts, out, arguments.workers)
        cached = measure(cohorts, out, arguments.workers)
    factor = total / patients
    note = "" if patients == total else f" (extrapolated from {patients})"
    print(f"{total} patients{note}, set {arguments.set!r}, {arguments.workers} workers")
    for name, cost in (("drawing and resampling", images), ("radiomics", features)):
        print(f"{name:<22} {factor * cost.wall:>6.0f} s wall {factor * cost.cpu:>6.0f} s CPU")
    print(f"{'aim for radiomics':<22} {AIM_S:>6.0f} s wall on 2 cores")
    wall, cpu = (1000 * seconds / patients for seconds in (cached.wall, cached.cpu))
    print(f"{'again, from the cache':<22} {wall:>6.1f} ms wall {cpu:>6.1f} ms CPU per patient (aim 5)")


if __name__ == "__main__":
    main()
