"""Measure how costs grow with patients, methods, resamples, voxels, jobs and workers: seconds by size, and exponent.

The exponent is the slope of a line through the logarithms: 1 means proportional, 0 means no growth.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from bootstrap import ours
from commands import BUNDLE, TABLES
from networks import fit, patients
from survbench.actions.build import build_and_write
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.evaluation.bundle import unpack
from survbench.models.engine.tensors import Labelled
from survbench.plan.profile import load_profile
from survbench.plan.study import Study
from survbench.runs.store import Store
from timing import BENCH, alone, command, cpu, exponent, least, table, three_digits, timed

Measures = Mapping[int, Callable[[], float]]
BATCH = 2


def bootstraps() -> dict[str, Measures]:
    """Return bootstraps of C of increasing size."""
    return {
        "bootstrap, patients up to 500 (25 methods, 1,000 resamples)": {
            n: ours(n, 25, 1000) for n in (60, 120, 240, 480)
        },
        "bootstrap, patients above 500 (2 methods, 200 resamples)": {
            n: ours(n, 2, 200) for n in (1000, 4000, 16000, 64000)
        },
        "bootstrap, methods (170 patients, 1,000 resamples)": {m: ours(170, m, 1000) for m in (5, 20, 80)},
        "bootstrap, resamples (170 patients, 5 methods)": {r: ours(170, 5, r) for r in (1000, 10_000, 100_000)},
    }


def step(train: Labelled) -> Callable[[], float]:
    """Return a function that returns the seconds of a training step of DeepMTS."""

    def measure() -> float:
        times: list[float] = []
        fit("deepmts", train, steps=2, batch=BATCH, report=lambda _step, _losses: times.append(cpu()))
        return times[1] - times[0]

    return measure


def steps() -> dict[str, Measures]:
    """Return training steps on grids of increasing size."""
    sides = (32, 48, 64)
    return {f"training step of deepmts, voxels (batch {BATCH})": {s**3: step(patients(BATCH, s)) for s in sides}}


def boards(folder: Path) -> dict[str, Measures]:
    """Return board builds with increasing numbers of methods."""
    store = Store(folder)
    study = unpack(BUNDLE, store)
    return {"board and site, methods": {n: timed(lambda n=n: _build(study, store, n)) for n in (4, 8, 16)}}


def _build(study: Study, store: Store, methods: int) -> None:
    chosen = [entry for entry in study.entries if entry.family != "reference"][-methods:]
    build_and_write(replace(study, entries=tuple(chosen)), store)


def plans(folder: Path) -> dict[str, Measures]:
    """Return plans with increasing numbers of jobs, through the number of seeds."""

    def plan(seeds: int) -> Callable[[], float]:
        return timed(command(BENCH, "run", "--methods", "all", "--seeds", str(seeds), "--dry-run", "--out", folder))

    return {"plan of all methods, seeds": {seeds: plan(seeds) for seeds in (1, 10, 50, 120)}}


def runs(folder: Path) -> dict[str, Measures]:
    """Return runs of table jobs with increasing numbers of workers, in wall seconds."""

    def run(workers: int) -> Callable[[], float]:
        request = Request(profile=load_profile("smoke"), methods=TABLES, workers=workers, out=folder, fresh=True)
        return timed(lambda: run_study(request, Silent()), time.perf_counter)

    return {"16 table jobs, workers (wall)": {workers: run(workers) for workers in (1, 2, 4)}}


def measure() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        parts = bootstraps() | steps() | boards(Path(name) / "a") | plans(Path(name) / "b") | runs(Path(name) / "c")
        for what, measures in parts.items():
            cheap = what.startswith(("bootstrap", "16"))
            took = {n: least({"": call}, repeats=2 if cheap else 1, warm_up=cheap)[""] for n, call in measures.items()}
            seconds = ", ".join(f"{size:,}: {three_digits(taken)}" for size, taken in took.items())
            rows.append((what, seconds, f"{exponent(took):.2f}"))
    table("How costs grow", ("with", "size: seconds", "exponent"), rows)


if __name__ == "__main__":
    alone(measure, __doc__)
