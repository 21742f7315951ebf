"""Shows a run: a live display on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from survbench.cli.text import duration

if TYPE_CHECKING:
    from survbench.executor import Ended
    from survbench.job import Job
    from survbench.runner import Planned, Watcher


def plan_lines(planned: Planned, workers: int) -> list[str]:
    """Return what a run is about to do: cohort, protocol, cached, to do, skipped and why, and an estimate."""
    from survbench.planner import estimate_s

    study = planned.study
    cohort, protocol = study.cohort, study.protocol
    grid = " x ".join(map(str, cohort["grid"])) if cohort["grid"] else "no images"
    outcome = (
        f"{cohort['patients']} patients, {cohort['events']} events ({cohort['endpoint']}), "
        f"followed for up to {cohort['longest_months']:.0f} months"
    )
    lines = [f"Study     {study.name}", f"Cohort    {cohort['title']}: {outcome}, grid {grid}"]
    if study.external:
        lines.append(
            f"External  {study.external['title']}: {study.external['patients']} patients, "
            f"{study.external['events']} events"
        )
    lines.append(
        f"Protocol  {len(protocol['folds'])} folds, {protocol['seeds']} seed(s), selection '{protocol['selection']}', "
        f"tuning '{protocol['tuning']}', "
        f"profile '{study.profile['name']}' ({study.profile['training']['steps']} training steps)"
    )
    kinds = Counter(j["kind"] for j in planned.to_do)
    seconds = estimate_s(planned.to_do, planned.infos, _profile(planned), _grid(planned)) / workers
    estimate = f"; roughly {duration(seconds)}" if planned.to_do else ""
    tuning = f"{kinds['tune']} to tune, " if kinds["tune"] else ""
    lines.append(
        f"Plan      {len(planned.plan.jobs)} jobs: {len(planned.cached)} cached, {tuning}{kinds['fit']} to fit, "
        f"{kinds['predict']} to predict, {workers} at once{estimate}"
    )
    lines += [f"Skipped   {e.name}: {e.skipped}" for e in study.entries if e.skipped]
    return lines


def _grid(planned: Planned) -> tuple[int, int, int] | None:
    return None if planned.grid is None else planned.grid.shape


def _profile(planned: Planned) -> Any:
    from survbench.profile import Profile

    return Profile.model_validate(dict(planned.study.profile))


@contextmanager
def watching(workers: int, out: Path, *, to_stderr: bool) -> Iterator[Watcher]:
    """Give a watcher for the stream at hand: live on a terminal, plain lines otherwise."""
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        yield PlainWatcher(workers, out, stream)
        return
    with _live(workers, out, to_stderr=to_stderr) as watcher:
        yield watcher


class PlainWatcher:
    """One line for each thing that happens, with the time that remains by what ended jobs took."""

    def __init__(self, workers: int, out: Path, stream: TextIO) -> None:
        self.workers = workers
        self.out = out
        self.stream = stream
        self.planned_run: Planned | None = None
        self.running: dict[str, tuple[Job, float]] = {}
        self.ended_jobs = 0
        self._remaining: dict[str, float] = {}
        self._ratio: list[tuple[float, float]] = []

    def line(self, text: str) -> None:
        """Write a line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def preparing(self, name: str, done: int, total: int) -> None:
        """Tell how far the preparation of a cohort is."""
        self.line(f"Prepare   {name}: {done}/{total} patients")

    def planned(self, planned: Planned) -> None:
        """Tell the plan."""
        from survbench.planner import estimate_s

        self.planned_run = planned
        grid = _grid(planned)
        profile = _profile(planned)
        self._remaining = {j["key"]: estimate_s([j], planned.infos, profile, grid) for j in planned.to_do}
        for text in plan_lines(planned, self.workers):
            self.line(text)

    def started(self, job: Job) -> None:
        """Remember when a job was started."""
        self.running[job["key"]] = (job, time.monotonic())

    def poll(self) -> None:
        """Nothing to tell between events."""

    def ended(self, job: Job, ended: Ended) -> None:
        """Tell how a job ended."""
        from survbench.job import label

        self.note_end(job)
        problem = f": {ended.error['type']}: {ended.error['message'].splitlines()[0][:200]}" if ended.error else ""
        self.line(f"{ended.status:<9} {label(job)}{problem}  [{self.progress()}]")

    def note_end(self, job: Job) -> None:
        """Account for a job that ended."""
        self.ended_jobs += 1
        expected = self._remaining.pop(job["key"], 0.0)
        _, started = self.running.pop(job["key"], (job, time.monotonic()))
        self._ratio.append((time.monotonic() - started, expected))

    def progress(self) -> str:
        """Return jobs ended of all, and the time that remains."""
        total = len(self.planned_run.to_do) if self.planned_run else 0
        return f"{self.ended_jobs}/{total}, {duration(self.remaining_s())} left"

    def remaining_s(self) -> float:
        """Return the seconds that remain: the estimate, corrected by how long ended jobs took against theirs."""
        took, expected = (sum(column) for column in zip(*self._ratio, strict=True)) if self._ratio else (0.0, 0.0)
        factor = took / expected if expected else 1.0
        return factor * sum(self._remaining.values()) / self.workers


@contextmanager
def _live(workers: int, out: Path, *, to_stderr: bool) -> Iterator[PlainWatcher]:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
    from survbench.job import label

    console = Console(stderr=to_stderr)

    class LiveWatcher(PlainWatcher):
        """The plan above, the running jobs below, failures as they happen."""

        def line(self, text: str) -> None:
            live.console.print(Text(text))

        def preparing(self, name: str, done: int, total: int) -> None:
            live.update(Text(f"Preparing {name}: {done}/{total} patients"))

        def poll(self) -> None:
            live.update(self.table())

        def ended(self, job: Job, ended: Ended) -> None:
            if ended.status == "ok":
                self.note_end(job)
            else:
                super().ended(job, ended)

        def table(self) -> Table:
            table = Table.grid(padding=(0, 2))
            for job, started in self.running.values():
                table.add_row(label(job), _step(self.out, job), f"{time.monotonic() - started:.0f} s")
            if self.planned_run:
                table.add_row(Text(self.progress(), style="bold"))
            return table

    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield LiveWatcher(workers, out, sys.stdout)


def _step(out: Path, job: Job) -> str:
    try:
        text: str = (out / "scratch" / job["key"] / "progress.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    return f"step {text}"
