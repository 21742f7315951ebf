"""What a run will take: time, from what its stages and methods declare, corrected by what this machine took; memory;
disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from survbench.api import MethodInfo
from survbench.plan.job import JobKind, PlannedJob
from survbench.plan.profile import Profile

QUICK_STEPS, QUICK_VOXELS, QUICK_TESTED = 200 * 4, 32**3, 40
"""The quick profile, in which methods declare their seconds: steps times batch, voxels, external patients."""
PREDICTING = 0.08
"""Share of a network's quick fit that predicting the quick profile's external cohort takes."""
QUICK_BATCH = 4
PROCESS_MB = 480
"""Of a job's process with its libraries, whatever it does."""
GPU_CONTEXT_MB = 600
"""Of a process on a GPU before it computes; not measured."""
BYTES_PER_VOXEL = 9
"""Of a patient in the memory of a fit on images: two channels in single precision, and a mask."""
PREPARED_MB = 0.12
"""Of a prepared patient on the disk besides its voxels: radiomics where asked for, and the facts that checks judge."""
TABLES_MB = 0.02
"""Of a run on the disk besides its model: predictions, curves, its record."""
PREPARING_S = 0.25
"""Of a patient: resampling to a grid of :data:`QUICK_VOXELS`, and radiomics."""
PROCESS_S = 0.1
"""Of a job's process, whatever it does."""
LEAST_S = 10.0
"""Declared seconds of ended work from which it says how fast this machine is for other families."""
SHORT_S = 1.0
"""A job that ends sooner says more of its method than of the machine."""
MOST = 2.0
"""Factor by which the work of other families corrects at the most."""


def declared_s(job: PlannedJob, info: MethodInfo, profile: Profile, grid: tuple[int, int, int] | None) -> float:
    """Return the CPU seconds that a job should take.

    A network's fit grows with steps, batch and voxels, its predictions with patients and voxels.

    Args:
        job: the job.
        info: its method.
        profile: the budget.
        grid: voxels of the common grid, or None without images.
    """
    voxels = _voxels(grid)
    fit = info.resources.quick_seconds
    predicting = PREDICTING * fit * job.predicted / QUICK_TESTED * voxels
    if info.trains:
        fit *= profile.training.steps * profile.training.batch_size / QUICK_STEPS * voxels
    return PROCESS_S + fit * job.fits + predicting


def declared_mb(job: PlannedJob, info: MethodInfo, profile: Profile, grid: tuple[int, int, int] | None) -> float:
    """Return the megabytes of main memory that a job's process should take at most.

    What a network takes on top of its libraries grows with the batch and the voxels, and lies on the GPU where it
    trains on one; a fit on images also holds its patients.

    Args:
        job: the job.
        info: its method.
        profile: the budget.
        grid: voxels of the common grid, or None without images.
    """
    on_gpu = job.device == "cuda"
    return PROCESS_MB + _images_mb(job, info, grid) + (0.0 if on_gpu else _network_mb(job, info, profile, grid))


def declared_gpu_mb(
    job: PlannedJob, info: MethodInfo, profile: Profile, grid: tuple[int, int, int] | None
) -> float | None:
    """Return the megabytes of a GPU that a job should take at most, or None of a job that runs on the CPU; by what
    methods declare for a CPU, since nothing has been measured on a GPU. Arguments as of :func:`declared_mb`.
    """
    if job.device != "cuda":
        return None
    return GPU_CONTEXT_MB + _images_mb(job, info, grid) + _network_mb(job, info, profile, grid)


def declared_disk_mb(job: PlannedJob, info: MethodInfo) -> float | None:
    """Return the megabytes that a job leaves in the output folder, or None where that was not measured."""
    if job.kind != JobKind.FIT:
        return TABLES_MB
    if info.resources.model_mb is None:
        return None
    return TABLES_MB + info.resources.model_mb


def _network_mb(job: PlannedJob, info: MethodInfo, profile: Profile, grid: tuple[int, int, int] | None) -> float:
    """Return the megabytes that a network, or another method, takes on top of its libraries."""
    own = max(info.resources.quick_mb - PROCESS_MB, 0) * _voxels(grid)
    if info.trains:
        own *= profile.training.batch_size / QUICK_BATCH if job.fits else 1 / QUICK_BATCH
    return own


