"""Risks of a model that nothing here has fitted, put on a study's board and tested like the rest.

They are stored as runs, one per fold and one for the external cohort, so that a board stays a function of runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from survbench.errors import BenchError
from survbench.evaluation.gather import Outcomes, gather
from survbench.io.hashing import digest
from survbench.io.layout import SCHEMA, Role, Status
from survbench.io.tables import number, read_table
from survbench.plan.job import ImportJob, JobKind
from survbench.plan.registry import registry
from survbench.plan.study import Entry, Study
from survbench.runs.predictions import Predictions
from survbench.runs.provenance import provenance
from survbench.runs.record import RunRecord
from survbench.runs.store import CURVES, Store, no_curves, write_run

COLUMNS = ("id", "risk", "fold", "cohort")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NOTES = "imported: risks of an outside model; nothing was fitted here"
SHOWN = 20
"""Ids that an error lists of one kind of problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRisks:
    """Risks by patient of the study's cohort and of its external one; the latter empty where the file has none."""

    inside: Mapping[str, float]
    outside: Mapping[str, float]


def import_risks(study: Study, store: Store, path: Path, *, name: str, title: str = "") -> Study:
    """Store a file of risks as runs and return the study with its entry, written.

    The same file again changes nothing; another file under the same name takes the place of the first.

    Args:
        study: with at least one complete method, whose runs hold the outcomes.
        store: the output folder, which the caller has locked.
        path: table with ``id`` and ``risk``, and optionally ``fold`` and ``cohort``; see :func:`read_imported`.
        name: kebab case; no method's.
        title: on the board; by default the name.

    Raises:
        BenchError: the name is taken, nothing has run yet, or the file does not fit the study; all problems are listed.
    """
    _check_name(name, study)
    results = gather(study, store)
    if results.outcomes is None:
        raise BenchError(
            f"{study.name} has no complete method yet. Run one, such as 'bench run --methods clinical-cox'."
        )
    if study.external is not None and results.external is None and any(e.predicts for e in study.entries):
        raise BenchError(f"No method of {study.name} has predicted {study.external.name} yet. Run 'bench run' again.")
    risks = read_imported(path, study, results.outcomes, results.external)
    o = results.outcomes
    fits = tuple(
        _put(
            store, name, [i for i in range(len(o.ids)) if o.fold[i] == k], risks.inside, o, fold=int(k), role=Role.TEST
        )
        for k in np.unique(o.fold)
    )
    predicts: tuple[tuple[str, ...], ...] = ()
    if risks.outside and results.external is not None and study.external is not None:
        e, role = results.external, Role.EXTERNAL.of(study.external.name)
        predicts = ((_put(store, name, list(range(len(e.ids))), risks.outside, e, fold=0, role=role),),)
    entry = Entry(
        name=name,
        title=title or name,
        family="outside",
        gives=("risk",),
        notes=NOTES,
        fits=(fits,),
        predicts=predicts,
        skipped_external="" if study.external is None or predicts else "the file holds no risks of its patients",
        imported=True,
    )
    position = next((n for n, e in enumerate(study.entries) if e.name == name), len(study.entries))
    entries = (*study.entries[:position], entry, *study.entries[position + 1 :])
    changed = replace(study, entries=entries)
    if changed != study:
        changed.write(store.root)
    return changed


def read_imported(path: Path, study: Study, inside: Outcomes, outside: Outcomes | None) -> ImportedRisks:
    """Read a file of risks and check it against a study's patients and folds.

    ``cohort`` is the name of the study's cohort or of its external one; without that column an id says where it
    belongs. ``fold`` names the model that predicted a patient; any names do, if they divide the patients as the study
    does. Either every external patient has a risk, or none.

    Raises:
        BenchError: all problems, a line for each kind.
    """
    table = read_table(path)
    columns = {name: table.column(name) for name in table.columns}
    missing = [name for name in ("id", "risk") if name not in columns]
    unknown = [name for name in columns if name not in COLUMNS]
    if missing or unknown:
        raise BenchError(
            f"{path} has the columns {', '.join(columns)}; it needs id and risk, and may have fold and cohort. "
            + (f"Rename or drop {', '.join(unknown)}." if unknown else f"Add {', '.join(missing)}.")
        )
    cohorts = {study.cohort.name: set(inside.ids)}
    if study.external is not None and outside is not None:
        cohorts[study.external.name] = set(outside.ids)
    where = _cohort_of_rows(columns, cohorts)
    problems = list(_problems(columns, where, cohorts, inside))
    if problems:
        raise BenchError(
            "\n".join(
                [f"{path} does not fit {study.name}:", *(f"  {p}" for p in problems), "Fix the file; see --help."]
            )
        )
    of: dict[str, dict[str, float]] = {name: {} for name in cohorts}
    for patient, risk, cohort in zip(columns["id"], columns["risk"], where, strict=True):
        of[cohort][patient] = float(risk)
    external = study.external.name if study.external is not None else ""
    return ImportedRisks(inside=of[study.cohort.name], outside=of.get(external, {}))


