"""Methods x seeds x folds -> jobs with what they require; pure, nothing runs here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from survbench.api import MethodInfo
from survbench.cohort import Cohort, Need
from survbench.job import Job, Patients, Split, fit_job, predict_job, tune_job
from survbench.profile import Profile
from survbench.protocol import Protocol, inner_folds, inner_split
from survbench.study import Entry

QUICK_STEP_VOXELS = 100 * 4 * 32**3
"""Steps x batch x voxels of a network's fit in the quick profile, for which ``Resources.quick_seconds`` stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCohort:
    """What the planner must know of a prepared cohort.

    Attributes:
        name: the card's name.
        fingerprint: of the prepared cohort.
        rows: prepared row of each patient, by id (and ``truth`` where it is known).
        cohort: the patients with outcomes.
        offers: what methods can be given.
        declared: ``channels`` and ``clinical_columns`` as the card has them.
        grid: voxels of the common grid, or None without images.
    """

    name: str
    fingerprint: str
    rows: Mapping[str, Mapping[str, Any]]
    cohort: Cohort
    offers: frozenset[Need]
    declared: Mapping[str, Any]
    grid: tuple[int, int, int] | None

    def patients(self) -> Patients:
        """Return the cohort as its jobs name it."""
        cohort = self.cohort
        outcomes = {i: (float(t), bool(e)) for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True)}
        return Patients(cohort=self.fingerprint, rows=self.rows, outcomes=outcomes, declared=self.declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Jobs in the order in which they should start, and the entries of the board that they belong to."""

    jobs: tuple[Job, ...]
    entries: tuple[Entry, ...]


REMEDY: Mapping[str, str] = {
    "images": "the cohort has no images",
    "mask": "the cohort has no tumour masks",
    "clinical": "the card gives no clinical column to methods (model: true)",
    "radiomics": "the card gives no table of features, and radiomics of images needs masks too",
    "truth": "only simulated cohorts have a true hazard",
}


def plan(
    infos: Sequence[MethodInfo],
    train: PlannedCohort,
    external: PlannedCohort | None,
    protocol: Protocol,
    profile: Profile,
    *,
    device: str,
    upstreams: Mapping[str, MethodInfo],
) -> Plan:
    """Return all jobs of a study.

    Args:
        infos: the methods asked for.
        train: the cohort.
        external: the external cohort, or None.
        protocol: folds, seeds, selection, tuning.
        profile: the budget.
        device: ``cpu`` or ``cuda``.
        upstreams: by name the methods that others build on; their fits are planned also where nobody asked for them.

    Raises:
        BenchError: selection ``inner`` or tuning ``nested`` is impossible on some training fold.
    """
    selecting = [i for i in (*infos, *upstreams.values()) if i.selects and not missing_for(i, train, upstreams)]
    if protocol.selection == "inner" and selecting:
        for fold in protocol.folds:
            inner_split(train.cohort.select(i for i in sorted(train.rows) if i not in set(fold)))
    fits = _Fits(train, protocol, profile, device, upstreams)
    outside_patients = external.patients() if external else None
    predicts: list[Job] = []
    entries: list[Entry] = []
    for info in infos:
        entry = Entry.of(info)
        # features of a table are not taken from a mask
        entry = replace(entry, needs_mask=entry.needs_mask and "mask" in train.offers)
        missing = missing_for(info, train, upstreams)
        if missing:
            entries.append(replace(entry, skipped="; ".join(missing)))
            continue
        seeds = range(protocol.seeds if info.stochastic else 1)
        keys = [tuple(job["key"] for job in fits.of(info, seed)) for seed in seeds]
        outside: list[tuple[str, ...]] = []
        if external is not None and outside_patients is not None and not missing_for(info, external, upstreams):
            for seed in seeds:
                of_external = [
                    predict_job(job, outside_patients, cohort_name=external.name) for job in fits.of(info, seed)
                ]
                predicts += of_external
                outside.append(tuple(job["key"] for job in of_external))
        tunes = [fits.searches(info, seed) for seed in seeds]
        entries.append(
            replace(entry, fits=tuple(keys), predicts=tuple(outside), tunes=tuple(tunes) if any(tunes) else ())
        )
    return Plan(jobs=(*fits.jobs, *predicts), entries=tuple(entries))


class _Fits:
    """The fits of methods, each after the jobs that it requires; every job is planned once."""

    def __init__(
        self,
        train: PlannedCohort,
        protocol: Protocol,
        profile: Profile,
        device: str,
        upstreams: Mapping[str, MethodInfo],
    ) -> None:
        self.train = train
        self.protocol = protocol
        self.profile = profile
        self.device = device
        self.upstreams = upstreams
        self._planned: dict[str, Job] = {}
        self._made: dict[tuple[str, int], list[Job]] = {}
        ids = sorted(train.rows)
        self._folds = [([i for i in ids if i not in set(test)], sorted(test)) for test in protocol.folds]
        self._patients = train.patients()
        self._budget: dict[str, Any] = {
            "training": profile.training,
            "device": device,
            "timeout_s": profile.job_timeout_s,
        }

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs planned so far, each after those that it requires."""
        return tuple(self._planned.values())

    def _add(self, *jobs: Job) -> None:
        self._planned.update({job["key"]: job for job in jobs if job["key"] not in self._planned})

    def of(self, info: MethodInfo, seed: int) -> list[Job]:
        """Return a method's fits of all folds."""
        if (info.name, seed) in self._made:
            return self._made[info.name, seed]
        upstream: list[Job | None] = [None] * len(self._folds)
        if info.upstream:
            upstream = [*self.of(self.upstreams[info.upstream], seed)]
        tunes = self._tunes(info, seed, upstream)
        made: list[Job] = [
            fit_job(
                info,
                self._patients,
                train=train,
                test=test,
                seed=seed,
                fold=fold,
                selection=self.protocol.selection,
                upstream=upstream[fold],
                tune_key=key_of(tunes[fold]),
                **self._budget,
            )
            for fold, (train, test) in enumerate(self._folds)
        ]
        self._add(*(t for t in tunes if t), *made)
        self._made[info.name, seed] = made
        return made

    def searches(self, info: MethodInfo, seed: int) -> tuple[str, ...]:
        """Return the keys of the searches behind a method's fits, those for its upstream method included."""
        above = self.searches(self.upstreams[info.upstream], seed) if info.upstream else ()
        # of several folds tuned at once there is one
        return tuple(dict.fromkeys([*above, *(j["tune"] for j in self.of(info, seed) if j["tune"])]))

    def _tunes(self, info: MethodInfo, seed: int, upstream: Sequence[Job | None]) -> list[Job | None]:
        """Return the job that tunes for each fold: one of its own (``nested``), one for all (``paper``), or none."""
        mode, budget = self.protocol.tuning, self.profile.tuning
        if mode == "none" or not info.space:
            return [None] * len(self._folds)
        common: dict[str, Any] = {"seed": seed, "trials": budget.trials, **self._budget}
        if mode == "paper":
            splits = [
                Split(train=train, validation=test, upstream=above)
                for (train, test), above in zip(self._folds, upstream, strict=True)
            ]
            return [tune_job(info, self._patients, splits=splits, fold=None, **common)] * len(self._folds)
        return [
            tune_job(
                info, self._patients, splits=self._inner(info, train, seed, fold, upstream[fold]), fold=fold, **common
            )
            for fold, (train, _) in enumerate(self._folds)
        ]

    def _inner(self, info: MethodInfo, ids: Sequence[str], seed: int, fold: int, upstream: Job | None) -> list[Split]:
        """Return the inner folds of a training fold, those of a method with an upstream with fits of that on each:
        features by the fold's own upstream would be over-fitted to the patients that trials are scored on.
        """
        splits: list[Split] = []
        for held_out in inner_folds(self.train.cohort.select(ids), self.profile.tuning.inner_folds):
            train = [i for i in ids if i not in set(held_out)]
            above = None
            if upstream is not None:
                above = fit_job(
                    self.upstreams[info.upstream],
                    self._patients,
                    train=train,
                    test=held_out,
                    seed=seed,
                    fold=fold,
                    selection="last",
                    tune_key=upstream["tune"],
                    **self._budget,
                )
                self._add(above)
            splits.append(Split(train=train, validation=held_out, upstream=above))
        return splits


def key_of(job: Job | None) -> str | None:
    """Return a job's key, None without one."""
    return None if job is None else str(job["key"])


def missing_for(info: MethodInfo, cohort: PlannedCohort, upstreams: Mapping[str, MethodInfo]) -> list[str]:
    """Return what a method needs and a cohort does not have, in words; empty where it can run.

    Clinical columns are optional for a method that needs other things too: without them it gets none.
    """
    if info.upstream:
        above = missing_for(upstreams[info.upstream], cohort, upstreams)
        if above:
            return [f"its upstream method {info.upstream} {' and '.join(above)}"]
    needs = (info.needs_fit | info.needs_predict) - {"upstream"}
    optional = {"clinical"} if needs > {"clinical"} else set()
    absent = sorted(needs - cohort.offers - optional)
    have = {v.modality for s in cohort.cohort.subjects[:1] for v in s.volumes.values()}
    modalities = sorted(info.modalities - have)
    return [f"needs {n}: {REMEDY[n]}" for n in absent] + [f"needs a {m} channel" for m in modalities]


def estimate_s(
    jobs: Iterable[Job], infos: Mapping[str, MethodInfo], profile: Profile, grid: tuple[int, int, int] | None
) -> float:
    """Return a rough estimate of the CPU seconds that jobs take, from the seconds that methods declare for the quick
    profile; a network's grow with steps, batch and voxels.
    """
    voxels = grid[0] * grid[1] * grid[2] if grid else 0
    scale = profile.training.steps * profile.training.batch_size * voxels / QUICK_STEP_VOXELS
    total = 0.0
    for job in jobs:
        info = infos[job["method"]]
        seconds = info.resources.quick_seconds * (scale if info.trains else 1.0)
        fits = job["spec"]["trials"] * len(job["splits"]) if job["kind"] == "tune" else 1
        total += min(seconds, 1.0) if job["kind"] == "predict" else seconds * fits
    return total
