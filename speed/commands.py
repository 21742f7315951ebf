"""Time the harness: plans, reruns and boards as commands, and its overhead per job.

Commands are in CPU seconds, compared with an idle interpreter; the overhead per job is in wall seconds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.evaluation.bundle import unpack
from survbench.jobs.task import Ended
from survbench.plan.job import PlannedJob
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from timing import BENCH, ROOT, Figure, alone, command, least, python, show, timed

NOTHING = "python -c pass"
BUNDLE = ROOT / "leaderboard" / "results" / "phantom-quick"
TABLES = "clinical-cox,suvmax,tlg,volume"


class Ends(Silent):
    """Record when jobs end."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.keys: list[str] = []

    def ended(self, job: PlannedJob, ended: Ended) -> None:  # noqa: ARG002
        """Record the time and the job."""
        self.times.append(time.perf_counter())
        self.keys.append(job.key)


def added_to_a_job(out: Path) -> float:
    """Return the wall seconds per job in addition to those that the job measures itself, with one job at a time."""
    ends = Ends()
    run_study(Request(profile=load_profile("smoke"), methods=TABLES, workers=1, out=out, fresh=True), ends)
    store = Store(out)
    inside = sum(run.record.seconds or 0.0 for key in ends.keys[1:] if (run := store.read(key)) is not None)
    return (ends.times[-1] - ends.times[0] - inside) / (len(ends.times) - 1)


def measure() -> None:
    """Print a table."""
    nothing = {NOTHING: timed(python("pass"))}
    with tempfile.TemporaryDirectory() as name:
        ran, packed = Path(name) / "ran", Path(name) / "packed"
        study = unpack(BUNDLE, Store(packed))
        quick = {
            "bench run --dry-run": timed(command(BENCH, "run", "--dry-run", "--out", ran)),
            "two cached methods by bench run": timed(
                command(BENCH, "run", "--methods", "clinical-cox,volume", "--profile", "smoke", "--out", ran)
            ),
        }
        board = {f"{len(study.entries)} methods, study board": timed(command(BENCH, "study", "board", "--out", packed))}
        took = least(nothing | quick, repeats=2) | least(board, repeats=1, warm_up=False)
        wall = least(
            {"job": lambda: added_to_a_job(ran), NOTHING: timed(python("pass"), time.perf_counter)},
            repeats=2,
            warm_up=False,
        )
    aims = dict(zip((*quick, *board), ("5 s for 10,000 jobs", "5 s", ""), strict=True))
    figures = [
        Figure(what=n, seconds=took[n], anchor=NOTHING, anchor_seconds=took[NOTHING], aim=a) for n, a in aims.items()
    ]
    job = Figure(
        what="added to each job (wall)", seconds=wall["job"], anchor=NOTHING, anchor_seconds=wall[NOTHING], aim="0.2 s"
    )
    show("Harness", [*figures, job])


if __name__ == "__main__":
    alone(measure, __doc__)