def _images_mb(job: PlannedJob, info: MethodInfo, grid: tuple[int, int, int] | None) -> float:
    """Return the megabytes of the patients that a fit holds."""
    patients = len(job.outcomes_of) if grid and "images" in info.needs_fit else 0
    return patients * BYTES_PER_VOXEL * QUICK_VOXELS * _voxels(grid) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the jobs of one method still take.

    Attributes:
        method: whose jobs they are; "" for patients that are to be prepared.
        jobs: how many; patients, where they are to be prepared.
        seconds: of one worker; several workers share them.
        share: of all that is still to do, from 0 to 1.
        disk_mb: megabytes that they leave in the output folder; None where that was not measured.
        used_by: other methods with jobs that wait for these, which take features of its fits; they cost nothing there.
    """

    method: str
    jobs: int
    seconds: float
    share: float
    disk_mb: float | None
    used_by: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    """Something to do: whose it is, what it should take, the group whose measurements correct that, how many workers it
    takes, whether it takes the GPU, whose jobs it waits for, the megabytes of its process and of what it leaves on the
    disk, and when it was started.
    """

    method: str
    declared: float
    group: tuple[str, str]
    cpus: int = 1
    gpu: bool = False
    waits_for: frozenset[str] = frozenset()
    mb: float = PROCESS_MB
    disk_mb: float | None = None
    started: float | None = None


@dataclass(slots=True)
class _Measured:
    declared: float = 0.0
    took: float = 0.0

    @property
    def factor(self) -> float:
        return self.took / self.declared if self.declared else 1.0

    def add(self, declared: float, took: float) -> None:
        self.declared += declared
        self.took += took


@dataclass(slots=True)
class Forecast:
    """The time that a run still takes.

    Every job counts with what its method and stage declare. That is corrected by what ended jobs of the same stage and
    family took on this machine; before there is one, by what other work took. Times are those of one clock, in seconds.

    Args:
        workers: jobs at once.
    """

    workers: int
    _work: dict[str, _Work] = field(default_factory=dict)
    _by_group: dict[tuple[str, str], _Measured] = field(default_factory=dict)
    _all: _Measured = field(default_factory=_Measured)

    def expect(
        self,
        jobs: Iterable[PlannedJob],
        infos: Mapping[str, MethodInfo],
        profile: Profile,
        grid: tuple[int, int, int] | None,
    ) -> None:
        """Replace what is still to do by the jobs of a plan."""
        self._work = {
            job.key: _Work(
                job.method,
                declared_s(job, infos[job.method], profile, grid),
                (job.kind, infos[job.method].family),
                cpus=min(job.threads, self.workers),
                gpu=job.device == "cuda",
                waits_for=job.required_keys,
                mb=declared_mb(job, infos[job.method], profile, grid),
                disk_mb=declared_disk_mb(job, infos[job.method]),
            )
            for job in jobs
        }

    def preparing(self, patients: int, grid: tuple[int, int, int] | None) -> None:
        """Expect so many patients that are to be prepared."""
        for number in range(patients):
            disk_mb = PREPARED_MB + (BYTES_PER_VOXEL * QUICK_VOXELS * _voxels(grid) / 1e6 if grid else 0.0)
            self._work[_patient(number)] = _Work("", PREPARING_S * _voxels(grid), ("prepare", ""), disk_mb=disk_mb)

    def prepared(self, patients: int, took: float) -> None:
        """Account for patients that were prepared in so many seconds of wall time, all workers preparing."""
        waiting = [key for key, work in self._work.items() if work.group[0] == "prepare"][:patients]
        if not waiting:
            return
        declared = sum(self._work.pop(key).declared for key in waiting)
        self._count(("prepare", ""), declared, took * self.workers)

    def started(self, key: str, at: float) -> None:
        """Account for a job that was started."""
        if key in self._work:
            self._work[key].started = at

    def ended(self, key: str, at: float, *, ok: bool) -> None:
        """Account for a job that has ended; how long one took that failed says nothing of the others."""
        work = self._work.pop(key, None)
        if ok and work is not None and work.started is not None:
            self._count(work.group, work.declared, at - work.started)

    def remaining_s(self, at: float) -> float:
        """Return the seconds of wall time from ``at`` until all is done."""
        rest = [(work, self._rest(work, at)) for work in self._work.values()]
        shared = sum(work.cpus * seconds for work, seconds in rest) / self.workers
        # one GPU with one job at a time is counted on, and nothing is done before the longest job
        on_gpu = sum(seconds for work, seconds in rest if work.gpu)
        return max(shared, on_gpu, max((seconds for _, seconds in rest), default=0.0))

    def most_mb(self) -> float:
        """Return the megabytes that jobs take at the most at once: those of the largest ones together."""
        return sum(sorted((work.mb for work in self._work.values()), reverse=True)[: self.workers])

    def costs(self, at: float) -> tuple[Cost, ...]:
        """Return what every method still takes from ``at``, the dearest first. A job counts for its own method alone,
        whoever else needs what it makes; one that is done counts for nothing.
        """
        jobs: Counter[str] = Counter()
        seconds: dict[str, float] = {}
        disk: dict[str, list[float | None]] = {}
        used_by: dict[str, set[str]] = {}
        for work in self._work.values():
            jobs[work.method] += 1
            seconds[work.method] = seconds.get(work.method, 0.0) + work.cpus * self._rest(work, at)
            disk.setdefault(work.method, []).append(work.disk_mb)
            for key in work.waits_for & self._work.keys():
                if self._work[key].method != work.method:
                    used_by.setdefault(self._work[key].method, set()).add(work.method)
        whole = sum(seconds.values())
        return tuple(
            Cost(
                method=method,
                jobs=jobs[method],
                seconds=seconds[method],
                share=seconds[method] / whole if whole else 0.0,
                disk_mb=_sum(disk[method]),
                used_by=tuple(sorted(used_by.get(method, ()))),
            )
            for method in sorted(seconds, key=lambda name: (-seconds[name], name))
        )

    def _count(self, group: tuple[str, str], declared: float, took: float) -> None:
        self._by_group.setdefault(group, _Measured()).add(declared, took)
        if took >= SHORT_S:
            self._all.add(declared, took)

    def _rest(self, work: _Work, at: float) -> float:
        expected = work.declared * self._factor(work.group)
        if work.started is None:
            return expected
        elapsed = at - work.started
        # nobody knows how long a job goes on that takes longer than expected: a tenth of what it took
        return max(expected - elapsed, elapsed / 10)

    def _factor(self, group: tuple[str, str]) -> float:
        if group in self._by_group:
            return self._by_group[group].factor
        if self._all.declared < LEAST_S:
            return 1.0
        return min(max(self._all.factor, 1 / MOST), MOST)


def _sum(values: Iterable[float | None]) -> float | None:
    """Return a sum, or None if any of the values is not known."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _voxels(grid: tuple[int, int, int] | None) -> float:
    """Return how many times the voxels of the quick profile a grid has; 1 without images."""
    return grid[0] * grid[1] * grid[2] / QUICK_VOXELS if grid else 1.0


def _patient(number: int) -> str:
    return f"patient {number}"
