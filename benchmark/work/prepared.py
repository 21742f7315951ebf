"""A prepared cohort on disk, as the process of a job may see it: inputs by content key, and the truth in a file of its
own. Outcomes are not part of it: a process is handed those that it may know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import ClinicalColumn, FeatureTable, Need, Subject, UnlabelledCohort
from survbench.datasets.preprocessing.cache import volume_store
from survbench.features.extraction import radiomics_path, read_radiomics, structure_column
from survbench.features.stored_table import StoredTable, read_table
from survbench.io.layout import COHORTS
from survbench.io.stored import read_stored

INPUTS, FEATURES, TRUTH = "inputs.json", "features.npz", "truth.json"
"""What methods may see of patients, their features where a table gives them, and the true hazard of simulated ones."""


@dataclass(frozen=True)
class PreparedCohort:
    """A cohort whose volumes and features lie in the cache; ``fingerprint`` hashes all of it.

    A file of inputs is parsed when it is first needed, and kept for as long as the cohort is.
    """

    out: Path
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where the cohort's files lie."""
        return self.out / COHORTS / self.fingerprint

    def inputs(self, ids: Iterable[str], needs: Iterable[Need]) -> UnlabelledCohort:
        """Return patients, in the order of ``ids``, with what ``needs`` names and nothing else."""
        allowed = frozenset(needs)
        chosen = [self._subjects[i] for i in ids]
        store = volume_store(self.out)
        channels = tuple(self._inputs["channels"]) if "images" in allowed else ()
        names = [*channels, *(["mask"] if "mask" in allowed else [])]
        subjects = tuple(
            Subject(
                id=s["id"],
                centre=s["centre"],
                clinical=s["clinical"],
                volumes={name: store.open(s["volumes"][name]) for name in names if name in s["volumes"]},
                group=s.get("group", ""),
                structures={name: store.open(key) for name, key in s.get("structures", [])}
                if "structures" in allowed
                else {},
            )
            for s in chosen
        )
        columns = tuple(
            ClinicalColumn(c["name"], c["kind"], tuple(c["levels"])) for c in self._inputs["clinical_columns"]
        )
        cohort = UnlabelledCohort(
            subjects=subjects,
            channels=channels,
            clinical_columns=columns,
            features=self._features(chosen, per_structure="structures" in allowed) if "radiomics" in allowed else None,
            truth=np.array([self._truth[s.id] for s in subjects], dtype=np.float64) if "truth" in allowed else None,
            reference_centre=self._inputs.get("reference_centre", ""),
        )
        return cohort.restrict(allowed)

    def _features(self, rows: Sequence[Mapping[str, Any]], *, per_structure: bool) -> FeatureTable:
        """Return the features of the tumour mask, and those of each structure behind them, named after it."""
        table = self._table.of([row["id"] for row in rows]) if self._table else self._of_mask(rows)
        if not rows or not per_structure:
            return table
        names, values = [*table.names], [table.values]
        for structure, _ in rows[0].get("structures", []):
            if structure in rows[0]["structure_radiomics"]:
                of_structure = self._radiomics.table([row["structure_radiomics"][structure] for row in rows])
                names += [structure_column(structure, name) for name in of_structure.names]
                values.append(of_structure.values)
        return FeatureTable(tuple(names), np.hstack(values))

    def _of_mask(self, rows: Sequence[Mapping[str, Any]]) -> FeatureTable:
        return self._radiomics.table([row["radiomics"] for row in rows])

    def centres(self, ids: Iterable[str]) -> list[str]:
        """Return the centres of patients."""
        return [self._subjects[i]["centre"] for i in ids]

    @cached_property
    def _inputs(self) -> dict[str, Any]:
        return read_stored(self.folder / INPUTS, dict)

    @cached_property
    def _subjects(self) -> dict[str, dict[str, Any]]:
        return {s["id"]: s for s in self._inputs["subjects"]}

    @cached_property
    def _truth(self) -> dict[str, float]:
        return read_stored(self.folder / TRUTH, dict)

    @cached_property
    def _table(self) -> StoredTable | None:
        path = self.folder / FEATURES
        return read_table(path) if path.exists() else None

    @cached_property
    def _radiomics(self) -> _Radiomics:
        return _Radiomics(self.out)


class _Radiomics:
    """Features of patients, by the keys of their files."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._names: tuple[str, ...] = ()
        self._rows: dict[str, NDArray[np.float64]] = {}

    def table(self, keys: Sequence[str]) -> FeatureTable:
        values = np.array([self._row(key) for key in keys], dtype=np.float64)
        return FeatureTable(self._names if keys else (), values)

    def _row(self, key: str) -> NDArray[np.float64]:
        if key not in self._rows:
            extraction = read_radiomics(self._out, key)
            if extraction is None:
                message = f"{radiomics_path(self._out, key)} is missing or damaged; run 'bench run' again to extract it"
                raise OSError(message)
            self._names = self._names or tuple(extraction.values)
            self._rows[key] = np.array([extraction.values[name] for name in self._names], dtype=np.float64)
        return self._rows[key]
