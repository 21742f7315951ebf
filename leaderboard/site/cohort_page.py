"""The page of an ingested cohort: a picture and the numbers of each patient, with outliers first."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from survbench.findings import Finding, Group, grouped
from survbench.leaderboard.site.assets import static, template
from survbench.statistics.outliers import FAR, FEWEST, modified_z

_LOWEST_LOG = 1e-6

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number per patient that is compared between patients.

    Attributes:
        name: its name in words.
        of: returns it from a record, or None if it is missing.
        log: whether to compare ratios instead of differences.
    """

    name: str
    of: Callable[[Record], float | None]
    log: bool = True


def _voxel(image: str) -> Callable[[Record], float | None]:
    return lambda record: float(np.prod(record[image]["spacing_mm"])) if image in record else None


MEASURES = (
    Measure("highest SUV", lambda record: record["pet"]["range"][1]),
    Measure("lowest HU", lambda record: record["ct"]["range"][0] if "ct" in record else None, log=False),
    Measure("volume of the mask", lambda record: record["mask"]["ml"]),
    Measure("voxel of the PET", _voxel("pet")),
    Measure("voxel of the CT", _voxel("ct")),
    Measure("time from injection to scan", lambda record: max(record["suv"]["delay_s"], default=None), log=False),
)


@dataclass(frozen=True, slots=True)
class PatientView:
    """A patient on the page.

    Attributes:
        id: the pseudonym.
        record: the patient's record.
        findings: findings of the checks, worst first.
        far: outlying measures with their modified z-scores, the furthest first.
        picture: a JPEG as a data URI; "" if there is none.
    """

    id: str
    record: Record
    findings: Sequence[Group]
    far: Sequence[tuple[str, float]]
    picture: str

    @property
    def rank(self) -> tuple[int, int, float, int, str]:
        """Sort key of patients: errors, warnings, outliers, notes, ids."""
        severe = [sum(g.first.severity == s for g in self.findings) for s in ("error", "warning")]
        furthest = max((abs(z) for _, z in self.far), default=0.0)
        return -severe[0], -severe[1], -furthest, -len(self.record["notes"]), self.id


def cohort_page(
    records: Mapping[str, Record],
    pictures: Mapping[str, Path],
    findings: Sequence[Finding],
    failed: Sequence[tuple[str, Sequence[str]]],
) -> str:
    """Return the page of a cohort as one self-contained file.

    Args:
        records: records of the written patients, by pseudonym.
        pictures: their picture files, by pseudonym.
        findings: findings of the checks about them.
        failed: causes, each with the pseudonyms of the patients that could not be read.
    """
    far = far_numbers(records)
    views = [
        PatientView(
            patient,
            record,
            grouped(f for f in findings if f.subject == patient),
            far.get(patient, ()),
            _embedded(pictures[patient]),
        )
        for patient, record in records.items()
    ]
    page: str = template("cohort.html.j2").render(
        patients=sorted(views, key=lambda view: view.rank),
        findings=grouped(findings),
        failed=failed,
        without_ct=sum("ct" not in record for record in records.values()),
        far=FAR,
        fewest=FEWEST,
        measures=[measure.name for measure in MEASURES],
        style=Markup(static("board.css", "cohort.css")),  # noqa: S704  # ours
    )
    return page


def far_numbers(records: Mapping[str, Record]) -> dict[str, list[tuple[str, float]]]:
    """Return each patient's outlying measures: pairs of the measure's name and its modified z-score.

    With fewer than eight patients there are no outliers; see :func:`~survbench.statistics.outliers.modified_z`.
    """
    found: dict[str, list[tuple[str, float]]] = {}
    for measure in MEASURES:
        known = {patient: value for patient, record in records.items() if (value := measure.of(record)) is not None}
        values = np.array([*known.values()], dtype=np.float64)
        for patient, z in zip(
            known, modified_z(np.log(np.maximum(values, _LOWEST_LOG)) if measure.log else values), strict=True
        ):
            if abs(z) >= FAR:
                found.setdefault(patient, []).append((measure.name, float(z)))
    return {patient: sorted(of, key=lambda one: -abs(one[1])) for patient, of in found.items()}


def by_cause(failed: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Group pairs of a patient and a cause by cause, and return causes with their patients, the most frequent first."""
    causes: dict[str, list[str]] = {}
    for patient, cause in failed:
        causes.setdefault(cause, []).append(patient)
    return sorted(((cause, sorted(patients)) for cause, patients in causes.items()), key=_most_first)


def _most_first(cause: tuple[str, Sequence[str]]) -> tuple[int, str]:
    return -len(cause[1]), cause[0]


def _embedded(path: Path) -> str:
    if not path.is_file():
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
