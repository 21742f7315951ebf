"""Writes a prepared cohort, its inputs, outcomes and truth in separate files; reads the outcomes, which nothing else
does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.cohorts.opened import PatientKeys
from survbench.features.stored_table import write_table
from survbench.io.files import write_json
from survbench.io.hashing import digest
from survbench.io.stored import read_stored
from survbench.runs.follow_up import FollowUp
from survbench.work.prepared import FEATURES, INPUTS, TRUTH, PreparedCohort

OUTCOMES = "outcomes.json"
"""The outcomes of all patients; jobs do not know the name."""


def subject_rows(
    source: SourceCohort, keys: Mapping[str, PatientKeys], tables: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the JSON rows of a cohort's patients: id, centre, the clinical columns that methods get, content keys.

    Args:
        source: the cohort.
        keys: of what is prepared of each patient, by id.
        tables: keys of the rows of the card's table of features, by id; empty without one.
    """
    allowed = {c.name for c in source.card.model_columns}
    return [
        {
            "id": s.id,
            "centre": s.centre,
            "clinical": {k: v for k, v in s.clinical.items() if k in allowed},
            "volumes": dict(keys[s.id].volumes),
            "radiomics": tables.get(s.id, keys[s.id].radiomics.get("mask")),
            # only where there is one: the fingerprints of other cohorts stay
            **({"group": s.group} if s.group else {}),
            **_structures(keys[s.id]),
        }
        for s in source.cohort.subjects
    ]


def _structures(keys: PatientKeys) -> dict[str, Any]:
    """Return what a row says of a patient's structures: pairs of name and key of the mask, which keep their order in
    JSON, and the keys of the features that were extracted.
    """
    if not keys.structures:
        return {}
    radiomics = {name: keys.radiomics[name] for name in keys.structures if name in keys.radiomics}
    masks = [[name, key] for name, key in keys.structures.items()]
    return {"structures": masks, "structure_radiomics": radiomics}


def write_prepared(
    out: Path, source: SourceCohort, rows: list[dict[str, Any]], *, write: bool = True
) -> PreparedCohort:
    """Write a prepared cohort's files and return it; the same content lands in the same folder.

    With ``write`` false nothing is written: for a plan that is only looked at.
    """
    cohort = source.cohort
    inputs = _inputs(source, rows)
    outcomes = {i: [float(t), bool(e)] for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True)}
    truth = None if cohort.truth is None else dict(zip(cohort.ids, map(float, cohort.truth), strict=True))
    prepared = PreparedCohort(out, digest([inputs, outcomes, truth]))
    if not write:
        return prepared
    prepared.folder.mkdir(parents=True, exist_ok=True)
    write_json(prepared.folder / INPUTS, inputs)
    write_json(prepared.folder / OUTCOMES, outcomes)
    if truth is not None:
        write_json(prepared.folder / TRUTH, truth)
    _write_features(prepared, source)
    return prepared


def write_unlabelled(out: Path, source: SourceCohort, rows: list[dict[str, Any]]) -> PreparedCohort:
    """Write the inputs of patients whose outcomes nobody knows, and return them as a prepared cohort."""
    inputs = _inputs(source, rows)
    prepared = PreparedCohort(out, digest(inputs))
    prepared.folder.mkdir(parents=True, exist_ok=True)
    write_json(prepared.folder / INPUTS, inputs)
    _write_features(prepared, source)
    return prepared


def _write_features(prepared: PreparedCohort, source: SourceCohort) -> None:
    """Write the cohort's own table of features, if it has one."""
    if source.cohort.features is not None:
        write_table(prepared.folder / FEATURES, source.cohort.ids, source.cohort.features)


def _inputs(source: SourceCohort, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "channels": list(source.cohort.channels),
        "clinical_columns": [
            {"name": c.name, "kind": c.kind, "levels": list(c.levels)} for c in source.card.model_columns
        ],
        "subjects": rows,
        **({"reference_centre": source.cohort.reference_centre} if source.cohort.reference_centre else {}),
    }


def read_follow_up(prepared: PreparedCohort) -> FollowUp:
    """Return the outcomes of all patients of a prepared cohort: for the process that starts jobs, which hands each job
    those that it may know.
    """
    return read_stored(
        prepared.folder / OUTCOMES,
        lambda raw: FollowUp({i: (float(time), bool(event)) for i, (time, event) in raw.items()}),
    )
