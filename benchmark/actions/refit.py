"""Fit a method of a study once on all of its patients; what is fitted stays among the runs and is used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from survbench.actions.execution import execute_planned
from survbench.actions.planned import Planned
from survbench.actions.planning import upstreams_of
from survbench.actions.request import Request
from survbench.actions.watcher import Watcher
from survbench.cohort import Need
from survbench.datasets.preprocessing.grid import Grid
from survbench.errors import BenchError
from survbench.io.stored import read_stored
from survbench.jobs.prepared_files import read_follow_up
from survbench.plan.job import FitJob
from survbench.plan.planner import plan_refit
from survbench.plan.registry import registry
from survbench.plan.requirements import PlannedCohort
from survbench.plan.study import Entry, Study
from survbench.runs.store import Run, Store
from survbench.work.prepared import INPUTS, TRUTH, PreparedCohort


def refit(study: Study, out: Path, name: str, *, workers: int, watcher: Watcher) -> list[Run]:
    """Return the fits of a method on all patients of a study, one for each seed, after fitting what is not there.

    Args:
        study: the study.
        out: its output folder, with the prepared cohort.
        name: a method that is complete in the study.
        workers: processes at once.
        watcher: is told the progress.

    Raises:
        BenchError: the study's patients are not there, the study chooses checkpoints by test folds, or the fit failed.
    """
    if study.protocol.selection == "paper":
        raise BenchError(
            "With selection 'paper' a checkpoint is chosen on the test fold, and a fit on all patients has none. Leave "
            "out --refit, or run the study with --selection last or inner."
        )
    store = Store(out)
    with store.lock():
        entry = next(e for e in study.entries if e.name == name)
        info = registry().get(name)
        first = store.read(entry.fits[0][0])
        if first is None or not isinstance(first.job, FitJob):
            raise BenchError(f"{name} is not complete in study {study.name}. Run 'bench run' again first.")
        cohort = _planned_cohort(study, PreparedCohort(out, first.job.cohort))
        upstreams = upstreams_of([info])
        made = plan_refit(
            info, _seeds(entry), cohort, study.protocol, study.profile, device=first.job.device, upstreams=upstreams
        )
        done = {job.key for job in made.jobs if store.is_done(job.key, with_model=True)}
        planned = Planned(
            study=study,
            plan=made,
            cached=frozenset(done),
            infos={**upstreams, name: info},
            grid=None if cohort.grid is None else Grid(cohort.grid, 1.0),
            protocol=study.protocol,
            profile=study.profile,
        )
        if planned.to_do:
            watcher.planned(planned)
            request = Request(profile=study.profile, out=out, workers=workers, device=first.job.device)
            failed = execute_planned(planned, store, request, watcher)
            if failed:
                raise BenchError(f"The fit on all patients failed; see 'bench status {failed[0].key[:8]}'.")
    keys = [key for seed in made.entries[0].fits for key in seed]
    return [run for key in keys if (run := store.read(key)) is not None]


def _seeds(entry: Entry) -> int:
    return len(entry.fits)


def _planned_cohort(study: Study, prepared: PreparedCohort) -> PlannedCohort:
    """Return what the planner must know of a cohort that a run has prepared."""
    if not (prepared.folder / INPUTS).is_file():
        raise BenchError(
            f"The patients of study {study.name} are not prepared in {prepared.out}, so nothing can be fitted on them. "
            "Leave out --refit, or run the same 'bench run' there first."
        )
    raw: dict[str, Any] = read_stored(prepared.folder / INPUTS, dict)
    truth: Mapping[str, float] = (
        read_stored(prepared.folder / TRUTH, dict) if (prepared.folder / TRUTH).is_file() else {}
    )
    rows = {row["id"]: {**row, "truth": truth.get(row["id"])} for row in raw["subjects"]}
    offers = _offers(rows, raw, truth)
    cohort = read_follow_up(prepared).label(prepared.inputs(rows, offers - {"upstream"}))
    return PlannedCohort(
        name=study.cohort.name,
        fingerprint=prepared.fingerprint,
        rows=rows,
        cohort=replace(cohort, truth=None if not truth else np.array([truth[i] for i in rows])),
        offers=offers,
        declared={
            "channels": raw["channels"],
            "clinical_columns": [[c["name"], c["kind"], c["levels"]] for c in raw["clinical_columns"]],
        },
        grid=study.cohort.grid,
    )


def _offers(
    rows: Mapping[str, Mapping[str, Any]], raw: Mapping[str, Any], truth: Mapping[str, float]
) -> frozenset[Need]:
    have: dict[Need, bool] = {
        "images": bool(raw["channels"]),
        "mask": all("mask" in row["volumes"] for row in rows.values()),
        "structures": all("structures" in row for row in rows.values()),
        "clinical": bool(raw["clinical_columns"]),
        "radiomics": all(row["radiomics"] for row in rows.values()),
        "truth": bool(truth),
    }
    return frozenset(need for need, there in have.items() if there)
