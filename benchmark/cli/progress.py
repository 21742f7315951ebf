"""Shows a run: a live display on a terminal, a line a minute otherwise."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from survbench.cli.options import aligned, disk_size
from survbench.findings import things
from survbench.io.layout import PROGRESS, SCRATCH, Status
from survbench.io.units import duration

if TYPE_CHECKING:
    from survbench.actions.planned import Planned
    from survbench.actions.watcher import Watcher
    from survbench.jobs.task import Ended
    from survbench.plan.job import PlannedJob
    from survbench.runs.record import RunError

EVERY_S = 60.0
"""Seconds between two lines of progress where there is no terminal."""


def plan_lines(planned: Planned, workers: int) -> list[str]:
    """Return what a run is about to do: cohort, protocol, cached, to do, skipped and why, and how long it will take."""
    study = planned.study
    cohort, protocol = study.cohort, study.protocol
    grid = f"grid {' x '.join(map(str, cohort.grid))}" if cohort.grid else "no images"
    outcome = (
        f"{cohort.patients} patients, {cohort.events} events ({cohort.endpoint}), "
        f"followed for up to {cohort.longest_months:.0f} months"
    )
    lines = [f"Study     {study.name}", f"Cohort    {cohort.title}: {outcome}, {grid}"]
    if study.external:
        outside = study.external
        lines.append(f"External  {outside.title}: {outside.patients} patients, {outside.events} events")
    lines.append(
        f"Protocol  {len(protocol.folds)} folds, {things(protocol.seeds, 'seed')}, selection '{protocol.selection}', "
        f"tuning '{protocol.tuning}', "
        f"profile '{study.profile.name}' ({study.profile.training.steps} training steps)"
    )
    lines.append(_plan_line(planned, workers))
    lines += [f"Skipped   {e.name}: {e.skipped}" for e in study.entries if e.skipped]
    lines += [
        f"Skipped   {e.name} on the external cohort: {e.skipped_external}" for e in study.entries if e.skipped_external
    ]
    return lines


_LONG_S = 24 * 3600.0
"""From this time on a GPU is advised."""
_GPU_ADVICE = (
    "Advice    Networks take {} of that on the CPU. Use a GPU (its time was not measured), or a smaller --profile."
)


def cost_lines(planned: Planned, workers: int) -> list[str]:
    """Return what each method adds to the time of a run, the dearest first; nothing where nothing is to do.

    What is cached costs nothing. A fit whose features other methods take counts once, for its own method, which names
    them.
    """
    costs = planned.forecast(workers).costs(0.0)
    if not costs:
        return []
    cells = [
        (
            cost.method or f"{things(cost.jobs, 'patient')} to prepare",
            duration(cost.seconds) if cost.seconds >= 1 else "<1 s",
            f"{100 * cost.share:.0f} %" if cost.share >= 0.01 else "<1 %",
            "disk not measured" if cost.disk_mb is None else disk_size(round(cost.disk_mb * 1e6)),
            f"with the features of {', '.join(cost.used_by)}" if cost.used_by else "",
        )
        for cost in costs
    ]
    whole = duration(sum(cost.seconds for cost in costs))
    slow = sum(c.seconds for c in costs if c.method and planned.infos[c.method].resources.gpu)
    on_cpu = all(job.device == "cpu" for job in planned.to_do)
    return [
        f"Cost      {whole} of one worker's time, by method, and the disk it takes:",
        *(f"          {row}" for row in aligned(cells, right=(1, 2, 3))),
        *([_GPU_ADVICE.format(duration(slow))] if on_cpu and slow > _LONG_S else []),
    ]


def memory_line(planned: Planned, workers: int) -> str:
    """Return how much memory the largest jobs take at once, how much is free, and what to do if that is less."""
    from survbench.io.memory import available_memory

    needed, free = planned.forecast(workers).most_mb() / 1000, available_memory() / 1e9
    short = " Give fewer --workers, or close other programs." if needed > free else ""
    return f"Memory    at most {needed:.1f} GB for {things(workers, 'job')} at once; {free:.1f} GB are free.{short}"


def disk_line(planned: Planned, out: Path) -> str:
    """Return how much disk a run takes, how much is free where its output folder will be, and what to do if that is
    less.
    """
    costs = planned.forecast(1).costs(0.0)
    needed = sum(cost.disk_mb or 0.0 for cost in costs) * 1e6
    free = shutil.disk_usage(next(path for path in (out, *out.absolute().parents) if path.exists())).free
    unmeasured = sum(cost.disk_mb is None for cost in costs)
    more = f" and what {things(unmeasured, 'method')} may take on top" if unmeasured else ""
    short = " Give an --out on a larger disk, or free space." if needed > free else ""
    return f"Disk      roughly {disk_size(round(needed))} in {out}{more}; {disk_size(free)} are free.{short}"


def _plan_line(planned: Planned, workers: int) -> str:
    from survbench.plan.job import JobKind

    kinds: Counter[JobKind] = Counter(job.kind for job in planned.to_do)
    always = {JobKind.FIT, JobKind.PREDICT}
    to_do = "".join(f"{kinds[kind]} to {kind}, " for kind in JobKind if kinds[kind] or kind in always)
    patients = f"{things(planned.to_prepare, 'patient')} to prepare, " if planned.to_prepare else ""
    seconds = planned.forecast(workers).remaining_s(0.0)
    estimate = f"; roughly {duration(seconds)}" if planned.to_do or planned.to_prepare else ""
    return (
        f"Plan      {len(planned.plan.jobs)} jobs: {len(planned.cached)} cached, {patients}{to_do}"
        f"{workers} at once{estimate}"
    )


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
    """A line a minute: what is done, what runs, and how long the rest will take; failures as they happen."""

    def __init__(self, workers: int, out: Path, stream: TextIO) -> None:
        from survbench.plan.estimate import Forecast

        self.workers = workers
        self.out = out
        self.stream = stream
        self.forecast = Forecast(workers)
        self.jobs = 0
        self.ended_jobs = 0
        self.running: dict[str, tuple[PlannedJob, float]] = {}
        self._preparing = ""
        self._prepared: tuple[str, int, float] | None = None
        self._began = self._last = time.monotonic()

    def line(self, text: str) -> None:
        """Write a line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def planned(self, planned: Planned) -> None:
        """Tell the plan."""
        self.forecast = planned.forecast(self.workers)
        self.jobs = len(planned.to_do)
        for text in plan_lines(planned, self.workers):
            self.line(text)

    def preparing(self, name: str, done: int, total: int) -> None:
        """Account for patients that are prepared."""
        now = time.monotonic()
        before = self._prepared
        if before is not None and before[0] == name and done > before[1]:
            self.forecast.prepared(done - before[1], now - before[2])
        self._prepared = (name, done, now)
        self._preparing = f"preparing {name}, {done} of {total} patients" if done < total else ""
        self.poll()

    def started(self, job: PlannedJob) -> None:
        """Account for a job that was started."""
        now = time.monotonic()
        self.running[job.key] = (job, now)
        self.forecast.started(job.key, now)

    def poll(self) -> None:
        """Tell the progress, once a minute."""
        if time.monotonic() - self._last >= EVERY_S:
            self._last = time.monotonic()
            self.line(f"Progress  {self.progress()}")

    def retried(self, job: PlannedJob, error: RunError) -> None:
        """Tell what stopped a job that will be tried again."""
        self.running.pop(job.key, None)
        self.line(f"again     {job.label}: {error.type}: {error.message[:200]}")

    def ended(self, job: PlannedJob, ended: Ended) -> None:
        """Account for a job that ended, and tell how one that failed did."""
        self.ended_jobs += 1
        self.running.pop(job.key, None)
        self.forecast.ended(job.key, time.monotonic(), ok=ended.status == Status.OK)
        if ended.error:
            first = (ended.error.message.splitlines() or [""])[0][:200]
            self.line(f"{ended.status:<9} {job.label}: {ended.error.type}: {first}")

    def progress(self) -> str:
        """Return how long the run has gone on, how much of it is done, and how long the rest will take."""
        now = time.monotonic()
        running = [f"{job.label}{_step(self.out, job)}" for job, _ in self.running.values()]
        doing = "; ".join(filter(None, [self._preparing, *running]))
        text = f"after {duration(now - self._began)}: "
        if not self.jobs:  # radiomics alone: nothing was planned
            return text + doing
        left = duration(self.forecast.remaining_s(now))
        return f"{text}{self.ended_jobs} of {self.jobs} jobs done, roughly {left} left" + (
            f" ({doing})" if doing else ""
        )


