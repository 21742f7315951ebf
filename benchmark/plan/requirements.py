"""What a cohort offers, and what a method needs that it does not offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from survbench.api import MethodInfo
from survbench.cohort import Cohort, Need
from survbench.plan.patients import Patients


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCohort:
    """What the planner must know of a prepared cohort.

    Attributes:
        name: the card's name.
        fingerprint: of the prepared cohort.
        rows: prepared row of each patient, by id (and ``truth`` where it is known).
        cohort: the patients with outcomes.
        offers: what methods can be given.
        declared: ``channels``, ``clinical_columns`` and ``reference_centre`` as the card has them.
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


REMEDY: Mapping[str, str] = {
    "images": "the cohort has no images",
    "mask": "the cohort has no tumour masks",
    "structures": "the card names no structures of the mask (mask.labels)",
    "clinical": "the card gives no clinical column to methods (model: true)",
    "radiomics": "the card gives no table of features, and radiomics of images needs masks too",
    "centres": "all patients are of one centre, or the card names no column of centres",
    "truth": "only simulated cohorts have a true hazard",
}


def missing_for(info: MethodInfo, cohort: PlannedCohort, upstreams: Mapping[str, MethodInfo]) -> list[str]:
    """Return what a method needs to fit and predict and a cohort does not have, in words; empty where it can run.

    Clinical columns are optional for a method that needs other things too: without them it gets none.
    """
    return _missing(info, cohort, upstreams, fits=True)


def missing_to_predict(
    info: MethodInfo, cohort: PlannedCohort, upstreams: Mapping[str, MethodInfo], train: PlannedCohort
) -> list[str]:
    """Return what a method that was fitted on ``train`` needs to predict and an external cohort does not have, as
    :func:`missing_for` does.

    A mask that is needed for fitting alone may be absent there. Centres need not be several, but known.
    """
    missing = _missing(info, cohort, upstreams, fits=False)
    if "centres" in info.needs_predict and not train.cohort.reference_centre:
        new = sorted(_centres(cohort) - _centres(train))
        if new:
            missing.append(
                f"needs centres that it was fitted on, not {', '.join(new)}: the card of {train.name} names no "
                "reference_centre"
            )
    return missing


def _centres(cohort: PlannedCohort) -> set[str]:
    return {s.centre for s in cohort.cohort.subjects}


def _missing(info: MethodInfo, cohort: PlannedCohort, upstreams: Mapping[str, MethodInfo], *, fits: bool) -> list[str]:
    if info.upstream:
        above = _missing(upstreams[info.upstream], cohort, upstreams, fits=fits)
        if above:
            return [f"its upstream method {info.upstream} {' and '.join(above)}"]
    needs = (info.needs_predict - {"centres"} | (info.needs_fit if fits else frozenset())) - {"upstream"}
    optional = {"clinical"} if needs > {"clinical"} else set()
    absent = sorted(needs - cohort.offers - optional)
    have = {v.modality for s in cohort.cohort.subjects[:1] for v in s.volumes.values()}
    modalities = sorted(info.modalities - have)
    return [f"needs {n}: {REMEDY[n]}" for n in absent] + [f"needs a {m} channel" for m in modalities]
