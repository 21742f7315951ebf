"""Measure how the steps around the jobs of large studies grow: 100 methods x 10 cohorts x 5 folds x 5 seeds by default.

Methods come from a plugin that is written into a temporary folder; they rank patients at random. The store is filled
with finished runs by its own functions, without processes and without waiting for the disk. Each step then runs in a
process of its own that goes through all cohorts, of which the CPU seconds and the most memory are printed, and how they
grow with the number of jobs. What is added to a job by its process is measured on real jobs, in wall seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from commands import Ends
from survbench.actions.planning import dry_run, open_request
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.verify import verify
from survbench.actions.watcher import Silent
from survbench.io.layout import Status
from survbench.plan.job import FitJob
from survbench.plan.profile import load_profile
from survbench.runs.follow_up import FollowUp
from survbench.runs.predictions import PREDICTIONS, Predictions
from survbench.runs.record import RunRecord
from survbench.runs.store import CURVES, Store, no_curves, write_run
from timing import BENCH, ENVIRONMENT, exponent, table, three_digits

PATIENTS, FOLDS, RESAMPLES = 60, 5, 1000
WORKERS = 2
METHOD = """
import json

import numpy as np
from survbench.api import MethodInfo


class Dummy:
    def __init__(self, number):
        self.number = number

    def fit(self, train, *, validation, ctx):
        self.seed = ctx.seeds.seed
        return self

    def predict_risk(self, cohort):
        return np.random.default_rng([self.number, self.seed]).normal(size=len(cohort))

    def save(self, folder):
        (folder / "seed.json").write_text(json.dumps(self.seed))

    def load(self, folder, *, device):
        self.seed = json.loads((folder / "seed.json").read_text())
        return self


METHODS = [
    MethodInfo(
        name=f"dummy-{n:03d}", title=f"Dummy {n}", family="outside", target="dummies:Dummy", params={"number": n},
        stochastic=True, trains=False,
    )
    for n in range(COUNT)
]
"""
CARD = """
name: cohort-NUMBER
title: Cohort NUMBER
table: patients.csv
id: patient
endpoint: {name: OS, time: months, event: dead, unit: months}
clinical:
  - {name: age, column: age, kind: numeric, model: true}
