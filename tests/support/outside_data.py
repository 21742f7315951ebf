"""Public data that tests use where they lie beside the project, because their licence or size keeps them out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
WHAT = {
    "deepsurv": "the METABRIC and WHAS tables of DeepSurv's authors",
    "dicom_pet": "a DICOM PET series of TCIA with its contours",
    "hn_petct": "the feature table of Head-Neck-PET-CT",
    "nsclc_pet": "the feature table of Carvalho 2018",
    "sts51": "the images of 51 sarcomas of TCIA",
}


def outside(name):
    """Return the folder of a data set; where it is absent, skip the test, or the module that asks as it is imported."""
    folder = FOLDER / name
    if not folder.is_dir():
        pytest.skip(
            f"needs {WHAT[name]} in {folder}; patients' data are not part of the project", allow_module_level=True
        )
    return folder
