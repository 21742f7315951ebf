"""A prepared cohort on disk: inputs by content key, outcomes and truth in files of their own.

A worker opens outcomes of test patients only after the method has predicted, so that what a method could search is
without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Need, Subject, UnlabelledCohort
from survbench.datasets.cache import VolumeStore
from survbench.datasets.source import SourceCohort
from survbench.features.radiomics import Extraction
from survbench.files import finite, write_json
from survbench.hashing import digest


@dataclass(frozen=True, slots=True)
class PreparedCohort:
    """A cohort whose volumes and features lie in the cache; ``fingerprint`` hashes all of it."""

    out: Path
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where the cohort's files lie."""
        return self.out / "cohorts" / self.fingerprint

    def inputs(self, ids: Iterable[str], needs: Iterable[Need]) -> UnlabelledCohort:
        """Return patients, in the order of ``ids``, with what ``needs`` names and nothing else."""
        allowed = frozenset(needs)
        raw = json.loads((self.folder / "inputs.json").read_text(encoding="utf-8"))
        by_id = {s["id"]: s for s in raw["subjects"]}
        chosen = [by_id[i] for i in ids]
        store = volume_store(self.out)
        channels = tuple(raw["channels"]) if "images" in allowed else ()
        names = [*channels, *(["mask"] if "mask" in allowed else [])]
        subjects = tuple(
            Subject(
                id=s["id"],
                centre=s["centre"],
                clinical=s["clinical"],
                volumes={name: store.open(s["volumes"][name]) for name in names if name in s["volumes"]},
            )
            for s in chosen
        )
        columns = tuple(ClinicalColumn(c["name"], c["kind"], tuple(c["levels"])) for c in raw["clinical_columns"])
        cohort = UnlabelledCohort(
            subjects=subjects,
            channels=channels,
            clinical_columns=columns,
            features=_features(self.out, [s["radiomics"] for s in chosen]) if "radiomics" in allowed else None,
            truth=self._truth(ids) if "truth" in allowed else None,
        )
        return cohort.restrict(allowed)

    def labelled(self, ids: Iterable[str], needs: Iterable[Need]) -> Cohort:
        """Return patients with outcomes, in the order of ``ids``."""
        ids = list(ids)
        inputs = self.inputs(ids, needs)
        time, event = self.outcomes(ids)
        return Cohort(
            subjects=inputs.subjects,
            channels=inputs.channels,
            clinical_columns=inputs.clinical_columns,
            features=inputs.features,
            truth=inputs.truth,
            time=time,
            event=event,
        )

    def outcomes(self, ids: Iterable[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return (time in months, event) of patients."""
        raw = json.loads((self.folder / "outcomes.json").read_text(encoding="utf-8"))
        rows = [raw[i] for i in ids]
        return np.array([r[0] for r in rows], dtype=np.float64), np.array([r[1] for r in rows], dtype=bool)

    def centres(self, ids: Iterable[str]) -> list[str]:
        """Return the centres of patients."""
        raw = json.loads((self.folder / "inputs.json").read_text(encoding="utf-8"))
        by_id = {s["id"]: s["centre"] for s in raw["subjects"]}
        return [by_id[i] for i in ids]

    def _truth(self, ids: Iterable[str]) -> NDArray[np.float64]:
        raw = json.loads((self.folder / "truth.json").read_text(encoding="utf-8"))
        return np.array([raw[i] for i in ids], dtype=np.float64)


def volume_store(out: Path) -> VolumeStore:
    """Return the store of preprocessed volumes under an output folder."""
    return VolumeStore(out / "cache" / "volumes")


def subject_rows(
    source: SourceCohort, volumes: Mapping[str, Mapping[str, str]], radiomics: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the JSON rows of a cohort's patients: id, centre, the clinical columns that methods get, content keys."""
    allowed = {c.name for c in source.card.model_columns}
    return [
        {
            "id": s.id,
            "centre": s.centre,
            "clinical": {k: v for k, v in s.clinical.items() if k in allowed},
            "volumes": dict(volumes[s.id]),
            "radiomics": radiomics.get(s.id),
        }
        for s in source.cohort.subjects
    ]


def write_prepared(
    out: Path, source: SourceCohort, rows: list[dict[str, Any]], *, write: bool = True
) -> PreparedCohort:
    """Write a prepared cohort's files and return it; the same content lands in the same folder.

    With ``write`` false nothing is written: for a plan that is only looked at.
    """
    cohort = source.cohort
    inputs = {
        "channels": list(cohort.channels),
        "clinical_columns": [
            {"name": c.name, "kind": c.kind, "levels": list(c.levels)} for c in source.card.model_columns
        ],
        "subjects": rows,
    }
    outcomes = {i: [float(t), bool(e)] for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True)}
    truth = None if cohort.truth is None else dict(zip(cohort.ids, map(float, cohort.truth), strict=True))
    prepared = PreparedCohort(out, digest([inputs, outcomes, truth]))
    if not write:
        return prepared
    prepared.folder.mkdir(parents=True, exist_ok=True)
    write_json(prepared.folder / "inputs.json", inputs)
    write_json(prepared.folder / "outcomes.json", outcomes)
    if truth is not None:
        write_json(prepared.folder / "truth.json", truth)
    return prepared


def radiomics_path(out: Path, key: str) -> Path:
    """Return where the features of one patient lie."""
    return out / "cache" / "radiomics" / key[:2] / f"{key}.json"


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A patient's row of a cohort's own table of features, and the key under which it is stored as radiomics are."""

    key: str
    values: Mapping[str, float]


def feature_rows(features: FeatureTable, ids: Iterable[str]) -> dict[str, FeatureRow]:
    """Return each patient's row of a table, by id; equal values have equal keys."""
    named = (dict(zip(features.names, row, strict=True)) for row in features.values.tolist())
    return {i: FeatureRow(digest(["table", _finite(row)]), row) for i, row in zip(ids, named, strict=True)}


def write_radiomics(out: Path, key: str, extraction: Extraction) -> None:
    """Store a patient's features; a non-finite one becomes null."""
    path = radiomics_path(out, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "values": _finite(extraction.values),
        "grey_levels": dict(extraction.grey_levels),
        "constant": list(extraction.constant),
        "margin": extraction.margin,
    }
    write_json(path, {"sha256": digest(content), "content": content})


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite(v) for name, v in values.items()}


def read_radiomics(out: Path, key: str) -> Extraction | None:
    """Return a patient's features, or None where they are not stored or damaged."""
    try:
        raw = json.loads(radiomics_path(out, key).read_text(encoding="utf-8"))
        content = raw["content"]
        intact = raw["sha256"] == digest(content)
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        return None
    if not intact:
        return None
    values = {name: np.nan if v is None else v for name, v in content["values"].items()}
    return Extraction(values, content["grey_levels"], tuple(content["constant"]), content["margin"])


def _features(out: Path, keys: list[str]) -> FeatureTable:
    rows: list[Mapping[str, float]] = []
    for key in keys:
        extraction = read_radiomics(out, key)
        if extraction is None:
            message = f"{radiomics_path(out, key)} is missing or damaged; run 'bench run' again to extract it"
            raise OSError(message)
        rows.append(extraction.values)
    names = tuple(rows[0]) if rows else ()
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    return FeatureTable(names, values)
