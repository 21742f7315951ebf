"""The file of a prepared cohort that holds the features of all its patients, where a table gives them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import FeatureTable
from survbench.features.extraction import json_values
from survbench.io.arrays import read_arrays
from survbench.io.files import write_bytes
from survbench.io.hashing import digest


@dataclass(frozen=True, slots=True)
class StoredTable:
    """Features of patients.

    Attributes:
        places: the row of each patient, by id.
        features: of all patients.
    """

    places: Mapping[str, int]
    features: FeatureTable

    @property
    def keys(self) -> dict[str, str]:
        """The content key of each patient's features, by id."""
        return dict(zip(self.places, row_keys(self.features), strict=True))

    def of(self, ids: Sequence[str]) -> FeatureTable:
        """Return the features of some patients, in the order of ``ids``; without patients, no features."""
        if not ids:
            return FeatureTable((), np.empty((0, 0)))
        return FeatureTable(self.features.names, self.features.values[[self.places[i] for i in ids]])


def row_keys(features: FeatureTable) -> list[str]:
    """Return the content key of each row of a table; equal values have equal keys."""
    named = (dict(zip(features.names, row.tolist(), strict=True)) for row in features.values)
    return [digest(["table", json_values(row)]) for row in named]


def write_table(path: Path, ids: Sequence[str], features: FeatureTable) -> None:
    """Write the features of the patients ``ids``; the archive holds a checksum of each of its parts."""
    buffer = io.BytesIO()
    np.savez(buffer, ids=_text(ids), names=_text(features.names), values=features.values)
    write_bytes(path, buffer.getvalue())


def read_table(path: Path) -> StoredTable:
    """Read what :func:`write_table` wrote.

    Raises:
        OSError: the file is missing or damaged.
    """
    try:
        ids, names, values = read_arrays(path, "ids", "names", "values")
        if values.shape != (len(ids), len(names)):
            raise OSError(f"{path} is damaged (its parts do not belong together)")
    except OSError as error:
        raise OSError(f"{error}; run 'bench run' again to write it") from error
    places = {name: n for n, name in enumerate(ids.tolist())}
    return StoredTable(places, FeatureTable(tuple(names.tolist()), values))


def _text(words: Sequence[str]) -> NDArray[np.str_]:
    return np.array(words, dtype=np.str_)
