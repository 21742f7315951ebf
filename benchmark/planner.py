"""Methods x seeds x folds -> jobs with what they require; pure, nothing runs here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from survbench.api import MethodInfo
from survbench.cohort import Cohort, Need
from survbench.job import Job, fit_job, predict_job
from survbench.profile import Profile
from survbench.protocol import Protocol, inner_split
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
        protocol: folds, seeds, selection.
        profile: the budget.
        device: ``cpu`` or ``cuda``.
        upstreams: by name the methods that others build on; their fits are planned also where nobody asked for them.

    Raises:
        BenchError: selection ``inner`` is impossible on some training fold.
    """
    ids = sorted(train.rows)
    outcomes = outcomes_of(train.cohort)
    external_outcomes = outcomes_of(external.cohort) if external else {}
    fits: list[Job] = []
    predicts: list[Job] = []
    entries: list[Entry] = []
    selecting = [i for i in (*infos, *upstreams.values()) if i.selects and not missing_for(i, train, upstreams)]
    if protocol.selection == "inner" and selecting:
        for fold in protocol.folds:
            inner_split(train.cohort.select(i for i in ids if i not in set(fold)))
    made: dict[tuple[str, int], list[Job]] = {}

    def fits_of(info: MethodInfo, seed: int) -> list[Job]:
        """Return a method's fits of all folds, after those of its upstream method; each is planned once."""
        if (info.name, seed) not in made:
            upstream = fits_of(upstreams[info.upstream], seed) if info.upstream else [None] * len(protocol.folds)
            made[info.name, seed] = [
                fit_job(
                    info,
                    cohort=train.fingerprint,
                    rows=train.rows,
                    outcomes=outcomes,
                    declared=train.declared,
                    train=[i for i in ids if i not in set(test)],
                    test=sorted(test),
                    seed=seed,
                    fold=fold,
                    selection=protocol.selection,
                    training=profile.training,
                    device=device,
                    timeout_s=profile.job_timeout_s,
                    upstream=upstream[fold],
                )
                for fold, test in enumerate(protocol.folds)
            ]
            fits.extend(made[info.name, seed])
        return made[info.name, seed]

    for info in infos:
        entry = Entry.of(info)
        missing = missing_for(info, train, upstreams)
        if missing:
            entries.append(replace(entry, skipped="; ".join(missing)))
            continue
        seeds = range(protocol.seeds if info.stochastic else 1)
        keys = [tuple(job["key"] for job in fits_of(info, seed)) for seed in seeds]
        outside: list[tuple[str, ...]] = []
        if external is not None and not missing_for(info, external, upstreams):
            for seed in seeds:
                of_external = [
                    predict_job(
                        job,
                        cohort=external.fingerprint,
                        cohort_name=external.name,
                        rows=external.rows,
                        outcomes=external_outcomes,
                        declared=external.declared,
                    )
                    for job in fits_of(info, seed)
                ]
                predicts += of_external
                outside.append(tuple(job["key"] for job in of_external))
        entries.append(replace(entry, fits=tuple(keys), predicts=tuple(outside)))
    return Plan(jobs=tuple(fits + predicts), entries=tuple(entries))


def missing_for(info: MethodInfo, cohort: PlannedCohort, upstreams: Mapping[str, MethodInfo]) -> list[str]:
    """Return what a method needs and a cohort does not have, in words; empty where it can run.

    Clinical columns are optional for a method that needs other things too: without them it gets none.
    """
    if info.upstream:
        above = missing_for(upstreams[info.upstream], cohort, upstreams)
        if above:
            return [f"its upstream method {info.upstream} {reason}" for reason in above]
    needs = (info.needs_fit | info.needs_predict) - {"upstream"}
    optional = {"clinical"} if needs > {"clinical"} else set()
    absent = sorted(needs - cohort.offers - optional)
    have = {v.modality for s in cohort.cohort.subjects[:1] for v in s.volumes.values()}
    modalities = sorted(info.modalities - have)
    return [f"needs {n}: {REMEDY[n]}" for n in absent] + [f"needs a {m} channel" for m in modalities]


def outcomes_of(cohort: Cohort) -> dict[str, tuple[float, bool]]:
    """Return (time, event) by id."""
    return {i: (float(t), bool(e)) for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True)}


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
        seconds = info.resources.quick_seconds * (scale if info.selects else 1.0)
        total += seconds if job["kind"] == "fit" else min(seconds, 1.0)
    return total
