"""Write the embedded cohort as a folder like a hospital's, to try out cards and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from survbench.datasets.cards.source import SourceCohort
from survbench.io.csv_text import csv_text
from survbench.io.files import write_bytes, write_text
from survbench.io.nifti_file import nifti_bytes
from survbench.volume import Volume

IMAGES, TABLE = "images", "clinical.csv"
_DTYPES: dict[str, np.dtype[Any]] = {"pet": np.dtype("float32"), "ct": np.dtype("int16"), "mask": np.dtype("uint8")}


def write_folder(source: SourceCohort, folder: Path) -> None:
    """Write a cohort's images as NIfTI and its clinical table as CSV, without a card.

    Args:
        source: ``phantom`` or ``phantom-external``.
        folder: new folder for ``images/ID_pet.nii.gz`` (SUV), ``ID_ct`` (HU), ``ID_mask``, and ``clinical.csv``.

    Raises:
        FileExistsError: the folder exists.
    """
    cohort = source.cohort
    (folder / IMAGES).mkdir(parents=True)
    for subject in cohort.subjects:
        for name, volume in subject.volumes.items():
            _write(volume, _DTYPES[name], folder / IMAGES / f"{subject.id}_{name}.nii.gz")
    header = ["patient", *cohort.subjects[0].clinical, "pfs_months", "progression"]
    rows = [
        [s.id, *s.clinical.values(), float(months), "yes" if event else "no"]
        for s, months, event in zip(cohort.subjects, cohort.time.round(1), cohort.event, strict=True)
    ]
    write_text(folder / TABLE, csv_text(header, rows, rounded=False))


def _write(volume: Volume, dtype: np.dtype[Any], path: Path) -> None:
    voxels = volume.voxels()
    if np.issubdtype(dtype, np.integer):
        voxels = voxels.round()
    write_bytes(path, nifti_bytes(voxels.astype(dtype), volume.affine))