def _check_name(name: str, study: Study) -> None:
    if not NAME.fullmatch(name):
        raise BenchError(f"--name {name!r} must be lower case with hyphens, such as 'cox-in-r'.")
    taken = {e.name for e in study.entries if not e.imported} | set(registry().methods)
    if name in taken:
        raise BenchError(f"--name {name!r} is a method of survbench or of this study. Choose another name.")


def _cohort_of_rows(columns: Mapping[str, Sequence[str]], cohorts: Mapping[str, set[str]]) -> list[str]:
    """Return the cohort of each row, "" where it is not known."""
    if "cohort" in columns:
        return [cohort if cohort in cohorts else "" for cohort in columns["cohort"]]
    homes = [[name for name, ids in cohorts.items() if patient in ids] for patient in columns["id"]]
    return [home[0] if len(home) == 1 else "" for home in homes]


def _problems(
    columns: Mapping[str, Sequence[str]], where: Sequence[str], cohorts: Mapping[str, set[str]], inside: Outcomes
) -> Iterator[str]:
    ids = columns["id"]
    if "cohort" in columns:
        strange = sorted({c for c, w in zip(columns["cohort"], where, strict=True) if not w})
        yield from _listed(f"cohort is not one of {', '.join(cohorts)}", strange)
    else:
        twice = [i for i, w in zip(ids, where, strict=True) if not w and all(i in c for c in cohorts.values())]
        yield from _listed("are in both cohorts; add a column 'cohort'", twice)
        unknown = [i for i in ids if not any(i in c for c in cohorts.values())]
        yield from _listed(f"are not patients of {' or '.join(cohorts)}", unknown)
    bad = [f"{i} ({risk or 'empty'})" for i, risk in zip(ids, columns["risk"], strict=True) if number(risk) is None]
    yield from _listed("have a risk that is not a finite number", bad)
    for place, (name, patients) in enumerate(cohorts.items()):
        here = [i for i, w in zip(ids, where, strict=True) if w == name]
        yield from _listed(
            f"are not patients of {name}", [i for i in here if i not in patients and "cohort" in columns]
        )
        yield from _listed(f"are in {name} more than once", [i for i, count in Counter(here).items() if count > 1])
        if place == 0 or here:  # the external cohort may be left out as a whole
            yield from _listed(f"of {name} have no risk", sorted(patients - set(here)))
    if "fold" in columns:
        yield from _other_folds(columns, where, next(iter(cohorts)), inside)


def _other_folds(
    columns: Mapping[str, Sequence[str]], where: Sequence[str], cohort: str, inside: Outcomes
) -> Iterator[str]:
    """Say which patients the file puts into another fold than the study, whatever it calls the folds."""
    ours = dict(zip(inside.ids, map(int, inside.fold), strict=True))
    rows = [
        (i, label, ours[i])
        for i, label, w in zip(columns["id"], columns["fold"], where, strict=True)
        if w == cohort and i in ours
    ]
    pairs = Counter((label, fold) for _, label, fold in rows)
    match: dict[str, int] = {}
    for (label, fold), _ in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        if label not in match and fold not in match.values():
            match[label] = fold
    others = [f"{i} (fold {label}, in the study {fold})" for i, label, fold in rows if match.get(label) != fold]
    yield from _listed("are not in the folds of the study (see its splits.json)", others)


def _listed(what: str, ids: Sequence[str]) -> Iterator[str]:
    if ids:
        more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        yield f"{len(ids)} {what}: {', '.join(ids[:SHOWN])}{more}"


def _put(
    store: Store, name: str, rows: Sequence[int], risks: Mapping[str, float], o: Outcomes, *, fold: int, role: str
) -> str:
    """Store the risks of some patients as a run, if they are not there, and return its key."""
    ids = [o.ids[n] for n in rows]
    outcome = [[float(o.time[n]), bool(o.event[n]), o.centre[n]] for n in rows]
    spec: dict[str, Any] = {"kind": JobKind.IMPORT, "schema": SCHEMA, "method": name, "fold": fold, "role": role}
    spec |= {"risks": digest([[i, risks[i]] for i in ids]), "patients": digest([ids, outcome])}
    key = digest(spec)[:32]
    if store.is_done(key):
        return key
    job = ImportJob(key=key, spec=spec, method=name, seed=0, fold=fold, test=tuple(ids))
    with store.writing(key) as folder:
        write_run(folder, job, RunRecord(status=Status.OK, provenance=provenance()))
        Predictions(
            ids=ids,
            fold=fold,
            seed=0,
            role=role,
            centres=[o.centre[n] for n in rows],
            risk=np.array([risks[i] for i in ids]),
        ).write(folder, o.time[list(rows)], o.event[list(rows)])
        no_curves().to_parquet(folder / CURVES)
    return key