licence: CC0
citation: none
"""
PROFILE = f"""
name: scale
description: Methods that cost nothing.
voxels: 32
folds: {FOLDS}
phantom: {{train: 24, external: 8, event_rate: 0.6, external_event_rate: 0.6}}
training: {{steps: 6, batch_size: 4, batch_norm_momentum: 0.1, evaluations: 2}}
tuning: {{trials: 3, inner_folds: 2}}
resamples: {RESAMPLES}
job_timeout_s: 300
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process took: CPU seconds, wall seconds, and the most memory in MB."""

    cpu: float
    wall: float
    memory: float


def write_plugin(folder: Path, count: int) -> None:
    """Write an installed plugin with so many methods."""
    (folder / "dummies-1.0.dist-info").mkdir(parents=True)
    (folder / "dummies.py").write_text(METHOD.replace("COUNT", str(count)), encoding="utf-8")
    points = "[survbench.methods]\ndummies = dummies:METHODS\n"
    (folder / "dummies-1.0.dist-info/entry_points.txt").write_text(points, encoding="utf-8")
    head = "Metadata-Version: 2.1\nName: dummies\nVersion: 1.0\n"
    (folder / "dummies-1.0.dist-info/METADATA").write_text(head, encoding="utf-8")


def write_cohort(folder: Path, number: int) -> None:
    """Write a small cohort without images."""
    rng = np.random.default_rng(number)
    times, ages = rng.exponential(30, PATIENTS) + 0.1, rng.integers(40, 90, PATIENTS)
    events = rng.permutation(np.arange(PATIENTS) % 2)
    rows = (f"P{n:02d},{times[n]:.3f},{events[n]},{ages[n]}" for n in range(PATIENTS))
    folder.mkdir(parents=True)
    (folder / "patients.csv").write_text("\n".join(["patient,months,dead,age", *rows]) + "\n", encoding="utf-8")
    (folder / "cohort.yaml").write_text(CARD.replace("NUMBER", str(number)), encoding="utf-8")


def requests(folder: Path, seeds: int) -> list[Request]:
    """Return a request for each cohort."""
    profile = load_profile(folder / "scale.yaml")
    return [
        Request(
            profile=profile,
            methods="@outside",
            cohort=str(cohort),
            seeds=seeds,
            workers=WORKERS,
            out=folder / f"seeds-{seeds}",
        )
        for cohort in sorted((folder / "cohorts").iterdir())
    ]


def fill(folder: Path, seeds: int) -> None:
    """Store a finished run for each job. Methods whose numbers have the same last digit predict the same."""
    os.fsync = lambda _: None  # what is measured later is read from memory anyway
    for number, request in enumerate(requests(folder, seeds)):
        store, planned = Store(request.out), dry_run(request)
        follow_up = _outcomes(request)
        predicted: dict[tuple[int, int, str], bytes] = {}
        with tempfile.TemporaryDirectory() as name:
            no_curves().to_parquet(Path(name) / CURVES)
            curves = (Path(name) / CURVES).read_bytes()
            for job in planned.to_do:
                if not isinstance(job, FitJob):
                    continue
                alike = (job.fold, job.seed, job.method[-1])
                if alike not in predicted:
                    rng = np.random.default_rng([number, job.fold, job.seed, int(job.method[-1])])
                    _predictions(job, rng).write(Path(name), *follow_up.of(job.test))
                    predicted[alike] = (Path(name) / PREDICTIONS).read_bytes()
                with store.writing(job.key) as part:
                    (part / PREDICTIONS).write_bytes(predicted[alike])
                    (part / CURVES).write_bytes(curves)
                    write_run(part, job, RunRecord(status=Status.OK, seconds=1.0, cpu_seconds=1.0, peak_memory_mb=100))


def _outcomes(request: Request) -> FollowUp:
    cohorts, _ = open_request(request)
    cohort = cohorts.sources[0].cohort
    rows = zip(cohort.ids, cohort.time.tolist(), cohort.event.tolist(), strict=True)
    return FollowUp({name: (time, event) for name, time, event in rows})


def _predictions(job: FitJob, rng: np.random.Generator) -> Predictions:
    centres, risk = [""] * len(job.test), rng.normal(size=len(job.test))
    return Predictions(ids=job.test, fold=job.fold, seed=job.seed, role="test", centres=centres, risk=risk)


def plan(folder: Path, seeds: int) -> None:
    """Plan each study, of which nothing is done."""
    for request in requests(folder, seeds):
        assert not dry_run(request).cached  # noqa: S101


def scan(folder: Path, seeds: int) -> None:
    """Plan each study, of which everything is done."""
    for request in requests(folder, seeds):
        assert not dry_run(request).to_do  # noqa: S101


def resume(folder: Path, seeds: int) -> None:
    """Run each study, of which all jobs are done: the first time this builds the boards, afterwards it only looks."""
    for request in requests(folder, seeds):
        assert not run_study(request, Silent()).failed  # noqa: S101


def check(folder: Path, seeds: int) -> None:
    """Compare everything with its checksums, and the boards with the predictions."""
    assert not verify(folder / f"seeds-{seeds}").differences  # noqa: S101


MEASURED = {
    "plan": "plan, nothing done",
    "fill": "fill the store (no step of a run)",
    "scan": "plan, all done",
    "resume": "first run on a full store, with boards",
    "cached": "cached run",
    "status": "bench status",
    "verify": "bench study verify",
}


def used(words: Sequence[str | Path], plugin: Path) -> Used:
    """Return what a command took that sees the plugin."""
    started = time.perf_counter()
    # the folder of this script is on the path of its own steps only
    environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([str(plugin), str(Path(__file__).parent)])}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, words))} has failed")
    wall = time.perf_counter() - started
    return Used(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def steps(folder: Path, seeds: int, wanted: Sequence[str]) -> dict[str, Used]:
    """Return what each step took."""

    def step(name: str) -> Used:
        return used([sys.executable, __file__, "--step", name, "--folder", folder, "--seeds", str(seeds)], plugin)

    plugin, took = folder / "plugin", {}
    for name in (name for name in MEASURED if name in wanted):
        if name == "status":
            took[name] = used([BENCH, "status", "--out", folder / f"seeds-{seeds}"], plugin)
        else:
            took[name] = step("resume" if name == "cached" else name)
        print(f"{seeds} seeds, {MEASURED[name]}: {took[name]}", flush=True)
    return took


def real(folder: Path, seeds: int) -> None:
    """Print what real jobs take in wall seconds, those of the first cohort."""
    request, *_ = requests(folder, seeds)
    ends = Ends()
    result = run_study(replace(request, out=folder / "real"), ends)
    assert not result.failed  # noqa: S101
    count, wall = len(ends.times), ends.times[-1] - ends.times[0]
    print(f"\n{count:,} real jobs, {WORKERS} workers: {wall / (count - 1):.3f} wall seconds for each", file=sys.stderr)


STEPS: dict[str, Callable[[Path, int], None]] = {
    "fill": fill,
    "plan": plan,
    "scan": scan,
    "resume": resume,
    "verify": check,
    "real": real,
}


def measure(chosen: argparse.Namespace) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_plugin(folder / "plugin", chosen.methods)
        (folder / "scale.yaml").write_text(PROFILE, encoding="utf-8")
        for number in range(chosen.cohorts):
            write_cohort(folder / "cohorts" / f"{number:02d}", number)
        jobs = {seeds: chosen.methods * chosen.cohorts * FOLDS * seeds for seeds in chosen.seeds}
        took = {seeds: steps(folder, seeds, chosen.steps) for seeds in chosen.seeds}
        head = ("step", "jobs: CPU seconds", "exponent", "jobs: most memory, MB", "exponent")
        rows = []
        for step in took[chosen.seeds[0]]:
            seconds = {jobs[seeds]: took[seeds][step].cpu for seeds in chosen.seeds}
            memory = {jobs[seeds]: took[seeds][step].memory for seeds in chosen.seeds}
            shown = [", ".join(f"{n:,}: {three_digits(v)}" for n, v in each.items()) for each in (seconds, memory)]
            growth = [f"{exponent(each):.2f}" if len(each) > 1 else "" for each in (seconds, memory)]
            rows.append((MEASURED[step], shown[0], growth[0], shown[1], growth[1]))
        table(f"{chosen.methods} methods, {chosen.cohorts} cohorts, {FOLDS} folds", head, rows)
        if "real" in chosen.steps:
            used([sys.executable, __file__, "--step", "real", "--folder", folder, "--seeds", "1"], folder / "plugin")


def main() -> None:
    """Measure, or run one step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=int, default=100)
    parser.add_argument("--cohorts", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 5], help="sizes (default: 1 2 5)")
    parser.add_argument("--steps", nargs="+", choices=[*MEASURED, "real"], default=[*MEASURED, "real"])
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        STEPS[chosen.step](chosen.folder, chosen.seeds[0])
    else:
        measure(chosen)


if __name__ == "__main__":
    main()
