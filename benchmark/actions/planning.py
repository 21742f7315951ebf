"""From a request to a planned study: open the cohorts, prepare them, plan the jobs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from survbench.actions.planned import Planned
from survbench.actions.request import Request
from survbench.actions.study_description import described_study
from survbench.actions.watcher import Silent, Watcher
from survbench.api import MethodInfo
from survbench.datasets.cards.source import SourceCohort, offers
from survbench.datasets.checks.copies import of_copies
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.cohorts.compatible import refuse_duplicates
from survbench.datasets.cohorts.named import default_external
from survbench.datasets.cohorts.opened import Cohorts, open_cohorts
from survbench.datasets.cohorts.usable import log_findings
from survbench.datasets.readers.feature_table import table_keys
from survbench.features.report import report, summary
from survbench.findings import About, CohortError, Finding, Stated, grouped
from survbench.io.holding import refuse_unwritable
from survbench.jobs.preparation import Preparation, prepare_source, stored_facts, unprepared, usable_of
from survbench.jobs.prepared_files import subject_rows, write_prepared
from survbench.plan.folds import stratified_folds
from survbench.plan.horizons import truncation_time
from survbench.plan.planner import Plan, plan
from survbench.plan.protocol import Protocol, read_splits
from survbench.plan.registry import registry
from survbench.plan.requirements import PlannedCohort
from survbench.plan.study import Entry
from survbench.runs.store import Store

log = logging.getLogger(__name__)


def entries_still_valid(cohorts: Cohorts, request: Request, planned: Planned, earlier: Sequence[Entry]) -> list[Entry]:
    """Return the entries that earlier runs have added to a study and this one does not touch, as they are declared now,
    unless the code or the libraries behind them have changed since: their results would stand on one board with others
    of another origin.
    Imported risks are nobody's code here and stay: the same study has the same patients, outcomes and folds. So does an
    ensemble, if all its members do.
    """
    named = {e.name for e in planned.study.entries}
    others = [e for e in earlier if e.name not in named]
    ensembles = [e for e in others if e.members]
    imported = [e for e in others if e.imported]
    others = _still_valid(cohorts, request, planned, [e for e in others if not e.imported and not e.members])
    stay = [*others, *imported]
    present = named | {e.name for e in stay}
    for ensemble in ensembles:
        lost = [name for name in ensemble.members if name not in present]
        if lost:
            log.warning("%s was removed from the leaderboard with its members %s.", ensemble.name, ", ".join(lost))
        else:
            stay.append(ensemble)
    return stay


def _still_valid(cohorts: Cohorts, request: Request, planned: Planned, others: Sequence[Entry]) -> list[Entry]:
    """Return those entries of methods whose jobs would be the same today, as they are declared now."""
    if not others:
        return []
    known = [registry().methods[e.name] for e in others if e.name in registry().methods]
    _ask_for_radiomics(cohorts, known)
    again = [_prepared(cohorts, source, request, write=False) for source in cohorts.sources]
    now = {e.name: e for e in _plan_of(known, again, request, planned.protocol).entries}
    kept = {
        e.name for e in others if e.name in now and (now[e.name].fits, now[e.name].predicts) == (e.fits, e.predicts)
    }
    for entry in others:
        if entry.name not in kept:
            log.warning(
                "%s was removed from the leaderboard because its code or libraries changed. "
                "Run it again to restore it.",
                entry.name,
            )
    return [now[e.name] for e in others if e.name in kept]


def prepare_cohort(request: Request) -> PlannedCohort:
    """Prepare a request's cohorts, and return what the planner must know of the one that trains."""
    store = Store(request.out)
    with store.lock():
        cohorts, _ = open_request(request)
        prepare_cohorts(cohorts, request, Silent())
        return _prepared(cohorts, cohorts.sources[0], request)


def dry_run(request: Request) -> Planned:
    """Return the plan without running or preparing anything; voxels are judged where their facts are in the cache.

    Raises:
        BenchError: what would keep a run from starting, as far as that can be known.
    """
    refuse_unwritable(request.out)
    cohorts, infos = open_request(request)
    facts: list[Mapping[str, PatientFacts]] = []
    for number, source in enumerate(cohorts.sources):
        stored = stored_facts(source, request.out)
        facts.append(stored)
        if cohorts.grid is not None and len(stored) == len(source.cohort):
            _judge(cohorts, number, Preparation({}, (), stored, len(stored)), request)
    _compare_voxels(cohorts, facts, request)
    planned = plan_study(cohorts, infos, request, Store(request.out), write=False)
    study = replace(planned.study, findings=_stated(cohorts, request))
    return replace(planned, study=study, to_prepare=count_unprepared(cohorts, request))


