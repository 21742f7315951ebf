"""The study that a run belongs to: its cohorts and patients described, and its name, which follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from survbench.cohort import Cohort
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.cohorts.description import describe_patients
from survbench.datasets.cohorts.opened import Cohorts
from survbench.io.hashing import digest
from survbench.io.layout import SCHEMA
from survbench.plan.code_key import code_fingerprint
from survbench.plan.patient_description import PatientsDescription
from survbench.plan.planner import Plan
from survbench.plan.profile import Profile
from survbench.plan.protocol import Protocol
from survbench.plan.requirements import PlannedCohort
from survbench.plan.study import CohortDescription, Study
from survbench.runs.provenance import provenance


def described_study(
    cohorts: Cohorts, planned: Sequence[PlannedCohort], profile: Profile, protocol: Protocol, plan: Plan
) -> Study:
    """Return the study of a plan; the same cohorts, protocol and profile give the same name."""
    described = [_describe(s, p) for s, p in zip(cohorts.sources, planned, strict=True)]
    external = described[1] if len(described) > 1 else None
    # a setting at its default is not in the name: one that is added later makes no other study
    budget = profile.model_dump(mode="json", exclude_defaults=True)
    both = [each and each.model_dump(mode="json") for each in (described[0], external)]
    content = digest([SCHEMA, *both, protocol.to_json(), budget])
    return Study(
        name=f"{planned[0].name}-{profile.name}-{content[:8]}",
        cohort=described[0],
        external=external,
        protocol=protocol,
        profile=profile,
        provenance=provenance(),
        entries=plan.entries,
    )


def described_patients(cohorts: Cohorts, earlier: Study | None) -> dict[str, PatientsDescription]:
    """Describe the patients of the cohorts, with a fingerprint by which a description is known to be still true."""
    described: dict[str, PatientsDescription] = {}
    for role, source in zip(("cohort", "external"), cohorts.sources, strict=False):
        clinical = [[s.id, dict(s.clinical)] for s in source.cohort.subjects]
        columns = [column.model_dump(mode="json") for column in source.card.clinical]
        of = digest(
            [columns, clinical, _sorted_outcomes(source.cohort), code_fingerprint(describe_patients.__module__)]
        )
        known = earlier.patients.get(role) if earlier else None
        if known is None or known.of != of:
            known = describe_patients(source).model_copy(update={"of": of})
        described[role] = known
    return described


def _describe(source: SourceCohort, planned: PlannedCohort) -> CohortDescription:
    card, cohort = source.card, source.cohort
    # without extracted radiomics: a study is the same whichever methods were asked for first
    extracted = {"radiomics", "structure_radiomics"} if cohort.features is None else {"structure_radiomics"}
    return CohortDescription(
        name=card.name,
        title=card.title,
        endpoint=card.endpoint.name,
        patients=len(cohort),
        events=int(cohort.event.sum()),
        longest_months=float(cohort.time.max()),
        left_out=source.left_out,
        centres=len({s.centre for s in cohort.subjects}),
        channels=cohort.channels,
        grid=planned.grid,
        licence=card.licence,
        citation=card.citation,
        fingerprint=digest(
            [
                {i: _seen(row, extracted) for i, row in planned.rows.items()},
                planned.declared,
                sorted(map(list, _sorted_outcomes(cohort))),
            ]
        ),
    )


def _seen(row: Mapping[str, Any], extracted: Collection[str]) -> dict[str, Any]:
    """Return what a method could see in a patient's row. A structure that is the whole mask adds nothing: a card with
    one label has the study that it had before structures had names.
    """
    whole = [row["volumes"].get("mask")] == [key for _, key in row.get("structures", [])]
    return {k: v for k, v in row.items() if k not in extracted and not (k == "structures" and whole)}


def _sorted_outcomes(cohort: Cohort) -> list[tuple[str, float, bool]]:
    return sorted((i, float(t), bool(e)) for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True))
