"""Requirements on a cohort and its external cohort together: what must agree, and what must not be shared."""

from __future__ import annotations

from survbench.cohort import ClinicalColumn
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort, offers
from survbench.datasets.checks.external import OtherEndpoint, of_patients, of_predictors
from survbench.datasets.checks.images import same_data
from survbench.datasets.checks.time_units import of_outcomes
from survbench.errors import BenchError
from survbench.findings import CohortError, Finding


def refuse_duplicates(first: SourceCohort, other: SourceCohort) -> None:
    """Refuse two cohorts that share an image or a row of features, because a model would be tested on training data.

    Raises:
        CohortError: all pairs of patients with the same data.
    """
    findings = list(same_data([(source.card.name, source.cohort) for source in (first, other)]))
    if findings:
        raise CohortError("Two patients have identical data:", findings)


def refuse_different(first: SourceCohort, other: SourceCohort) -> None:
    """Refuse an external cohort whose channels, structures, features or clinical columns differ from the cohort's.

    Raises:
        BenchError: the first difference.
    """
    if other.cohort.channels != first.cohort.channels:
        raise BenchError(
            f"Cohort {first.card.name!r} has channels {first.cohort.channels}, external cohort "
            f"{other.card.name!r} has {other.cohort.channels}. Both need the same channels in the same order."
        )
    kinds = [{n: c.modality for n, c in source.card.images.items()} for source in (first, other)]
    if kinds[0] != kinds[1]:
        raise BenchError(
            f"Cohort {first.card.name!r} has modalities {kinds[0]}, external cohort {other.card.name!r} has "
            f"{kinds[1]}. Both need the same modalities."
        )
    if first.card.structures and other.card.structures:
        _refuse_different_structures(first.card, other.card)
    names = [set(s.cohort.features.names) if s.cohort.features else set() for s in (first, other)]
    if names[0] != names[1] and all("radiomics" in offers(s) for s in (first, other)):
        only = sorted(names[0] ^ names[1])
        raise BenchError(
            f"Cohort {first.card.name!r} and external cohort {other.card.name!r} give methods different features, "
            f"{len(only)} in only one of them ({', '.join(only[:5])}{', ...' if len(only) > 5 else ''}). "
            "Declare the same columns under 'features' on both cards, or on neither."
        )
    if first.template is None and other.template is not None:
        raise BenchError(
            f"External cohort {other.card.name!r} is registered to a template, cohort {first.card.name!r} is not. "
            "Declare 'registration' on the card of the cohort, whose template serves both, or on neither."
        )
    mine, theirs = ({_column(c) for c in source.cohort.clinical_columns} for source in (first, other))
    if mine != theirs:
        sides = [
            f"{card.name!r}: {', '.join(_declared(c) for c in sorted(only)) or 'no other column'}"
            for card, only in ((first.card, mine - theirs), (other.card, theirs - mine))
        ]
        raise BenchError(
            "The cohort and the external cohort give methods different clinical columns; only "
            f"{' and only '.join(sides)}. Declare the same columns with model: true, of the same kind and levels, on "
            "both cards."
        )


def _refuse_different_structures(first: CohortCard, other: CohortCard) -> None:
    """Refuse masks of other structures, or of which methods see another one; the voxel values may differ."""
    shown = [f"{', '.join(sorted(card.structures))} (use: {card.mask.use})" for card in (first, other) if card.mask]
    if shown[0] != shown[1]:
        raise BenchError(
            f"The mask of cohort {first.name!r} has structures {shown[0]}, that of external cohort {other.name!r} "
            f"{shown[1]}. Give the same names under mask.labels, and the same mask.use, on both cards."
        )


def differences(first: SourceCohort, other: SourceCohort) -> list[Finding]:
    """Return differences between an external cohort and the cohort that do not rule out using them together, and the
    patients who are in both.
    """
    found = [*of_patients(first, other), *of_predictors(first, other), *of_outcomes(first, other)]
    endpoints = [source.card.endpoint.name for source in (first, other)]
    if endpoints[0].casefold() != endpoints[1].casefold():
        cause = f"The external cohort's endpoint is {endpoints[1]}, the cohort's {endpoints[0]}."
        found.append(OtherEndpoint.finding(cause))
    return found


def _column(column: ClinicalColumn) -> tuple[str, str, tuple[str, ...]]:
    """Return what two cards must declare alike; the order of levels matters only in an ordinal column."""
    levels = tuple(sorted(column.levels)) if column.kind == "categorical" else column.levels
    return column.name, column.kind, levels


def _declared(column: tuple[str, str, tuple[str, ...]]) -> str:
    name, kind, levels = column
    return f"{name} ({kind}{': ' if levels else ''}{', '.join(levels)})"
