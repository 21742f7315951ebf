"""Methods x seeds x folds -> jobs with what they require; pure, nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from survbench.api import MethodInfo
from survbench.plan.folds import inner_folds, inner_split
from survbench.plan.job import FitJob, PlannedJob, PredictJob, TuneJob
from survbench.plan.job_keys import Fitting, Split, fit_job, predict_job, tune_job
from survbench.plan.profile import Profile
from survbench.plan.protocol import Protocol
from survbench.plan.requirements import PlannedCohort, missing_for, missing_to_predict
from survbench.plan.study import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Jobs in the order in which they should start, and the entries of the board that they belong to."""

    jobs: tuple[PlannedJob, ...]
    entries: tuple[Entry, ...]


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
    predicts: list[PredictJob] = []
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
        keys = [tuple(job.key for job in fits.of(info, seed)) for seed in seeds]
        outside: list[tuple[str, ...]] = []
        if external is not None and outside_patients is not None:
            absent = missing_to_predict(info, external, upstreams, train)
            entry = replace(entry, skipped_external="; ".join(absent))
            for seed in seeds if not absent else ():
                of_external = [
                    predict_job(job, outside_patients, cohort_name=external.name) for job in fits.of(info, seed)
                ]
                predicts += of_external
                outside.append(tuple(job.key for job in of_external))
        tunes = [fits.searches(info, seed) for seed in seeds]
        entries.append(
            replace(entry, fits=tuple(keys), predicts=tuple(outside), tunes=tuple(tunes) if any(tunes) else ())
        )
    return Plan(jobs=(*fits.jobs, *predicts), entries=tuple(entries))


def plan_refit(
    info: MethodInfo,
    seeds: int,
    train: PlannedCohort,
    protocol: Protocol,
    profile: Profile,
    *,
    device: str,
    upstreams: Mapping[str, MethodInfo],
) -> Plan:
    """Return the jobs that fit a method on all patients, once for each seed; the fit predicts the same patients.

    Args:
        info: the method.
        seeds: how many.
        train: the cohort.
        protocol: selection and tuning.
        profile: the budget.
        device: ``cpu`` or ``cuda``.
        upstreams: by name the methods that it builds on, which are fitted on all patients, too.
    """
    everybody = sorted(train.rows)
    fits = _Fits(train, protocol, profile, device, upstreams, folds=[(everybody, everybody)])
    keys = tuple(tuple(job.key for job in fits.of(info, seed)) for seed in range(seeds))
    return Plan(jobs=fits.jobs, entries=(replace(Entry.of(info), fits=keys),))


class _Fits:
    """The fits of methods, each after the jobs that it requires; every job is planned once.

    ``folds`` are pairs of training and test ids; without them they are those of the protocol.
    """

    def __init__(
        self,
        train: PlannedCohort,
        protocol: Protocol,
        profile: Profile,
        device: str,
        upstreams: Mapping[str, MethodInfo],
        folds: Sequence[tuple[list[str], list[str]]] | None = None,
    ) -> None:
        self.train = train
        self.protocol = protocol
        self.profile = profile
        self.device = device
        self.upstreams = upstreams
        self._planned: dict[str, PlannedJob] = {}
        self._made: dict[tuple[str, int], list[FitJob]] = {}
        ids = sorted(train.rows)
        if folds is None:
            tests = [frozenset(test) for test in protocol.folds]
            folds = [([i for i in ids if i not in test], sorted(test)) for test in tests]
        self._folds = folds
        self._patients = train.patients()

    @property
    def jobs(self) -> tuple[PlannedJob, ...]:
        """The jobs planned so far, each after those that it requires."""
        return tuple(self._planned.values())

    def _fitting(self, info: MethodInfo, seed: int) -> Fitting:
        return Fitting(
            info=info,
            patients=self._patients,
            seed=seed,
            training=self.profile.training,
            device=self.device,
            timeout_s=self.profile.job_timeout_s,
        )

    def _add(self, *jobs: PlannedJob) -> None:
        self._planned.update({job.key: job for job in jobs if job.key not in self._planned})

    def of(self, info: MethodInfo, seed: int) -> list[FitJob]:
        """Return a method's fits of all folds."""
        if (info.name, seed) in self._made:
            return self._made[info.name, seed]
        upstream: list[FitJob | None] = [None] * len(self._folds)
        if info.upstream:
            upstream = [*self.of(self.upstreams[info.upstream], seed)]
        tunes = self._tunes(info, seed, upstream)
        made = [
            fit_job(
                self._fitting(info, seed),
                train=train,
                test=test,
                fold=fold,
                selection=self.protocol.selection,
                upstream=upstream[fold],
                tune_key=tune.key if (tune := tunes[fold]) else None,
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
        return tuple(dict.fromkeys([*above, *(job.tune for job in self.of(info, seed) if job.tune)]))

    def _tunes(self, info: MethodInfo, seed: int, upstream: Sequence[FitJob | None]) -> list[TuneJob | None]:
        """Return the job that tunes for each fold: one of its own (``nested``), one for all (``paper``), or none."""
        mode, budget = self.protocol.tuning, self.profile.tuning
        if mode == "none" or not info.space:
            return [None] * len(self._folds)
        fitting = self._fitting(info, seed)
        if mode == "paper":
            splits = [
                Split(train=train, validation=test, upstream=above)
                for (train, test), above in zip(self._folds, upstream, strict=True)
            ]
            return [tune_job(fitting, splits=splits, fold=None, budget=budget)] * len(self._folds)
        return [
            tune_job(fitting, splits=self._inner(info, train, seed, fold, upstream[fold]), fold=fold, budget=budget)
            for fold, (train, _) in enumerate(self._folds)
        ]

    def _inner(
        self, info: MethodInfo, ids: Sequence[str], seed: int, fold: int, upstream: FitJob | None
    ) -> list[Split]:
        """Return the inner folds of a training fold, those of a method with an upstream with fits of that on each:
        features by the fold's own upstream would be over-fitted to the patients that trials are scored on.
        """
        splits: list[Split] = []
        for held_out in inner_folds(self.train.cohort.select(ids), self.profile.tuning.inner_folds):
            train = [i for i in ids if i not in set(held_out)]
            above = None
            if upstream is not None:
                above = fit_job(
                    self._fitting(self.upstreams[info.upstream], seed),
                    train=train,
                    test=held_out,
                    fold=fold,
                    selection="last",
                    tune_key=upstream.tune,
                )
                self._add(above)
            splits.append(Split(train=train, validation=held_out, upstream=above))
        return splits