def count_unprepared(cohorts: Cohorts, request: Request) -> int:
    """Return how many patients of the cohorts are still to be prepared."""
    return sum(len(unprepared(cohorts, source, request.out)) for source in cohorts.sources)


def open_request(request: Request) -> tuple[Cohorts, Sequence[MethodInfo]]:
    """Open a request's cohorts and methods, and log what the checks find before any voxel is read."""
    infos = registry().select(request.methods)
    for broken in registry().broken:
        log.warning("Plugin %s is left out, because it cannot be loaded (%s).", broken.name, broken.reason)
    names = [(request.cohort, request.data)]
    outside = request.external or default_external(request.cohort)
    if outside is not None:
        names.append((outside, request.data if outside == default_external(request.cohort) else None))
    cohorts = open_cohorts(names, profile=request.profile, skip_bad=request.skip_bad, ignored=request.ignored)
    if len(cohorts.sources) > 1:
        refuse_duplicates(*cohorts.sources)
    for source in cohorts.sources:
        log_findings(source, source.findings, request.ignored)
    differences = cohorts.differences()
    _refuse_errors(differences, request)
    log_findings(cohorts.sources[-1], differences, request.ignored)
    if request.splits is not None:  # before hours of preparation, which may still leave patients out
        read_splits(request.splits, cohorts.sources[0].cohort, complete=not request.skip_bad)
    _ask_for_radiomics(cohorts, infos)
    return cohorts, infos


def _refuse_errors(differences: Sequence[Finding], request: Request) -> None:
    errors = [f for f in differences if f.severity == "error" and f.code not in request.ignored]
    if errors:
        raise CohortError("The external cohort does not fit the cohort:", errors)


def _ask_for_radiomics(cohorts: Cohorts, infos: Sequence[MethodInfo]) -> None:
    needs = [i.needs_fit | i.needs_predict for i in infos]
    if any("radiomics" in need for need in needs):
        cohorts.ask_for_radiomics(per_structure=any({"radiomics", "structures"} <= need for need in needs))


def prepare_cohorts(cohorts: Cohorts, request: Request, watcher: Watcher) -> tuple[Stated, ...]:
    """Prepare what is not in the cache, and return what the checks find in the cohorts; what they find in the voxels is
    logged, too.

    Raises:
        CohortError: patients that cannot be prepared, unless the request skips bad ones (they are then dropped), or an
            error of a cohort as a whole.
    """
    facts: list[Mapping[str, PatientFacts]] = []
    for number, source in enumerate(cohorts.sources):
        made = prepare_source(
            cohorts,
            source,
            out=request.out,
            workers=request.workers,
            timeout_s=request.profile.job_timeout_s,
            watcher=watcher,
            ignored=request.ignored,
        )
        left = _judge(cohorts, number, made, request)
        facts.append(made.facts)
        if cohorts.features is not None:
            of_mask = {i: made.extractions[i] for i in left.cohort.ids if i in made.extractions}
            structures = {name: {i: found[i] for i in of_mask} for name, found in made.structures.items()}
            doubts = summary(report(of_mask, structures))
            if doubts:
                name, chosen = source.card.name, cohorts.features.name
                log.warning("radiomics %r of %s: %s; 'bench cohort features' lists them", chosen, name, doubts)
    _compare_voxels(cohorts, facts, request)
    return _stated(cohorts, request)


def _judge(cohorts: Cohorts, number: int, made: Preparation, request: Request) -> SourceCohort:
    """Put what is usable of a prepared cohort in its place, log what is found now, and return the cohort."""
    source = cohorts.sources[number]
    left = usable_of(source, made, skip_bad=request.skip_bad, ignored=request.ignored)
    told = set(source.findings)
    log_findings(left, [f for f in left.findings if f not in told], request.ignored)
    cohorts.sources[number] = left
    return left


