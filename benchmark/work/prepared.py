"""A prepared cohort on disk: inputs by content key, outcomes and truth in files of their own.

A worker opens outcomes of test patients only after the method has predicted, so that what a method could search is
without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Need, Subject, UnlabelledCohort
from survbench.datasets.preprocessing.cache import volume_store
from survbench.features.extraction import radiomics_path, read_radiomics


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
                group=s.get("group", ""),
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