@contextmanager
def _live(workers: int, out: Path, *, to_stderr: bool) -> Iterator[PlainWatcher]:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=to_stderr)

    class LiveWatcher(PlainWatcher):
        """The plan above, the running jobs below, failures as they happen."""

        def line(self, text: str) -> None:
            live.console.print(Text(text))

        def poll(self) -> None:
            table = Table.grid(padding=(0, 2))
            for job, started in self.running.values():
                table.add_row(job.label, _step(self.out, job).strip(), f"{time.monotonic() - started:.0f} s")
            if self._preparing:
                table.add_row(Text(self._preparing))
            if self.jobs:
                left = duration(self.forecast.remaining_s(time.monotonic()))
                table.add_row(Text(f"{self.ended_jobs}/{self.jobs} jobs, roughly {left} left", style="bold"))
            live.update(table)

    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield LiveWatcher(workers, out, sys.stdout)


def _step(out: Path, job: PlannedJob) -> str:
    """Return how many steps the network of a fit has trained, or how many trials of a search have ended."""
    from survbench.plan.job import TuneJob
    from survbench.work.trials import Trials

    if isinstance(job, TuneJob):
        return f" {Trials(out, job.key).count()} of {job.trials} trials"
    try:
        text: str = (out / SCRATCH / job.key / PROGRESS).read_text(encoding="utf-8")
    except OSError:
        return ""
    return f" step {text}"