def _compare_voxels(cohorts: Cohorts, facts: Sequence[Mapping[str, PatientFacts]], request: Request) -> None:
    """Add to the external cohort's findings, and log, which of its images are the cohort's, saved again."""
    if len(cohorts.sources) > 1:
        first, other = cohorts.sources
        found = [*of_copies(first, other, *facts)]
        log_findings(other, found, request.ignored)
        cohorts.sources[1] = replace(other, findings=(*other.findings, *found))


def _stated(cohorts: Cohorts, request: Request) -> tuple[Stated, ...]:
    """Return what the checks find in the cohorts, as a study keeps it."""
    found: dict[About, Sequence[Finding]] = {"cohort": cohorts.sources[0].findings}
    if len(cohorts.sources) > 1:
        found["external"] = (*cohorts.sources[1].findings, *cohorts.differences())
    return tuple(
        group.stated(about, ignored=group.first.code in request.ignored)
        for about, findings in found.items()
        for group in grouped(findings)
    )


def plan_study(
    cohorts: Cohorts, methods: Sequence[MethodInfo], request: Request, store: Store, *, write: bool = True
) -> Planned:
    """Return the plan of opened and prepared cohorts: the jobs of all methods, and which of them are done.

    Args:
        cohorts: the cohort, and the external one.
        methods: what is asked for.
        request: the rest of what the user asked for.
        store: the output folder.
        write: write the prepared cohorts, too; false for a plan that is only looked at.
    """
    planned = [_prepared(cohorts, source, request, write=write) for source in cohorts.sources]
    train = planned[0]
    if request.splits is not None:
        folds = read_splits(request.splits, train.cohort)
    else:
        folds = stratified_folds(train.cohort, request.profile.folds)
    protocol = Protocol(
        folds=folds,
        seeds=request.seeds,
        selection=request.selection,
        tuning=request.tuning,
        tau=truncation_time([train.cohort.select(fold).time for fold in folds]),
    )
    made = _plan_of(methods, planned, request, protocol)
    return Planned(
        study=described_study(cohorts, planned, request.profile, protocol, made),
        plan=made,
        cached=_cached(made, store) if not request.fresh else frozenset(),
        infos={i.name: i for i in (*upstreams_of(methods).values(), *methods)},
        grid=cohorts.grid,
        protocol=protocol,
        profile=request.profile,
        rows=train.rows,
    )


def _plan_of(
    infos: Sequence[MethodInfo], planned: Sequence[PlannedCohort], request: Request, protocol: Protocol
) -> Plan:
    external = planned[1] if len(planned) > 1 else None
    return plan(
        infos, planned[0], external, protocol, request.profile, device=request.device, upstreams=upstreams_of(infos)
    )


def _cached(made: Plan, store: Store) -> frozenset[str]:
    """Return the jobs that are done; a fit whose model another job needs must have it intact."""
    done = {job.key for job in made.jobs if store.is_done(job.key)}
    needed = {key for job in made.jobs if job.key not in done for key in job.required_keys}
    return frozenset(done - {key for key in needed & done if not store.is_done(key, with_model=True)})


def _prepared(cohorts: Cohorts, source: SourceCohort, request: Request, *, write: bool = True) -> PlannedCohort:
    keys = {s.id: cohorts.keys(source, s) for s in source.cohort.subjects}
    rows = subject_rows(source, keys, table_keys(source))
    prepared = write_prepared(request.out, source, rows, write=write)
    truth = source.cohort.truth
    by_id: dict[str, Mapping[str, Any]] = {
        row["id"]: {**row, "truth": None if truth is None else float(truth[n])} for n, row in enumerate(rows)
    }
    return PlannedCohort(
        name=source.card.name,
        fingerprint=prepared.fingerprint,
        rows=by_id,
        cohort=source.cohort,
        offers=offers(source),
        declared={
            "channels": list(source.cohort.channels),
            "clinical_columns": [[c.name, c.kind, list(c.levels)] for c in source.card.model_columns],
            # only where there is one: the names of other studies stay
            **({"reference_centre": source.card.reference_centre} if source.card.reference_centre else {}),
        },
        grid=cohorts.grid.shape if cohorts.grid else None,
    )


def upstreams_of(infos: Sequence[MethodInfo]) -> dict[str, MethodInfo]:
    """Return the methods that others build on, by name."""
    return {i.upstream: registry().get(i.upstream) for i in infos if i.upstream}
